"""The `workload` of a job as the API describes it.

The object is checked by `models.domain.workload`, which never repeats a value of its environment, and not field by
field here: messages of a schema checker would.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import WithJsonSchema

from models.domain.workload import (
    EXECUTORS,
    LONGEST_NAMED_PAUSE_MINUTES,
    MOST_ATTEMPTS,
    MOST_COPIES,
    RETRY_PAUSE_MINUTES,
    WORD_ALLOWED,
)
from models.domain.workload_checks import LONGEST_ARGUMENT, LONGEST_PATH, MOST_ARGUMENTS

_WORD = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$",
    "x-allowed": WORD_ALLOWED,
}


def _count(most: int, says: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "description": says}


def _word(says: str) -> dict[str, Any]:
    return {**_WORD, "description": says}


WORKLOAD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What to run: a command or a script, and what it needs.",
    "additionalProperties": False,
    "properties": {
        "executor": {
            "enum": [*EXECUTORS, None],
            "description": "Who starts it; by default that of its cluster, else the dry run.",
        },
        "command": {
            "type": "array",
            "items": {"type": "string", "maxLength": LONGEST_ARGUMENT},
            "minItems": 1,
            "maxItems": MOST_ARGUMENTS,
            "description": "Program and arguments; no shell reads them. Either this or script.",
        },
        "script": {
            "type": "string",
            "description": "Text of a script, run by its first line or by bash. No #SBATCH lines.",
        },
        "env": {
            "type": "object",
            "description": "Variables: texts, or references to secrets that are read when the work is handed over.",
            "additionalProperties": {
                "anyOf": [
                    {"type": "string", "maxLength": LONGEST_ARGUMENT},
                    {
                        "type": "object",
                        "required": ["from_env"],
                        "additionalProperties": False,
                        "properties": {"from_env": {"type": "string"}},
                    },
                ]
            },
        },
        "working_dir": {
            "type": "string",
            "pattern": "^/",
            "maxLength": LONGEST_PATH,
            "description": "Full path of the folder it starts in.",
        },
        "copies": _count(MOST_COPIES, "Identical tasks, started together as an array."),
        "max_attempts": _count(
            MOST_ATTEMPTS, "Runs at most: after a failure it is planned again within its deadline."
        ),
        "retry_pause_minutes": {
            "type": "integer",
            "minimum": 0,
            "maximum": LONGEST_NAMED_PAUSE_MINUTES,
            "default": RETRY_PAUSE_MINUTES,
            "description": "Pause after a first failed run, doubled after each further one; shorter where its "
            "deadline asks for it. [min]",
        },
        "resources": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "partition": _word("Partition."),
                "account": _word("Account."),
                "qos": _word("Quality of service."),
                "constraint": _word("Feature of the machines."),
                "gpu_type": _word("Type of GPU; needs gpus."),
                "nodes": _count(10_000, "Machines."),
                "tasks": _count(1_000_000, "Tasks."),
                "cpus_per_task": _count(1024, "Processors of each task."),
                "memory_mb": _count(100_000_000, "Memory per machine. [MB]"),
                "gpus": _count(1024, "GPUs per machine."),
                "time_limit_minutes": _count(
                    43_200, "When it is ended by force; by default twice its planned length. [min]"
                ),
            },
        },
    },
}
"""JSON schema of a workload."""

WorkloadObject = Annotated[dict[str, Any], WithJsonSchema(WORKLOAD_SCHEMA)]
