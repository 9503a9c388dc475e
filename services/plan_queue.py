"""Plans that wait for their turn in this process: who asks before one has begun waits for it, not for another.

A plan reads the facts when its turn has come. Until then it answers everybody who asked meanwhile, so that a crowd that plans at once makes one plan beside the one at work and not one each. Only some of a crowd may wait: the
others are told where to follow the plan, because threads that wait answer nobody else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from services.context import Context
from services.types import PlanRun

ASKED_FOR = frozenset({"schedule", "schedule_all"})
"""Triggers by which somebody wants every job tried again."""

SEVERAL = "several"
"""Trigger of a plan that is made for more than one reason."""


@dataclass(eq=False)
class Ticket:
    """One plan that waits, is made, or is done."""

    context: Context
    trigger: str
    """Why it is made; may change until it has begun."""
    negotiation_id: UUID
    announced: threading.Event = field(default_factory=threading.Event)
    """Set once the negotiation can be followed by its id."""
    done: threading.Event = field(default_factory=threading.Event)
    run: PlanRun | None = None
    error: BaseException | None = None
    waiting: int = 0
    """How many wait for what comes of it."""


class PlanQueue:
    """The tickets of this process that have not begun."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._tickets: list[Ticket] = []
        self._waiters = 0

    def join(
        self, context: Context, trigger: str, new_id: Callable[[], UUID]
    ) -> tuple[Ticket, bool]:
        """Return the ticket of a plan that has not begun, and whether it is new and its holder must see to it.

        Args:
            context: Which application asks.
            trigger: Why; plans that somebody asked for are not shared with those that are made by themselves.
            new_id: Draws the id of a new negotiation.
        """
        with self._lock:
            for ticket in self._tickets:
                is_same = (ticket.trigger in ASKED_FOR) == (trigger in ASKED_FOR)
                if ticket.context is context and is_same:
                    if ticket.trigger != trigger:
                        ticket.trigger = "schedule_all" if trigger in ASKED_FOR else SEVERAL
                    ticket.waiting += 1
                    return ticket, False
            ticket = Ticket(context, trigger, new_id(), waiting=1)
            self._tickets.append(ticket)
            return ticket, True

    def wait(self, ticket: Ticket, limit_seconds: float | None) -> PlanRun:
        """Return what came of a ticket that was joined, or that it is not finished within a limit.

        Where as many wait already as the settings allow, it is not waited at all.

        Args:
            ticket: As `join` gave it.
            limit_seconds: None: however long it takes, and whoever else waits. [s]

        Raises:
            BaseException: What the planning raised.
        """
        counts = limit_seconds is not None
        if counts and not self._may_wait(ticket.context.settings.plan_waiters):
            ticket.announced.wait(limit_seconds)
            self._leave(ticket)
            return PlanRun(str(ticket.negotiation_id), finished=False)
        is_done = ticket.done.wait(limit_seconds)
        self._leave(ticket, has_waited=counts)
        if not is_done:
            return PlanRun(str(ticket.negotiation_id), finished=False)
        if ticket.error is not None:
            raise ticket.error
        assert ticket.run is not None
        return ticket.run

    def _may_wait(self, most: int | None) -> bool:
        with self._lock:
            if most is not None and self._waiters >= most:
                return False
            self._waiters += 1
            return True

    def _leave(self, ticket: Ticket, *, has_waited: bool = False) -> None:
        with self._lock:
            ticket.waiting -= 1
            self._waiters -= has_waited

    def begun(self, ticket: Ticket) -> None:
        """Share a ticket no more: its plan reads the facts now, and who comes later must not miss what they changed."""
        with self._lock:
            if ticket in self._tickets:
                self._tickets.remove(ticket)

    def end(self, ticket: Ticket, *, run: PlanRun | None = None, error: BaseException | None = None) -> bool:  # fmt: skip
        """Tell everybody who waits what came of it; return whether anybody still does."""
        self.begun(ticket)
        ticket.run, ticket.error = run, error
        with self._lock:
            is_awaited = ticket.waiting > 0
            ticket.announced.set()
            ticket.done.set()
        return is_awaited
