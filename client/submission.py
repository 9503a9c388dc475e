"""What `submit` may be told, and the job it makes of that, in the words of the REST API."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from client.sbatch_line import BadLine, Work, work_of

LONDON = ZoneInfo("Europe/London")

DEFAULT_BY = "+24h"
"""Done by, where nobody says: a day from now."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"(?:(today|tomorrow|mon|tue|wed|thu|fri|sat|sun)\s+)?(\d{1,2}):(\d{2})")
_AHEAD = re.compile(r"\+(\d+(?:\.\d+)?)\s*([mhd])")

PLAIN = {
    "name": "job_name", "cluster": "asset_id", "job_id": "job_id", "type": "job_type", "kw": "estimated_power_kw",
    "gpu_model": "gpu_model", "gpu_count": "gpu_count", "region": "allowed_regions", "after": "depends_on",
    "priority": "priority", "flexibility": "flexibility_type", "carbon_cap": "carbon_cap_g_per_kwh",
    "max_price": "max_price_per_kwh", "min_saving": "min_saving_percent",
}  # fmt: skip
"""Options that are passed on as they are, and the fields of a job they fill."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add everything a submission may be told."""
    add = parser.add_argument
    add("--hours", type=float, help="how long it runs; by default sbatch's time limit")
    add("--by", help=f"done by: +18h, 09:00, fri 17:30 or RFC 3339 (default: {DEFAULT_BY})")
    add("--from", dest="earliest", help="not before, as --by")
    add("--kw", type=float, help="mean power while it runs, in kW")
    add("--gpu-model", help="GPU model, in place of --kw")
    add("--gpu-count", type=int, help="how many of them")
    add("--name", help="shown name; by default sbatch's job name, else the program")
    add("--job-id", help="your id for it")
    add("--type", help="kind of work, in your words")
    add("--cluster", help="where it runs; by default the only or last used one")
    add("--region", action="append", help="region it may run in; may be given several times")
    add("--after", action="append", metavar="JOB", help="job that must have finished before")
    add("--priority", choices=("low", "normal", "high", "critical"))
    add("--flexibility", choices=("fixed", "deferrable", "interruptible", "elastic"))
    add("--carbon-cap", type=float, metavar="G_PER_KWH", help="highest mean carbon intensity")
    add("--max-price", type=float, metavar="GBP_PER_KWH", help="highest mean price")
    add("--min-saving", type=float, metavar="PERCENT", help="wait only if it saves this much")
    add("--executor", choices=("slurm", "local", "webhook", "dry_run"))
    add("--attempts", type=int, help="runs at most: after a failure it is planned again")
    add("--retry-pause", type=int, metavar="MINUTES",
        help="pause after a first failed run, doubled after each further one (default: 10)")  # fmt: skip
    add("--copies", type=int, help="identical jobs")
    add(
        "--every",
        choices=("day", "weekday", "week"),
        help="hand it in again and again, until ended",
    )
    add("--at", metavar="HH:MM", help="with --every: earliest start on each of those days, London")
    add("--within", metavar="+14h", help="with --every: from earliest start to latest finish")
    add("--until", metavar="DATE", help="with --every: last date, such as 2026-12-31")
    add("--env", action="append", metavar="NAME=VALUE", help="variable of the run")
    add("--secret", action="append", metavar="NAME=SECRET",
        help="variable of the run that holds a secret of the server, by the secret's name")  # fmt: skip


