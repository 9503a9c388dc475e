"""A signed POST to whoever starts work for us: what to start, when, and every change of it.

The body is JSON; `Halfhour-Signature: t=<seconds>,v1=<hex>` is the HMAC-SHA-256 of `<seconds>.<body>` under the shared
secret, and `Idempotency-Key` stays the same when a hand-over is sent again. The receiver confirms runs over REST.
Secrets of a workload travel as references: the receiver looks them up where it runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import uuid4

from models.domain.errors import ExecutorFailed, FieldError, SourceUnavailable
from models.domain.execution import ExecutionReport, WorkOrder
from models.domain.signature import SignedPoster
from models.domain.time import format_utc
from models.domain.workload import Workload

LONGEST_ID = 200
"""Longest id of a receiver that is taken. [characters]"""

NAME = "webhook"
"""What the address is called where it does not answer."""

PASSING = frozenset({408, 409, 425, 429})
"""Refusals (4xx) that may pass."""


class WebhookExecutor:
    """`Executor` behind one address; it is told, and says itself what becomes of a run (`POST /api/jobs/{id}/confirm`)."""

    name = NAME
    is_real = True
    is_idempotent = True
    settle_seconds = 0.0
    reports = False

    def __init__(self, post: SignedPoster) -> None:
        """Send through what is given."""
        self._post = post

    def check(self, workload: Workload, owner: str) -> tuple[FieldError, ...]:
        """Return nothing: only the receiver knows what it runs."""
        del workload, owner
        return ()

    def hand_over(self, order: WorkOrder) -> str:
        """Send the work; return the receiver's id for it, ours where it gives none."""
        work = order.workload
        env: dict[str, Any] = dict(work.plain_env)
        env |= {name: {"from_env": ref.from_env} for name, ref in work.secrets.items()}
        asked = asdict(work.resources)
        answer = self._send(
            "hand_over",
            order.hand_over_id,
            {
                "job_id": order.job_id,
                "begin": None if order.begin is None else format_utc(order.begin),
                "duration_seconds": order.duration.total_seconds(),
                "time_limit_seconds": order.time_limit.total_seconds(),
                "is_interruptible": order.is_interruptible,
                "workload": {
                    "command": list(work.command) or None,
                    "script": work.script,
                    "env": env,
                    "resources": {k: v for k, v in asked.items() if v is not None},
                    "working_dir": work.working_dir,
                    "copies": work.copies,
                },
            },
        )
        given = answer.get("external_id")
        is_id = isinstance(given, str) and given.isprintable() and 0 < len(given) <= LONGEST_ID
        return str(given) if is_id else order.hand_over_id

    def move(self, external_id: str, begin: datetime) -> None:
        """Tell another begin time."""
        self._send("move", external_id, {"begin": format_utc(begin)})

    def hold(self, external_id: str) -> None:
        """Tell that it must not start for now."""
        self._send("hold", external_id, {})

    def cancel(self, external_id: str, *, only_waiting: bool = False) -> None:
        """Tell that it must end; with `only_waiting`: unless it has started."""
        self._send("cancel", external_id, {"only_waiting": only_waiting})

    def suspend(self, external_id: str) -> None:
        """Tell that it must pause."""
        self._send("suspend", external_id, {})

    def resume(self, external_id: str) -> None:
        """Tell that it may go on."""
        self._send("resume", external_id, {})

    def find(self, wanted: Mapping[str, str | None]) -> dict[str, tuple[ExecutionReport, ...]]:
        """Return nothing: the receiver is not asked, it says."""
        return dict.fromkeys(wanted, ())

    def log_tail(self, hand_over_id: str, external_id: str, max_bytes: int = 16_384) -> str | None:
        """Return None: output stays with the receiver."""
        del hand_over_id, external_id, max_bytes
        return None

    def _send(self, event: str, run_id: str, what: Mapping[str, Any]) -> dict[str, Any]:
        """Send one message.

        Raises:
            ExecutorFailed: Final where the receiver refuses it (4xx but 408, 409, 425 and 429), else worth repeating.
        """
        body = json.dumps({"event": event, "run_id": run_id, **what}, sort_keys=True).encode()
        # A hand-over that is sent again is the same message. Other messages set a state, so a repeated one does no harm,
        # and the same wish may come back later: moved there and back again.
        key = hashlib.sha256(body).hexdigest()[:32] if event == "hand_over" else uuid4().hex
        try:
            reply = self._post(body, f"{run_id}-{event}-{key}"[:200])
        except SourceUnavailable as error:
            raise ExecutorFailed(str(error), may_have_acted=True) from error
        if reply.is_good:
            return _object(reply.body)
        is_final = 400 <= reply.status < 500 and reply.status not in PASSING
        raise ExecutorFailed(
            f"the webhook answered {reply.status} to {event}",
            may_have_acted=not is_final,
            is_final=is_final,
        )


def _object(text: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer; an empty one where it is something else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
