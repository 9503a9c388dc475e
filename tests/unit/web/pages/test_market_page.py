"""The market's pages over a fake market: what is filtered, what a button takes and from whom, and how a contract reads."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from flask.testing import FlaskClient

from models.domain.exchange import Message
from models.domain.market import ContractState, Move, WindowKind
from services.market import ContractDetail, Needs, Wanted
from services.protocol import Identity
from tests.support.deals import NOW, a_contract, a_window
from tests.support.edge import whole_app
from tests.support.fake_market import FakeMarket
from tests.support.fake_services import FakeServices
from web.views.formatting import kilowatts
from web.views.market_view import contract_view, row_id
from web.views.stamps import in_london

HTML = {"Accept": "text/html"}


@pytest.fixture
def browser(services: FakeServices) -> FlaskClient:
    return whole_app(services).test_client()


def market(services: FakeServices) -> FakeMarket:
    return cast(FakeMarket, services.market)


def post(client: FlaskClient, **fields: str):  # type: ignore[no-untyped-def]
    page = client.get("/beckn-slots", headers=HTML).text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    data = {"csrf_token": found[1], **fields}
    return client.post("/beckn-slots", data=data, headers=HTML)


def test_the_filter_is_the_bar_of_the_jobs_page_and_keeps_what_was_asked(
    browser: FlaskClient, services: FakeServices
) -> None:
    asked = "region=london&kind=turn_down&hours=12&from=2026-11-21T20:00"
    page = browser.get(f"/beckn-slots?{asked}", headers=HTML).text
    form = re.search(r'<form method="get".*?</form>', page, re.DOTALL)
    assert form is not None
    assert 'class="fields across' in form[0]
    for kept in ('value="london" selected', 'value="turn_down" selected', 'value="12" selected',
                 'value="2026-11-21T20:00"', "Show all"):  # fmt: skip
        assert kept in form[0]
    # 20:00 in London in November is 20:00 UTC.
    evening = datetime(2026, 11, 21, 20, tzinfo=UTC)
    assert market(services).wanted == Wanted("london", 12, WindowKind.TURN_DOWN, not_before=evening)
    plain = browser.get("/beckn-slots", headers=HTML).text
    assert "Show all" not in plain


@pytest.mark.parametrize("text", ["never", "2026-13-01T00:00", "<script>"])
def test_a_time_that_cannot_be_read_is_answered_in_words(browser: FlaskClient, text: str) -> None:
    page = browser.get("/beckn-slots", query_string={"from": text}, headers=HTML)
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert "<script>" not in page.text


def test_every_bar_leads_to_its_row(browser: FlaskClient, services: FakeServices) -> None:
    page = browser.get("/beckn-slots", headers=HTML).text
    bars = re.findall(r'<g data-href="#(w-[0-9a-f]{12})">', page)
    rows = re.findall(r'<tr id="(w-[0-9a-f]{12})"', page)
    assert bars
    assert set(bars) <= set(rows)
    assert rows == [row_id(window) for window in market(services).windows]


def test_a_button_takes_a_window_of_ours_for_the_chosen_job(
    browser: FlaskClient, services: FakeServices
) -> None:
    window = market(services).windows[0]
    answer = post(browser, action="confirm", choice=f" {window.slot_id}", job_id="scheduled-job")
    assert answer.status_code == 303
    assert "/beckn-slots/contracts/" in answer.headers["Location"]
    assert market(services).asked == [("confirm", window.slot_id, "scheduled-job")]


def test_a_window_of_another_is_taken_from_the_seller_its_row_names(
    browser: FlaskClient, services: FakeServices
) -> None:
    use = market(services)
    use.named = Identity("flex.example", "https://flex.example/beckn", "k1", "", "")
    use.others = (
        a_window(slot_id="a b", peer_id="grid.example"),
        a_window(WindowKind.TURN_DOWN, slot_id="td", peer_id="grid.example"),
        a_window(slot_id="far", peer_id="grid.example", region="yorkshire"),
    )
    page = browser.get("/beckn-slots?region=london", headers=HTML).text
    assert 'value="grid.example a b"' in page
    assert "not bought here" in page  # flexibility of others
    assert "grid.example far" not in page  # the filter holds for others too
    post(browser, action="take", choice="grid.example a b", job_id="scheduled-job")
    assert use.asked == [("take", "a b", "scheduled-job", "grid.example")]
    post(browser, action="take", choice="grid.example a b")
    assert "Choose the job" in browser.get("/beckn-slots", headers=HTML).text
    assert len(use.asked) == 1


def test_a_contract_shows_its_life_what_delivers_it_and_its_raw_messages() -> None:
    held = a_contract(ContractState.HELD, a_window(WindowKind.TURN_DOWN))
    held = held.moved(ContractState.HELD, NOW, "capacity kept", moves=(
        Move("job-1", NOW + timedelta(hours=4), NOW + timedelta(hours=9), "hall", 30.0, 1.25),
    ))  # fmt: skip
    messages = (
        Message("in", "buyer.example", "init", "t", "m", NOW, "lts", b'{"a":1}', status=200,
                answer=b'{"b":2}'),
        Message("out", "buyer.example", "on_init", "t", "m", NOW, "lts", b"not json"),
    )  # fmt: skip
    page = contract_view(ContractDetail(held, messages), NOW)
    assert [(step.state.word, step.what) for step in page.steps] == [("held", "capacity kept")]
    (move,) = page.moves
    assert (move.job_id, move.power, move.extra) == ("job-1", "30 kW", "£1.25")
    assert ("Kept until", "12:10") in [(name, text[-5:]) for name, text in page.facts]
    received, sent = page.messages
    assert (received.action, received.way, received.answered) == (
        "init",
        "received",
        "answered 200",
    )
    assert received.body == '{\n "a": 1\n}'
    assert (sent.way, sent.answered, sent.body, sent.answer) == (
        "sent", "not answered yet", "not json", "",
    )  # fmt: skip


def test_windows_too_small_for_the_chosen_job_are_hidden_counted_and_shown_on_demand(
    browser: FlaskClient, services: FakeServices
) -> None:
    use = market(services)
    job = services.jobs_by_id["scheduled-job"]
    hours = job.duration.total_seconds() / 3600.0
    kw = max(job.slot_power_kw()) * services.assets_by_id[job.asset_id].pue  # at the meter
    long_enough = NOW + timedelta(hours=4 + hours)
    whole = a_window(slot_id="whole", end=long_enough, capacity_kw=kw, asset_id="")
    weak = a_window(slot_id="weak", end=long_enough, capacity_kw=kw - 1, asset_id="")
    short = a_window(slot_id="short", end=long_enough - timedelta(minutes=30), asset_id="")
    down = a_window(WindowKind.TURN_DOWN, slot_id="down", capacity_kw=1.0)
    use.windows = (weak, short, whole, down)
    page = browser.get("/beckn-slots?job=scheduled-job", headers=HTML).text
    assert re.findall(r'name="choice" value=" (\w+)"', page) == ["whole", "down"]
    assert "2 windows are not shown" in page
    assert 'name="job_id" value="scheduled-job"' in page
    link = re.search(r'<a href="(/beckn-slots[^"]*small=1[^"]*)">Show them too', page)
    assert link is not None
    every = browser.get(link[1].replace("&amp;", "&"), headers=HTML).text
    assert re.findall(r'name="choice" value=" (\w+)"', every) == ["whole", "down"]
    assert f"too small: {kilowatts(kw - 1)} of {kilowatts(kw)}" in every
    assert f"too small: {hours - 0.5:g} h of {hours:g} h" in every
    assert "not shown" not in every
    # Those that fit stand above those that do not.
    rows = re.findall(r'<tr id="(w-[0-9a-f]{12})"', every)
    assert rows == [row_id(window) for window in (whole, down, weak, short)]
    nobody = browser.get("/beckn-slots?job=nothing", headers=HTML).text
    assert "not shown" not in nobody


def test_a_job_needs_its_power_at_the_meter_of_the_windows_cluster() -> None:
    # 100 kW IT are 130 kW at a PUE of 1.3, and 120 kW where the window is another party's and the job's own cluster has 1.2.
    needs = Needs(it_kw=100.0, hours=2.0, pue={"asset-1": 1.3}, usual_pue=1.2)
    assert needs.is_met(a_window(capacity_kw=130.0))
    assert not needs.is_met(a_window(capacity_kw=129.9))
    assert needs.is_met(a_window(capacity_kw=120.0, asset_id="", peer_id="grid.example"))
    assert not needs.is_met(a_window(end=NOW + timedelta(hours=5, minutes=30)))
    assert needs.is_met(a_window(WindowKind.TURN_UP, capacity_kw=1.0))


def test_times_in_the_life_of_a_contract_are_london_times() -> None:
    # In July London is an hour ahead of UTC.
    july = datetime(2026, 7, 1, 12, tzinfo=UTC)
    held = a_contract(ContractState.HELD).moved(
        ContractState.HELD, july, "capacity kept until 2026-07-01T12:10:00Z"
    )
    (step,) = contract_view(ContractDetail(held, ()), july).steps
    assert step.what == "capacity kept until Wed 1 Jul 13:10"
    assert step.at.iso == "2026-07-01T12:00:00Z"
    assert in_london("no 2026-13-01T12:00Z, and 9999", july) == "no 2026-13-01T12:00Z, and 9999"
