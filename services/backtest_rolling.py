"""Planning again and again through recorded time, as the program would have done. Pure apart from the recorded grid.

At every half-hour: what is about to start is frozen, the rest is negotiated with what is known then, and what is due
starts. The state between two half-hours is small and plain, so that a long run can be interrupted and taken up again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from agents.policy import Policy
from agents.scheduler import negotiate
from agents.view import Held, Outcome, Situation
from models.domain.job import Job
from models.domain.signal import RegionSignals
from models.domain.time import SLOT, Horizon, ceil_slot, format_utc, parse_rfc3339
from models.optimise.options import Incumbent
from services.backtest_types import Forecast, Run, Setup, Start
from services.situation import horizon_for

NOBODY = UUID(int=0)
"""Negotiation id of a replay."""


class Grid(Protocol):
    """What planners are shown."""

    def view(self, now: datetime, horizon: Horizon, forecast: Forecast) -> dict[str, RegionSignals]:
        """Return what was known at an instant, by region."""

    def truth(self, horizon: Horizon) -> dict[str, RegionSignals]:
        """Return what really came, by region."""


@dataclass
class State:
    """Everything that a half-hour hands to the next one."""

    slot: int = 0
    """Next half-hour to live through."""
    awards: dict[str, Start] = field(default_factory=dict)
    """Present awards of jobs that have not started."""
    started: dict[str, Start] = field(default_factory=dict)
    moves: dict[str, int] = field(default_factory=dict)
    negotiations: int = 0
    frozen_moves: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON."""
        return {
            "slot": self.slot,
            "awards": _written(self.awards),
            "started": _written(self.started),
            "moves": dict(self.moves),
            "negotiations": self.negotiations,
            "frozen_moves": self.frozen_moves,
        }

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> State:
        """Return a stored state."""
        return cls(
            int(stored["slot"]),
            _read(stored["awards"]),
            _read(stored["started"]),
            {str(k): int(v) for k, v in stored["moves"].items()},
            int(stored["negotiations"]),
            int(stored.get("frozen_moves", 0)),
        )


def _written(starts: Mapping[str, Start]) -> dict[str, list[str]]:
    return {job_id: [s.asset_id, format_utc(s.start)] for job_id, s in starts.items()}


def _read(stored: Mapping[str, Any]) -> dict[str, Start]:
    return {str(k): Start(str(v[0]), parse_rfc3339(str(v[1]))) for k, v in stored.items()}


def roll(
    setup: Setup,
    grid: Grid,
    *,
    policy: Policy | None = None,
    freeze: timedelta | None = None,
    state: State | None = None,
    told: Callable[[State], None] = lambda _state: None,
) -> Run:
    """Live through a setup, planning at every half-hour.

    Args:
        setup: What is replayed.
        grid: What is known when.
        policy: In place of the setup's.
        freeze: In place of the setup's.
        state: Where to go on; None: from the beginning.
        told: Called after every half-hour with the state.
    """
    state = state or State()
    rolling = _Rolling(
        setup,
        grid,
        policy or setup.policy,
        setup.freeze if freeze is None else freeze,
        {job.job_id: job for job in setup.jobs},
        state,
    )
    while state.slot < setup.whole.slots:
        rolling.live()
        state.slot += 1
        told(state)
    return Run(dict(state.started), dict(state.moves), state.negotiations, state.frozen_moves)


@dataclass
class _Rolling:
    setup: Setup
    grid: Grid
    policy: Policy
    freeze: timedelta
    jobs: Mapping[str, Job]
    state: State

    def live(self) -> None:
        """Live through one half-hour: plan, then start what is due."""
        state = self.state
        now = self.setup.whole.start_of(state.slot)
        frozen = {
            job_id
            for job_id, award in state.awards.items()
            if self.freeze and award.start <= now + self.freeze
        }
        movable = [job for job in self._open(now) if job.job_id not in frozen]
        if movable:
            self._take(negotiate(self._situation(now, movable, frozen)), now)
            state.negotiations += 1
        for job_id in [k for k, award in state.awards.items() if award.start <= now]:
            state.started[job_id] = state.awards.pop(job_id)

    def _open(self, now: datetime) -> list[Job]:
        """Return jobs that have arrived, not started, and can still meet their deadline."""
        return [
            job
            for job in self.setup.jobs
            if ceil_slot(job.release) <= now
            and job.job_id not in self.state.started
            and (job.job_id in self.state.awards or now + job.duration <= job.latest_finish)
        ]

    def _situation(self, now: datetime, movable: list[Job], frozen: set[str]) -> Situation:
        horizon = horizon_for(now, movable)
        standing = {**self.state.started, **{k: self.state.awards[k] for k in frozen}}
        return Situation(
            negotiation_id=NOBODY,
            now=now,
            horizon=horizon,
            jobs=tuple(movable),
            assets=self.setup.assets,
            signals=self.grid.view(now, horizon, self.setup.forecast),
            policy=self.policy,
            held=tuple(
                self._held(job_id, award, horizon)
                for job_id, award in sorted(standing.items())
                if award.start + self.jobs[job_id].duration > now
            ),
            incumbents={
                job.job_id: Incumbent(award.asset_id, horizon.index_of(award.start))
                for job in movable
                if (award := self.state.awards.get(job.job_id)) is not None
            },
        )

    def _held(self, job_id: str, award: Start, horizon: Horizon) -> Held:
        job = self.jobs[job_id]
        return Held(
            job_id,
            award.asset_id,
            horizon.index_of(award.start),
            job.slot_power_kw(),
            award.start + job.slots * SLOT,
        )

    def _take(self, outcome: Outcome, now: datetime) -> None:
        """Take a plan over and count what it moved."""
        state = self.state
        for award in outcome.awards:
            placed = Start(award.placement.asset_id, award.placement.start)
            before = state.awards.get(award.job_id)
            if before is not None and before != placed:
                self._count(award.job_id, before, now)
            state.awards[award.job_id] = placed
        for refusal in outcome.refusals:
            lost = state.awards.pop(refusal.job_id, None)
            if lost is not None:
                self._count(refusal.job_id, lost, now)

    def _count(self, job_id: str, before: Start, now: datetime) -> None:
        """Count one move of an award, and whether it came inside the setup's freeze."""
        self.state.moves[job_id] = self.state.moves.get(job_id, 0) + 1
        is_inside = before.start <= now + self.setup.freeze
        self.state.frozen_moves += bool(self.setup.freeze) and is_inside


def clairvoyant(setup: Setup, grid: Grid) -> Run:
    """Plan all jobs at once for cost + κ·carbon alone, with every job and every value known from the start.

    Waiting has no price here and need not pay, because savings are compared without it: this is what could be saved.
    """
    free = replace(setup.policy, churn_gbp_per_kwh=0.0, weight_deadline=0.0, min_saving_percent=0.0)
    whole = setup.whole
    outcome = negotiate(
        Situation(
            negotiation_id=NOBODY,
            now=whole.start,
            horizon=whole,
            jobs=setup.jobs,
            assets=setup.assets,
            signals=grid.truth(whole),
            policy=free,
        )
    )
    starts = {
        award.job_id: Start(award.placement.asset_id, award.placement.start)
        for award in outcome.awards
    }
    return Run(starts, {}, 1)
