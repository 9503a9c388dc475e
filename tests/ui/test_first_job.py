"""From an empty installation to the first planned job: by mouse, by keyboard, without scripts."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import Served

pytestmark = pytest.mark.ui


def test_a_stranger_plans_the_first_job_with_two_fields_and_two_clicks(
    empty_server: Served, page: Page
) -> None:
    began = time.monotonic()
    page.goto(empty_server.url)
    page.get_by_role("link", name="New job").click()
    page.get_by_label("How long does it run?").fill("4")
    page.get_by_label("Power", exact=True).fill("20")
    page.get_by_role("button", name="Plan this job").click()
    expect(page.locator(".hero")).to_contain_text("Runs")
    expect(page.get_by_role("heading", name="Why this slot")).to_be_visible()
    expect(page.locator(".state").first).to_have_text("planned")
    assert time.monotonic() - began < 60
    # What the form promised: a cluster named "My cluster" in the default region, with the job's power.
    page.get_by_role("link", name="Clusters").click()
    expect(page.get_by_role("link", name="My cluster")).to_be_visible()
    expect(page.locator("main")).to_contain_text("London · 20 kW")


def test_a_stranger_gets_a_start_time_without_typing_or_clicking(
    empty_server: Served, page: Page
) -> None:
    page.goto(empty_server.url)
    answer = page.locator("#best-answer")
    expect(answer.locator(".hero")).to_contain_text("Start")
    expect(answer.locator("code").first).to_have_text(
        re.compile(r"sbatch --begin=2026-11-2\dT\d\d:[03]0:00.*")
    )
    expect(answer.get_by_role("row", name=re.compile("Runner-up"))).to_be_visible()


def test_the_estimate_follows_what_is_typed_and_books_nothing(
    empty_server: Served, page: Page
) -> None:
    page.goto(f"{empty_server.url}/submit-job")
    page.get_by_label("How long does it run?").fill("3")
    page.get_by_label("or GPU model").select_option("H100-SXM5")
    page.get_by_label("how many", exact=True).fill("8")
    estimate = page.locator("#estimate")
    expect(estimate.locator(".hero")).to_be_visible()
    # 8 × (75 + 625 × 0.85) W / (8 × 700 W / 10.2 kW) = 8.83 kW.
    expect(estimate).to_contain_text("8.83 kW")
    expect(estimate).to_contain_text("Nothing is booked yet")
    page.goto(f"{empty_server.url}/jobs")
    expect(page.locator("main")).to_contain_text("No jobs yet")


def test_the_first_job_can_be_planned_by_keyboard_alone(empty_server: Served, page: Page) -> None:
    page.goto(f"{empty_server.url}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    _tab_to(page, "New job")
    page.keyboard.press("Enter")
    page.wait_for_url("**/submit-job")
    _tab_to_id(page, "duration_hours")
    page.keyboard.type("2")
    _tab_to_id(page, "estimated_power_kw")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Why this slot")).to_be_visible()


def _tab_to(page: Page, text: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == text:
            return
    raise AssertionError(f"no amount of Tab reaches {text!r}")


def _tab_to_id(page: Page, wanted: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == wanted:
            return
    raise AssertionError(f"no amount of Tab reaches #{wanted}")


def test_the_first_job_can_be_planned_without_scripts(
    empty_server: Served, page_without_scripts: Page
) -> None:
    page = page_without_scripts
    page.goto(empty_server.url)
    expect(page.locator("#best-answer .hero")).to_contain_text("Start")
    page.get_by_label("How long, in hours").fill("2")
    page.get_by_role("button", name="Find a start").click()
    expect(page.locator("#best-answer")).to_contain_text("2 h at")
    page.get_by_role("link", name="New job").click()
    page.get_by_label("How long does it run?").fill("1:30")
    page.get_by_label("Power", exact=True).fill("7.5")
    page.get_by_role("button", name="Show estimate").click()
    expect(page.locator("#estimate .hero")).to_be_visible()
    expect(page.get_by_label("Power", exact=True)).to_have_value("7.5")
    page.get_by_role("button", name="Plan this job").click()
    expect(page.get_by_role("heading", name="Why this slot")).to_be_visible()
    expect(page.locator(".facts").first).to_contain_text("1 h 30 min")


def test_wrong_fields_are_summed_up_on_top_and_keep_what_was_typed(
    empty_server: Served, page: Page
) -> None:
    page.goto(f"{empty_server.url}/submit-job")
    page.get_by_label("How long does it run?").fill("forever")
    page.get_by_label("Power", exact=True).fill("-3")
    page.get_by_role("button", name="Plan this job").click()
    summary = page.locator("#errors")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("“forever” is not a length")
    expect(summary).to_contain_text("0.001 to 100,000 kW")
    expect(page.get_by_label("How long does it run?")).to_have_value("forever")
    expect(page.get_by_label("How long does it run?")).to_have_attribute("aria-invalid", "true")
    summary.get_by_role("link", name=re.compile("Power")).click()
    expect(page.get_by_label("Power", exact=True)).to_be_focused()


def test_a_window_that_is_too_short_is_named_with_its_cure(
    empty_server: Served, page: Page
) -> None:
    page.goto(f"{empty_server.url}/submit-job")
    page.get_by_label("How long does it run?").fill("30")
    page.get_by_label("Power", exact=True).fill("5")
    page.get_by_role("button", name="Plan this job").click()
    # From Sat 10:07 to Sun 09:00 there are less than 23 hours.
    expect(page.locator("#errors")).to_be_visible()
    expect(page.locator("#errors")).to_contain_text("30")
