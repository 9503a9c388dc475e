"""Pages where keys are needed: what visitors see, and signing in."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import Served

pytestmark = pytest.mark.ui


def test_a_visitor_finds_a_start_time_and_is_led_to_sign_in_for_the_rest(
    keyed_server: Served, page: Page
) -> None:
    page.goto(keyed_server.url)
    expect(page.locator("#best-answer .hero")).to_contain_text("Start")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.get_by_role("link", name="New job")).to_have_count(0)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("heading", name="Key needed")).to_be_visible()
    page.locator("main").get_by_role("link", name="Sign in").click()
    page.get_by_label("Key", exact=True).fill("not-a-key")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".error")).to_contain_text("unknown or was revoked")
    page.get_by_label("Key", exact=True).fill("a-key-only-tests-know")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{keyed_server.url}/jobs")
    expect(page.locator(".tools")).to_contain_text("ada (operator)")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
