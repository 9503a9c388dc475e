"""What every `SignalStore` does: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.domain.ports import SignalBatch, SignalStore
from models.domain.signal import (
    MixSeries,
    Provenance,
    Quality,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import Horizon
from storage.database import Database, open_database
from storage.signal_store import SqlSignalStore
from tests.support.databases import copied
from tests.support.fakes import MemorySignalStore
from tests.support.fleet import NOON

SLOT = timedelta(minutes=30)
NAN = float("nan")


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SignalStore]:
    if request.param == "memory":
        yield MemorySignalStore()
        return
    urls = copied(request, request.param, tmp_path)
    database = open_database(next(urls))
    yield SqlSignalStore(database)
    database.dispose()
    assert next(urls, None) is None


def said(retrieved_at: datetime, kind: ValueKind = ValueKind.FORECAST, **changes) -> Provenance:
    base = Provenance("NESO", "/intensity", kind, Quality.LIVE, None, retrieved_at, "ab" * 32)
    return replace(base, **changes)


def carbon(start: datetime, values, provenance: Provenance, region: str = "london") -> SignalSeries:
    return SignalSeries.of(
        SignalName.CARBON, region, Horizon(start, len(values)), values, provenance
    )


def known(series: SignalSeries) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in series.values]


def latest(store: SignalStore, start: datetime, slots: int, as_of: datetime, **changes):
    region = changes.pop("region", "london")
    mode = changes.pop("mode", "live")
    found = store.latest(SignalName.CARBON, [region], Horizon(start, slots), mode, as_of)
    return found[region]


def test_an_empty_archive_answers_with_unknown(store: SignalStore) -> None:
    found = store.latest(SignalName.PRICE, ["london", "gb"], Horizon(NOON, 3), "live", NOON)
    assert sorted(found) == ["gb", "london"]
    assert known(found["gb"]) == [None, None, None]
    assert found["gb"].name is SignalName.PRICE
    assert store.latest_mix(["london"], Horizon(NOON, 3), "live", NOON) == {"london": ()}
    assert not store.has_any("live")
    assert list(store.issues(SignalName.CARBON, "london", Horizon(NOON, 3), "live")) == []


def test_a_value_reads_back_with_its_provenance_and_quantiles(store: SignalStore) -> None:
    provenance = said(
        NOON + timedelta(microseconds=7),
        issued_at=NOON - SLOT,
        quality=Quality.REPLAYED,
        note="optimistic, leaks",
    )
    series = replace(
        carbon(NOON, [100.5, 0.1 + 0.2, 300.0], provenance),
        p5=np.array([90.0, NAN, 250.0]),
        p95=np.array([110.0, 5.0, NAN]),
    )
    store.save(SignalBatch((series,)), "live")
    found = latest(store, NOON - SLOT, 5, NOON + SLOT)
    assert found.rows() == [
        replace(series.at(-1), start=NOON - SLOT),
        *series.rows(),
        replace(series.at(3), start=NOON + 3 * SLOT),
    ]


def test_the_later_retrieval_answers_and_the_earlier_one_where_it_is_silent(
    store: SignalStore,
) -> None:
    old, new = said(NOON), said(NOON + SLOT)
    store.save(SignalBatch((carbon(NOON, [1.0, 2.0, 3.0], old),)), "live")
    store.save(SignalBatch((carbon(NOON + SLOT, [20.0, NAN, 40.0], new),)), "live")
    found = latest(store, NOON, 5, NOON + SLOT)
    assert known(found) == [1.0, 20.0, 3.0, 40.0, None]
    assert [row.provenance for row in found.rows()] == [old, new, old, new, None]


def test_what_was_retrieved_earlier_but_saved_later_does_not_answer(store: SignalStore) -> None:
    store.save(SignalBatch((carbon(NOON, [2.0], said(NOON + SLOT)),)), "live")
    store.save(SignalBatch((carbon(NOON, [1.0, 1.0], said(NOON)),)), "live")
    assert known(latest(store, NOON, 2, NOON + SLOT)) == [2.0, 1.0]


def test_of_two_answers_of_one_instant_the_later_saved_answers(store: SignalStore) -> None:
    store.save(SignalBatch((carbon(NOON, [1.0], said(NOON)),)), "live")
    store.save(SignalBatch((carbon(NOON, [2.0], said(NOON, note="again")),)), "live")
    assert known(latest(store, NOON, 1, NOON)) == [2.0]


def test_an_actual_beats_later_forecasts_and_a_forecast_beats_later_estimates(
    store: SignalStore,
) -> None:
    store.save(SignalBatch((carbon(NOON, [1.0], said(NOON, ValueKind.ACTUAL)),)), "live")
    store.save(SignalBatch((carbon(NOON, [2.0, 2.0], said(NOON + SLOT)),)), "live")
    guess = said(NOON + 2 * SLOT, ValueKind.ESTIMATE)
    store.save(SignalBatch((carbon(NOON, [3.0, 3.0, 3.0], guess),)), "live")
    assert known(latest(store, NOON, 3, NOON + 2 * SLOT)) == [1.0, 2.0, 3.0]
    corrected = said(NOON + 3 * SLOT, ValueKind.ACTUAL)
    store.save(SignalBatch((carbon(NOON, [4.0], corrected),)), "live")
    assert known(latest(store, NOON, 3, NOON + 3 * SLOT)) == [4.0, 2.0, 3.0]


def test_only_what_was_known_at_the_asked_instant_answers(store: SignalStore) -> None:
    for k in range(4):
        values = [float(k)] * 3
        store.save(SignalBatch((carbon(NOON + k * SLOT, values, said(NOON + k * SLOT)),)), "live")
    assert known(latest(store, NOON, 6, NOON - SLOT)) == [None] * 6
    assert known(latest(store, NOON, 6, NOON)) == [0, 0, 0, None, None, None]
    assert known(latest(store, NOON, 6, NOON + SLOT)) == [0, 1, 1, 1, None, None]
    assert known(latest(store, NOON, 6, NOON + 9 * SLOT)) == [0, 1, 2, 3, 3, 3]


def test_modes_regions_and_signals_are_kept_apart(store: SignalStore) -> None:
    store.save(SignalBatch((carbon(NOON, [1.0], said(NOON)),)), "simulated")
    store.save(SignalBatch((carbon(NOON, [2.0], said(NOON), "gb"),)), "live")
    assert known(latest(store, NOON, 1, NOON)) == [None]
    assert known(latest(store, NOON, 1, NOON, region="gb")) == [2.0]
    assert known(latest(store, NOON, 1, NOON, mode="simulated")) == [1.0]
    prices = store.latest(SignalName.PRICE, ["gb"], Horizon(NOON, 1), "live", NOON)
    assert known(prices["gb"]) == [None]
    assert (store.has_any("live"), store.has_any("simulated"), store.has_any("replay")) == (
        True,
        True,
        False,
    )


def test_a_series_of_several_provenances_is_kept_as_several_issues(store: SignalStore) -> None:
    published = said(NOON, ValueKind.TARIFF)
    guess = said(NOON, ValueKind.ESTIMATE, note="mean of 28 days")
    mixed = SignalSeries(
        SignalName.CARBON,
        "london",
        Horizon(NOON, 5),
        np.array([1.0, 9.0, 3.0, NAN, 9.5]),
        np.array([0, 1, 0, -1, 1]),
        (published, guess),
        p5=np.array([0.5, 8.5, 2.5, NAN, NAN]),
    )
    store.save(SignalBatch((mixed,)), "live")
    assert latest(store, NOON, 5, NOON).rows() == mixed.rows()
    issues = list(store.issues(SignalName.CARBON, "london", Horizon(NOON, 5), "live"))
    assert sorted((issue.horizon.start, known(issue)) for issue in issues) == [
        (NOON, [1.0, None, 3.0]),
        (NOON + SLOT, [9.0, None, None, 9.5]),
    ]


def test_a_horizon_may_span_days_and_start_inside_one(store: SignalStore) -> None:
    # 300 slots from noon cross six UTC midnights; the slice asked for begins in the third day.
    values = [float(k) for k in range(300)]
    store.save(SignalBatch((carbon(NOON, values, said(NOON)),)), "live")
    found = latest(store, NOON + 110 * SLOT, 195, NOON)
    assert known(found) == [*(float(k) for k in range(110, 300)), *[None] * 5]


def test_issues_come_oldest_first_and_whole(store: SignalStore) -> None:
    for k in (2, 0, 1):
        values = [float(k)] * 4
        store.save(SignalBatch((carbon(NOON + k * SLOT, values, said(NOON + k * SLOT)),)), "live")
    found = list(store.issues(SignalName.CARBON, "london", Horizon(NOON + 4 * SLOT, 1), "live"))
    assert [known(issue) for issue in found] == [[1.0] * 4, [2.0] * 4]
    assert found[0].horizon == Horizon(NOON + SLOT, 4)
    assert found[0].provenances == (said(NOON + SLOT),)


def test_many_issues_are_read_through_to_the_end(store: SignalStore) -> None:
    # More than one read of the database, with equal retrieval times across its border.
    count = 450
    batch = SignalBatch(
        tuple(carbon(NOON, [float(k)], said(NOON + (k // 300) * SLOT)) for k in range(count))
    )
    store.save(batch, "live")
    found = list(store.issues(SignalName.CARBON, "london", Horizon(NOON, 1), "live"))
    assert [known(issue)[0] for issue in found] == [float(k) for k in range(count)]


def a_mix(start: datetime, wind, gas, retrieved_at: datetime, region: str = "london") -> MixSeries:
    rows = {"wind": np.array(wind), "gas": np.array(gas)}
    return MixSeries(region, Horizon(start, len(wind)), rows, said(retrieved_at))


def mix_at(mixes: tuple[MixSeries, ...], instant: datetime) -> dict[str, float]:
    """The first that covers a slot answers for it."""
    return next((found for mix in mixes if (found := mix.at(instant))), {})


def test_the_newest_mix_that_covers_a_half_hour_answers_for_it(store: SignalStore) -> None:
    old = a_mix(NOON, [10.0, 20.0, 30.0], [90.0, 80.0, 70.0], NOON)
    new = a_mix(NOON + SLOT, [25.0, NAN], [75.0, NAN], NOON + SLOT)
    store.save(SignalBatch((), (old,)), "live")
    store.save(SignalBatch((), (new, a_mix(NOON, [1.0], [99.0], NOON, "gb"))), "live")

    def shown(as_of: datetime) -> list[dict[str, float]]:
        mixes = store.latest_mix(["london"], Horizon(NOON, 4), "live", as_of)["london"]
        times = [mix.provenance.retrieved_at for mix in mixes]
        assert times == sorted(times, reverse=True)
        return [mix_at(mixes, NOON + k * SLOT) for k in range(4)]

    assert shown(NOON + SLOT) == [
        {"wind": 10.0, "gas": 90.0},
        {"wind": 25.0, "gas": 75.0},
        {"wind": 30.0, "gas": 70.0},
        {},
    ]
    assert shown(NOON)[1] == {"wind": 20.0, "gas": 80.0}
    assert shown(NOON - SLOT) == [{}] * 4


def test_a_mix_may_name_other_fuels_than_the_one_before(store: SignalStore) -> None:
    old = a_mix(NOON, [10.0, 20.0], [90.0, 80.0], NOON)
    new = MixSeries("london", Horizon(NOON, 1), {"coal": np.array([100.0])}, said(NOON + SLOT))
    store.save(SignalBatch((), (old,)), "live")
    store.save(SignalBatch((), (new,)), "live")
    mixes = store.latest_mix(["london"], Horizon(NOON, 2), "live", NOON + SLOT)["london"]
    assert mix_at(mixes, NOON) == {"coal": 100.0}
    assert mix_at(mixes, NOON + SLOT) == {"wind": 20.0, "gas": 80.0}
    assert mixes[0].renewable_percent(NOON) == 0.0


def test_pruning_drops_what_ended_and_keeps_what_goes_on(store: SignalStore) -> None:
    store.save(
        SignalBatch(
            (carbon(NOON, [1.0, 2.0], said(NOON)), carbon(NOON, [3.0] * 4, said(NOON - SLOT))),
            (a_mix(NOON, [10.0], [90.0], NOON),),
        ),
        "live",
    )
    store.save(SignalBatch((carbon(NOON - timedelta(days=3), [9.0], said(NOON)),)), "live")
    assert store.prune(NOON + 2 * SLOT - timedelta(microseconds=1)) == 2
    assert known(latest(store, NOON, 4, NOON)) == [1.0, 2.0, 3.0, 3.0]
    assert store.prune(NOON + 2 * SLOT) == 1
    assert known(latest(store, NOON, 4, NOON)) == [3.0] * 4
    assert known(latest(store, NOON - timedelta(days=3), 1, NOON)) == [None]
    assert store.latest_mix(["london"], Horizon(NOON, 1), "live", NOON) == {"london": ()}
    assert store.prune(NOON + timedelta(days=9)) == 1
    assert store.prune(NOON + timedelta(days=9)) == 0
    assert store.has_any("live"), "a provider has answered, even if nothing is left of it"
    store.save(SignalBatch((carbon(NOON, [5.0], said(NOON, note="anew")),)), "live")
    assert latest(store, NOON, 1, NOON).at(0).provenance == said(NOON, note="anew")


def test_series_about_which_nothing_is_known_leave_no_trace(store: SignalStore) -> None:
    nothing = carbon(NOON, [NAN, NAN], said(NOON))
    blank = MixSeries("london", Horizon(NOON, 1), {"wind": np.array([NAN])}, said(NOON))
    store.save(SignalBatch((nothing,), (blank,)), "live")
    assert not store.has_any("live")


STATEMENTS = st.lists(
    st.tuples(
        st.integers(-60, 60),  # first slot, so that midnights are crossed
        st.lists(st.floats(0, 500) | st.just(NAN), min_size=1, max_size=70),
        st.sampled_from(ValueKind),
        st.integers(0, 5),  # retrieval
    ),
    max_size=8,
)


def test_the_database_agrees_with_a_slot_by_slot_search(sqlite_store: SqlSignalStore) -> None:
    """The fake is the independent method: it keeps lists and looks at every issue for every slot."""
    modes = iter(f"m{k}" for k in range(10_000))

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STATEMENTS, st.integers(-70, 70), st.integers(1, 130))
    def agree(statements, first: int, slots: int) -> None:
        mode, memory = next(modes), MemorySignalStore()
        for start, values, kind, retrieval in statements:
            series = carbon(NOON + start * SLOT, values, said(NOON + retrieval * SLOT, kind))
            for one in (memory, sqlite_store):
                one.save(SignalBatch((series,)), mode)
        horizon = Horizon(NOON + first * SLOT, slots)
        for retrieval in range(-1, 6):
            asked = (SignalName.CARBON, ["london"], horizon, mode, NOON + retrieval * SLOT)
            expected = memory.latest(*asked)["london"].rows()
            assert sqlite_store.latest(*asked)["london"].rows() == expected

    agree()


@pytest.fixture
def sqlite_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlSignalStore]:
    opened = open_database(next(copied(request, "sqlite", tmp_path)))
    yield SqlSignalStore(opened)
    opened.dispose()


def test_batches_saved_at_once_are_all_kept(database: Database) -> None:
    stores = [SqlSignalStore(database) for _ in range(6)]

    def save(k: int) -> None:
        provenance = said(NOON, note=f"thread {k}")
        stores[k].save(SignalBatch((carbon(NOON + k * SLOT, [float(k)], provenance),)), "live")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(save, range(6)))
    assert known(latest(stores[0], NOON, 6, NOON)) == [0, 1, 2, 3, 4, 5]


def test_a_gap_in_a_newer_issue_is_filled_by_the_next_newest_not_by_any_older(
    store: SignalStore,
) -> None:
    # Oldest first: C spans all five slots, B the middle three, A (newest) the same with a gap.
    store.save(SignalBatch((carbon(NOON, [3.0] * 5, said(NOON)),)), "live")
    store.save(SignalBatch((carbon(NOON + SLOT, [2.0] * 3, said(NOON + SLOT)),)), "live")
    gap = carbon(NOON + SLOT, [1.0, NAN, 1.0], said(NOON + 2 * SLOT))
    store.save(SignalBatch((gap,)), "live")
    later = carbon(NOON + SLOT, [9.0] * 3, said(NOON + 3 * SLOT))
    store.save(SignalBatch((later,)), "live")
    assert known(latest(store, NOON, 5, NOON + 2 * SLOT)) == [3.0, 1.0, 2.0, 1.0, 3.0]
    assert known(latest(store, NOON, 5, NOON + 3 * SLOT)) == [3.0, 9.0, 9.0, 9.0, 3.0]
