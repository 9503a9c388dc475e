"""`flask --app app submit` hands in work without a server or a key; `doctor` says whether the program can do its work here."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from client.sbatch_line import BadLine
from client.shown import job_lines
from client.submission import add_options, job_of, split_at_dashes
from models.domain.access import Caller, Role
from models.domain.asset import LOCAL_OWNER
from models.domain.errors import HalfhourError, InvalidRequest


class _Untouched(click.Command):
    """A command whose words reach it as they were typed, the two dashes included."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words."""
        ctx.params["words"] = tuple(args)
        return []


class _NotUnderstood(click.ClickException):
    """The line says something that cannot be handed over."""

    exit_code = 2


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="flask submit",
        usage="flask submit [options] -- sbatch train.sh | program [arguments]",
        description="Plan work and have its executor start it at the planned half-hour.",
        allow_abbrev=False,
    )
    top.add_argument("--owner", default=LOCAL_OWNER, help="whose job it is (default: %(default)s)")
    add_options(top)
    return top


@click.command(
    "submit",
    cls=_Untouched,
    help="Hand in work and plan it: flask submit [options] -- sbatch train.sh",
)
@with_appcontext
def submit(words: tuple[str, ...]) -> None:
    """Accept work and plan it at once; exit status 1 where it is refused, 2 where the line is not understood."""
    from web.present.jobs import job as presented
    from web.schemas.jobs import JobSubmission
    from web.validation import validate

    line, command = split_at_dashes(words)
    try:
        args = _parser().parse_args(line)
    except SystemExit as over:
        click.get_current_context().exit(int(over.code or 0))
    try:
        job, work = job_of(args, command, datetime.now(UTC), str(Path.cwd()))
    except BadLine as error:
        raise _NotUnderstood(str(error)) from error
    if args.every or (args.copies or 1) > 1:
        raise _NotUnderstood("copies and routines are handed in over REST: use the halfhour client")
    if work.left_out:
        click.echo(f"without effect here: {', '.join(work.left_out)}", err=True)
    services: Any = current_app.extensions["services"]
    try:
        draft = validate(JobSubmission, job).to_draft()
        (view,) = services.submit_and_plan(Caller(args.owner, Role.OPERATOR), draft)
    except InvalidRequest as error:
        raise click.ClickException(_with_fields(error)) from error
    except HalfhourError as error:
        raise click.ClickException(str(error)) from error
    shown = presented(view)
    click.echo("\n".join(job_lines(shown)))
    if shown["status"] == "refused":
        click.get_current_context().exit(1)


def _with_fields(error: InvalidRequest) -> str:
    lines = [str(error)]
    for one in error.fields:
        cure = f"; {one.cure}" if one.cure else ""
        lines.append(f"  {one.field}: {one.message}{cure}")
    return "\n".join(lines)


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Check configuration, disk, clock, database, upstreams, executors and chain. Exit status 1 if something is at fault."""
    import wiring

    settings = wiring.wired_of(current_app).settings
    named = ", ".join(sorted(settings.model_fields_set)) or "none"
    click.echo(f"ok       configuration: read; set by you: {named}")
    services: Any = current_app.extensions["services"]
    is_sick = False
    for check in services.examine():
        is_sick = is_sick or check.finding == "fault"
        click.echo(f"{check.finding:<8} {check.subject}: {check.text}")
    if is_sick:
        click.get_current_context().exit(1)
