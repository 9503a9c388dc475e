"""Codecs: what is written fits the published schemas, what strangers write is understood, and both belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beckn import context
from beckn.context import BUYER_ACTIONS
from beckn.dialects import CODECS
from beckn.faults import Refused
from beckn.model import (
    Change,
    Dialect,
    Discover,
    Envelope,
    GridEvent,
    Order,
    Party,
    Reference,
    Shown,
)
from models.domain.market import P415_REASON, WATERMARK, ContractState, WindowKind
from models.domain.signal import Quality
from tests.support import beckn_schemas
from tests.support.deals import NOW, a_contract, a_window
from tests.support.shared import shared_path

SELLER = Party("flex.example", "https://flex.example/beckn")
FILES = {
    Dialect.LTS: beckn_schemas.LTS,
    Dialect.RC1: beckn_schemas.RC1,
    Dialect.V1: beckn_schemas.V1,
}
KINDS = list(WindowKind)
STATES = list(ContractState)


def envelope(dialect: Dialect, action: str, domain: str = "") -> Envelope:
    return Envelope(
        dialect=dialect,
        action=action,
        bap_id="bap.example",
        bap_uri="https://bap.example/beckn",
        bpp_id="flex.example",
        bpp_uri="https://flex.example/beckn",
        transaction_id="9a0b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d",
        message_id="11111111-2222-4333-8444-555555555501",
        timestamp=NOW,
        network_id="example.org/gb-flex" if dialect is Dialect.LTS else "",
        domain=domain or ("" if dialect is Dialect.LTS else "flexibility"),
    )


def whole(dialect: Dialect, action: str, message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"context": context.write(envelope(dialect, action)), "message": message, **more}


@pytest.mark.parametrize("dialect", list(FILES))
def test_every_catalogue_fits_the_published_schema(dialect: Dialect) -> None:
    action = f"on_{BUYER_ACTIONS[dialect][0]}"
    windows = [a_window(kind) for kind in KINDS] + [a_window(quality=Quality.SIMULATED)]
    for chosen in (windows, []):
        message = CODECS[dialect].catalog(chosen, SELLER, None)
        assert beckn_schemas.problems(FILES[dialect], action, whole(dialect, action, message)) == []


@pytest.mark.parametrize("dialect", list(FILES))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", STATES)
def test_every_contract_fits_the_published_schema_in_every_callback_and_request(
    dialect: Dialect, kind: WindowKind, state: ContractState
) -> None:
    codec = CODECS[dialect]
    held = a_contract(state, a_window(kind, quality=Quality.SIMULATED), job_id="job-1")
    shown = Shown(held, SELLER)
    for action in ("select", "init", "confirm", "status", "update", "cancel"):
        answer = whole(dialect, f"on_{action}", codec.contract(f"on_{action}", shown))
        assert beckn_schemas.problems(FILES[dialect], f"on_{action}", answer) == []
        request = whole(dialect, action, codec.order(action, shown))
        asked_for_unnamed = dialect is Dialect.LTS and state is ContractState.REQUESTED
        if asked_for_unnamed and action in {"status", "cancel"}:
            continue  # nobody asks for the status of what has no name yet
        assert beckn_schemas.problems(FILES[dialect], action, request) == []


@pytest.mark.parametrize("dialect", list(FILES))
def test_minor_answers_and_errors_fit_the_published_schema(dialect: Dialect) -> None:
    codec, file = CODECS[dialect], FILES[dialect]
    shown = Shown(a_contract(ContractState.RUNNING), SELLER)
    for asked in BUYER_ACTIONS[dialect]:
        action = f"on_{asked}"
        if asked in {"track", "support", "rate", "rating"}:
            for known in (shown, None):
                message = codec.minor(action, "order-1", known, SELLER)
                found = beckn_schemas.problems(file, action, whole(dialect, action, message))
                assert found == [], action
        error = codec.error(Refused("BIZ_ORDER_NOT_FOUND", "no such order", "$.message"))
        echo = codec.order(asked, shown) if asked in {"select", "init", "confirm", "status"} else {}
        if asked in {"track", "support"} and dialect is Dialect.LTS:
            echo = codec.minor(action, "order-1", None, SELLER)
        message = whole(dialect, action, codec.failed(action, echo), error=error)
        assert beckn_schemas.problems(file, action, message) == [], action


@pytest.mark.parametrize("dialect", list(FILES))
def test_the_published_schemas_do_find_fault(dialect: Dialect) -> None:
    codec = CODECS[dialect]
    message = whole(
        dialect, "on_confirm", codec.contract("on_confirm", Shown(a_contract(), SELLER))
    )
    for spoilt in (
        {**message, "context": {**message["context"], "action": "on_select"}},
        {"context": message["context"], "message": {"contract": {}, "order": {"status": "ODD"}}},
    ):
        assert beckn_schemas.problems(FILES[dialect], "on_confirm", spoilt) != []


def test_our_own_discovery_fits_the_published_schema() -> None:
    for dialect, action in [(Dialect.LTS, "discover"), (Dialect.V1, "search")]:
        for words, expression in [("", ""), ("London", "$[?(@.id == 'x')]")]:
            message = whole(dialect, action, CODECS[dialect].search(words, expression))
            assert beckn_schemas.problems(FILES[dialect], action, message) == []


def test_acks_and_nacks_of_the_current_line_fit_their_schemas() -> None:
    codec = CODECS[Dialect.LTS]
    refused = Refused("CTX_TTL_EXPIRED", "too late", "$.context.ttl")
    ident = "11111111-2222-4333-8444-555555555501"
    assert beckn_schemas.answer_problems("Ack", codec.ack(ident, "", NOW)) == []
    for name in (ident, "unreadable"):
        assert beckn_schemas.answer_problems("NackBadRequest", codec.nack(name, refused)) == []


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("kind", KINDS)
def test_a_window_written_in_a_dialect_is_read_back_by_the_other_side(
    dialect: Dialect, kind: WindowKind
) -> None:
    codec = CODECS[dialect]
    window = a_window(kind, asset_id="", owner="", peer_id=SELLER.subscriber_id)
    action = f"on_{BUYER_ACTIONS[dialect][0]}"
    told = codec.told(action, codec.catalog([window], SELLER, None), None)
    assert told.windows == (window,)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_contract_written_in_a_dialect_is_read_back_by_both_sides(dialect: Dialect) -> None:
    codec = CODECS[dialect]
    held = a_contract(ContractState.CONFIRMED, job_id="job-7")
    shown = Shown(held, SELLER)
    told = codec.told("on_confirm", codec.contract("on_confirm", shown), None)
    assert (told.state, told.item_id) == ("ACTIVE", held.window.slot_id)
    assert told.order_id == held.contract_id
    assert told.quantity_kw == pytest.approx(100.0)
    assert told.price_gbp_per_kwh == pytest.approx(0.12)
    asked = codec.ask("init", codec.order("init", shown))
    assert isinstance(asked, Order)
    assert (asked.item_id, asked.job_id) == (held.window.slot_id, "job-7")
    assert asked.quantity_kw == pytest.approx(100.0)
    # 100 kW for 2 h at £0.12: £24, or the price itself where the dialect has only that.
    if asked.value_gbp is not None:
        assert asked.value_gbp == pytest.approx(24.0)
    else:
        assert asked.price_gbp_per_kwh == pytest.approx(0.12)


def test_an_increase_is_not_called_a_reduction() -> None:
    for kind, word in [(WindowKind.TURN_DOWN, "Reduction"), (WindowKind.TURN_UP, "Increase")]:
        held = a_contract(ContractState.CONFIRMED, a_window(kind))
        text = json.dumps(CODECS[Dialect.RC1].contract("on_confirm", Shown(held, SELLER)))
        other = "Increase" if word == "Reduction" else "Reduction"
        assert f'"beckn:committed{word}": 100.0' in text
        assert f"beckn:committed{other}" not in text


@pytest.mark.parametrize("dialect", list(Dialect))
def test_simulated_windows_carry_the_watermark_and_p415_stays_null_with_its_reason(
    dialect: Dialect,
) -> None:
    text = json.dumps(CODECS[dialect].catalog([a_window(quality=Quality.SIMULATED)], SELLER, None))
    assert WATERMARK in text
    assert "SIMULATED" in text
    assert P415_REASON in text
    assert "asset-1" not in text


def samples() -> list[Path]:
    return sorted(
        path
        for path in shared_path("beckn/samples").rglob("*.json")
        if "validation" not in path.name
    )


def test_every_official_sample_is_understood_in_its_dialect() -> None:
    seen = dict.fromkeys(Dialect, 0)
    for path in samples():
        message = json.loads(path.read_text(encoding="utf-8"))
        action = message["context"]["action"]
        if action.startswith("catalog/"):
            continue  # goes to a cataloguing service, which we are not
        read = context.read(message, action)
        codec = CODECS[read.dialect]
        seen[read.dialect] += 1
        if action.startswith("on_"):
            codec.told(action, message["message"], message.get("error"))
        else:
            asked = codec.ask(action, message["message"])
            assert isinstance(asked, (Discover, Order, Reference, Change)), path.name
        folder = path.relative_to(shared_path("beckn/samples")).parts[0]
        expected = {"rc1": Dialect.RC1, "v1.": Dialect.V1}.get(folder[:3], Dialect.LTS)
        assert read.dialect is expected, path
    # 11 + 12 of the current line, 15 + 9 of rc1, 10 + 19 of version 1; two are for a cataloguing service.
    assert seen == {Dialect.LTS: 23, Dialect.RC1: 24, Dialect.V1: 29}


def test_official_windows_that_name_no_region_of_ours_are_left_out() -> None:
    path = shared_path("beckn/samples/rc1-demand-flexibility/1.discover/on_discover-response.json")
    told = CODECS[Dialect.RC1].told("on_discover", json.loads(path.read_text())["message"], None)
    assert told.windows == ()  # they name no region of ours, so none can be used


def test_the_grid_event_of_the_official_sample_is_read() -> None:
    path = "beckn/samples/rc1-compute-energy/3.fulfilment/1.on_update-shift-confirmation.json"
    message = json.loads(shared_path(path).read_text(encoding="utf-8"))["message"]
    event = CODECS[Dialect.RC1].told("on_update", message, None).event
    assert event is not None
    assert (event.carbon_g_per_kwh, event.price_gbp_per_kwh) == (280.0, 0.132)


@pytest.mark.parametrize(
    ("dialect", "action", "message"),
    [
        (Dialect.LTS, "select", {}),
        (Dialect.LTS, "select", {"contract": []}),
        (Dialect.LTS, "select", {"contract": {"commitments": []}}),
        (Dialect.LTS, "init", {"contract": {"commitments": [{"resources": [{"id": 5}]}]}}),
        (Dialect.LTS, "status", {"contract": {"commitments": [{}]}}),
        (Dialect.LTS, "discover", {"intent": {"filters": {"type": "xpath", "expression": "/"}}}),
        (Dialect.RC1, "confirm", {"order": {"beckn:orderItems": []}}),
        (Dialect.RC1, "status", {}),
        (Dialect.V1, "init", {"order": {"items": [{}]}}),
        (Dialect.V1, "cancel", {"order_id": "x" * 300}),
    ],
)
def test_messages_without_what_matters_are_refused_by_their_schema(
    dialect: Dialect, action: str, message: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as refused:
        CODECS[dialect].ask(action, message)
    assert refused.value.code.startswith("SCH_")


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("kind", KINDS)
def test_news_of_the_grid_fit_the_published_schema_and_are_read_by_the_other_side(
    dialect: Dialect, kind: WindowKind
) -> None:
    event = GridEvent("e-1", "carbon_spike", "it rose", 180.0, previous_carbon_g_per_kwh=150.0)
    shown = Shown(a_contract(ContractState.CONFIRMED, a_window(kind)), SELLER, event)
    message = CODECS[dialect].contract("on_update", shown)
    if dialect in FILES:
        sent = whole(dialect, "on_update", message)
        assert beckn_schemas.problems(FILES[dialect], "on_update", sent) == []
    told = CODECS[dialect].told("on_update", message, None).event
    assert told is not None
    assert (told.event_id, told.event_type, told.message) == ("e-1", "carbon_spike", "it rose")
    assert told.carbon_g_per_kwh == 180.0
    quiet = CODECS[dialect].contract("on_update", Shown(shown.contract, SELLER))
    assert CODECS[dialect].told("on_update", quiet, None).event is None
