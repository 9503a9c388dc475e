"""What a workload must not hold: text that would become another command, option, directive, path or library.

Everything is checked before a job is accepted, whatever its executor, and the executors quote on top of it. Messages
never repeat a value of the environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from models.domain.errors import FieldError

Wrong = list[FieldError]

MOST_ARGUMENTS = 256
LONGEST_ARGUMENT = 4096
"""Longest program name or argument, and longest value of a variable. [characters]"""

LONGEST_PATH = 1024
MOST_VARIABLES = 100

FORBIDDEN_PATHS = ("/proc", "/sys", "/dev")
"""Folders in which no work is started."""

MEMORY_DISK = ("/dev/shm",)  # noqa: S108 - compared with, never written to
"""Where many clusters keep scratch files: among the devices, but a folder like any other."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SCRIPT_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DIRECTIVE = re.compile(r"(?im)^[ \t]*#[ \t]*(SBATCH|PBS|BSUB|COBALT|FLUX|OAR)\b.*$")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SECRET_WORDS = re.compile(
    r"(?i)(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|CREDENTIALS?)(_|$)"
)

LOADER_PREFIXES = ("LD_", "DYLD_", "GCONV_", "BASH_FUNC_")
"""Variables with which another program is loaded into one's own."""

SCHEDULER_PREFIXES = ("SLURM_", "SBATCH_", "SRUN_", "SALLOC_", "SQUEUE_", "SACCT_", "SCONTROL_")
"""Variables that Slurm's own commands read as options."""

OWN_PREFIX = "HALFHOUR_"
"""Variables of this program."""

LOADER_NAMES = frozenset(
    {
        "BASHOPTS", "BASH_ENV", "CDPATH", "ENV", "GLOBIGNORE", "HOSTALIASES", "IFS", "LOCALDOMAIN", "LOCPATH",
        "NLSPATH", "NODE_OPTIONS", "PERL5DB", "PERL5LIB", "PERL5OPT", "PROMPT_COMMAND", "PS4", "PYTHONHOME",
        "PYTHONINSPECT", "PYTHONSTARTUP", "RESOLV_HOST_CONF", "RES_OPTIONS", "RUBYOPT", "SHELLOPTS", "TMOUT",
        "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "MALLOC_CHECK_",
        "MALLOC_TRACE", "GLIBC_TUNABLES", "POSIXLY_CORRECT", "UID", "EUID", "PPID", "SHELL",
    }
)  # fmt: skip
"""Variables that make a shell, an interpreter or the loader run or read something else."""


def command_errors(command: object) -> Wrong:
    """Return what is wrong with a command: a list of the program and its arguments."""
    name = "workload.command"
    if not isinstance(command, list | tuple) or not command or len(command) > MOST_ARGUMENTS:
        return [
            FieldError(
                name,
                "is not a list of a program and its arguments",
                None,
                f"1 to {MOST_ARGUMENTS} texts",
                'send ["python", "train.py", "--epochs", "3"]; no shell reads it',
            )
        ]
    wrong: Wrong = []
    for place, part in enumerate(command):
        where = f"{name}.{place}"
        if not isinstance(part, str) or len(part) > LONGEST_ARGUMENT:
            wrong.append(FieldError(where, "is not a text", None, _text_allowed()))
        elif _CONTROL.search(part):
            wrong.append(
                FieldError(
                    where,
                    "holds a line break, a NUL or another control character",
                    None,
                    "text on one line",
                    "put what needs several lines into a script",
                )
            )
    program = command[0]
    if isinstance(program, str) and (not program.strip() or program.startswith(("-", "~"))):
        wrong.append(
            FieldError(
                f"{name}.0",
                "is not the name of a program",
                program[:80],
                "a name such as python, or a path",
                "begin with the program; options come after it",
            )
        )
    if isinstance(program, str) and ".." in PurePosixPath(program).parts:
        wrong.append(_climbs(f"{name}.0", program))
    return wrong


