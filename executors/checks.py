"""Checks that several executors make of a workload before they take it."""

from __future__ import annotations

from collections.abc import Callable

from models.domain.errors import FieldError
from models.domain.workload import Workload
from models.domain.workload_checks import is_inside

SecretReader = Callable[[str, str], str | None]
"""Returns the value of a variable for an owner; None where it is not set or not theirs."""


def secret_errors(workload: Workload, owner: str, secret: SecretReader) -> list[FieldError]:
    """Return which references lead to nothing this owner may use."""
    return [
        FieldError(
            f"workload.env.{variable}.from_env",
            f"there is no variable {reference.from_env} that may be passed on to your work",
            reference.from_env,
            "names the operator has listed in HALFHOUR_EXECUTOR_SECRETS and set",
            "ask the operator to list it there and to set it where the program runs",
        )
        for variable, reference in workload.secrets.items()
        if secret(owner, reference.from_env) is None
    ]


def folder_errors(workload: Workload, allowed: tuple[str, ...]) -> list[FieldError]:
    """Return whether the working folder lies outside the allowed ones; none given: any will do."""
    folder = workload.working_dir
    if folder is None or not allowed or is_inside(folder, allowed):
        return []
    return [
        FieldError(
            "workload.working_dir",
            "is outside the folders in which work may start",
            folder,
            ", ".join(allowed),
            "choose a folder inside one of these",
        )
    ]
