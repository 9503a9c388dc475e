"""What keeps power from jobs: limits and contracts, half-hour by half-hour, and the way it is written down."""

from __future__ import annotations

from datetime import time

from hypothesis import given
from hypothesis import strategies as st

from agents.view import Held
from models.domain.power_limit import PowerLimit
from models.domain.time import Horizon
from services.asset_room import AssetRoom
from tests.support.fleet import NOON, an_asset
from tests.support.planning import at_slot


def test_limits_are_stretches_of_one_power_and_one_reason() -> None:
    # 100 kW less 10 of base load. Maintenance leaves 40 − 10, the evening peak 60 − 10; the tighter one counts.
    limits = (
        PowerLimit(40.0, at_slot(2), at_slot(4), reason="maintenance"),
        PowerLimit(60.0, from_time=time(13, 30), to_time=time(15), reason="peak"),
        PowerLimit(120.0, at_slot(0), at_slot(9), reason="never binds"),
    )
    room = AssetRoom.of(an_asset(base_load_kw=10.0, power_limits=limits), Horizon(NOON, 8))
    told = [(one.start, one.end, one.power_kw, one.why) for one in room.limits]
    assert told == [
        (at_slot(2), at_slot(3), 30.0, "maintenance"),
        (at_slot(3), at_slot(4), 30.0, "maintenance"),
        (at_slot(4), at_slot(6), 50.0, "peak"),
    ]
    assert [room.offered_kw(at_slot(k)) for k in range(8)] == [90, 90, 30, 30, 50, 50, 90, 90]


def test_what_contracts_keep_is_taken_off_and_jobs_are_not() -> None:
    held = [
        Held("contract c-1", "cluster-a", 1, (20.0, 20.0, 0.0, 5.0), at_slot(5)),
        Held("contract c-2", "elsewhere", 0, (50.0,), at_slot(1)),
        Held("job-x", "cluster-a", 0, (70.0,), at_slot(1)),
    ]
    room = AssetRoom.of(an_asset(), Horizon(NOON, 8), held)
    assert [(one.start, one.end, one.power_kw, one.why) for one in room.kept] == [
        (at_slot(1), at_slot(3), 20.0, "contract c-1"),
        (at_slot(4), at_slot(5), 5.0, "contract c-1"),
    ]
    assert [room.free_kw(at_slot(k)) for k in range(6)] == [100, 80, 80, 100, 95, 100]


def test_a_plan_that_kept_no_room_offers_what_its_cluster_has() -> None:
    room = AssetRoom.of_view(30.0, {})
    assert (room.limits, room.kept, room.free_kw(NOON)) == ((), (), 30.0)
    assert room.to_view() == {}


powers = st.integers(0, 120).map(float)
spans = st.tuples(st.integers(-2, 9), st.integers(1, 6))


@given(
    st.lists(st.tuples(powers, spans), max_size=4), st.lists(st.tuples(powers, spans), max_size=3)
)
def test_it_says_of_every_half_hour_what_the_asset_itself_says_also_when_read_back(
    limits: list[tuple[float, tuple[int, int]]], kept: list[tuple[float, tuple[int, int]]]
) -> None:
    asset = an_asset(
        base_load_kw=7.0,
        power_limits=tuple(
            PowerLimit(kw, at_slot(first), at_slot(first + count), reason=f"r{kw:g}")
            for kw, (first, count) in limits
        ),
    )
    held = [
        Held(f"contract c-{n}", asset.asset_id, first, (kw,) * count, at_slot(first + count))
        for n, (kw, (first, count)) in enumerate(kept)
    ]
    room = AssetRoom.of(asset, Horizon(NOON, 8), held)
    for slot in range(8):
        at = at_slot(slot)
        taken = sum(kw for kw, (first, count) in kept if first <= slot < first + count)
        assert abs(room.free_kw(at) - (asset.room_at(at) - taken)) < 1e-6
    assert AssetRoom.of_view(asset.room_kw, room.to_view()) == room
