"""The signal service: what it fetches when, what it answers, and what a failing provider does to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from models.domain.errors import InvalidRequest
from models.domain.ports import SignalBatch
from models.domain.regions import REGIONS
from models.domain.signal import Quality, SignalName, ValueKind
from models.domain.time import Horizon, floor_slot
from services.signal_refresh import GridSource
from services.signals import SignalService, SignalSettings
from tests.support.fake_signals import (
    SATURDAY_1540,
    FakeCarbon,
    FakePrices,
    HealthUow,
    MemoryLeases,
    Stopwatch,
)
from tests.support.fakes import FixedClock, MemorySignalStore
from tests.support.fleet import an_asset


@dataclass
class Bench:
    """A service with everything around it in reach."""

    mode: str = "live"
    carbon: FakeCarbon = field(default_factory=FakeCarbon)
    price: FakePrices = field(default_factory=FakePrices)
    clock: FixedClock = field(default_factory=lambda: FixedClock(SATURDAY_1540))
    store: MemorySignalStore = field(default_factory=MemorySignalStore)
    uow: HealthUow = field(default_factory=HealthUow)
    leases: MemoryLeases | None = None
    timer: Stopwatch = field(default_factory=Stopwatch)
    regions: tuple[str, ...] = ("london",)

    def service(self, holder: str = "one") -> SignalService:
        simulated_carbon = FakeCarbon("simulated", "simulated grid", 50.0)
        simulated_price = FakePrices("simulated", "simulated grid", 0.05)
        return SignalService(
            SignalSettings(mode=self.mode, regions=self.regions),
            {
                "live": GridSource(self.carbon, self.price),
                "simulated": GridSource(simulated_carbon, simulated_price),
            },
            self.store,
            self.uow,
            self.clock,
            leases=self.leases,
            holder=holder,
            monotonic=self.timer,
            pause=self.timer.pause,
        )

    def move(self, **delta: float) -> None:
        """Move the planning clock and the system timer alike."""
        step = timedelta(**delta)
        self.clock.instant += step
        self.timer.seconds += step.total_seconds()

    def here(self, slots: int = 96) -> Horizon:
        return Horizon(floor_slot(self.clock.instant), slots)


def asked(carbon: FakeCarbon) -> list[str]:
    return [what for what, _ in carbon.asked]


# --- what a view says -------------------------------------------------------------------------


def test_a_view_has_published_values_first_and_own_estimates_beyond() -> None:
    bench = Bench()
    service = bench.service()
    service.refresh()
    known = service.view(["london"], bench.here(192))["london"]
    # Carbon: 96 half-hours of forecast. Prices: 15:30 to 23:00 is 15 half-hours.
    assert known.carbon.quality_over(range(96)) is Quality.LIVE
    assert known.carbon.quality_over([96]) is Quality.ESTIMATED
    assert known.price.known_until() == datetime(2026, 11, 21, 23, tzinfo=UTC)
    assert known.price.quality_over(range(15)) is Quality.LIVE
    assert known.price.estimated_share(range(192)) == pytest.approx((192 - 15) / 192)
    assert known.price.values == pytest.approx([0.20] * 192)


def test_estimates_of_carbon_weigh_the_past_and_the_forecast() -> None:
    bench = Bench()
    service = bench.service()
    service.refresh()
    # Past values are 50 for the 24 h before 15:30, the forecast is 100 on two days: (50 + 100 + 100) / 3.
    known = service.view(["london"], bench.here(192))["london"]
    made = known.carbon.at(100)
    assert made.value == pytest.approx(250 / 3)
    assert made.provenance is not None
    assert made.provenance.note.endswith("n = 3")
    assert made.provenance.source == "own estimate"


def test_past_half_hours_are_as_published_and_never_estimated() -> None:
    bench = Bench()
    service = bench.service()
    service.refresh()
    start = floor_slot(SATURDAY_1540) - timedelta(days=2)
    past = service.view(["london"], Horizon(start, 96))["london"]
    # Only the last 24 h of carbon were fetched; nothing is made up for the day before.
    assert past.carbon.is_known.tolist() == [False] * 48 + [True] * 48
    assert past.carbon.at(95).provenance.kind is ValueKind.ACTUAL  # type: ignore[union-attr]
    assert past.price.is_known.all()
    assert past.price.estimated_share(range(96)) == 0


def test_a_view_far_in_the_past_comes_from_the_archive_itself() -> None:
    bench = Bench()
    service = bench.service()
    service.refresh()
    start = floor_slot(SATURDAY_1540) - timedelta(days=40)
    past = service.view(["london"], Horizon(start, 48))["london"]
    assert not past.carbon.is_known.any()


def test_values_are_relabelled_as_they_age() -> None:
    bench = Bench()
    service = bench.service()
    service.refresh()
    bench.carbon.fails = bench.price.fails = "down"
    seen = []
    for hours in (0, 1, 4, 24, 49):
        bench.clock.instant = SATURDAY_1540 + timedelta(hours=hours)
        seen.append(service.view(["london"], bench.here(1))["london"].carbon.quality_over([0]))
    assert seen == [
        Quality.LIVE, Quality.CACHED, Quality.STALE, Quality.STALE, Quality.ESTIMATED
    ]  # fmt: skip


def test_live_without_any_answer_knows_nothing_and_says_so() -> None:
    bench = Bench(carbon=FakeCarbon(fails="down"), price=FakePrices(fails="down"))
    service = bench.service()
    report = service.refresh()
    assert service.mode == "live"
    assert len(report.failures) == 2
    assert not report.carbon_updated
    assert not report.prices_updated
    known = service.view(["london"], bench.here())["london"]
    assert not known.carbon.is_known.any()
    assert not known.price.is_known.any()
    line = service.data_line()
    assert line.quality is Quality.NONE
    assert line.text == "Carbon: unknown · Prices: unknown · No data"
    assert line.banner is not None
    assert line.banner.startswith("No data has been received yet")


def test_an_aggregate_needs_every_letter() -> None:
    bench = Bench(regions=tuple(REGIONS))
    service = bench.service()
    service.refresh()
    scotland, gb = (service.view([s], bench.here(1))[s] for s in ("scotland", "gb"))
    # One round fetches the default letter and five more: N (scotland's) may be among them, all 14 are not.
    assert not gb.price.is_known.any()
    bench.move(seconds=30)
    service.refresh()
    bench.move(seconds=30)
    service.refresh()
    scotland, gb = (service.view([s], bench.here(1))[s] for s in ("scotland", "gb"))
    assert gb.price.values == pytest.approx([0.20])
    assert scotland.price.values == pytest.approx([0.20])


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="'atlantis' is not a region"):
        Bench().service().view(["atlantis"], Bench().here())


def test_a_mix_is_there_when_asked_for() -> None:
    bench = Bench()
    service = bench.service()
    service.refresh()
    known = service.view(["london"], bench.here(2), with_mix=True)["london"]
    assert known.mix[0].renewable_percent(bench.here().start) == 40.0
    assert service.view(["london"], bench.here(2))["london"].mix == ()


# --- auto -------------------------------------------------------------------------------------


def test_auto_plays_the_simulated_grid_until_a_provider_answers_for_the_first_time() -> None:
    bench = Bench(mode="auto", carbon=FakeCarbon(fails="down"), price=FakePrices(fails="down"))
    service = bench.service()
    service.refresh()
    assert service.mode == "simulated"
    known = service.view(["london"], bench.here(192))["london"]
    assert known.carbon.values[0] == 50.0
    assert {p.quality for p in known.price.provenances_used()} == {Quality.SIMULATED}
    line = service.data_line()
    assert line.is_simulated
    assert "no data provider has answered yet" in (line.banner or "")

    bench.carbon.fails = bench.price.fails = None
    bench.move(minutes=5)
    report = service.refresh()
    assert report.mode_changed
    assert service.mode == "live"
    assert service.view(["london"], bench.here())["london"].carbon.values[0] == 100.0
    assert not service.data_line().is_simulated

    bench.carbon.fails = bench.price.fails = "down again"
    bench.move(hours=2)
    assert not service.refresh().mode_changed
    assert service.mode == "live"


def test_auto_with_one_signal_says_which_is_missing() -> None:
    bench = Bench(mode="auto", price=FakePrices(fails="down"))
    service = bench.service()
    service.refresh()
    assert service.mode == "live"
    assert service.data_line().banner == (
        "No price is known: plans weigh carbon alone, and costs show as unknown."
    )


# --- when it asks -----------------------------------------------------------------------------


def test_carbon_is_asked_for_once_a_half_hour() -> None:
    bench = Bench()
    service = bench.service()
    for _ in range(60):
        service.refresh()
        bench.move(minutes=1)
    # From 15:40 to 16:39: at the start, then at 16:02 and 16:32.
    assert asked(bench.carbon).count("forecast") == 3


def test_the_first_day_of_history_comes_at_once_and_two_weeks_a_round_later() -> None:
    bench = Bench()
    service = bench.service()
    service.refresh()
    bench.move(seconds=20)
    service.refresh()
    bench.move(seconds=20)
    service.refresh()
    assert asked(bench.carbon) == ["forecast", "history", "history"]
    start = floor_slot(SATURDAY_1540) - timedelta(days=14)
    assert bench.store.latest(
        SignalName.CARBON, ["gb"], Horizon(start, 1), "live", bench.clock.instant
    )["gb"].values.tolist() == [50.0]


def test_prices_are_fetched_with_four_weeks_of_history_then_watched_for_tomorrow() -> None:
    bench = Bench(price=FakePrices(published_until=datetime(2026, 11, 21, 23, tzinfo=UTC)))
    service = bench.service()
    service.refresh()
    assert bench.price.asked == [(("C",), floor_slot(SATURDAY_1540) - timedelta(days=28))]
    minutes = []
    for minute in range(45):
        if minute == 35:  # 16:15: published late
            bench.price.published_until = None
        before = len(bench.price.asked)
        service.refresh()
        if len(bench.price.asked) > before:
            minutes.append(minute)
        bench.move(minutes=1)
    # 15:40 + 15 = 15:55, then every ten minutes until the day is complete at 16:15.
    assert minutes == [15, 25, 35]
    assert service.data_line().prices_known_until == datetime(2026, 11, 22, 23, tzinfo=UTC)


def test_only_letters_in_use_are_fetched_within_a_request() -> None:
    bench = Bench(regions=tuple(REGIONS))
    bench.uow.live_assets.append(an_asset(region="yorkshire"))
    service = bench.service()
    service.ensure_fresh(["north_scotland"])
    assert [letters for letters, _ in bench.price.asked] == [("C",), ("M",), ("P",)]
    assert asked(bench.carbon) == ["forecast"]


def test_a_second_look_within_seconds_asks_nobody() -> None:
    bench = Bench()
    service = bench.service()
    service.ensure_fresh()
    bench.carbon.fails = "must not be asked"
    service.ensure_fresh(["london"])
    service.ensure_fresh(["london"])
    assert asked(bench.carbon) == ["forecast"]


def test_a_failing_provider_is_left_alone_for_a_growing_while() -> None:
    bench = Bench(carbon=FakeCarbon(fails="down"), price=FakePrices(fails="down"))
    service = bench.service()
    times = []
    for second in range(0, 300, 5):
        before = len(bench.carbon.asked)
        service.ensure_fresh()
        if len(bench.carbon.asked) > before:
            times.append(second)
        bench.move(seconds=5)
    # Pauses of 30, 60, 120 s, then 240 s that reach beyond the five minutes.
    assert times == [0, 30, 90, 210]
    health = {h.source: h for h in service.health()}
    assert health["fake carbon (carbon)"].failures_in_a_row == 4
    assert health["fake carbon (carbon)"].last_error == "down"


def test_a_provider_that_names_a_time_is_not_asked_before() -> None:
    bench = Bench(carbon=FakeCarbon(fails="busy", retry_after_seconds=600))
    service = bench.service()
    service.refresh()
    bench.move(minutes=9)
    service.refresh()
    assert asked(bench.carbon) == ["forecast"]
    bench.move(minutes=1)
    service.refresh()
    assert asked(bench.carbon) == ["forecast", "forecast"]


def test_what_arrived_is_kept_when_a_later_letter_fails() -> None:
    bench = Bench(regions=tuple(REGIONS))
    bench.price.failing_letters = frozenset("N")
    service = bench.service()
    report = service.refresh()
    assert report.prices_updated
    assert service.view(["london"], bench.here(1))["london"].price.is_known.all()
    assert [f for f in report.failures if "no such tariff" in f]
    for _ in range(3):
        bench.move(seconds=20)
        service.refresh()
    fetched = {letters[0] for letters, _ in bench.price.asked}
    assert len(fetched) == 14
    assert [letters for letters, _ in bench.price.asked].count(("N",)) == 1


def test_the_letter_in_use_is_known_again_as_soon_as_the_provider_is_back() -> None:
    bench = Bench(regions=tuple(REGIONS), price=FakePrices(fails="down"))
    service = bench.service()
    service.ensure_fresh()
    service.refresh()  # asks for London, which is in use, and meets the outage
    assert not service.view(["london"], bench.here(1))["london"].price.is_known.any()
    bench.price.fails = None
    bench.move(seconds=30)
    service.refresh()
    assert service.view(["london"], bench.here(1))["london"].price.is_known.all()


def test_a_letter_in_use_that_alone_fails_does_not_keep_the_others_waiting() -> None:
    bench = Bench(regions=tuple(REGIONS))
    bench.price.failing_letters = frozenset("C")  # London, the one in use
    service = bench.service()
    for _ in range(6):
        service.refresh()
        bench.move(seconds=30)
    fetched = {letters[0] for letters, _ in bench.price.asked}
    assert len(fetched) == 14
    # Once while it could have been the provider, once more after another letter arrived, then it rests.
    assert [letters for letters, _ in bench.price.asked].count(("C",)) == 2


def test_force_asks_even_while_backing_off() -> None:
    bench = Bench(carbon=FakeCarbon(fails="down"))
    service = bench.service()
    service.refresh()
    bench.carbon.fails = None
    assert service.refresh(force=True).carbon_updated


# --- several threads and processes ------------------------------------------------------------


def test_a_report_covers_what_others_fetched_since_the_report_before() -> None:
    bench = Bench()
    loop = bench.service("loop")
    assert loop.refresh().carbon_updated
    assert not loop.refresh().carbon_updated
    bench.move(minutes=30)
    bench.service("web").ensure_fresh()
    report = loop.refresh()
    assert report.carbon_updated
    assert not report.mode_changed


def test_another_process_sees_new_values_within_seconds() -> None:
    bench = Bench()
    one, two = bench.service("one"), bench.service("two")
    assert not two.view(["london"], bench.here(1))["london"].carbon.is_known.any()
    one.refresh()
    bench.timer.seconds += 2.0
    assert two.view(["london"], bench.here(1))["london"].carbon.is_known.all()


def test_nobody_asks_while_another_process_is_at_it() -> None:
    bench = Bench(leases=MemoryLeases())
    assert bench.leases is not None
    bench.leases.acquire("signals", "another", 60)
    service = bench.service()
    service.ensure_fresh()
    assert bench.carbon.asked == []
    # It waited for the first answer, but not longer than a few seconds.
    assert 5.0 < sum(bench.timer.pauses) < 7.0


def test_requests_leave_the_asking_to_the_loop_once_something_is_known() -> None:
    bench = Bench(leases=MemoryLeases())
    assert bench.leases is not None
    service = bench.service()
    service.ensure_fresh()
    bench.leases.acquire("loop", "the loop", 60)
    bench.move(hours=2)
    service.ensure_fresh()
    assert asked(bench.carbon) == ["forecast"]
    bench.leases.held.pop("loop")
    bench.move(seconds=10)
    service.ensure_fresh()
    assert asked(bench.carbon) == ["forecast", "forecast"]


def test_threads_that_ask_at_once_make_one_question() -> None:
    bench = Bench()
    service = bench.service()
    threads = [threading.Thread(target=service.ensure_fresh) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked(bench.carbon) == ["forecast"]


def test_a_request_does_not_wait_for_a_provider_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.signals.REQUEST_SECONDS", 0.05)
    bench = Bench(mode="auto")
    answer = threading.Event()
    ask = bench.carbon.forecast

    def hang(now: datetime) -> SignalBatch:
        assert answer.wait(10)
        return ask(now)

    bench.carbon.forecast = hang  # type: ignore[method-assign]
    service = bench.service()
    service.ensure_fresh()
    # The provider is still silent: the simulated grid stands in, under its label.
    assert service.mode == "simulated"
    assert service.view(["london"], bench.here(1))["london"].carbon.values[0] == 50.0
    answer.set()
    service.refresh()
    assert service.mode == "live"
    assert service.view(["london"], bench.here(1))["london"].carbon.values[0] == 100.0


def test_the_archive_is_tidied_by_the_planning_clock() -> None:
    bench = Bench()
    service = bench.service()
    service.refresh()
    assert service.prune(timedelta(days=60)) == 0
    bench.move(days=90)
    assert service.prune(timedelta(days=60)) > 0
