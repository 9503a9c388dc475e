"""The market on a real plan: what is on offer, what a contract does to the plan, and what gives it back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from models.domain.access import Caller, Role
from models.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from models.domain.job import JobStatus
from models.domain.market import Contract, ContractState, DealRefused, DealRule, Window, WindowKind
from services import controls, market, market_deals, market_ends, market_watch, planning
from services.market import Wanted, needs_of
from services.market_terms import Terms
from services.market_windows import LEAD, catalogue
from services.types import PlanRun
from storage.database import Database
from tests.support import world as worlds
from tests.support.world import NOON, OPERATOR, World, a_world, hours, placed, with_cluster

SLOT = timedelta(minutes=30)


def submitted(world: World, **changes: object) -> str:
    """Submit and plan a job that may begin in two hours, so that it is not frozen yet."""
    return worlds.submitted(world, **{"earliest_start": NOON + hours(2), **changes})  # type: ignore[arg-type]


def windows(world: World, **wanted: object) -> tuple[Window, ...]:
    return market.search(world.context, OPERATOR, Wanted(**wanted)).windows  # type: ignore[arg-type]


def one(world: World, kind: WindowKind, start_in: float | None = None, length: float = 2) -> Window:
    start = None if start_in is None else NOON + hours(start_in)
    return next(
        w
        for w in catalogue(world.context).windows
        if w.kind is kind and w.duration_h == length and start in (None, w.start)
    )


def drawn(world: World, window: Window) -> list[float]:
    with world.context.uow() as uow:
        held = uow.plans.reserved(window.start, window.end).get("hall", {})
    return [held.get(start, 0.0) for start in window.starts()]


def terms(window: Window, name: str = "t", **changes: object) -> Terms:
    asked = Terms(
        slot_id=window.slot_id, transaction_id=name, message_id=f"{name}-1", peer_id="peer"
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def test_compute_windows_show_the_room_the_plan_leaves_at_the_meter(world: World) -> None:
    with_cluster(world, pue=1.2)
    job_id = submitted(world, estimated_power_kw=40.0)
    run = placed(world, job_id)
    for window in catalogue(world.context).windows:
        if window.kind is not WindowKind.COMPUTE:
            continue
        touches = window.start < run.end and window.end > run.start
        # 100 kW of machines less 40 kW of the job, times 1.2 at the meter.
        assert window.capacity_kw == pytest.approx(60.0 * 1.2 if touches else 100.0 * 1.2)
        assert window.start >= NOON + LEAD
        assert window.price_gbp_per_kwh is not None
        assert window.mean_carbon_g_per_kwh is not None


def test_a_search_is_bounded_filtered_and_paged(world: World) -> None:
    with_cluster(world)
    first = market.search(world.context, OPERATOR, Wanted())
    assert len(first.windows) == 100
    second = market.search(world.context, OPERATOR, Wanted(), cursor=first.next_cursor)
    assert not {w.slot_id for w in first.windows} & {w.slot_id for w in second.windows}
    assert all(w.end <= NOON + hours(6) for w in windows(world, hours_ahead=6.0))
    assert windows(world, region="yorkshire") == ()
    assert {w.region for w in windows(world, region="england")} == {"london"}
    with pytest.raises(InvalidRequest):
        windows(world, region="atlantis")
    with pytest.raises(InvalidRequest, match="cursor"):
        market.search(world.context, OPERATOR, Wanted(), cursor="abc")
    stranger = Caller("somebody", Role.OPERATOR)
    assert market.search(world.context, stranger, Wanted()).windows == ()


def test_windows_too_small_for_a_job_are_left_out_or_come_last(world: World) -> None:
    with_cluster(world)
    job = world.view(submitted(world, estimated_power_kw=30.0, duration=hours(3))).job
    with world.context.uow() as uow:
        needs = needs_of(job, uow.assets.all_live())
    found = [
        market.search(world.context, OPERATOR, wanted).windows
        for wanted in (
            Wanted(kind=WindowKind.COMPUTE, needs=needs),
            Wanted(kind=WindowKind.COMPUTE, needs=needs, too_small_too=True),
        )
    ]
    # Three hours fit into windows of 4, 8 and 16 hours only; 30 kW fit wherever the cluster is free.
    assert {window.duration_h for window in found[0]} == {4.0, 8.0, 16.0}
    assert all(needs.is_met(window) for window in found[0])
    first_page = [needs.is_met(window) for window in found[1]]
    assert len(found[0]) == sum(first_page)


def test_a_taken_window_pins_its_job_inside_it(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    before = placed(world, job_id).start
    window = one(world, WindowKind.COMPUTE, 10, 4)
    made = market.confirm(world.context, OPERATOR, window.slot_id, job_id)
    run = placed(world, job_id)
    assert made.state is ContractState.CONFIRMED
    assert window.start <= run.start
    assert run.end <= window.end
    assert run.start != before
    assert world.view(job_id).job.pinned_start == run.start
    assert [step.state for step in made.history] == ["quoted", "held", "confirmed"]
    with world.context.uow() as uow:
        assert uow.market.claims(NOON) == ()  # the job holds its power itself now
    with pytest.raises(Conflict, match="bound by contract"):
        controls.pin(world.context, OPERATOR, job_id, start_time=None, asset_id=None, pinned=False)
    ended = market.cancel(world.context, OPERATOR, made.contract_id)
    assert ended.state is ContractState.CANCELLED
    assert world.view(job_id).job.pinned_start is None
    assert placed(world, job_id).start == before


def test_a_job_that_does_not_fit_is_refused_and_nothing_changes(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world, duration=hours(3))
    before, version = placed(world, job_id), _version(world)
    for window, word in [
        (one(world, WindowKind.COMPUTE, 10, 2), "choose a longer one"),
        (one(world, WindowKind.COMPUTE, 30, 4), "its deadline forbid it"),
    ]:
        with pytest.raises(DealRefused, match=word) as refused:
            market.confirm(world.context, OPERATOR, window.slot_id, job_id)
        assert refused.value.rule is DealRule.JOB
    assert placed(world, job_id) == before
    assert _version(world) == version
    with pytest.raises(InvalidRequest, match="for a job"):
        market.confirm(world.context, OPERATOR, one(world, WindowKind.COMPUTE, 10).slot_id, None)
    with pytest.raises(NotFound):
        market.confirm(world.context, OPERATOR, one(world, WindowKind.COMPUTE).slot_id, "job-x")
    with pytest.raises(InvalidRequest, match="slot id"):
        market.confirm(world.context, OPERATOR, "anything", job_id)


def _version(world: World) -> int:
    with world.context.uow() as uow:
        return uow.plans.version()


def test_held_capacity_is_gone_for_others_and_for_the_planner_until_it_runs_out(
    world: World,
) -> None:
    with_cluster(world)
    window = one(world, WindowKind.COMPUTE, 4)
    held = market_deals.hold(world.context, terms(window))
    assert held.state is ContractState.HELD
    again = catalogue(world.context).find(window.slot_id)
    assert again is None  # all 100 kW are kept
    other = terms(window, "other")
    with pytest.raises(DealRefused) as refused:
        market_deals.quote(world.context, other)
    assert refused.value.rule is DealRule.NOT_FOUND
    job_id = submitted(world, latest_finish=NOON + hours(8), estimated_power_kw=90.0)
    run = placed(world, job_id)
    assert run.end <= window.start or run.start >= window.end
    late = replace(
        world.context, system_now=lambda: world.context.system_now() + timedelta(seconds=601)
    )
    assert market_ends.expire(late) == 1
    with world.context.uow() as uow:
        assert uow.market.claims(NOON) == ()
        assert uow.market.get(held.contract_id).state is ContractState.EXPIRED
    with pytest.raises(DealRefused) as refused:
        market_deals.confirm(world.context, terms(window, message_id="t-2"))
    assert refused.value.rule is DealRule.EXPIRED


def test_every_step_has_one_effect_however_often_it_comes(world: World) -> None:
    with_cluster(world)
    window = one(world, WindowKind.COMPUTE, 4)
    asked = terms(window, quantity_kw=30.0)
    assert market_deals.quote(world.context, asked) == market_deals.quote(world.context, asked)
    held = market_deals.hold(world.context, replace(asked, message_id="t-2"))
    assert market_deals.hold(world.context, replace(asked, message_id="t-2")) == held
    bound = market_deals.confirm(world.context, replace(asked, message_id="t-3"))
    assert market_deals.confirm(world.context, replace(asked, message_id="t-3")) == bound
    with pytest.raises(DealRefused) as refused:
        market_deals.confirm(world.context, replace(asked, message_id="t-4"))
    assert refused.value.rule is DealRule.ALREADY_CONFIRMED
    smaller = market_deals.change_quantity(world.context, bound, 20.0, "t-5")
    left = catalogue(world.context).find(window.slot_id)
    assert left is not None
    assert left.capacity_kw == pytest.approx(80.0)
    ended = market_deals.cancel(world.context, smaller, "t-6")
    with pytest.raises(DealRefused) as refused:
        market_deals.cancel(world.context, ended, "t-7")
    assert refused.value.rule is DealRule.ALREADY_CANCELLED
    left = catalogue(world.context).find(window.slot_id)
    assert left is not None
    assert left.capacity_kw == pytest.approx(100.0)


def test_capacity_that_is_gone_at_confirm_ends_the_contract_and_leaves_the_plan(
    world: World,
) -> None:
    with_cluster(world)
    window = one(world, WindowKind.COMPUTE, 4)
    held = market_deals.hold(world.context, terms(window, quantity_kw=80.0))
    with world.context.uow(write=True) as uow:
        asset = uow.assets.get("hall")
        uow.assets.update(replace(asset, max_power_kw=50.0, version=asset.version + 1))
        uow.plans.bump()
        uow.commit()
    with pytest.raises(DealRefused) as refused:
        market_deals.confirm(world.context, terms(window, message_id="t-2"))
    assert refused.value.rule is DealRule.QUANTITY
    with world.context.uow() as uow:
        assert uow.market.get(held.contract_id).state is ContractState.CANCELLED
        assert uow.market.claims(NOON) == ()


def test_a_contract_confirmed_meanwhile_does_not_expire(world: World) -> None:
    with_cluster(world)
    window = one(world, WindowKind.COMPUTE, 4)
    held = market_deals.hold(world.context, terms(window, quantity_kw=40.0))
    bound = market_deals.confirm(world.context, terms(window, message_id="t-2", quantity_kw=40.0))
    # Another process read the hold before it was confirmed, and finds its time over now.
    with pytest.raises(Conflict, match="changed meanwhile"):
        market_ends.end(world.context, held, ContractState.EXPIRED, "too late")
    with world.context.uow() as uow:
        assert uow.market.get(bound.contract_id) == bound
        # 40 kW of machines in each of the four half-hours.
        assert [claim.power_kw for claim in uow.market.claims(NOON)] == [40.0] * 4


def test_capacity_is_sold_once_however_many_ask_for_it_at_the_same_time(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Eight buyers at two applications on one database, as two processes are, want 40 of 100 kW each."""
    worlds_here = [a_world(sqlite_database, tmp_path / name) for name in ("one", "two")]
    with_cluster(worlds_here[0])
    window = one(worlds_here[0], WindowKind.COMPUTE, 4)
    start = threading.Barrier(8)
    ends: dict[str, object] = {}

    def buy(k: int) -> None:
        context = replace(worlds_here[k % 2].context, new_id=uuid4)
        asked = terms(window, f"buyer-{k}", quantity_kw=40.0)
        start.wait(30)
        for attempt in range(20):
            try:
                market_deals.hold(context, replace(asked, message_id=f"h{attempt}"))
                bound = market_deals.confirm(context, replace(asked, message_id=f"c{attempt}"))
            except DealRefused as error:
                ends[f"buyer-{k}"] = error.rule
                if "too fast" not in str(error):
                    return
            else:
                ends[f"buyer-{k}"] = bound.state
                return

    threads = [threading.Thread(target=buy, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    states = list(ends.values())
    assert len(states) == 8
    # 2 × 40 kW fit into 100 kW; everybody else is refused for want of power.
    assert states.count(ContractState.CONFIRMED) == 2, ends
    assert states.count(DealRule.QUANTITY) + states.count(DealRule.NOT_FOUND) == 6, ends
    with worlds_here[0].context.uow() as uow:
        kept: dict[datetime, float] = {}
        for claim in uow.market.claims(NOON):
            kept[claim.slot_start] = kept.get(claim.slot_start, 0.0) + claim.power_kw
    assert list(kept.values()) == [80.0] * 4


def test_a_quote_runs_out_and_its_price_is_not_honoured_for_ever(world: World) -> None:
    with_cluster(world)
    window = one(world, WindowKind.COMPUTE, 8)
    quoted = market_deals.quote(world.context, terms(window))
    other = market_deals.quote(world.context, terms(window, "other"))
    world.clock.instant += timedelta(seconds=601)
    with pytest.raises(DealRefused) as refused:
        market_deals.hold(world.context, terms(window, message_id="t-2"))
    assert refused.value.rule is DealRule.EXPIRED
    assert market_ends.expire(world.context) == 0  # a quote is no hold: nothing was kept
    with world.context.uow() as uow:
        for one_of_them in (quoted, other):
            state = uow.market.get(one_of_them.contract_id).state
            assert state is ContractState.EXPIRED


def test_init_without_a_quantity_takes_what_was_quoted_at_the_price_that_was_quoted(
    world: World,
) -> None:
    with_cluster(world)
    window = one(world, WindowKind.COMPUTE, 8)
    market_deals.quote(world.context, terms(window, quantity_kw=40.0))
    world.grids["live"].price = lambda _place, _at: 0.30
    world.at(world.clock.now() + timedelta(minutes=1))
    dearer = catalogue(world.context).find(window.slot_id)
    assert dearer is not None
    assert dearer.price_gbp_per_kwh == pytest.approx(0.30)
    held = market_deals.hold(world.context, terms(window, message_id="t-2"))
    assert held.quantity_kw == 40.0
    # £0.20 were quoted: that is agreed, and the contract shows no other price beside it.
    assert (held.price_gbp_per_kwh, held.window.price_gbp_per_kwh) == (0.20, 0.20)
    # 40 kW × 2 h × £0.20
    assert held.value_gbp == pytest.approx(16.0)


def test_one_job_takes_one_window(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    first, second = one(world, WindowKind.COMPUTE, 8), one(world, WindowKind.COMPUTE, 16)
    held = market_deals.hold(world.context, terms(first, job_id=job_id, quantity_kw=10.0))
    version = _version(world)
    with pytest.raises(Conflict, match=held.contract_id):
        market_deals.hold(world.context, terms(second, "other", job_id=job_id, quantity_kw=10.0))
    assert _version(world) == version
    again = terms(first, job_id=job_id, quantity_kw=10.0, message_id="t-2")
    assert market_deals.hold(world.context, again).state is ContractState.HELD


def test_nobody_keeps_everything_for_himself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_deals, "MOST_HELD", 2)
    monkeypatch.setattr(market_deals, "MOST_OPEN", 3)
    with_cluster(world)
    window = one(world, WindowKind.COMPUTE, 8)
    for name in ("a", "b"):
        market_deals.hold(world.context, terms(window, name, quantity_kw=1.0))
    with pytest.raises(DealRefused) as refused:
        market_deals.hold(world.context, terms(window, "c", quantity_kw=1.0))
    assert refused.value.rule is DealRule.LIMIT
    market_deals.quote(world.context, terms(window, "d", quantity_kw=1.0))
    with pytest.raises(DealRefused) as refused:
        market_deals.quote(world.context, terms(window, "e", quantity_kw=1.0))
    assert refused.value.rule is DealRule.LIMIT
    other = market_deals.hold(world.context, terms(window, "f", peer_id="other", quantity_kw=1.0))
    assert other.state is ContractState.HELD


def test_a_job_refused_for_a_hold_is_planned_when_it_runs_out(world: World) -> None:
    with_cluster(world)
    window = one(world, WindowKind.COMPUTE, 4)
    market_deals.hold(world.context, terms(window))
    job_id = submitted(
        world, duration=hours(2), earliest_start=NOON + hours(4), latest_finish=NOON + hours(6),
        estimated_power_kw=90.0,
    )  # fmt: skip
    assert world.view(job_id).status is JobStatus.REFUSED
    world.clock.instant += timedelta(seconds=601)
    market_watch.advance(world.context)
    assert placed(world, job_id).start == NOON + hours(4)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"quantity_kw": 500.0}, DealRule.QUANTITY),
        ({"quantity_kw": 0.0}, DealRule.QUANTITY),
        ({"price_gbp_per_kwh": 0.0}, DealRule.PRICE),
        ({"value_gbp": 0.01}, DealRule.PRICE),
        ({"currency": "EUR"}, DealRule.PRICE),
        ({"slot_id": "cw-000000000000-20261121T1600Z-4"}, DealRule.NOT_FOUND),
    ],
)
def test_terms_that_are_not_ours_are_refused_with_their_rule(
    world: World, changes: dict[str, object], rule: DealRule
) -> None:
    with_cluster(world)
    window = one(world, WindowKind.COMPUTE, 4)
    version = _version(world)
    with pytest.raises(DealRefused) as refused:
        market_deals.hold(world.context, terms(window, **changes))
    assert refused.value.rule is rule
    assert _version(world) == version


