"""Room over a horizon, written twice: the array of the planner and the half-hour of the asset agree."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.power_limit import WEEK, PowerLimit
from models.domain.time import SLOT, Horizon
from models.optimise.limits import limited_room_kw
from models.optimise.options import Closed
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_table, at_slot, options_of, some_weights

SPRING = datetime(2026, 3, 28, 20, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 20, tzinfo=UTC)


@st.composite
def limits(draw: st.DrawFn, begin: datetime) -> PowerLimit:
    """Draw a limit that may touch three days from an instant."""
    power = float(draw(st.integers(0, 120)))
    start = begin + timedelta(minutes=draw(st.integers(-600, 3000)))
    end = start + timedelta(minutes=draw(st.integers(1, 3000)))
    if draw(st.booleans()):
        return PowerLimit(power, start, end)
    clock = st.times(max_value=time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0))
    days = draw(st.lists(st.sampled_from(WEEK), unique=True))
    return PowerLimit(
        power,
        draw(st.sampled_from([None, start])),
        draw(st.sampled_from([None, end])),
        draw(clock),
        draw(clock),
        tuple(days),
    )


@given(st.data(), st.sampled_from([SPRING, AUTUMN, NOON]))
def test_the_array_says_of_every_half_hour_what_the_asset_says(
    data: st.DataObject, begin: datetime
) -> None:
    asset = an_asset(
        base_load_kw=7.0, power_limits=tuple(data.draw(st.lists(limits(begin), max_size=3)))
    )
    horizon = Horizon(begin, 120)
    told = [asset.room_at(start) for start in horizon.starts()]
    assert limited_room_kw(asset, horizon).tolist() == told


def test_the_table_takes_held_work_from_the_room_of_each_half_hour() -> None:
    # 100 kW, limited to 40 kW in the second and third half-hour; 30 kW are held throughout.
    limit = PowerLimit(40.0, at_slot(1), at_slot(3))
    table = a_table(
        [0.1] * 4, [100.0] * 4, [an_asset(power_limits=(limit,))], held_kw={"cluster-a": [30.0] * 4}
    )
    assert table.limit_kw.tolist() == [[100.0, 40.0, 40.0, 100.0]]
    assert table.room_kw.tolist() == [[70.0, 10.0, 10.0, 70.0]]


def test_windows_that_touch_a_limit_below_their_power_are_closed_by_power() -> None:
    # One hour at 50 kW in six half-hours, of which the third offers 40 kW: starts 1 and 2 touch it.
    limit = PowerLimit(40.0, at_slot(2), at_slot(3))
    table = a_table([0.1] * 6, [100.0] * 6, [an_asset(power_limits=(limit,))])
    (mine,), _ = options_of([a_job(power_kw=50.0)], table, some_weights())
    assert [Closed(int(c)) for c in mine.closed] == [
        Closed.OPEN, Closed.POWER, Closed.POWER, Closed.OPEN, Closed.OPEN,
    ]  # fmt: skip


def test_a_power_profile_is_held_against_the_limit_half_hour_by_half_hour() -> None:
    # 50 then 10 kW: only a start in the limited half-hour itself needs more than its 20 kW.
    limit = PowerLimit(20.0, at_slot(1), at_slot(2))
    table = a_table([0.1] * 4, [100.0] * 4, [an_asset(power_limits=(limit,))])
    job = a_job(power_kw=30.0, power_profile_kw=(50.0, 10.0))
    (mine,), _ = options_of([job], table, some_weights())
    assert [Closed(int(c)) for c in mine.closed] == [Closed.OPEN, Closed.POWER, Closed.OPEN]


@pytest.mark.parametrize("minutes", [0, 30, 60])
def test_a_limit_outside_the_horizon_changes_nothing(minutes: int) -> None:
    before = PowerLimit(0.0, NOON - 5 * SLOT, NOON - timedelta(minutes=minutes))
    after = PowerLimit(0.0, NOON + 4 * SLOT, NOON + 9 * SLOT)
    room = limited_room_kw(an_asset(power_limits=(before, after)), Horizon(NOON, 4))
    assert np.array_equal(room, np.full(4, 100.0))
