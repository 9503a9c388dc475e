"""Reads an `sbatch` command line with its script, and says the same as a workload of Halfhour.

What Slurm reads from `#SBATCH` lines is read here too, so that the script need not change; the lines are then disarmed,
because a directive left in it could override the plan. An option that would change what runs and has no counterpart
is refused; one that only concerns output or mail is left out and named.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


class BadLine(Exception):
    """The command line cannot be handed over; the text says what to change."""


@dataclass
class Work:
    """A command line as a workload, with what it says about the job itself."""

    workload: dict[str, Any]
    job_name: str | None = None
    hours: float | None = None
    """Its time limit, which is the longest it can last. [h]"""
    left_out: list[str] = field(default_factory=list)
    """Options that have no effect under Halfhour."""


WORDS = {
    "--partition": "partition",
    "--account": "account",
    "--qos": "qos",
    "--constraint": "constraint",
}
"""Options that are a name, and their names among `workload.resources`."""

NUMBERS = {"--nodes": "nodes", "--ntasks": "tasks", "--cpus-per-task": "cpus_per_task"}
"""Options that are a whole number, and their names among `workload.resources`."""

SHORT = {
    "-J": "--job-name", "-p": "--partition", "-A": "--account", "-q": "--qos", "-C": "--constraint",
    "-N": "--nodes", "-n": "--ntasks", "-c": "--cpus-per-task", "-G": "--gpus", "-t": "--time",
    "-a": "--array", "-D": "--chdir", "-o": "--output", "-e": "--error", "-b": "--begin",
    "-d": "--dependency", "-H": "--hold", "-Q": "--quiet", "-v": "--verbose", "-W": "--wait",
}  # fmt: skip

FLAGS = frozenset(
    {"--parsable", "--quiet", "--verbose", "--requeue", "--no-requeue", "--hold", "--wait"}
)
"""Options without a value."""

WITHOUT_EFFECT = frozenset(
    {
        "--output", "--error", "--open-mode", "--mail-type", "--mail-user", "--parsable", "--quiet",
        "--verbose", "--requeue", "--no-requeue", "--comment",
    }
)  # fmt: skip
"""Options about output, mail and display: Halfhour keeps the output itself."""

INSTEAD = {
    "--begin": "Halfhour chooses the start; say --from and --by before the two dashes",
    "--dependency": "say --after JOB before the two dashes, with an id of Halfhour",
    "--hold": "submit it, then hold it on its page",
    "--wait": "use `halfhour status JOB --watch`",
}
"""Options whose purpose Halfhour serves in another way."""

_DIRECTIVE = re.compile(r"(?i)^([ \t]*)#([ \t]*)(SBATCH|PBS|BSUB|COBALT|FLUX|OAR)\b(.*)$")
_MEMORY_MB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}
_SHELLS = ("sh", "bash", "dash", "ksh", "zsh")


def work_of(words: Sequence[str], read: Callable[[str], str], folder: str) -> Work:
    """Return what a command line asks for.

    Args:
        words: The words after the two dashes: `sbatch …`, or a program with its arguments.
        read: Returns the text of a file.
        folder: Where the line was typed: the work starts there unless it says otherwise, as under sbatch.

    Raises:
        BadLine: If it cannot be said as a workload.
    """
    if not words:
        raise BadLine("say what to run after two dashes: halfhour submit … -- sbatch train.sh")
    if words[0].rpartition("/")[2] != "sbatch":
        return Work({"command": list(words), "working_dir": folder})
    options, rest = _split(words[1:])
    if "--wrap" in options:
        if rest:
            raise BadLine(f"sbatch takes --wrap or a script, not both: {rest[0]}")
        script = options["--wrap"]
    elif rest:
        script = read(rest[0])
        options = {**_directives(script), **options}
    else:
        raise BadLine("sbatch is given no script; a script on standard input is not read")
    options.pop("--wrap", None)
    work = Work({"script": _disarmed(script, rest[1:]), "working_dir": folder})
    _apply(options, work)
    return work


def _split(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the options of a line by their long names, and what follows them."""
    options: dict[str, str] = {}
    place = 0
    while place < len(words) and words[place].startswith("-") and words[place] != "-":
        word = words[place]
        place += 1
        if word.startswith("--"):
            name, has_value, value = word.partition("=")
        else:
            name, value = word[:2], word[2:].removeprefix("=")
            has_value = value
            name = SHORT.get(name, name)
        if name in FLAGS:
            value = ""
        elif not has_value:
            if place == len(words):
                raise BadLine(f"sbatch's {name} has no value")
            value = words[place]
            place += 1
        options[name] = value
    return options, list(words[place:])


def _directives(script: str) -> dict[str, str]:
    """Return the options in a script's `#SBATCH` lines, which end at its first command."""
    found: dict[str, str] = {}
    for line in script.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            break
        if line.startswith("#SBATCH"):
            options, rest = _split(shlex.split(line.removeprefix("#SBATCH"), comments=True))
            if rest:
                raise BadLine(f"this line of the script is not understood: {line}")
            found.update(options)
    return found


