"""Who is asking: owners (tenants), roles and keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a key may do. Every role reads what its owner has."""

    SUBMITTER = "submitter"
    """Submit, change and cancel jobs."""
    OPERATOR = "operator"
    """Everything a submitter may, plus assets, planning of the whole fleet and the demo."""
    AUDITOR = "auditor"
    """Read everything of every owner, verify and export the log; change nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The party behind a request."""

    owner: str
    role: Role
    key_id: str | None = None
    """None: the open loopback mode without keys."""

    @property
    def may_submit(self) -> bool:
        """Return whether the caller may create and change jobs."""
        return self.role in {Role.SUBMITTER, Role.OPERATOR}

    @property
    def may_operate(self) -> bool:
        """Return whether the caller may manage assets and plan the fleet."""
        return self.role is Role.OPERATOR

    @property
    def sees_owner(self) -> str | None:
        """Return the owner to filter reads by; None reads everything."""
        return None if self.role is Role.AUDITOR else self.owner


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key; the secret itself is only ever held as a hash."""

    key_id: str
    secret_sha256: str
    owner: str
    role: Role
    label: str
    created_at: datetime
    revoked_at: datetime | None = None
