"""Commands of `flask --app app …`: keys, audit, demo, worker, database, signals, best-window, back-test."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from cli_work import doctor, submit
from models.domain.access import Caller, Role
from models.domain.asset import LOCAL_OWNER
from models.domain.errors import Conflict, HalfhourError
from models.domain.time import LONDON, Horizon, floor_slot, format_utc, parse_rfc3339

if TYPE_CHECKING:
    from services.facade import Services
    from wiring import Wired

P = ParamSpec("P")
R = TypeVar("R")

ROLES = click.Choice([str(role) for role in Role])


def register(app: Flask) -> None:
    """Add every command to an app."""
    from cli_market import market

    for command in (
        keys, audit, demo, db, signals, worker, best_window, backtest, submit, doctor, market,
    ):  # fmt: skip
        app.cli.add_command(command)


def _told(function: Callable[P, R]) -> Callable[P, R]:
    """Show our own errors as one sentence and exit with status 1."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except HalfhourError as error:
            raise click.ClickException(str(error)) from error

    return run


def _services() -> Services:
    found: Services = current_app.extensions["services"]
    return found


def _wired() -> Wired:
    import wiring

    return wiring.wired_of(current_app)


def _london(instant: datetime) -> str:
    return f"{instant.astimezone(LONDON):%a %d %b %H:%M}"


# --- keys -------------------------------------------------------------------------------------

keys = AppGroup("keys", help="API keys: without any, only this machine is served.")


@keys.command("create")
@click.option("--owner", default=LOCAL_OWNER, show_default=True, help="Whose jobs it sees.")
@click.option("--role", type=ROLES, default=str(Role.OPERATOR), show_default=True)
@click.option("--label", default="", help="What it is for.")
@click.option("--if-none", is_flag=True, help="Do nothing where a key exists already.")
@_told
def create_key(owner: str, role: str, label: str, *, if_none: bool) -> None:
    """Make a key and print its secret, this once."""
    if if_none and _services().keys_exist():
        click.echo("A key exists already; none was made.")
        return
    secret, key = _services().create_key(owner, Role(role), label)
    click.echo(
        f"Key {key.key_id} for owner {owner}, role {role}. Keep its secret, it is not shown again:"
    )
    click.echo(secret)


@keys.command("list")
@_told
def list_keys() -> None:
    """Print every key but its secret; keys from HALFHOUR_API_KEYS too."""
    configured = _services().context.settings.configured_keys
    for owner, role, digest in configured:
        click.echo(f"configured:{digest[:12]}  {owner}  {role}  from HALFHOUR_API_KEYS")
    stored = _services().keys()
    for key in stored:
        state = f"revoked {format_utc(key.revoked_at)}" if key.revoked_at else "live"
        made = format_utc(key.created_at.replace(microsecond=0))
        click.echo(
            f"{key.key_id}  {key.owner}  {key.role}  {state}  made {made}  {key.label}".rstrip()
        )
    if not stored and not configured:
        click.echo("No key: only this machine is served. Make one with `flask keys create`.")


@keys.command("revoke")
@click.argument("key_id")
@_told
def revoke_key(key_id: str) -> None:
    """End a key at once, and every session made with it."""
    _services().revoke_key(key_id)
    click.echo(f"Key {key_id} is revoked.")


# --- audit ------------------------------------------------------------------------------------

audit = AppGroup("audit", help="The decision audit log.")


@audit.command("verify")
@_told
def verify() -> None:
    """Check files, chain, anchors and database. Exit status: 0 whole, 1 fault, 2 unreadable."""
    report = _services().verify_log(fresh=True)
    text, status = _wired().report_lines(report)
    click.echo(text, nl=False)
    if status:
        click.get_current_context().exit(status)


@audit.command("export")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--job", "job_id", help="Only the records of one job.")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First settlement date.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last settlement date.")
@_told
def export(target: Path, job_id: str | None, first: datetime | None, last: datetime | None) -> None:
    """Verify the log, then write TARGET (a folder, or a .zip) for a stranger to verify."""
    from services import audit_view

    audit_view.flush(_services().context)
    made = _wired().export(
        target,
        job_id=job_id,
        first_date=first.date() if first else None,
        last_date=last.date() if last else None,
    )
    click.echo(
        f"{made.records} records, seq {made.first_seq} to {made.last_seq}, written to {made.path}"
    )