def split_at_dashes(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what stands before the first `--` and what stands after it."""
    line = list(words)
    if "--" not in line:
        return line, []
    place = line.index("--")
    return line[:place], line[place + 1 :]


def job_of(
    args: argparse.Namespace, words: Sequence[str], now: datetime, folder: str
) -> tuple[dict[str, Any], Work]:
    """Return the job as the API takes it, and the work it was made of.

    Args:
        args: What `add_options` read.
        words: What to run, the words after the two dashes.
        now: Aware; relative times count from it.
        folder: Where the command was typed.

    Raises:
        BadLine: If something is missing or is not understood.
    """
    work = work_of(words, _read, folder)
    hours = args.hours or work.hours
    if hours is None:
        raise BadLine("say how long it runs: --hours 4, or sbatch's --time")
    job: dict[str, Any] = {"duration_hours": hours}
    job["latest_finish"] = when(args.by or DEFAULT_BY, now).isoformat()
    if args.earliest:
        job["earliest_start"] = when(args.earliest, now).isoformat()
    job["job_name"] = (work.job_name or _program(words))[:80]
    job |= {
        field: value
        for option, field in PLAIN.items()
        if (value := getattr(args, option)) is not None
    }
    workload = work.workload
    env = {**workload.get("env", {}), **_env(args)}
    named = {
        "executor": args.executor, "max_attempts": args.attempts, "retry_pause_minutes": args.retry_pause,
        "env": env or None,
    }  # fmt: skip
    job["workload"] = {**workload, **{k: v for k, v in named.items() if v is not None}}
    return job, work


def copied(job: dict[str, Any], n: int) -> dict[str, Any]:
    """Return one of several identical jobs; only their names and ids differ."""
    ids = {"job_id": f"{job['job_id']}-{n + 1}"} if "job_id" in job else {}
    return {**job, "job_name": f"{job['job_name'][:70]}, copy {n + 1}", **ids}


def routine_of(args: argparse.Namespace, job: dict[str, Any]) -> dict[str, Any]:
    """Return a job as work that is handed in again and again.

    Raises:
        BadLine: If it is not said when.
    """
    within = _AHEAD.fullmatch((args.within or "").strip().lower())
    if not args.at or within is None or args.by or args.earliest or args.job_id:
        raise BadLine(
            "say --every weekday --at 18:00 --within +14h, and neither --by, --from nor --job-id"
        )
    hours = float(within[1]) * {"m": 1 / 60, "h": 1.0, "d": 24.0}[within[2]]
    plain = {k: v for k, v in job.items() if k not in {"latest_finish", "earliest_start"}}
    asked = {"until": args.until, "copies": args.copies}
    return {
        "every": args.every,
        "start": args.at,
        "finish_within_hours": hours,
        "job": plain,
        **{name: value for name, value in asked.items() if value is not None},
    }


def when(text: str, now: datetime) -> datetime:
    """Return the instant a text means; clock times are London's, the next of their kind.

    Raises:
        BadLine: If it means none.
    """
    ahead = _AHEAD.fullmatch(text.strip().lower())
    if ahead:
        unit = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
        return now + float(ahead[1]) * unit[ahead[2]]
    clock = _CLOCK.fullmatch(text.strip().lower())
    if clock and int(clock[2]) < 24 and int(clock[3]) < 60:
        return _next(clock[1], int(clock[2]), int(clock[3]), now.astimezone(LONDON))
    try:
        found = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text.strip()))
    except ValueError:
        raise BadLine(f"{text} is not a time; write +18h, 09:00, fri 17:30 or RFC 3339") from None
    return found if found.tzinfo else found.replace(tzinfo=LONDON)


def _next(day: str | None, hour: int, minute: int, local: datetime) -> datetime:
    at = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if day is None:
        return at if at > local else at + timedelta(days=1)
    if day in {"today", "tomorrow"}:
        return at + timedelta(days=day == "tomorrow")
    found = at + timedelta(days=(_DAYS.index(day) - at.weekday()) % 7)
    return found if found > local else found + timedelta(days=7)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadLine(f"the script {path} cannot be read: {error}") from error


def _program(words: Sequence[str]) -> str:
    """Return the last part of the program's or script's name."""
    is_script = words[0].rpartition("/")[2] == "sbatch" and not words[-1].startswith("-")
    return Path(words[-1] if is_script and len(words) > 1 else words[0]).name


def _env(args: argparse.Namespace) -> dict[str, Any]:
    env: dict[str, Any] = {}
    for given, is_secret in ((args.env, False), (args.secret, True)):
        for pair in given or ():
            name, is_given, value = pair.partition("=")
            if not is_given:
                raise BadLine(f"{pair} is not NAME={'SECRET' if is_secret else 'VALUE'}")
            env[name] = {"from_env": value} if is_secret else value
    return env
