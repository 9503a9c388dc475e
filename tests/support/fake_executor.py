"""A small cluster in memory: keeps begin times, starts what is due, and fails or dies where a test says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from models.domain.errors import ExecutorFailed, FieldError
from models.domain.execution import OVER, ExecutionReport, ExecutionState, WorkOrder
from models.domain.workload import Workload


class PowerCut(BaseException):
    """The program ends here at once; nothing above may catch it."""


@dataclass
class Run:
    """One job of the cluster."""

    external_id: str
    order: WorkOrder
    begin: datetime | None
    state: ExecutionState
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    energy_kwh: float | None = None


@dataclass
class FakeExecutor:
    """`Executor` in memory; `tick` lets its time pass."""

    now: Callable[[], datetime]
    name: str = "slurm"
    is_real: bool = True
    is_idempotent: bool = False
    settle_seconds: float = 30.0
    reports: bool = True
    runs: dict[str, Run] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fails_with: ExecutorFailed | None = None
    """Raised by every call but `find`."""
    output: dict[str, str] = field(default_factory=dict)
    """What runs wrote, by our id."""
    is_away: bool = False
    """True: nobody answers any question."""
    dies: str | None = None
    """`before` or `after`: the program dies around the next hand-over."""

    def check(self, workload: Workload, owner: str) -> tuple[FieldError, ...]:
        return ()

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.fails_with is not None:
            raise self.fails_with

    def hand_over(self, order: WorkOrder) -> str:
        if self.dies == "before":
            self.dies = None
            raise PowerCut
        self._called("hand_over")
        external_id = str(len(self.runs) + 1)
        state = ExecutionState.HELD if order.begin is None else ExecutionState.QUEUED
        self.runs[external_id] = Run(external_id, order, order.begin, state)
        if self.dies == "after":
            self.dies = None
            raise PowerCut
        return external_id

    def move(self, external_id: str, begin: datetime) -> None:
        self._called("move")
        self.runs[external_id].begin = begin
        self.runs[external_id].state = ExecutionState.QUEUED

    def hold(self, external_id: str) -> None:
        self._called("hold")
        self.runs[external_id].state = ExecutionState.HELD

    def cancel(self, external_id: str, *, only_waiting: bool = False) -> None:
        self._called("withdraw" if only_waiting else "cancel")
        run = self.runs[external_id]
        if run.state not in OVER and not (only_waiting and run.started_at):
            run.state, run.ended_at = ExecutionState.CANCELLED, self.now()

    def suspend(self, external_id: str) -> None:
        self._called("suspend")
        self.runs[external_id].state = ExecutionState.SUSPENDED

    def resume(self, external_id: str) -> None:
        self._called("resume")
        self.runs[external_id].state = ExecutionState.RUNNING

    def find(self, wanted: Mapping[str, str | None]) -> dict[str, tuple[ExecutionReport, ...]]:
        if self.is_away:
            raise ExecutorFailed("nobody answers")
        return {
            run_id: tuple(
                ExecutionReport(
                    run_id, run.external_id, run.state, run.begin, run.started_at, run.ended_at,
                    run.exit_code, "", run.energy_kwh, "memory",
                )
                for run in self.runs.values()
                if run.order.hand_over_id == run_id
            )
            for run_id in wanted
        }  # fmt: skip

    def log_tail(self, hand_over_id: str, external_id: str, max_bytes: int = 16_384) -> str | None:
        return self.output.get(hand_over_id)

    # --- what happens there -------------------------------------------------------------------

    def the_run(self) -> Run:
        """Return the only run there is."""
        (run,) = self.runs.values()
        return run

    def start(self, external_id: str | None = None, at: datetime | None = None) -> Run:
        """Start a run, by default the newest one, by default now."""
        run = self.runs[external_id or str(len(self.runs))]
        run.state, run.started_at = ExecutionState.RUNNING, at or self.now()
        return run

    def end(self, code: int = 0, *, after: timedelta | None = None) -> Run:
        """End the newest run, by default now."""
        run = self.runs[str(len(self.runs))]
        run.state = ExecutionState.FAILED if code else ExecutionState.COMPLETED
        run.ended_at = (
            self.now() if after is None or run.started_at is None else run.started_at + after
        )
        run.exit_code = code
        return run

    def forget(self) -> None:
        """Lose every run."""
        self.runs = {
            n: replace(run, order=replace(run.order, hand_over_id="?"))
            for n, run in self.runs.items()
        }