@audit.command("anchor")
@click.option("--force", is_flag=True, help="Also if today has one already.")
@_told
def anchor(*, force: bool) -> None:
    """Sign the head of the chain and write the anchor beside the records, to be carried elsewhere."""
    from services import audit_view

    context = _services().context
    made = audit_view.anchor(context, force=force)
    audit_view.flush(context)
    with context.uow() as work:
        seq, digest = work.decisions.head()
    if made:
        click.echo(f"Anchor made; the log now ends at seq {seq}, hash {digest}")
    else:
        click.echo("No anchor made: today has one already, or the log is empty.")


# --- demo -------------------------------------------------------------------------------------

demo = AppGroup("demo", help="The demo fleet: 3 clusters and 24 jobs.")
_owner = click.option("--owner", default=LOCAL_OWNER, show_default=True)


@demo.command("load")
@_owner
@click.option("--keep", is_flag=True, help="Leave a demo that is there already as it is.")
@_told
def load_demo(owner: str, *, keep: bool) -> None:
    """Load and plan the demo."""
    try:
        run = _services().load_demo(Caller(owner, Role.OPERATOR))
    except Conflict:
        if not keep:
            raise
        click.echo("The demo is there already; `flask demo clear` removes it.")
        return
    if run.finished:
        click.echo(f"Demo loaded: {run.scheduled} jobs planned, {run.refused} refused.")
    else:
        click.echo(f"Demo loaded; negotiation {run.negotiation_id} is still planning it.")


@demo.command("clear")
@_owner
@_told
def clear_demo(owner: str) -> None:
    """Remove the demo."""
    click.echo(
        f"Demo cleared: {_services().clear_demo(Caller(owner, Role.OPERATOR))} things retired."
    )


# --- worker and database ----------------------------------------------------------------------


@click.command("worker")
@click.option("--once", is_flag=True, help="One round, then stop.")
@with_appcontext
@_told
def worker(*, once: bool) -> None:
    """Run the loop (refresh, re-plan, lifecycle, log) in the foreground until stopped."""
    import wiring

    loop = wiring.make_loop(_wired())
    if once:
        tick = loop.tick()
        loop.release()
        if not tick.is_holder:
            raise click.ClickException("another process holds the loop's lease; it does the work")
        for name, error in tick.failed.items():
            click.echo(f"{name}: {error}", err=True)
        click.echo(f"One round done: {', '.join(tick.done)}.")
        if tick.failed:
            click.get_current_context().exit(1)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    click.echo("The loop runs; Ctrl-C stops it.")
    loop.run(stop)
    click.echo("Stopped.")


db = AppGroup("db", help="The database.")


@db.command("upgrade")
@_told
def upgrade_database() -> None:
    """Create the database or bring it up to date (every start does this as well)."""
    if not _services().context.is_storage_current():
        raise click.ClickException("the database could not be brought up to date")
    click.echo("The database is up to date.")


# --- signals ----------------------------------------------------------------------------------

signals = AppGroup("signals", help="Carbon and prices.")


@signals.command("refresh")
@click.option("--force", is_flag=True, help="Ask even if nothing is due.")
@_told
def refresh_signals(*, force: bool) -> None:
    """Fetch what is due. Exit status 1 if nothing could be fetched and something failed."""
    context = _services().context
    report = context.signals.refresh(force=force)
    for failure in report.failures:
        click.echo(f"failed: {failure}", err=True)
    click.echo(context.signals.data_line().text)
    if report.failures and not (report.carbon_updated or report.prices_updated):
        click.get_current_context().exit(1)


