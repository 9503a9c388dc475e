"""The market on a demo of its own: windows for a job, and contracts of every kind, in light, dark and at 320 px."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from models.domain.market import Contract, DealRefused, WindowKind
from models.domain.ports import JobFilter
from services.market import Wanted, needs_of
from tests.ui.conftest import Served, _serve, violations
from tests.ui.test_every_page import LOOKS
from web.auth import OPEN_CALLER

pytestmark = pytest.mark.ui


@dataclass(frozen=True)
class Sold:
    """A demo with contracts, and a job that is still free."""

    served: Served
    contracts: dict[WindowKind, Contract]
    job: Any


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sold]:
    for served in _serve(tmp_path_factory.mktemp("market")):
        use = served.services
        use.load_demo(OPEN_CALLER)
        contracts = {}
        for kind in (WindowKind.TURN_DOWN, WindowKind.COMPUTE):
            contracts[kind] = first_sold(use, kind)
        free = [job for job in open_jobs(use) if job.pinned_start is None]
        yield Sold(served, contracts, max(free, key=lambda job: max(job.slot_power_kw())))


def open_jobs(use: Any) -> list[Any]:
    """Return jobs that may be moved, as the page offers them."""
    views = use.jobs(OPEN_CALLER, JobFilter(), limit=200).items
    waiting = {view.job.job_id for view in views if str(view.status) == "scheduled"}
    return [job for job in use.open_jobs_for_after(OPEN_CALLER) if job.job_id in waiting]


def first_sold(use: Any, kind: WindowKind) -> Contract:
    """Return a contract over the first window of a kind that can be had, for the first job it fits."""
    assets = use.assets(OPEN_CALLER, limit=200).items
    jobs = open_jobs(use) if kind is WindowKind.COMPUTE else [None]
    for job in jobs:
        wanted = Wanted(kind=kind, needs=needs_of(job, assets) if job else None)
        for window in use.market.search(OPEN_CALLER, wanted).windows[:12]:
            try:
                made: Contract = use.market.confirm(
                    OPEN_CALLER, window.slot_id, job.job_id if job else None
                )
            except DealRefused:
                continue
            return made
    raise AssertionError(f"no {kind} could be had")


@pytest.mark.parametrize("look", LOOKS)
def test_contracts_and_the_market_for_a_job_are_accessible_and_fit_their_window(
    look: str, sold: Sold, browser: Browser, axe: Axe
) -> None:
    wanted = os.environ.get("HALFHOUR_TEST_SCREENSHOTS")
    context = browser.new_context(locale="en-GB", timezone_id="Europe/London", **LOOKS[look])
    page = context.new_page()
    wrong: list[str] = []
    paths = {
        "market": "/beckn-slots",
        "market_job": f"/beckn-slots?job={sold.job.job_id}",
        "market_small": f"/beckn-slots?job={sold.job.job_id}&small=1&kind=compute_window",
        **{
            f"contract_{kind}": f"/beckn-slots/contracts/{held.contract_id}"
            for kind, held in sold.contracts.items()
        },
    }
    for name, path in paths.items():
        answer = page.goto(sold.served.url + path)
        assert answer is not None
        assert answer.status == 200
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        wrong += [f"{look} {path}: {text}" for text in violations(axe, page)]
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > page.evaluate("window.innerWidth"):
            wrong.append(f"{look} {path}: {wide} px wide")
        # Every instant on a page is a London one; UTC stands only in the machine-readable attribute.
        text = page.inner_text("main")
        if name.startswith("contract"):
            assert "capacity kept until" in text
            assert "00Z" not in text
        if wanted:
            page.screenshot(path=str(Path(wanted) / f"{name}_{look}.png"), full_page=True)
    context.close()
    assert not wrong, "\n".join(wrong)


def test_windows_too_small_for_a_job_come_back_with_a_tick_and_without_scripts(
    sold: Sold, page_without_scripts: Page
) -> None:
    page = page_without_scripts
    page.goto(f"{sold.served.url}/beckn-slots")
    page.get_by_label("For the job").select_option(sold.job.job_id)
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("not shown: too little power or too few hours")).to_be_visible()
    expect(page.get_by_text("too small:")).to_have_count(0)
    page.get_by_label("Also windows too small for it").check()
    page.get_by_label("What", exact=True).select_option("compute_window")
    page.get_by_role("button", name="Filter").click()
    assert page.get_by_text("too small:").count() > 0
    expect(page.get_by_text("not shown: too little power")).to_have_count(0)
