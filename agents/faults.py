"""Which job a mistake of our own belongs to, so that one job does not stop the planning of all others."""

from __future__ import annotations

from types import TracebackType

MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What our own code raises when it is wrong."""


class JobFault(Exception):
    """Our own code failed while it handled one job; the cause is chained."""

    def __init__(self, job_id: str, doing: str) -> None:
        """Name the job and what was being done with it."""
        super().__init__(f"job {job_id}: {doing} failed")
        self.job_id = job_id


class PolicyVeto(RuntimeError):
    """The Policy Agent vetoed a plan the award made: our own mistake, so nothing is committed."""

    def __init__(self, message: str, job_id: str | None = None) -> None:
        """Store the sentence and the job that breaks the limit; None where no single one does."""
        super().__init__(message)
        self.job_id = job_id


class handling:  # noqa: N801 - reads as a verb: `with handling(job_id, "pricing"):`
    """A block that handles one job: a mistake in it is raised as that job's `JobFault`."""

    def __init__(self, job_id: str, doing: str) -> None:
        """Name the job and what is being done with it."""
        self._job_id = job_id
        self._doing = doing

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give a mistake its job."""
        if isinstance(error, MISTAKES):
            raise JobFault(self._job_id, self._doing) from error
