"""The worker loop: refresh, let time pass, re-plan, write the log. Every process may run it; the lease holder works."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from models.domain import trace
from services import (
    audit_view,
    hand_over,
    lifecycle,
    market_watch,
    notices,
    outturn,
    planning,
    routines,
)
from services.context import Context
from services.signals import LOOP_LEASE, RefreshReport

log = logging.getLogger(__name__)

KEEP_SIGNALS = timedelta(days=120)
"""How long the signal archive is kept on the planning clock. [days]"""

PRUNE_SECONDS = 6 * 3600.0
"""Pause between two rounds of tidying up. [s]"""

Step = Callable[[], Any]


@dataclass(frozen=True)
class Tick:
    """What one round did."""

    is_holder: bool
    done: Mapping[str, Any] = field(default_factory=dict)
    """Answer of each step that went well."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """What went wrong in each step that did not."""


class Loop:
    """Runs rounds while this process holds the lease."""

    def __init__(
        self,
        context: Context,
        holder: str,
        *,
        pause_seconds: float,
        lease_seconds: float,
        more: Mapping[str, Step] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind the use cases.

        Args:
            context: Ports.
            holder: Name of this process, unlike every other.
            pause_seconds: Pause between two rounds. [s]
            lease_seconds: How long the lease lasts unrenewed. [s]
            more: Steps beyond those of the services, by name.
            monotonic: System timer. [s]
        """
        self._more = dict(more or {})
        self._context = context
        self._holder = holder
        self._pause_seconds = pause_seconds
        self._lease_seconds = lease_seconds
        self._monotonic = monotonic
        self._pruned_at: float | None = None
        self._report: RefreshReport | None = None
        self._answered_version: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Run rounds until told to stop, then give the lease back."""
        while not stop.is_set():
            try:
                self.tick()
            except Exception:
                log.exception("the loop could not take its turn; it tries again")
            stop.wait(self._pause_seconds)
        self.release()

    def release(self) -> None:
        """Give the lease back if this process holds it, so that another need not wait for its end."""
        leases = self._context.leases
        if leases.holder(LOOP_LEASE) != self._holder:
            return
        token = leases.acquire(LOOP_LEASE, self._holder, self._lease_seconds)
        if token is not None:
            leases.release(LOOP_LEASE, self._holder, token)

    def tick(self) -> Tick:
        """Run one round if the lease is ours; a step that fails is logged and does not stop the others."""
        leases = self._context.leases
        token = leases.acquire(LOOP_LEASE, self._holder, self._lease_seconds)
        if token is None:
            return Tick(is_holder=False)
        done: dict[str, Any] = {}
        failed: dict[str, str] = {}
        for name, step in self._steps().items():
            if not leases.renew(LOOP_LEASE, self._holder, token, self._lease_seconds):
                log.warning(
                    "the lease of the loop was lost before %r; another process goes on", name
                )
                break
            try:
                with trace.about(step=name):
                    done[name] = step()
            except Exception as error:
                log.exception("step %r of the loop failed; the other steps go on", name)
                failed[name] = f"{type(error).__name__}: {error}"
        return Tick(True, done, failed)

    def _steps(self) -> dict[str, Step]:
        context = self._context
        return {
            "refresh": self._refresh,
            "confirm": lambda: hand_over.confirm(context),
            "advance": lambda: lifecycle.advance(context),
            "market": lambda: market_watch.advance(context),
            "routines": lambda: routines.extend(context),
            "replan": self._replan,
            "hand_over": lambda: hand_over.follow(context),
            "notices": lambda: notices.tell(context),
            "settle": lambda: outturn.settle(context),
            "flush": lambda: audit_view.flush(context),
            "prune": self._prune,
            **self._more,
        }

    def _refresh(self) -> RefreshReport:
        self._report = _merged(self._report, self._context.signals.refresh())
        return self._report

    def _replan(self) -> Any:
        """Plan if something calls for it; news that could not be planned with are kept for the next round."""
        report = self._report or RefreshReport(False, False, False)
        with self._context.uow() as uow:
            version = uow.plans.version()
        if not report.has_news and version == self._answered_version:
            return None
        run = planning.replan_if_needed(self._context, report)
        self._report = None
        # Nothing lacked an answer at this version; until it grows there is nothing to look for.
        self._answered_version = version if run is None else None
        return run

    def _prune(self) -> int:
        moment = self._monotonic()
        if self._pruned_at is not None and moment - self._pruned_at < PRUNE_SECONDS:
            return 0
        self._pruned_at = moment
        return self._context.signals.prune(KEEP_SIGNALS)


def _merged(before: RefreshReport | None, now: RefreshReport) -> RefreshReport:
    """Return the news of two rounds as one."""
    if before is None:
        return now
    return RefreshReport(
        before.carbon_updated or now.carbon_updated,
        before.prices_updated or now.prices_updated,
        before.mode_changed or now.mode_changed,
        now.failures,
    )
