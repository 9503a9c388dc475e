"""The dry run: takes whatever it is given, notes what it would do, and starts nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from models.domain.errors import FieldError
from models.domain.execution import ExecutionReport, WorkOrder
from models.domain.time import format_utc
from models.domain.workload import DRY_RUN, Workload

log = logging.getLogger(__name__)


class DryRunExecutor:
    """`Executor` that starts nothing; what it would do is in the log, in the records and on the Job page."""

    name = DRY_RUN
    is_real = False
    is_idempotent = True
    settle_seconds = 0.0
    reports = False

    def check(self, workload: Workload, owner: str) -> tuple[FieldError, ...]:
        """Return nothing: it would run anything."""
        del workload, owner
        return ()

    def hand_over(self, order: WorkOrder) -> str:
        """Note what would be started, and when; never what is in the environment."""
        when = "held" if order.begin is None else f"from {format_utc(order.begin)}"
        what = "a script" if order.workload.script else order.workload.command[0]
        log.info("dry run: job %s would run %s, %s", order.job_id, what, when)
        return f"dry-{order.hand_over_id}"

    def move(self, external_id: str, begin: datetime) -> None:
        """Note another begin time."""
        log.info("dry run: %s would start from %s", external_id, format_utc(begin))

    def hold(self, external_id: str) -> None:
        """Note a hold."""
        log.info("dry run: %s would be held", external_id)

    def cancel(self, external_id: str, *, only_waiting: bool = False) -> None:
        """Note an end."""
        word = "withdrawn if it waited" if only_waiting else "ended"
        log.info("dry run: %s would be %s", external_id, word)

    def suspend(self, external_id: str) -> None:
        """Note a pause."""
        log.info("dry run: %s would pause", external_id)

    def resume(self, external_id: str) -> None:
        """Note that it goes on."""
        log.info("dry run: %s would go on", external_id)

    def find(self, wanted: Mapping[str, str | None]) -> dict[str, tuple[ExecutionReport, ...]]:
        """Return that nothing is known of any run: none was started."""
        return dict.fromkeys(wanted, ())

    def log_tail(self, hand_over_id: str, external_id: str, max_bytes: int = 16_384) -> str | None:
        """Return None: nothing ran."""
        del hand_over_id, external_id, max_bytes
        return None
