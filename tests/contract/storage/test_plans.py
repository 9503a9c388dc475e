"""What every `PlanRepository` does: answers, reserved power, the guard and negotiations."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta

import pytest
from sqlalchemy import select

from models.domain.change import ChangeKind, MoveValues, PlanChange, Window, Worth
from models.domain.errors import InvalidRequest, NotFound, StalePlan
from models.domain.job import JobStatus
from models.domain.plan import Certificate, NegotiationStatus, PlanMethod, Segment
from models.domain.power_limit import PowerLimit
from storage.database import Database
from storage.leases import SqlLeaseStore
from storage.tables import ReservationRow
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.stored import a_deferred_plan, a_placement, a_plan, a_refused_plan, a_summary

SLOT = timedelta(minutes=30)


@pytest.fixture
def fleet(units: SqlUnitOfWorkFactory) -> SqlUnitOfWorkFactory:
    """A cluster with room for 25 kW (30 less 5 of base load) and jobs a to d."""
    with units(write=True) as unit:
        unit.assets.add(an_asset("cluster-a", max_power_kw=30.0, base_load_kw=5.0))
        unit.assets.add(an_asset("cluster-b", max_power_kw=30.0))
        for name in "abcd":
            unit.jobs.add(a_job(f"job-{name}"))
        unit.commit()
    return units


def put(fleet: SqlUnitOfWorkFactory, *plans) -> None:
    with fleet(write=True) as unit:
        unit.plans.put(plans)
        unit.commit()


def reserved(database: Database) -> list[tuple]:
    with database.transaction() as transaction:
        rows = transaction.rows(
            select(
                ReservationRow.job_id,
                ReservationRow.asset_id,
                ReservationRow.slot_start,
                ReservationRow.power_kw,
                ReservationRow.frozen,
            ).order_by(ReservationRow.job_id, ReservationRow.slot_start)
        )
    return [tuple(row) for row in rows]


def test_plans_read_back_as_they_were_stored(fleet: SqlUnitOfWorkFactory) -> None:
    moved = a_plan(
        "job-a",
        moves=2,
        previous_start=NOON - SLOT,
        move_reason="a newer forecast",
        signals_mode="replay",
        outturn={"cost_gbp": 0.1 + 0.2, "at": NOON},
    )
    refused, deferred = a_refused_plan("job-b"), a_deferred_plan("job-c")
    put(fleet, moved, refused, deferred)
    with fleet() as unit:
        assert unit.plans.current() == {"job-a": moved, "job-b": refused, "job-c": deferred}


def test_a_plan_is_exactly_one_answer(fleet: SqlUnitOfWorkFactory) -> None:
    with fleet(write=True) as unit:
        for wrong in (
            replace(a_plan(), refusal=a_refused_plan().refusal),
            replace(a_plan(), award=None),
            replace(a_plan("job-a"), job_id="job-b"),
        ):
            with pytest.raises(ValueError, match="one award, one refusal or one deferral"):
                unit.plans.put([wrong])


def test_an_award_reserves_full_power_in_every_half_hour_it_touches(
    fleet: SqlUnitOfWorkFactory, database: Database
) -> None:
    # 12:00 to 13:10 touches three half-hours. Two segments share 12:30: the greater counts.
    two_levels = replace(
        a_placement(minutes=70),
        segments=(
            Segment(NOON, NOON + timedelta(minutes=45), 4.0),
            Segment(NOON + timedelta(minutes=45), NOON + timedelta(minutes=70), 7.0),
        ),
    )
    put(fleet, a_plan("job-a", two_levels), a_plan("job-b", a_placement(minutes=30), frozen=True))
    assert reserved(database) == [
        ("job-a", "cluster-a", NOON, 4.0, False),
        ("job-a", "cluster-a", NOON + SLOT, 7.0, False),
        ("job-a", "cluster-a", NOON + 2 * SLOT, 7.0, False),
        ("job-b", "cluster-a", NOON, 10.0, True),
    ]


def test_a_pause_reserves_nothing(fleet: SqlUnitOfWorkFactory, database: Database) -> None:
    paused = replace(
        a_placement(minutes=90),
        segments=(Segment(NOON, NOON + SLOT, 4.0), Segment(NOON + 2 * SLOT, NOON + 3 * SLOT, 4.0)),
    )
    put(fleet, a_plan("job-a", paused))
    assert [row[2] for row in reserved(database)] == [NOON, NOON + 2 * SLOT]


def test_a_new_answer_replaces_what_the_job_held_and_leaves_the_others(
    fleet: SqlUnitOfWorkFactory, database: Database
) -> None:
    put(fleet, a_plan("job-a"), a_plan("job-b"), a_plan("job-c"))
    elsewhere = a_placement(NOON + 4 * SLOT, minutes=30, asset_id="cluster-b")
    put(fleet, a_plan("job-a", elsewhere, moves=1), a_refused_plan("job-b"), a_plan("job-c"))
    assert reserved(database) == [
        ("job-a", "cluster-b", NOON + 4 * SLOT, 10.0, False),
        ("job-c", "cluster-a", NOON, 10.0, False),
        ("job-c", "cluster-a", NOON + SLOT, 10.0, False),
    ]


def test_only_changed_rows_are_written_again(
    fleet: SqlUnitOfWorkFactory, database: Database
) -> None:
    from sqlalchemy import event

    put(fleet, a_plan("job-a"), a_plan("job-b"))
    writes: list[str] = []

    def listen(_conn, _cursor, statement, *_rest) -> None:
        if statement.split()[0] in {"INSERT", "UPDATE", "DELETE"}:
            writes.append(statement)

    event.listen(database.engine, "before_cursor_execute", listen)
    put(fleet, a_plan("job-a"), a_plan("job-b"))
    assert writes == []
    # A new decision about the same half-hours: the answer is written, the reservations are not.
    put(fleet, a_plan("job-a", decision_id="another"), a_plan("job-b"))
    assert len(writes) == 1
    assert "job_plans" in writes[0]


def test_released_and_final_jobs_hold_nothing(
    fleet: SqlUnitOfWorkFactory, database: Database
) -> None:
    put(fleet, a_plan("job-a"), a_plan("job-b"), a_plan("job-c"))
    with fleet(write=True) as unit:
        unit.plans.release("job-a")
        unit.plans.release("job-a")
        unit.jobs.update(a_job("job-b", status=JobStatus.CANCELLED, version=2))
        unit.commit()
    assert {row[0] for row in reserved(database)} == {"job-c"}
    with fleet() as unit:
        assert set(unit.plans.current()) == {"job-a", "job-c"}, "job-a is open, job-b is neither"
    put(fleet, a_plan("job-a"))
    assert {row[0] for row in reserved(database)} == {"job-a", "job-c"}, "and may hold them again"


def test_the_present_plan_has_what_still_holds_power(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, a_plan("job-a"), a_plan("job-b"))
    with fleet(write=True) as unit:
        for name in ("job-a", "job-b"):
            unit.jobs.update(a_job(name, status=JobStatus.UNCONFIRMED, version=2))
        unit.plans.release("job-b")
        unit.commit()
    with fleet() as unit:
        assert set(unit.plans.current()) == {"job-a"}


def test_power_up_to_the_room_is_let_pass_and_more_is_refused(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    # The room is 30 - 5 = 25 kW: 10 + 15 fit, another 0.1 from 12:30 does not.
    with fleet(write=True) as unit:
        unit.plans.put([a_plan("job-a"), a_plan("job-b", a_placement(power_kw=15.0))])
        unit.plans.check_capacity()
        unit.plans.put([a_plan("job-c", a_placement(NOON + SLOT, 30, 0.1))])
        with pytest.raises(StalePlan, match=r"25\.1 kW in the half-hour from 2026-11-21T12:30:00Z"):
            unit.plans.check_capacity()


def test_a_limit_of_power_is_guarded_in_the_half_hours_it_touches(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    # From 12:30 for half an hour 15 kW, of which 5 kW are base load: 10 kW fit, 10.1 kW only outside it.
    limit = PowerLimit(15.0, from_time=time(12, 30), to_time=time(13))
    limited = an_asset(
        "cluster-a", max_power_kw=30.0, base_load_kw=5.0, power_limits=(limit,), version=2
    )
    with fleet(write=True) as unit:
        unit.assets.update(limited)
        unit.plans.put([a_plan("job-a"), a_plan("job-b", a_placement(minutes=30, power_kw=15.0))])
        unit.plans.put([a_plan("job-d", a_placement(power_kw=20.0, asset_id="cluster-b"))])
        unit.plans.check_capacity()
        unit.plans.put([a_plan("job-c", a_placement(NOON + SLOT, 30, 0.1))])
        with pytest.raises(
            StalePlan, match=r"10\.1 kW .* 2026-11-21T12:30:00Z and its limits leave 10 kW"
        ):
            unit.plans.check_capacity()
        unit.plans.release("job-b")
        unit.plans.release("job-c")
        # Work that can no longer move is let pass, as where the whole cluster shrinks.
        unit.plans.put([a_plan("job-a", a_placement(power_kw=12.0), frozen=True)])
        unit.plans.check_capacity()


def test_rounding_within_the_tolerance_is_let_pass(fleet: SqlUnitOfWorkFactory) -> None:
    with fleet(write=True) as unit:
        unit.plans.put([a_plan("job-a", a_placement(power_kw=25.0 + 1e-9))])
        unit.plans.check_capacity()
        with pytest.raises(StalePlan):
            unit.plans.check_capacity(tolerance_kw=1e-12)


def test_a_breach_by_frozen_work_alone_is_let_pass(fleet: SqlUnitOfWorkFactory) -> None:
    with fleet(write=True) as unit:
        unit.plans.put([a_plan("job-a", a_placement(power_kw=40.0), frozen=True)])
        unit.plans.check_capacity()
        unit.plans.put([a_plan("job-b", a_placement(NOON + SLOT, 30, 1.0))])
        with pytest.raises(StalePlan):
            unit.plans.check_capacity()


def test_what_a_started_job_holds_counts_as_frozen(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, a_plan("job-a", a_placement(power_kw=20.0)))
    with fleet(write=True) as unit:
        unit.jobs.update(a_job("job-a", status=JobStatus.RUNNING, version=2))
        unit.assets.update(an_asset("cluster-a", max_power_kw=10.0, version=2))
        unit.plans.check_capacity()


def test_a_deleted_asset_has_no_room(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, a_plan("job-a"))
    with fleet(write=True) as unit:
        unit.assets.update(an_asset("cluster-a", deleted_at=NOON, version=2))
        with pytest.raises(StalePlan, match="room for 0 kW"):
            unit.plans.check_capacity()


def test_the_guard_lets_pass_an_unchanged_plan_under_a_held_lease(
    fleet: SqlUnitOfWorkFactory, database: Database
) -> None:
    leases = SqlLeaseStore(database)
    token = leases.acquire("plan", "worker-1", 60)
    assert token is not None
    with fleet() as unit:
        version = unit.plans.version()
    with fleet(write=True) as unit:
        unit.plans.guard(version, token)
        unit.plans.bump()
        assert unit.plans.version() == version + 1
        unit.commit()
    with fleet(write=True) as unit, pytest.raises(StalePlan, match="moved on"):
        unit.plans.guard(version, token)


def test_the_guard_refuses_a_lease_that_was_given_up_or_taken_over(
    fleet: SqlUnitOfWorkFactory, database: Database
) -> None:
    leases = SqlLeaseStore(database)
    old = leases.acquire("plan", "worker-1", -1.0)  # runs out at once
    new = leases.acquire("plan", "worker-2", 60)
    assert old is not None
    assert new is not None
    with fleet(write=True) as unit:
        version = unit.plans.version()
        with pytest.raises(StalePlan, match="lease"):
            unit.plans.guard(version, old)
        with pytest.raises(StalePlan, match="lease"):
            unit.plans.guard(version, 999)
        unit.plans.guard(version, new)
    leases.release("plan", "worker-2", new)
    with fleet(write=True) as unit, pytest.raises(StalePlan, match="lease"):
        unit.plans.guard(version, new)


def test_accepting_jobs_and_changing_assets_do_not_bump_by_themselves(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    with fleet(write=True) as unit:
        before = unit.plans.version()
        unit.jobs.add(a_job("job-e"))
        unit.assets.update(an_asset("cluster-b", version=2))
        assert unit.plans.version() == before


def test_a_negotiation_reads_back_with_its_messages_and_snapshot(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    running = a_summary()
    certificate = Certificate(
        1.5, 1.25, 0.25, 100 / 6, None, 1.5, 0.0, 3, 0.125, PlanMethod.GREEDY, notes=("a", "b"),
        carbon_gbp_per_tonne_by_day=((date(2026, 11, 21), 0.1 + 0.2),),
        carbon_budget_kg_by_day=((date(2026, 11, 21), 10.0), (date(2026, 11, 22), 10.0)),
        carbon_kg_by_day=((date(2026, 11, 21), 9.5), (date(2026, 11, 22), 0.0)),
    )  # fmt: skip
    finished = replace(
        running,
        status=NegotiationStatus.COMMITTED,
        finished_at=NOON + SLOT,
        scheduled=2,
        certificate=certificate,
    )
    messages = ({"kind": "jobs_announced", "round": 0}, {"kind": "award", "load_kw": [0.1, None]})
    snapshot = {"jobs": [{"job_id": "job-a"}], "title": "Ünchanged"}
    with fleet(write=True) as unit:
        unit.plans.begin_negotiation(running)
        assert unit.plans.negotiation("negotiation-1") == (running, (), {})
        unit.plans.finish_negotiation(finished, messages, snapshot)
        unit.commit()
    with fleet() as unit:
        assert unit.plans.negotiation("negotiation-1") == (finished, messages, snapshot)
        with pytest.raises(NotFound):
            unit.plans.negotiation("absent")


def test_the_frozen_view_of_a_plan_is_read_alone(fleet: SqlUnitOfWorkFactory) -> None:
    snapshot = {"jobs": [], "shadow_prices": {"cluster-a": {"gbp_per_kwh": [0.01]}}}
    with fleet(write=True) as unit:
        running = a_summary("n-1", NOON, status=NegotiationStatus.RUNNING)
        unit.plans.begin_negotiation(running)
        assert unit.plans.snapshot("n-1") == {}
        done = replace(running, status=NegotiationStatus.COMMITTED)
        unit.plans.finish_negotiation(done, [{"kind": "x"}], snapshot)
        assert unit.plans.snapshot("n-1") == snapshot
        with pytest.raises(NotFound):
            unit.plans.snapshot("absent")


def test_negotiations_are_listed_newest_first_by_status(fleet: SqlUnitOfWorkFactory) -> None:
    with fleet(write=True) as unit:
        for k in range(5):
            status = NegotiationStatus.FAILED if k == 2 else NegotiationStatus.COMMITTED
            unit.plans.begin_negotiation(a_summary(f"n-{k}", NOON + k * SLOT, status=status))
        unit.commit()
    with fleet() as unit:
        first = unit.plans.negotiations(status=NegotiationStatus.COMMITTED, limit=3)
        assert [one.negotiation_id for one in first.items] == ["n-4", "n-3", "n-1"]
        rest = unit.plans.negotiations(
            status=NegotiationStatus.COMMITTED, limit=3, cursor=first.next_cursor
        )
        assert [one.negotiation_id for one in rest.items] == ["n-0"]
        assert rest.next_cursor is None
        with pytest.raises(InvalidRequest):
            unit.plans.negotiations(cursor="x")


def test_an_outturn_is_stored_with_its_plan(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, a_plan("job-a"))
    with fleet(write=True) as unit:
        unit.plans.save_outturn("job-a", {"cost_gbp": 1.5, "segments": [1, 2]})
        with pytest.raises(NotFound):
            unit.plans.save_outturn("job-b", {})
        unit.commit()
    with fleet() as unit:
        plan = unit.jobs.view("job-a", NOON).plan
        assert plan is not None
        assert plan.outturn == {"cost_gbp": 1.5, "segments": [1, 2]}


def test_holders_of_power_are_told_by_half_hour_with_their_owner(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    with fleet(write=True) as unit:
        unit.jobs.add(a_job("job-z", owner="another"))
        unit.commit()
    elsewhere = a_placement(NOON, 60, 7.0, "cluster-b")
    put(
        fleet,
        a_plan("job-b"),
        a_plan("job-z", a_placement(NOON + SLOT, 30, 2.5)),
        a_plan("job-c", elsewhere),
    )
    with fleet() as unit:
        assert unit.plans.holders("cluster-a", NOON, NOON + 2 * SLOT) == (
            (NOON, "job-b", "local", 10.0),
            (NOON + SLOT, "job-b", "local", 10.0),
            (NOON + SLOT, "job-z", "another", 2.5),
        )
        assert unit.plans.holders("cluster-a", NOON + 2 * SLOT, NOON + 9 * SLOT) == ()


def test_reserved_power_is_summed_by_asset_and_half_hour(fleet: SqlUnitOfWorkFactory) -> None:
    # Both run 12:00 to 13:00 on cluster-a; job-c runs from 12:30 on cluster-b.
    later = a_placement(NOON + SLOT, 60, 7.0, "cluster-b")
    put(
        fleet,
        a_plan("job-a"),
        a_plan("job-b", a_placement(power_kw=2.5)),
        a_plan("job-c", later),
    )
    with fleet() as unit:
        assert unit.plans.reserved(NOON, NOON + 2 * SLOT) == {
            "cluster-a": {NOON: 12.5, NOON + SLOT: 12.5},
            "cluster-b": {NOON + SLOT: 7.0},
        }
        assert unit.plans.reserved(NOON, NOON + SLOT, only_job="job-b") == {
            "cluster-a": {NOON: 2.5}
        }
        assert unit.plans.reserved(NOON + 3 * SLOT, NOON + 9 * SLOT) == {}


# --- what plans changed ---------------------------------------------------------------------------


def a_change(position: int, **changes) -> PlanChange:
    plain = PlanChange(
        "negotiation-1", position, NOON, f"job-{position}", "name", "local", ChangeKind.MOVED, "carbon", "it rose",
        Window("cluster-a", "london", NOON, NOON + SLOT), Window("cluster-b", "london", NOON + SLOT, NOON + 2 * SLOT),
        MoveValues(*(Worth(1.0, 2.0, 0.25, None, 100.0, None) for _ in range(4)), None, 0.1), ("job-z",), 3,
    )  # fmt: skip
    return replace(plain, **changes)


def add(fleet: SqlUnitOfWorkFactory, *changes: PlanChange) -> None:
    with fleet(write=True) as unit:
        unit.plans.add_changes(changes)
        unit.commit()


def test_changes_read_back_in_their_order_in_pages_and_by_owner(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    mine = [a_change(n) for n in (0, 2, 4)]
    theirs = [a_change(n, owner="other") for n in (1, 3)]
    add(fleet, *reversed(mine), *theirs, a_change(0, negotiation_id="negotiation-2"))
    with fleet() as unit:
        first = unit.plans.changes("negotiation-1", limit=3)
        assert [c.position for c in first.items] == [0, 1, 2]
        rest = unit.plans.changes("negotiation-1", cursor=first.next_cursor, limit=3)
        assert ([c.position for c in rest.items], rest.next_cursor) == ([3, 4], None)
        assert unit.plans.changes("negotiation-1", "local").items == tuple(mine)
        assert unit.plans.changes("nothing").items == ()
        with pytest.raises(InvalidRequest, match="cursor"):
            unit.plans.changes("negotiation-1", cursor="what")


def test_the_changes_of_a_job_come_newest_first(fleet: SqlUnitOfWorkFactory) -> None:
    for n in range(3):
        add(fleet, a_change(0, negotiation_id=f"negotiation-{n}", decided_at=NOON + n * SLOT))
    with fleet() as unit:
        found = unit.plans.changes_of("job-0", 2)
    assert [c.negotiation_id for c in found] == ["negotiation-2", "negotiation-1"]


def test_the_last_plan_that_moved_jobs_is_found_by_owner_and_time(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    add(fleet, a_change(0), a_change(1), a_change(2, owner="other"))
    later = NOON + SLOT
    add(
        fleet,
        a_change(0, negotiation_id="negotiation-2", decided_at=later, kind=ChangeKind.REFUSED),
    )
    with fleet() as unit:
        assert unit.plans.last_moves("local", NOON) == ("negotiation-1", NOON, 2)
        assert unit.plans.last_moves(None, NOON) == ("negotiation-1", NOON, 3)
        assert unit.plans.last_moves("local", later) is None


def test_a_forgotten_answer_is_gone_with_what_it_held(
    database: Database, fleet: SqlUnitOfWorkFactory
) -> None:
    put(fleet, a_plan("job-a"), a_deferred_plan("job-b"))
    with fleet(write=True) as unit:
        unit.plans.forget("job-a")
        unit.plans.forget("job-b")
        unit.plans.forget("job-c")
        unit.commit()
    assert reserved(database) == []
    with fleet() as unit:
        assert unit.plans.current() == {}


def test_refused_jobs_are_counted_by_rule(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, a_refused_plan("job-a", "internal"), a_refused_plan("job-b", "power"))
    with fleet(write=True) as unit:
        for name in ("job-a", "job-b"):
            job = unit.jobs.get(name)
            unit.jobs.update(replace(job, status=JobStatus.REFUSED, version=job.version + 1))
        unit.commit()
    with fleet() as unit:
        assert unit.plans.count_refused("internal") == 1
        assert unit.plans.count_refused("carbon_cap") == 0


def test_the_frozen_view_reads_back_alone(fleet: SqlUnitOfWorkFactory) -> None:
    with fleet(write=True) as unit:
        unit.plans.begin_negotiation(a_summary("running"))
        unit.plans.finish_negotiation(a_summary("done"), [{"kind": "x"}], {"jobs": [1.5]})
        unit.commit()
    with fleet() as unit:
        assert unit.plans.snapshot("done") == {"jobs": [1.5]}
        assert unit.plans.snapshot("running") == {}
        with pytest.raises(NotFound):
            unit.plans.snapshot("none")