@pytest.mark.parametrize("kind", [WindowKind.TURN_DOWN, WindowKind.TURN_UP])
def test_flexibility_is_sold_whole(world: World, kind: WindowKind) -> None:
    busy(world)
    window = one(world, kind, None, 1)
    version = _version(world)
    with pytest.raises(DealRefused, match="sold whole") as refused:
        market_deals.hold(world.context, terms(window, quantity_kw=window.capacity_kw / 2))
    assert refused.value.rule is DealRule.QUANTITY
    assert _version(world) == version
    held = market_deals.hold(world.context, terms(window, "u", quantity_kw=window.capacity_kw))
    with pytest.raises(DealRefused, match="all of its quantity"):
        market_deals.change_quantity(world.context, held, 1.0, "u-2")


def sold(world: World, kind: WindowKind) -> tuple[Window, Contract]:
    """Sell all of the first window of a kind of flexibility."""
    window = one(world, kind, None, 1)
    made = market.confirm(world.context, OPERATOR, window.slot_id, None)
    return window, made


def busy(world: World) -> list[str]:
    with_cluster(world)
    return [
        submitted(world, estimated_power_kw=30.0, latest_finish=NOON + hours(30)) for _ in range(2)
    ]


def test_a_turn_down_is_what_moving_jobs_can_deliver_and_limits_the_next_plan(
    world: World,
) -> None:
    jobs = busy(world)
    window = one(world, WindowKind.TURN_DOWN, None, 1)
    before = drawn(world, window)
    assert window.capacity_kw <= min(before)
    assert window.price_gbp_per_kwh is not None
    assert window.price_gbp_per_kwh >= 0.0
    _, made = sold(world, WindowKind.TURN_DOWN)
    after = drawn(world, window)
    for was, now in zip(before, after, strict=True):
        assert now <= was - made.quantity_kw + 1e-6
    assert made.baseline_kw == pytest.approx(tuple(before))
    assert made.p415_value_gbp is None
    assert "P415" in made.p415_reason
    assert {world.view(job).status for job in jobs} == {JobStatus.SCHEDULED}


