"""Commands of `flask --app app beckn …`: keys, who we are, what is on offer, and a whole journey."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import AppGroup

from models.domain.access import Caller, Role
from models.domain.asset import LOCAL_OWNER
from models.domain.errors import HalfhourError
from models.domain.market import BINDING_STATES, OPEN_STATES, Contract, Window, WindowKind
from models.domain.time import format_utc

if TYPE_CHECKING:
    from services.facade import Services
    from services.market_facade import MarketServices

market = AppGroup("beckn", help="The Beckn network: who we are, what is on offer, journeys.")

WAIT_SECONDS = 60.0
"""How long a journey waits for its next answer. [s]"""

DIALECTS = click.Choice(["lts", "rc1", "v1"])


def _market() -> MarketServices:
    services: Services = current_app.extensions["services"]
    return services.market


def _caller(owner: str) -> Caller:
    return Caller(owner, Role.OPERATOR)


@market.command("keygen")
def keygen() -> None:
    """Make a signing key and print both halves; the private one is shown this once."""
    from beckn import keys

    seed, public = keys.generate()
    click.echo(f"HALFHOUR_BECKN_PRIVATE_KEY={seed}")
    click.echo(f"signing_public_key for the registry: {public}")


@market.command("whoami")
def whoami() -> None:
    """Print our registry record, as far as we know it ourselves."""
    identity = _market().identity
    if identity is None:
        raise click.ClickException(
            "not connected: set HALFHOUR_BECKN_SUBSCRIBER_ID, _SUBSCRIBER_URL, _KEY_ID, _PRIVATE_KEY and a registry"
        )
    row = {
        "subscriber_id": identity.subscriber_id,
        "url": identity.url,
        "key_id": identity.key_id,
        "signing_public_key": identity.public_key,
        "network_ids": [identity.network_id] if identity.network_id else [],
    }
    click.echo(json.dumps(row, indent=2))


@market.command("search")
@click.option("--region", help="Only this region.")
@click.option("--kind", type=click.Choice([str(kind) for kind in WindowKind]))
@click.option("--hours", type=click.FloatRange(0.5, 168), default=48.0, show_default=True)
@click.option("--network", is_flag=True, help="Ask the sellers of the registry instead.")
@click.option("--wait", type=click.FloatRange(0, 600), default=10.0, show_default=True)
@click.option("--dialect", type=DIALECTS, default="lts", show_default=True)
@click.option("--owner", default=LOCAL_OWNER, show_default=True)
def search(
    region: str | None, kind: str | None, hours: float, wait: float, dialect: str, owner: str,
    *, network: bool,
) -> None:  # fmt: skip
    """Print windows on our own clusters, or with --network those of others (a server must run to be answered)."""
    from services.market import Wanted

    use = _market()
    try:
        if network:
            _, asked = use.discover(_caller(owner), region or "", dialect)
            click.echo(f"{asked} sellers asked; waiting {wait:g} s for what they answer.")
            _settle(wait)
            windows = use.found()
        else:
            wanted = Wanted(region, hours, WindowKind(kind) if kind else None)
            windows = use.search(_caller(owner), wanted).windows
    except HalfhourError as error:
        raise click.ClickException(str(error)) from error
    for window in windows:
        click.echo(_line(window))
    if not windows:
        click.echo("No window is on offer.")


@market.command("journey")
@click.argument("slot_id")
@click.option("--job", "job_id", required=True, help="The job that shall run in the window.")
@click.option("--seller", default="", help="Who offers it, where several sellers use the same id.")
@click.option("--dialect", type=DIALECTS, default="lts", show_default=True)
@click.option("--owner", default=LOCAL_OWNER, show_default=True)
def journey(slot_id: str, job_id: str, seller: str, dialect: str, owner: str) -> None:
    """Take a window found with `search --network`: select, init, confirm, status. Exit status 1 if it fails."""
    use = _market()
    try:
        made = use.take(_caller(owner), slot_id, job_id, dialect, seller)
        seen = 0
        give_up_at = time.monotonic() + WAIT_SECONDS
        while True:
            held = use.contract(_caller(owner), made.contract_id).contract
            for step in held.history[seen:]:
                click.echo(f"{format_utc(step.at)}  {step.state}: {step.what}")
                give_up_at = time.monotonic() + WAIT_SECONDS
            seen = len(held.history)
            if held.state not in OPEN_STATES:
                break
            if time.monotonic() > give_up_at:
                raise click.ClickException(
                    "no answer; is a server running at our registered address?"
                )
            _settle(0.3)
        _end(use, held)
    except HalfhourError as error:
        raise click.ClickException(str(error)) from error


def _end(use: MarketServices, held: Contract) -> None:
    if held.state not in BINDING_STATES:
        raise click.ClickException(f"the journey ended as {held.state}: {held.error}")
    assert use.protocol is not None, "a journey needs it"
    use.protocol.ask(held.contract_id, "status")
    _settle(2.0)
    click.echo(f"Contract {held.contract_id} is {held.state}.")


def _settle(seconds: float) -> None:
    """Send what waits, and give answers time to arrive at the server."""
    protocol: Any = _market().protocol
    until = time.monotonic() + seconds
    while True:
        protocol.drain()
        if time.monotonic() >= until:
            return
        time.sleep(0.1)


def _line(window: Window) -> str:
    price = "-" if window.price_gbp_per_kwh is None else f"{window.price_gbp_per_kwh * 100:.2f}"
    carbon = "-" if window.mean_carbon_g_per_kwh is None else f"{window.mean_carbon_g_per_kwh:.0f}"
    mark = "  SIMULATED" if window.is_simulated else ""
    seller = f"  from {window.peer_id}" if window.peer_id else ""
    return (
        f"{window.slot_id}  {window.kind}  {window.region}  {format_utc(window.start)} to {format_utc(window.end)}  "
        f"{window.capacity_kw:g} kW  {price} p/kWh  {carbon} g/kWh{seller}{mark}"
    )


__all__ = ["market"]
