"""What a user does to a planned job, in a browser."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from services.types import AssetDraft, JobDraft
from tests.ui.conftest import Served, violations
from web.auth import OPEN_CALLER

pytestmark = pytest.mark.ui


@pytest.fixture
def job_url(empty_server: Served) -> str:
    """Plan a job of 4 h and 20 kW that has until Sunday 18:00, and return where its page is."""
    from datetime import UTC, datetime, timedelta

    use = empty_server.services
    use.create_asset(OPEN_CALLER, AssetDraft(region="london", max_power_kw=50.0, name="Rack"))
    draft = JobDraft(
        duration=timedelta(hours=4),
        latest_finish=datetime(2026, 11, 22, 18, tzinfo=UTC),
        estimated_power_kw=20.0,
        job_name="nightly",
        earliest_start=datetime(2026, 11, 21, 16, tzinfo=UTC),
    )
    (view,) = use.submit_and_plan(OPEN_CALLER, draft)
    return f"{empty_server.url}/jobs/{view.job.job_id}"


def test_pin_and_unpin(job_url: str, page: Page) -> None:
    page.goto(job_url)
    page.get_by_role("button", name="Pin here").click()
    expect(page.locator(".flash")).to_contain_text("keeps this start")
    expect(page.locator(".state").first).to_have_text("planned, pinned")
    page.get_by_role("button", name="Unpin").click()
    expect(page.locator(".state").first).to_have_text("planned")


def test_hold_and_release(job_url: str, page: Page) -> None:
    page.goto(job_url)
    page.get_by_role("button", name="Hold").click()
    expect(page.locator(".state").first).to_have_text("held")
    page.get_by_role("button", name="Release").click()
    expect(page.locator(".state").first).to_have_text("planned")


def test_cancel_can_be_undone(job_url: str, page: Page) -> None:
    page.goto(job_url)
    page.get_by_role("button", name="Cancel job").click()
    expect(page.locator(".state").first).to_have_text("cancelled")
    page.get_by_role("button", name="Undo cancel").click()
    expect(page.locator(".state").first).to_have_text("planned")


def test_another_slot_is_chosen_with_its_price_and_pinned(job_url: str, page: Page) -> None:
    page.goto(job_url)
    page.get_by_role("link", name="Choose another slot").click()
    second = page.locator("table").first.locator("tbody tr").nth(1)
    expect(second).to_contain_text("worse")
    start = second.locator("time").first.get_attribute("datetime")
    second.get_by_role("button").click()
    expect(page.locator(".state").first).to_have_text("planned, pinned")
    expect(page.locator(".hero time").first).to_have_attribute("datetime", start or "")


def test_run_now_takes_the_next_half_hour(job_url: str, page: Page) -> None:
    page.goto(job_url)
    page.get_by_role("button", name="Run now").click()
    # The clock stands at 10:07 and the job was asked for from 16:00: running now overrides that wish or says why not.
    expect(page.locator(".flash")).to_be_visible()


def test_the_records_behind_a_job_open_by_keyboard(job_url: str, page: Page) -> None:
    page.goto(job_url)
    page.get_by_text("How the agents agreed").focus()
    page.keyboard.press("Enter")
    talk = page.locator(".talk")
    expect(talk).to_contain_text("Energy Agent")
    expect(talk).to_contain_text("Policy Agent")
    expect(talk).to_contain_text("Job Agent")
    page.get_by_role("link", name="The whole plan of this negotiation").click()
    expect(page.get_by_role("heading", name="Certificate")).to_be_visible()
    expect(
        page.get_by_role("region", name="Jobs of this plan").get_by_role("link", name="nightly")
    ).to_be_visible()


def test_a_refusal_offers_a_checked_change_and_one_click_applies_it(
    empty_server: Served, page: Page
) -> None:
    page.goto(f"{empty_server.url}/submit-job")
    page.get_by_label("How long does it run?").fill("2")
    page.get_by_label("Power", exact=True).fill("10")
    page.get_by_text("Limits and repeat").click()
    page.get_by_label("Carbon cap, mean over the run").fill("1")
    page.get_by_role("button", name="Plan this job").click()
    expect(page.get_by_role("heading", name="Refused: its carbon cap")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Nothing was booked.")
    page.get_by_role("button", name="Use this").first.click()
    expect(page.locator(".state").first).to_have_text("planned")


def test_a_cluster_is_added_changed_and_retired(empty_server: Served, page: Page) -> None:
    page.goto(f"{empty_server.url}/clusters")
    page.get_by_label("Name").fill("Shed")
    page.get_by_label("Region").select_option("yorkshire")
    page.get_by_label("Most power, kW").fill("12")
    page.get_by_role("button", name="Add cluster").click()
    page.get_by_role("link", name="Shed").click()
    page.get_by_label("Most power, kW").fill("15")
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator(".lead")).to_contain_text("Yorkshire, 15 kW")
    page.get_by_role("button", name="Retire this cluster").click()
    expect(page.locator("main")).to_contain_text("No cluster yet")


def test_limits_of_a_clusters_power_are_added_and_removed(
    empty_server: Served, page: Page, axe: Axe
) -> None:
    page.goto(f"{empty_server.url}/clusters")
    page.get_by_label("Name").fill("Shed")
    page.get_by_label("Region").select_option("yorkshire")
    page.get_by_label("Most power, kW").fill("12")
    page.get_by_role("button", name="Add cluster").click()
    page.get_by_role("link", name="Shed").click()
    page.get_by_text("Limit it at some times of day").click()
    page.get_by_role("button", name="Add this daily limit").click()
    expect(page.get_by_role("alert")).to_contain_text("The limit cannot be added yet")
    page.locator("#daily_kw").fill("5")
    page.get_by_label("From, time of day").fill("16:00")
    page.get_by_label("To, time of day").fill("19:00")
    page.get_by_label("Days").select_option(label="Monday to Friday")
    page.locator("#daily_reason").fill("contracted peak")
    page.get_by_role("button", name="Add this daily limit").click()
    told = "At most 5 kW Monday to Friday from 16:00 to 19:00 London time (contracted peak)"
    expect(page.locator(".limits")).to_contain_text(told)
    page.get_by_text("Limit it once").click()
    page.locator("#once_kw").fill("0")
    page.locator("#once_start").fill("2026-11-28T08:00")
    page.locator("#once_end").fill("2026-11-28T12:00")
    page.get_by_role("button", name="Add this limit").click()
    expect(page.locator(".limits li")).to_have_count(2)
    assert violations(axe, page) == []
    page.get_by_role("button", name="Remove the limit “At most 5 kW").click()
    expect(page.locator(".limits li")).to_have_count(1)
    expect(page.locator(".limits")).to_contain_text("No power from Sat 28 Nov 08:00")