def test_a_delivered_turn_down_is_measured_against_its_baseline(world: World) -> None:
    busy(world)
    window, made = sold(world, WindowKind.TURN_DOWN)
    for k in range(window.slots):
        world.at(window.start + k * SLOT + timedelta(minutes=1))
        market_watch.advance(world.context)
    world.at(window.end + timedelta(minutes=1))
    market_watch.advance(world.context)
    with world.context.uow() as uow:
        done = uow.market.get(made.contract_id)
        assert uow.market.claims(NOON) == ()
    assert done.state is ContractState.COMPLETE
    assert len(done.readings) == window.slots
    assert done.delivered_kwh == pytest.approx(made.energy_kwh)


def test_a_turn_up_brings_the_load_it_promised(world: World) -> None:
    busy(world)
    window = one(world, WindowKind.TURN_UP, None, 1)
    before = drawn(world, window)
    _, made = sold(world, WindowKind.TURN_UP)
    after = drawn(world, window)
    for was, now in zip(before, after, strict=True):
        assert now >= was + made.quantity_kw - 1e-6
    for move in made.moves:
        with pytest.raises(Conflict, match="bound by contract"):
            controls.pin(
                world.context, OPERATOR, move.job_id, start_time=None, asset_id=None, pinned=False
            )
    market.cancel(world.context, OPERATOR, made.contract_id)
    assert all(world.view(move.job_id).job.pinned_start is None for move in made.moves)


