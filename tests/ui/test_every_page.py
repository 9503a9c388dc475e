"""Every page in light, dark and at 320 px: accessible, within the window, and a picture to look at."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.ui.conftest import Served, violations
from web.auth import OPEN_CALLER

pytestmark = pytest.mark.ui

STILL = (
    "/",
    "/?region=london&hours=4&ready_by=2026-11-22T09:00#best-window",
    "/?region=london&hours=x&ready_by=",
    "/submit-job",
    "/jobs",
    "/jobs?q=nothing-is-called-this",
    "/routines",
    "/notices",
    "/clusters",
    "/clusters/{asset}",
    "/grid",
    "/grid?show=price&ahead=12",
    "/grid/london",
    "/grid/gb",
    "/beckn-slots",
    "/beckn-slots?region=london&kind=compute_window&hours=24&from=2026-11-22T00:00",
    "/beckn-slots?from=never",
    "/records",
    "/records/backtests",
    "/records/decisions/{decision}",
    "/plans/{plan}",
    "/what-if",
    "/what-if?carbon_price=0",
    "/what-if?carbon_price=x",
    "/jobs/{scheduled}",
    "/jobs/{refused}",
    "/jobs/{scheduled}/slots",
    "/jobs/{scheduled}/slots?start=2026-11-22T02:10&cluster={asset}",
    "/jobs/{scheduled}/slots?start=never&cluster=none",
    "/jobs/{refused}/slots",
    "/sign-in",
    "/no-such-page",
)
"""Every page; what stands in braces is looked up in the demo."""

LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 640}, "color_scheme": "light"},
}
"""Windows pages are looked at in."""


@pytest.fixture(scope="session")
def names(demo_server: Served) -> dict[str, str]:
    """Look up ids in the demo that stand in paths."""
    from models.domain.job import JobStatus
    from models.domain.ports import JobFilter

    use = demo_server.services

    def first(status: JobStatus) -> str:
        return str(
            use.jobs(OPEN_CALLER, JobFilter(statuses=frozenset({status}))).items[0].job.job_id
        )

    return {
        "scheduled": first(JobStatus.SCHEDULED),
        "refused": first(JobStatus.REFUSED),
        "asset": use.assets(OPEN_CALLER).items[0].asset_id,
        "plan": use.negotiations(OPEN_CALLER).items[0].negotiation_id,
        "decision": use.decisions(OPEN_CALLER).items[0].event_id,
    }


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_and_fits_its_window(
    look: str,
    demo_server: Served,
    names: dict[str, str],
    browser: Browser,
    axe: Axe,
) -> None:
    wanted = os.environ.get("HALFHOUR_TEST_SCREENSHOTS")
    folder = Path(wanted) if wanted else None
    context = browser.new_context(locale="en-GB", timezone_id="Europe/London", **LOOKS[look])
    page = context.new_page()
    wrong: list[str] = []
    for pattern in STILL:
        path = pattern.format(**names)
        answer = page.goto(demo_server.url + path)
        assert answer is not None
        assert answer.status == (404 if pattern == "/no-such-page" else 200), path
        wrong += [f"{look} {path}: {text}" for text in violations(axe, page)]
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > page.evaluate("window.innerWidth"):
            wrong.append(f"{look} {path}: {wide} px wide")
        if folder is not None:
            name = re.sub(r"[^a-z0-9]+", "_", pattern.lower()).strip("_") or "schedule"
            page.screenshot(path=str(folder / f"{name[:50]}_{look}.png"), full_page=True)
    context.close()
    assert not wrong, "\n".join(wrong)


def test_open_details_are_accessible_too(
    demo_server: Served, names: dict[str, str], page: Page, axe: Axe
) -> None:
    wrong: list[str] = []
    for pattern in ("/", "/submit-job", "/jobs/{scheduled}", "/jobs/{scheduled}/slots", "/records"):
        page.goto(demo_server.url + pattern.format(**names))
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        wrong += [f"{pattern}: {text}" for text in violations(axe, page)]
    assert not wrong, "\n".join(wrong)


def test_the_theme_is_remembered_with_and_without_scripts(
    demo_server: Served, page: Page, page_without_scripts: Page
) -> None:
    for opened in (page, page_without_scripts):
        opened.goto(f"{demo_server.url}/grid")
        opened.get_by_role("button", name="Dark").click()
        opened.goto(f"{demo_server.url}/jobs")
        assert opened.locator("html").get_attribute("data-theme") == "dark"
        opened.get_by_role("button", name="System").click()
        opened.goto(f"{demo_server.url}/jobs")
        assert opened.locator("html").get_attribute("data-theme") is None


def test_text_at_four_times_its_size_stays_readable(demo_server: Served, browser: Browser) -> None:
    # A window of 1280 px at 400 % zoom is 320 CSS px wide at a device scale of 4.
    context = browser.new_context(viewport={"width": 320, "height": 256}, device_scale_factor=4)
    page = context.new_page()
    for path in ("/", "/submit-job", "/jobs", "/records"):
        page.goto(demo_server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    context.close()


def test_targets_are_at_least_24_pixels(demo_server: Served, page: Page) -> None:
    for path in ("/", "/submit-job", "/clusters", "/grid"):
        page.goto(demo_server.url + path)
        small = page.evaluate(
            """() => [...document.querySelectorAll('button, select, input:not([type=hidden]), summary, nav a, .button, .tiles a')]
              .filter((e) => e.offsetParent !== null && (e.type !== 'checkbox'))
              .map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
              .filter(([, r]) => r.width < 24 || r.height < 24)
              .map(([h, r]) => `${h} ${r.width}x${r.height}`)"""
        )
        assert small == [], path