def _disarmed(script: str, arguments: Sequence[str]) -> str:
    """Return a script without directives, its arguments set in its second line."""
    lines = [_DIRECTIVE.sub(r"\1#-\2\3\4", line) for line in script.splitlines()]
    first = lines[0] if lines else ""
    if arguments:
        shell = first.split()[0].rpartition("/")[2] if first.startswith("#!") else "bash"
        if shell == "env":
            shell = first.split()[1] if len(first.split()) > 1 else ""
        if shell not in _SHELLS:
            raise BadLine(
                f"arguments are passed on to shell scripts only, and this one begins with {first}; "
                "run the program itself: -- python train.py --epochs 3"
            )
        setting = "set -- " + " ".join(map(shlex.quote, arguments))
        lines.insert(1 if first.startswith("#!") else 0, setting)
    return "\n".join(lines) + "\n"


def _apply(options: dict[str, str], work: Work) -> None:
    resources: dict[str, Any] = {}
    for name, value in options.items():
        if name in WORDS:
            resources[WORDS[name]] = value
        elif name in NUMBERS:
            resources[NUMBERS[name]] = _whole(name, value)
        elif name in {"--gpus", "--gpus-per-node", "--gres"}:
            resources.update(_gpus(name, value, options))
        elif name == "--mem":
            resources["memory_mb"] = _memory_mb(value)
        elif name == "--time":
            minutes = _minutes(value)
            resources["time_limit_minutes"] = minutes
            work.hours = minutes / 60
        elif name in OF_WORK:
            work.workload.update(OF_WORK[name](value))
        elif name == "--job-name":
            work.job_name = value
        elif name in WITHOUT_EFFECT:
            work.left_out.append(name)
        else:
            cure = INSTEAD.get(name, "leave it out, or submit this job to Slurm yourself")
            raise BadLine(f"sbatch's {name} is not passed on; {cure}")
    if resources:
        work.workload["resources"] = resources


def _whole(name: str, value: str) -> int:
    if not value.isdigit() or int(value) < 1:
        raise BadLine(f"sbatch's {name}={value} is not one whole number from 1")
    return int(value)


def _gpus(name: str, value: str, options: dict[str, str]) -> dict[str, Any]:
    """Return GPUs per machine from `[gpu:][type:]count`."""
    parts = value.split(":")
    if name == "--gres":
        if parts[0] != "gpu" or "," in value:
            raise BadLine(f"of sbatch's --gres only gpu[:type]:count is passed on, not {value}")
        parts = parts[1:] or ["1"]
    elif name == "--gpus" and options.get("--nodes", "1") != "1":
        raise BadLine("say --gpus-per-node=… beside --nodes: --gpus is of the whole job")
    count = _whole(name, parts[-1])
    return {"gpus": count, **({"gpu_type": parts[0]} if len(parts) > 1 else {})}


def _memory_mb(value: str) -> int:
    found = re.fullmatch(r"(\d+)([KMGT]?)B?", value.upper())
    if found is None:
        raise BadLine(f"sbatch's --mem={value} is not understood; write 64G")
    return max(1, round(int(found[1]) * _MEMORY_MB[found[2] or "M"]))


def _minutes(value: str) -> int:
    """Return a time limit; Slurm writes `minutes`, `minutes:seconds`, `h:m:s`, `d-h`, `d-h:m` and `d-h:m:s`."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", value)
    if found is None:
        raise BadLine(f"sbatch's --time={value} is not a time limit; write 4:00:00")
    days, *numbers = (None if part is None else int(part) for part in found.groups())
    first, second, third = numbers[0] or 0, numbers[1], numbers[2]
    if days is not None:
        seconds = ((days * 24 + first) * 60 + (second or 0)) * 60 + (third or 0)
    elif third is not None:
        seconds = (first * 60 + (second or 0)) * 60 + third
    else:
        seconds = first * 60 + (second or 0)
    if seconds < 1:
        raise BadLine(f"sbatch's --time={value} sets no limit; write how long it may last")
    return -(-seconds // 60)


def _copies(value: str) -> dict[str, Any]:
    """Return how many tasks an array has; only arrays that count from 0 without gaps run the same here."""
    found = re.fullmatch(r"0-(\d+)", value)
    if found is None:
        raise BadLine(f"of sbatch's --array only 0-N is passed on, not {value}")
    return {"copies": int(found[1]) + 1}


def _exported(value: str) -> dict[str, Any]:
    env: dict[str, str] = {}
    for part in value.split(","):
        name, is_given, text = part.partition("=")
        if is_given:
            env[name] = text
        elif name != "NONE":
            raise BadLine(
                f"sbatch's --export={name} copies variables of this shell, which is not done; "
                "write --export=NAME=value, and --secret before the two dashes for secrets"
            )
    return {"env": env} if env else {}


OF_WORK: dict[str, Callable[[str], dict[str, Any]]] = {
    "--array": _copies,
    "--chdir": lambda value: {"working_dir": value},
    "--export": _exported,
}
"""Options that fill fields of the workload itself."""