def room(world: World, start: datetime) -> float:
    """Return the capacity still on offer in the hour from an instant, at the meter; 0 where none is. [kW]"""
    found = [
        w.capacity_kw
        for w in catalogue(world.context).windows
        if w.kind is WindowKind.COMPUTE and w.start == start and w.slots == 2
    ]
    return found[0] if found else 0.0


def test_the_room_into_which_work_would_move_is_kept_until_confirm(world: World) -> None:
    with_cluster(world, max_power_kw=40.0)
    job_id = submitted(
        world, estimated_power_kw=30.0, duration=hours(1), earliest_start=NOON + hours(4),
        latest_finish=NOON + hours(6),
    )  # fmt: skip
    start = placed(world, job_id).start
    window = next(
        w
        for w in catalogue(world.context).windows
        if w.kind is WindowKind.TURN_DOWN and w.start <= start and w.end >= start + hours(1)
    )
    held = market_deals.hold(world.context, terms(window))
    (move,) = held.moves
    assert move.from_start == start
    # 30 of 40 kW are kept where the job would move to; where it is, it holds them itself.
    with world.context.uow() as uow:
        kept = {c.slot_start: c.power_kw for c in uow.market.claims(NOON) if c.power_kw}
    assert kept == {move.to_start + k * SLOT: 30.0 for k in range(2)}
    assert room(world, move.to_start) == pytest.approx(10.0)
    # Nobody else gets it, also by planning.
    other = submitted(
        world, estimated_power_kw=20.0, duration=hours(1), earliest_start=move.to_start,
        latest_finish=move.to_start + hours(1), job_name="other",
    )  # fmt: skip
    assert world.view(other).status is JobStatus.REFUSED
    with pytest.raises(DealRefused):
        market_deals.hold(
            world.context,
            terms(window, "rival", slot_id=_hour(world, move.to_start), quantity_kw=20.0),
        )
    bound = market_deals.confirm(world.context, terms(window, message_id="t-2"))
    assert bound.state is ContractState.CONFIRMED
    assert placed(world, job_id).start == move.to_start
    with world.context.uow() as uow:
        assert all(claim.power_kw == 0.0 for claim in uow.market.claims(NOON))


