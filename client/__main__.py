"""The `halfhour` command: best-window, submit, import, status, explain, log, cancel, routines, end.

The server's address is read from HH_URL (default http://127.0.0.1:5000), the API key from HH_KEY or the file named by
HH_KEY_FILE. Exit status: 0 done, 1 refused or failed, 2 not understood.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from client import shown
from client.rest import Refused, Rest
from client.sbatch_line import BadLine
from client.submission import add_options, copied, job_of, routine_of, split_at_dashes, when

DEFAULT_URL = "http://127.0.0.1:5000"

WATCH_SECONDS = 5.0
"""Pause between two looks of `status --watch`. [s]"""

OVER = ("completed", "failed", "cancelled")
"""Statuses after which nothing more happens."""


def parser() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    top = argparse.ArgumentParser(
        prog="halfhour", description="Run compute when the grid is clean and cheap."
    )
    top.add_argument(
        "--url", default=os.environ.get("HH_URL", DEFAULT_URL), help="the server (HH_URL)"
    )
    top.add_argument("--json", action="store_true", help="print the server's answer as it is")
    commands = top.add_subparsers(dest="wanted", required=True)
    best = commands.add_parser("best-window", help="when to start work that is not even submitted")
    best.add_argument("region")
    best.add_argument("hours", type=float)
    best.add_argument(
        "--by", help="done by: +18h, 09:00, fri 17:30 or RFC 3339 (default: tomorrow 09:00)"
    )
    best.add_argument("--kw", type=float, help="mean power, in kW; else the answer is for 1 kW")
    submit = commands.add_parser(
        "submit", help="hand in work and have it planned", allow_abbrev=False
    )
    add_options(submit)
    table = commands.add_parser("import", help="hand in the jobs of a CSV file, all or none")
    table.add_argument("file")
    commands.add_parser("routines", help="work that is handed in again and again")
    status = commands.add_parser("status", help="where jobs stand")
    status.add_argument("job", nargs="?")
    status.add_argument(
        "--watch", action="store_true", help="look again until it is over, or Ctrl-C"
    )
    for name, says in (
        ("explain", "why a job stands where it stands"),
        ("log", "the end of what a job wrote"),
        ("end", "end a routine; jobs it has made stay"),
        ("cancel", "take a job back, or end it; its record is kept"),
    ):
        one = commands.add_parser(name, help=says)
        one.add_argument("job", metavar="ROUTINE" if name == "end" else "JOB")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    line, words = split_at_dashes(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(line)
    args.words = words
    try:
        return _COMMANDS[args.wanted](Rest(args.url, _key()), args)
    except BadLine as error:
        print(f"halfhour: {error}", file=sys.stderr)
        return 2
    except Refused as error:
        print(f"halfhour: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _key() -> str | None:
    """Return the API key; a key is never taken from the command line, which others can read."""
    path = os.environ.get("HH_KEY_FILE")
    if path:
        try:
            return Path(path).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Refused(f"the key file {path} cannot be read: {error.strerror}") from error
    return os.environ.get("HH_KEY") or None


def _say(args: argparse.Namespace, answer: Any, lines: list[str]) -> None:
    text = json.dumps(answer, indent=2, ensure_ascii=False) if args.json else "\n".join(lines)
    print(text, flush=True)


def _best_window(rest: Rest, args: argparse.Namespace) -> int:
    by = when(args.by, _now()).isoformat() if args.by else None
    told = rest.get(
        "best-window", region=args.region, duration_hours=args.hours, ready_by=by, power_kw=args.kw
    )
    _say(args, told, shown.window_lines(told))
    return 0


def _submit(rest: Rest, args: argparse.Namespace) -> int:
    job, work = job_of(args, args.words, _now(), str(Path.cwd()))
    if work.left_out:
        print(f"halfhour: without effect here: {', '.join(work.left_out)}", file=sys.stderr)
    if args.every:
        routine = rest.post("routines", body=routine_of(args, job))
        _say(args, routine, shown.routine_lines(routine))
        return 0
    if args.copies and args.copies > 1:
        jobs = [copied(job, n) for n in range(args.copies)]
        return _plan(rest, args, rest.post("jobs", "batch", body={"jobs": jobs})["items"])
    made = rest.post("jobs", body=job)
    try:
        rest.post("jobs", made["job_id"], "schedule")
        made = rest.get("jobs", made["job_id"])
    except Refused as error:
        print(
            f"halfhour: {made['job_id']} is accepted, but not planned yet: {error}", file=sys.stderr
        )
    _say(args, made, shown.job_lines(made))
    return 1 if made["status"] == "refused" else 0


def _import(rest: Rest, args: argparse.Namespace) -> int:
    try:
        text = Path(args.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadLine(f"{args.file} cannot be read: {error}") from error
    return _plan(rest, args, rest.post_table("jobs", "batch", text=text)["items"])


def _plan(rest: Rest, args: argparse.Namespace, made: list[dict[str, Any]]) -> int:
    """Have several accepted jobs planned together."""
    try:
        rest.post("jobs", made[0]["job_id"], "schedule")
        made = [rest.get("jobs", job["job_id"]) for job in made]
    except Refused as error:
        print(f"halfhour: all are accepted, but not planned yet: {error}", file=sys.stderr)
    _say(args, made, shown.table(made))
    return 1 if any(job["status"] == "refused" for job in made) else 0


def _routines(rest: Rest, args: argparse.Namespace) -> int:
    told = rest.get("routines")
    _say(args, told, [line for one in told["items"] for line in shown.routine_lines(one)])
    return 0


def _end(rest: Rest, args: argparse.Namespace) -> int:
    told = rest.delete("routines", args.job)
    _say(args, told, shown.routine_lines(told))
    return 0


def _status(rest: Rest, args: argparse.Namespace) -> int:
    last = None
    while True:
        if args.job:
            told = rest.get("jobs", args.job)
            lines, is_over = shown.job_lines(told), told["status"] in OVER
        else:
            told = rest.get("jobs", limit=50)
            lines, is_over = shown.table(told["items"]), False
        if lines != last:
            _say(args, told, lines)
        last = lines
        if not args.watch or is_over:
            return 1 if args.watch and args.job and told["status"] != "completed" else 0
        time.sleep(WATCH_SECONDS)


def _explain(rest: Rest, args: argparse.Namespace) -> int:
    told = rest.get("jobs", args.job, "explain")
    _say(args, told, shown.explained(told))
    return 0


def _log(rest: Rest, args: argparse.Namespace) -> int:
    sys.stdout.write(rest.text("jobs", args.job, "log"))
    return 0


def _cancel(rest: Rest, args: argparse.Namespace) -> int:
    told = rest.post("jobs", args.job, "cancel")
    _say(args, told, shown.job_lines(told))
    return 0


def _now() -> datetime:
    return datetime.now(ZoneInfo("UTC"))  # UTC, so that +18h are 18 hours across a change of clocks


_COMMANDS = {
    "best-window": _best_window,
    "submit": _submit,
    "import": _import,
    "routines": _routines,
    "end": _end,
    "status": _status,
    "explain": _explain,
    "log": _log,
    "cancel": _cancel,
}

if __name__ == "__main__":
    sys.exit(main())