@signals.command("show")
@click.argument("region", required=False)
@click.option("--hours", type=click.FloatRange(0.5, 336), default=12.0, show_default=True)
@_told
def show_signals(region: str | None, hours: float) -> None:
    """Print the half-hours of a region (default: the default region) from now on."""
    services = _services()
    slug = region or services.context.settings.default_region
    rows = services.energy_forecast(slug, hours)
    line = services.data_line()
    click.echo(f"{slug}: {line.text}")
    if line.banner:
        click.echo(line.banner)
    click.echo(
        f"{'start (London)':<18}{'gCO2/kWh':>9}{'p/kWh ex VAT':>14}  quality (carbon, price)"
    )
    for row in rows:
        carbon = "-" if row.carbon.value is None else f"{row.carbon.value:.0f}"
        price = "-" if row.price.value is None else f"{row.price.value * 100:.2f}"
        trust = ", ".join(_trust(value) for value in (row.carbon, row.price))
        click.echo(f"{_london(row.start):<18}{carbon:>9}{price:>14}  {trust}")


def _trust(value: Any) -> str:
    return "none" if value.provenance is None else str(value.provenance.quality)


@click.command("best-window")
@click.argument("region")
@click.argument("hours", type=click.FloatRange(min=0, min_open=True, max=336))
@click.argument("ready_by", required=False)
@click.option("--power-kw", type=click.FloatRange(min=0, min_open=True), help="Else per kW.")
@with_appcontext
@_told
def best_window(region: str, hours: float, ready_by: str | None, power_kw: float | None) -> None:
    """Say when to start work of HOURS in REGION so that it is done by READY_BY (RFC 3339; default: in 24 h)."""
    from services.types import BestWindowQuery

    services = _services()
    now = services.context.clock.now()
    end = parse_rfc3339(ready_by) if ready_by else Horizon(floor_slot(now), 49).end
    answer = services.best_window(BestWindowQuery(region, timedelta(hours=hours), end, power_kw))
    click.echo(f"Start {_london(answer.best.start)} (London), done {_london(answer.best.end)}.")
    click.echo(answer.why)
    click.echo(answer.sbatch_line)
    click.echo(answer.at_line)
    click.echo(services.data_line().text)


# --- back-test --------------------------------------------------------------------------------


@click.command("backtest")
@click.option(
    "--replay",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the recorded signals.",
)
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First London date.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="London date after the last.")
@click.option(
    "--place",
    "places",
    multiple=True,
    default=("london:200",),
    show_default=True,
    help="REGION:KW, once a cluster.",
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Jobs as CSV or Parquet.",
)
@click.option("--jobs-per-day", type=click.FloatRange(0, 10_000), default=20.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the generated jobs.")
@click.option(
    "--forecast",
    default="computed",
    show_default=True,
    help="as_issued, computed, last_kept (leaks) or perfect.",
)
@click.option("--planner", "planners", multiple=True, help="Only these (default: all).")
@click.option("--fresh", is_flag=True, help="Begin again, even where a run was interrupted.")
@click.option("--list", "is_list", is_flag=True, help="Print the stored results instead.")
@with_appcontext
@_told
def backtest(*, is_list: bool, **asked: Any) -> None:
    """Replay recorded signals and compare planners: savings, misses, peak, moves. Interrupted, it goes on where it was."""
    from services import backtest_command

    store = backtest_command.store(_wired().settings.data_dir)
    if is_list:
        for line in backtest_command.listed(store):
            click.echo(line)
        return
    from wiring_sources import replay_source, simulated_source

    folder = asked.pop("replay") or _wired().settings.replay_dir
    grid = replay_source(folder) if folder else simulated_source()
    wanted = backtest_command.Wanted(**asked)
    setup = backtest_command.setup(_services().context, wanted)
    length = backtest_command.steps(setup, wanted)
    try:
        with click.progressbar(length=length, label="half-hours") as bar:
            result = backtest_command.run(
                _services().context,
                wanted,
                setup,
                grid,
                store,
                lambda done: bar.update(done - bar.pos),
            )
    except KeyboardInterrupt:
        click.echo("\nInterrupted; the same command goes on from here.", err=True)
        raise click.Abort from None
    for line in backtest_command.told(result):
        click.echo(line)


__all__ = ["register"]