def _hour(world: World, start: datetime) -> str:
    return next(
        w.slot_id
        for w in catalogue(world.context).windows
        if w.kind is WindowKind.COMPUTE and w.start == start and w.slots == 2
    )


def test_a_turn_up_keeps_the_load_that_was_there_and_nobody_sells_the_opposite(
    world: World,
) -> None:
    busy(world)
    window = one(world, WindowKind.TURN_UP, None, 1)
    before = drawn(world, window)
    _, made = sold(world, WindowKind.TURN_UP)
    # Whatever becomes cheap elsewhere: what was there stays, and what was promised comes on top.
    cheap = made.window.start + hours(6)
    world.grids["live"].price = lambda _place, at: 0.01 if at >= cheap else 0.90
    world.at(world.clock.now() + timedelta(minutes=1))
    planning.schedule_all(world.context, OPERATOR)
    for was, now in zip(before, drawn(world, window), strict=True):
        assert now >= was + made.quantity_kw - 1e-6
    offered = [
        w
        for w in catalogue(world.context).windows
        if w.kind is WindowKind.TURN_DOWN and w.start < window.end and w.end > window.start
    ]
    assert offered == []


def test_no_turn_up_is_offered_where_load_may_leave_that_nobody_can_hold(world: World) -> None:
    with_cluster(world)
    free = submitted(
        world, estimated_power_kw=30.0, duration=hours(1), latest_finish=NOON + hours(30)
    )
    assert {w.start for w in catalogue(world.context).windows if w.kind is WindowKind.TURN_UP}
    first = submitted(
        world, estimated_power_kw=20.0, duration=hours(1), latest_finish=NOON + hours(12)
    )
    # It waits for the other: a chain is planned as a whole, and nobody can tell it to stay.
    loose = submitted(
        world, estimated_power_kw=20.0, duration=hours(2), depends_on=(first,),
        latest_finish=NOON + hours(20),
    )  # fmt: skip
    busy_slots = set()
    for segment in placed(world, loose).segments:
        at = segment.start
        while at < segment.end:
            busy_slots.add(at)
            at += SLOT
    offered = [w for w in catalogue(world.context).windows if w.kind is WindowKind.TURN_UP]
    assert offered
    assert all(not busy_slots & set(w.starts()) for w in offered)
    assert world.view(free).status is JobStatus.SCHEDULED