def script_errors(script: object) -> Wrong:
    """Return what is wrong with the text of a script."""
    name = "workload.script"
    if not isinstance(script, str) or not script.strip():
        return [FieldError(name, "is not the text of a script", None, "text", "send its lines")]
    wrong: Wrong = []
    if _SCRIPT_CONTROL.search(script):
        wrong.append(
            FieldError(
                name,
                "holds a NUL, a carriage return or another control character",
                None,
                "text with line feeds and tabs only",
                "save it with Unix line ends",
            )
        )
    directive = _DIRECTIVE.search(script)
    if directive:
        wrong.append(
            FieldError(
                name,
                "holds a line for a batch system, which would override the plan",
                directive.group(0).strip()[:120],
                "no #SBATCH, #PBS or #BSUB lines",
                "remove the line and put what it asks for into workload.resources",
            )
        )
    return wrong


def env_errors(env: object) -> Wrong:
    """Return what is wrong with the variables of a workload; no value is repeated."""
    if env is None:
        return []
    if not isinstance(env, Mapping) or len(env) > MOST_VARIABLES:
        return [
            FieldError(
                "workload.env",
                "is not an object of variables",
                None,
                f"up to {MOST_VARIABLES} names with texts or references",
                'send {"EPOCHS": "3", "TOKEN": {"from_env": "TRAIN_TOKEN"}}',
            )
        ]
    wrong: Wrong = []
    for variable, value in env.items():
        wrong += _variable_errors(variable, value)
    return wrong


def _variable_errors(variable: object, value: object) -> Wrong:
    if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
        return [
            FieldError(
                "workload.env",
                "holds a name that no variable may have",
                str(variable)[:80],
                "letters, digits and underscores, not beginning with a digit",
                "rename it",
            )
        ]
    where = f"workload.env.{variable}"
    upper = variable.upper()
    if upper in LOADER_NAMES or upper.startswith(LOADER_PREFIXES):
        return [
            FieldError(
                where,
                "makes the loader, the shell or an interpreter run something else, so it is refused",
                None,
                "other variables",
                "set it inside your script, where only your own program reads it",
            )
        ]
    if upper.startswith((*SCHEDULER_PREFIXES, OWN_PREFIX)):
        return [
            FieldError(
                where,
                "is read by the batch system or by this program as an option, so it is refused",
                None,
                "other variables",
                "put what it asks for into workload.resources",
            )
        ]
    if isinstance(value, Mapping):
        name = value.get("from_env")
        if set(value) == {"from_env"} and isinstance(name, str) and _VARIABLE.fullmatch(name):
            return []
        return [
            FieldError(
                where,
                "is not a reference",
                None,
                '{"from_env": "<name of a variable>"}',
                "name the variable that holds the secret where the program runs",
            )
        ]
    if not isinstance(value, str) or len(value) > LONGEST_ARGUMENT or _CONTROL.search(value):
        return [
            FieldError(
                where,
                "is not a text on one line without control characters",
                None,
                f"{_text_allowed()}, or a reference",
                'send a text such as "3"',
            )
        ]
    if _SECRET_WORDS.search(variable):
        return [
            FieldError(
                where,
                "looks like a secret and is given in clear, which would be stored",
                None,
                '{"from_env": "<name of a variable>"}',
                "give it by reference: the value is read only when the work is handed over",
            )
        ]
    return []


def working_dir_errors(path: object) -> Wrong:
    """Return what is wrong with the folder work is to start in."""
    if path is None:
        return []
    name = "workload.working_dir"
    is_plain = isinstance(path, str) and len(path) <= LONGEST_PATH and not _CONTROL.search(path)
    if not is_plain or not str(path).startswith("/") or str(path).startswith("//"):
        return [
            FieldError(
                name,
                "is not the full path of a folder",
                None,
                "a path that begins with /",
                "send a full path without control characters",
            )
        ]
    text = str(path)
    if {"..", "."} & set(text.split("/")):
        return [_climbs(name, text)]
    if is_inside(text, FORBIDDEN_PATHS) and not is_inside(text, MEMORY_DISK):
        return [
            FieldError(
                name, "is a folder of the system", text[:200], "a folder of yours", "choose another"
            )
        ]
    return []


def is_inside(path: str, roots: tuple[str, ...]) -> bool:
    """Return whether a full path is one of some folders or lies in one; no link is followed."""
    return any(PurePosixPath(path).is_relative_to(PurePosixPath(root)) for root in roots)


def _climbs(name: str, path: str) -> FieldError:
    return FieldError(
        name,
        "climbs out of a folder with . or ..",
        path[:200],
        "a path without . and ..",
        "write the path it leads to",
    )


def _text_allowed() -> str:
    return f"a text of at most {LONGEST_ARGUMENT} characters"
