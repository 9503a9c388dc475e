"""What machines that watch the program want to know: planning, hand-overs and the loop, over all owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from models.domain.execution import ExecutionState, HandOver, Stage
from models.domain.plan import NegotiationStatus, NegotiationSummary
from services.context import Context
from services.signals import LOOP_LEASE


@dataclass(frozen=True)
class Telemetry:
    """Counts and last values; none names a job."""

    asked_at: datetime
    """Planning clock."""
    last_plan: NegotiationSummary | None
    """The newest finished negotiation."""
    hand_overs: Mapping[tuple[str, Stage, ExecutionState | None], int]
    """How many by executor, stage and the executor's last word."""
    open: tuple[HandOver, ...]
    """Those with something left to do."""
    is_loop_running: bool
    """Whether some process holds the loop's lease."""

    @property
    def untold(self) -> int:
        """Return how many open hand-overs an executor has yet to be told of or to answer."""
        return sum(not one.is_told or one.called_at is not None for one in self.open)

    @property
    def failing(self) -> int:
        """Return how many open hand-overs had their last call fail."""
        return sum(one.tries > 0 for one in self.open)


def show(context: Context) -> Telemetry:
    """Return what is known now."""
    with context.uow() as uow:
        finished = uow.plans.negotiations(status=NegotiationStatus.COMMITTED, limit=1).items
        counts, waiting = uow.hand_overs.counts(), uow.hand_overs.open()
    return Telemetry(
        asked_at=context.clock.now(),
        last_plan=finished[0] if finished else None,
        hand_overs=counts,
        open=waiting,
        is_loop_running=context.leases.holder(LOOP_LEASE) is not None,
    )
