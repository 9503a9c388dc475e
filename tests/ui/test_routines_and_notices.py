"""Routines and notices in a browser: what is listed, ending a routine, and every look of both pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from models.domain.routine import Every
from services import notices
from services.routines import RoutineDraft
from services.types import AssetDraft, JobDraft
from tests.ui.conftest import Served, violations
from tests.ui.test_every_page import LOOKS
from web.auth import OPEN_CALLER

pytestmark = pytest.mark.ui


@pytest.fixture
def busy_server(empty_server: Served) -> Served:
    """Serve an installation with a routine, and with a job that is refused and told of."""
    use = empty_server.services
    use.create_asset(OPEN_CALLER, AssetDraft(region="london", max_power_kw=50.0, name="Rack"))
    job = {"duration": timedelta(hours=2), "estimated_power_kw": 6.0, "job_name": "nightly run"}
    draft = RoutineDraft(
        Every.WEEKDAY, 18, 0, timedelta(hours=14), job, routine_id="nightly", copies=2
    )
    use.create_routine(OPEN_CALLER, draft)
    dear = JobDraft(
        duration=timedelta(hours=2),
        latest_finish=use.context.clock.now() + timedelta(hours=20),
        estimated_power_kw=6.0,
        job_name="too dear",
        max_price_gbp_per_kwh=0.0001,
    )
    use.submit_and_plan(OPEN_CALLER, dear)
    notices.note(use.context)  # unless the program's own loop was faster
    assert len(use.notices(OPEN_CALLER).items) == 1
    return empty_server


@pytest.mark.parametrize("look", LOOKS)
def test_both_pages_are_accessible_and_fit_their_window(
    look: str, busy_server: Served, browser: Browser, axe: Axe
) -> None:
    context = browser.new_context(locale="en-GB", timezone_id="Europe/London", **LOOKS[look])
    page = context.new_page()
    for path, row in (("/routines", "nightly run"), ("/notices", "too dear")):
        page.goto(busy_server.url + path)
        expect(page.locator("tbody")).to_contain_text(row)
        assert violations(axe, page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


def test_routines_are_found_from_the_jobs_and_ended_without_scripts(
    busy_server: Served, page_without_scripts: Page
) -> None:
    page = page_without_scripts
    page.goto(f"{busy_server.url}/jobs")
    page.get_by_role("link", name="Routines").click()
    row = page.get_by_role("row").filter(has_text="nightly run")
    expect(row).to_contain_text("Monday to Friday from 18:00, done within 14 h, 2 jobs each time")
    # It is Saturday 21 November, 10:07; Monday 18:00 is more than 48 hours away.
    expect(row.locator("time")).to_have_text("Mon 23 Nov 18:00")
    expect(row).to_contain_text("0 jobs so far")
    row.get_by_role("button", name="End nightly run").click()
    expect(page.locator(".flash")).to_contain_text("nightly is ended")
    expect(page.locator(".empty")).to_contain_text("No routine yet")
    assert busy_server.services.routines(OPEN_CALLER) == ()


def test_a_notice_leads_to_its_job(busy_server: Served, page: Page) -> None:
    page.goto(f"{busy_server.url}/jobs")
    page.get_by_role("link", name="Notices").click()
    row = page.get_by_role("row").filter(has_text="too dear")
    expect(row).to_contain_text("Refused.")
    row.get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("too dear")
