"""The Energy Agent publishes what it knows once, with where it was read."""

from __future__ import annotations

from agents import energy_agent
from agents.messages import SignalsPublished
from agents.view import EnergyAgentView
from models.domain.signal import (
    Provenance,
    Quality,
    RegionSignals,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import Horizon
from tests.support.fleet import NOON, an_asset

HORIZON = Horizon(NOON, 4)
LIVE = Provenance("carbon source", "/c", ValueKind.FORECAST, Quality.LIVE, None, NOON)
STALE = Provenance("tariff", "/p", ValueKind.TARIFF, Quality.STALE, None, NOON, note="an old day")
GUESS = Provenance("own estimate", "", ValueKind.ESTIMATE, Quality.ESTIMATED, None, NOON)


def a_view(prices: SignalSeries, first_open: int = 0) -> EnergyAgentView:
    carbon = SignalSeries.of(SignalName.CARBON, "london", HORIZON, [100.0] * 4, LIVE)
    signals = {"london": RegionSignals("london", HORIZON, carbon, prices)}
    return EnergyAgentView((an_asset(),), signals, HORIZON, first_open, {}, None)


def published(view: EnergyAgentView) -> SignalsPublished:
    (said,) = energy_agent.respond(view, ())
    assert isinstance(said, SignalsPublished)
    return said


def half_published() -> SignalSeries:
    nan = float("nan")
    known = SignalSeries.of(SignalName.PRICE, "london", HORIZON, [0.1, 0.1, nan, nan], STALE)
    return known.filled_from(SignalSeries.of(SignalName.PRICE, "london", HORIZON, [0.2] * 4, GUESS))


def test_signals_come_with_their_sources_worst_quality_and_how_much_is_published() -> None:
    said = published(a_view(half_published()))
    assert said.sources == (
        "carbon source · forecast · live · retrieved 2026-11-21T12:00:00Z",
        "own estimate · estimate · estimated · retrieved 2026-11-21T12:00:00Z",
        "tariff · tariff · stale · retrieved 2026-11-21T12:00:00Z (an old day)",
    )
    # Own estimates far ahead do not count while anything is published.
    assert said.data_quality == "stale"
    # Prices of two of four half-hours are published.
    assert said.known_share == 0.5


def test_only_half_hours_still_ahead_count() -> None:
    said = published(a_view(half_published(), first_open=2))
    assert said.known_share == 0.0
    assert [line.split(" · ")[0] for line in said.sources] == ["carbon source", "own estimate"]


def test_nothing_known_has_no_quality() -> None:
    assert energy_agent.quality_of([]) is Quality.NONE
    assert energy_agent.quality_of([GUESS]) is Quality.ESTIMATED


def test_signals_are_published_once() -> None:
    view = a_view(half_published())
    assert energy_agent.respond(view, (published(view),)) == ()