@pytest.mark.parametrize("kind", [WindowKind.TURN_DOWN, WindowKind.TURN_UP])
def test_flexibility_that_the_plan_does_not_deliver_is_not_sold(
    world: World, kind: WindowKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = busy(world)
    window = one(world, kind, None, 1)
    before = drawn(world, window)
    run = PlanRun("n", finished=True)
    with monkeypatch.context() as patch:
        # A planner that ends without having moved anything.
        patch.setattr(market_deals.planning, "replan_after", lambda *_, **__: run)
        with pytest.raises(DealRefused, match="the plan could not") as refused:
            market_deals.confirm(world.context, terms(window))
    assert refused.value.rule is DealRule.QUANTITY
    assert drawn(world, window) == before
    with world.context.uow() as uow:
        assert uow.market.claims(NOON) == ()
    assert all(world.view(job).job.pinned_start is None for job in jobs)


def test_the_contract_of_a_cancelled_job_ends(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    made = market.confirm(
        world.context, OPERATOR, one(world, WindowKind.COMPUTE, 10, 4).slot_id, job_id
    )
    controls.cancel(world.context, OPERATOR, job_id)
    assert market_watch.advance(world.context) == 1
    with world.context.uow() as uow:
        assert uow.market.get(made.contract_id).state is ContractState.CANCELLED


def test_only_those_who_may_submit_take_windows_and_only_operators_sell_flexibility(
    world: World,
) -> None:
    busy(world)
    window = one(world, WindowKind.TURN_DOWN, None, 1)
    for role in (Role.AUDITOR, Role.SUBMITTER):
        with pytest.raises(Forbidden):
            market.confirm(world.context, Caller("local", role), window.slot_id, None)


def test_every_step_is_in_the_audit_log(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    made = market.confirm(
        world.context, OPERATOR, one(world, WindowKind.COMPUTE, 10, 4).slot_id, job_id
    )
    market.cancel(world.context, OPERATOR, made.contract_id)
    told = [record.line for record in reversed(world.records("contract"))]
    assert [
        next(
            word
            for word in ("quoted", "held", "confirmed", "cancelled")
            if f'"event":"{word}"' in line
        )
        for line in told
    ] == ["quoted", "held", "confirmed", "cancelled"]


def test_simulated_windows_say_so(make_world: Callable[..., World]) -> None:
    world = make_world(mode="simulated")
    with_cluster(world)
    assert all(window.is_simulated for window in catalogue(world.context).windows)
