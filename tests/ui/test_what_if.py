"""The What-if page in a browser: presets, slider, and without scripts."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.ui.conftest import Served, violations

pytestmark = pytest.mark.ui


def test_the_slider_plans_again_and_prints_pounds_a_tonne(
    demo_server: Served, page: Page, axe: Axe
) -> None:
    page.goto(f"{demo_server.url}/")
    page.get_by_role("link", name="what if it were another value?").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What if carbon counted differently?")
    slider = page.get_by_label("Pounds a tonne")
    slider.fill("1000")
    expect(page.locator("#carbon-price-text")).to_have_text("£1,000/t")
    expect(page.get_by_role("heading", name="At £1,000/t")).to_be_visible()
    assert violations(axe, page) == []


def test_presets_and_the_button_work_without_scripts(
    demo_server: Served, page_without_scripts: Page
) -> None:
    page = page_without_scripts
    page.goto(f"{demo_server.url}/what-if")
    page.get_by_role("link", name="Cost only, £0/t").click()
    expect(page.get_by_role("heading", name="At £0/t")).to_be_visible()
    expect(page.locator("#carbon-price-text")).to_have_text("£0/t")
    page.get_by_label("Pounds a tonne").fill("500")
    page.get_by_role("button", name="Plan again").click()
    expect(page.get_by_role("heading", name="At £500/t")).to_be_visible()
    expect(page.get_by_role("img", name="Carbon against cost")).to_be_visible()
