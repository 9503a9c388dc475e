"""The Market page: windows over the carbon and price of their region, and how contracts stand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.domain.exchange import Message
from models.domain.market import (
    BINDING_STATES,
    OPEN_STATES,
    Contract,
    ContractState,
    Side,
    Window,
    WindowKind,
)
from models.domain.regions import REGIONS
from models.domain.time import SLOT, floor_slot
from services.market import ContractDetail, Needs, Offers
from services.types import EnergyRow
from web.views.formatting import (
    capitalised,
    intensity,
    kilowatt_hours,
    kilowatts,
    pence_per_kwh,
    pounds,
)
from web.views.stamps import Stamp, clock, dated, in_london, when
from web.views.strips import Strip, carbon_strip, fit, price_strip
from web.views.timeline import DayMark, Tick, TimeAxis

WIDTH = 1088.0
HEAD = 44.0
STRIP_HEIGHT = 24.0
LANE = 20.0
MOST_LANES = 8

KIND_WORDS = {
    WindowKind.COMPUTE: "room for compute",
    WindowKind.TURN_DOWN: "turn-down",
    WindowKind.TURN_UP: "turn-up",
}

STATE_CSS = {
    ContractState.REQUESTED: "pending",
    ContractState.QUOTED: "pending",
    ContractState.HELD: "pending",
    ContractState.CONFIRMED: "scheduled",
    ContractState.RUNNING: "running",
    ContractState.COMPLETE: "completed",
    ContractState.CANCELLED: "cancelled",
    ContractState.EXPIRED: "cancelled",
    ContractState.FAILED: "failed",
}
"""Look of a contract's state: that of the job state nearest to it."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A state as a mark and a word."""

    css: str
    word: str


@dataclass(frozen=True, slots=True)
class PlacedStrip:
    """A strip and where it lies."""

    strip: Strip
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class WindowBar:
    """A window over the strips."""

    x: float
    y: float
    width: float
    css: str
    title: str
    label: str
    """What fits inside, or empty."""
    row_id: str
    """Where its row in the table is."""


@dataclass(frozen=True, slots=True)
class MarketChart:
    """Everything the drawing places."""

    width: float
    height: float
    ticks: tuple[Tick, ...]
    days: tuple[DayMark, ...]
    strips: tuple[PlacedStrip, ...]
    bars: tuple[WindowBar, ...]
    legend: tuple[tuple[str, str], ...]
    """Look and words of the kinds of windows drawn."""
    bars_y: float
    plot_top: float
    plot_bottom: float
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window on offer."""

    slot_id: str
    row_id: str
    choice: str
    """What a button sends: who sells it (nothing where it is ours), a space, and its id."""
    start: Stamp
    end: Stamp
    kind: str
    is_compute: bool
    where: str
    capacity: str
    energy: str
    price: str
    carbon: str
    seller: str
    """Another party that sells it; empty where it is ours."""
    too_small: str = ""
    """Why the chosen job does not fit in it; empty where it does, or none is chosen."""


@dataclass(frozen=True, slots=True)
class ContractRow:
    """One contract in the list."""

    contract_id: str
    state: Chip
    what: str
    start: Stamp
    end: Stamp
    quantity: str
    value: str
    counterparty: str
    job_id: str | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """One line of a contract's life."""

    at: Stamp
    state: Chip
    what: str


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message as it was on the wire."""

    action: str
    way: str
    """`received` or `sent`."""
    at: Stamp
    answered: str
    body: str
    answer: str


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One job that a contract moves or keeps where it is."""

    job_id: str
    before: Stamp
    after: Stamp
    power: str
    extra: str


@dataclass(frozen=True, slots=True)
class ContractView:
    """The page of one contract."""

    row: ContractRow
    facts: tuple[tuple[str, str], ...]
    steps: tuple[StepRow, ...]
    moves: tuple[MoveRow, ...]
    readings: tuple[tuple[Stamp, str, str], ...]
    messages: tuple[RawMessage, ...]
    may_end: bool


BAR_CSS = {
    WindowKind.COMPUTE: "scheduled",
    WindowKind.TURN_DOWN: "completed",
    WindowKind.TURN_UP: "provisional",
}
"""Look of a window's bar."""


def row_id(window: Window) -> str:
    """Return the name of a window's row on the page; ids of strangers may hold anything, so it is a digest."""
    return f"w-{hashlib.sha256(f'{window.peer_id} {window.slot_id}'.encode()).hexdigest()[:12]}"


def too_small(window: Window, needs: Needs | None) -> str:
    """Return in words what a window lacks for a job; empty where it lacks nothing."""
    if needs is None or needs.is_met(window):
        return ""
    lacks = []
    wanted_kw = needs.power_kw(window)
    if window.capacity_kw + 1e-6 < wanted_kw:
        lacks.append(f"{kilowatts(window.capacity_kw)} of {kilowatts(wanted_kw)}")
    if window.duration_h + 1e-6 < needs.hours:
        lacks.append(f"{window.duration_h:g} h of {needs.hours:g} h")
    return f"too small: {', '.join(lacks)}"


def window_rows(
    windows: Sequence[Window], now: datetime, needs: Needs | None
) -> tuple[WindowRow, ...]:
    """Return windows as the table shows them; those too small for the chosen job stand below the others."""
    rows = [window_row(window, now, needs) for window in windows]
    return tuple(sorted(rows, key=lambda row: bool(row.too_small)))


def window_row(window: Window, now: datetime, needs: Needs | None = None) -> WindowRow:
    """Return a window as the table shows it."""
    return WindowRow(
        too_small=too_small(window, needs),
        slot_id=window.slot_id,
        row_id=row_id(window),
        choice=f"{window.peer_id} {window.slot_id}",
        start=dated(window.start, now),
        end=clock(window.end),
        kind=capitalised(KIND_WORDS[window.kind]),
        is_compute=window.kind is WindowKind.COMPUTE,
        where=REGIONS[window.region].name,
        capacity=kilowatts(window.capacity_kw),
        energy=kilowatt_hours(window.energy_kwh),
        price=pence_per_kwh(window.price_gbp_per_kwh),
        carbon=intensity(window.mean_carbon_g_per_kwh),
        seller=window.peer_id,
    )


def market_chart(
    offers: Offers, rows: Sequence[EnergyRow], slug: str, now: datetime, hours: float
) -> MarketChart:
    """Return the drawing: carbon and price of a region, and the windows there under them."""
    axis = TimeAxis(floor_slot(now), max(int(hours * 2), 2), WIDTH)
    shown = [row for row in rows if axis.shows(row.start, row.start + SLOT)]
    strips = (
        PlacedStrip(carbon_strip(axis, shown), HEAD + 16, STRIP_HEIGHT),
        PlacedStrip(price_strip(axis, shown), HEAD + 66, STRIP_HEIGHT),
    )
    top = HEAD + 118
    members = {slug, *REGIONS[slug].members}
    here = [window for window in offers.windows if window.region in members]
    bars = _bars(axis, here, top, now)
    lanes = max((int((bar.y - top) / LANE) + 1 for bar in bars), default=1)
    bottom = top + lanes * LANE
    name = REGIONS[slug].name
    return MarketChart(
        width=WIDTH,
        height=bottom + 10,
        ticks=axis.ticks(3 if axis.slots <= 120 else 12),
        days=axis.days(),
        strips=strips,
        bars=tuple(bars),
        legend=tuple(
            (BAR_CSS[kind], words)
            for kind, words in KIND_WORDS.items()
            if any(window.kind is kind for window in here)
        ),
        bars_y=top,
        plot_top=HEAD,
        plot_bottom=bottom,
        title=f"Windows in {name} over its carbon and price",
        description=(
            f"{len(bars)} of the windows in the table On offer, each as wide as it lasts, under the carbon and price "
            f"of {name}."
        ),
    )


def _bars(axis: TimeAxis, windows: Sequence[Window], top: float, now: datetime) -> list[WindowBar]:
    ends: list[float] = []
    bars = []
    for window in sorted(windows, key=lambda w: (w.start, -w.slots, w.slot_id)):
        x, width = axis.x(window.start), axis.x(window.end) - axis.x(window.start)
        if width <= 0:
            continue
        lane = next((k for k, end in enumerate(ends) if end + 2 <= x), None)
        if lane is None:
            if len(ends) >= MOST_LANES:
                continue
            ends.append(0.0)
            lane = len(ends) - 1
        ends[lane] = x + width
        inside = max(width - 2, 2)
        title = (
            f"{KIND_WORDS[window.kind]}, {when(window.start, now).text} to {clock(window.end).text}: "
            f"{kilowatts(window.capacity_kw)}, {pence_per_kwh(window.price_gbp_per_kwh)}"
        )
        label = fit((f"{kilowatts(window.capacity_kw)} for {window.duration_h:g} h",
                     kilowatts(window.capacity_kw)), inside)  # fmt: skip
        bars.append(
            WindowBar(
                x, top + lane * LANE, round(inside, 2), BAR_CSS[window.kind], title, label,
                row_id(window),
            )
        )  # fmt: skip
    return bars


def contract_row(held: Contract, now: datetime) -> ContractRow:
    """Return a contract as the list shows it."""
    sold = "sold" if held.side is Side.SELLER else "bought"
    here = "taken here" if not held.peer_id else sold
    window = held.window
    return ContractRow(
        contract_id=held.contract_id,
        state=Chip(STATE_CSS[held.state], str(held.state)),
        what=f"{capitalised(KIND_WORDS[window.kind])}, {REGIONS[window.region].name}, {here}",
        start=dated(window.start, now),
        end=clock(window.end),
        quantity=kilowatts(held.quantity_kw),
        value=pounds(held.value_gbp),
        counterparty=held.peer_id or "nobody else",
        job_id=held.job_id,
    )


def contract_view(found: ContractDetail, now: datetime) -> ContractView:
    """Return the page of a contract."""
    held = found.contract
    delivered = "nothing yet" if held.delivered_kwh is None else kilowatt_hours(held.delivered_kwh)
    facts = [
        ("Quantity", f"{kilowatts(held.quantity_kw)}, {kilowatt_hours(held.energy_kwh)}"),
        ("Price", f"{pence_per_kwh(held.price_gbp_per_kwh)}, {pounds(held.value_gbp)} in all"),
        ("Counterparty", held.peer_id or "nobody else: made on this installation"),
        ("Dialect", held.dialect or "none"),
        ("Transaction", held.transaction_id),
        ("Delivered", f"{delivered}, as planned, not metered"),
        ("Value of deviation volume", held.p415_reason),
        ("Data", str(held.window.quality)),
    ]
    if held.held_until is not None and held.state is ContractState.HELD:
        facts.append(("Kept until", dated(held.held_until, now).text))
    if held.error:
        facts.append(("Ended because", in_london(held.error, now)))
    is_early = held.window.start > now
    return ContractView(
        row=contract_row(held, now),
        facts=tuple(facts),
        steps=tuple(
            StepRow(
                dated(step.at, now), Chip(STATE_CSS[step.state], str(step.state)),
                in_london(step.what, now),
            )
            for step in held.history
        ),
        moves=tuple(
            MoveRow(
                one.job_id, dated(one.from_start, now), dated(one.to_start, now),
                kilowatts(one.power_kw), pounds(one.extra_gbp),
            )
            for one in held.moves
        ),
        readings=tuple(
            (dated(one.slot_start, now), kilowatts(one.baseline_kw), kilowatts(one.drawn_kw))
            for one in held.readings
        ),
        messages=tuple(_raw(one, now) for one in found.messages),
        may_end=is_early and held.state in OPEN_STATES | BINDING_STATES
        and (held.side is Side.BUYER or not held.peer_id),
    )  # fmt: skip


def _raw(one: Message, now: datetime) -> RawMessage:
    return RawMessage(
        action=one.action,
        way="received" if one.direction == "in" else "sent",
        at=dated(one.at, now),
        answered=f"answered {one.status}" if one.status else "not answered yet",
        body=_pretty(one.body) if one.body else "",
        answer=_pretty(one.answer) if one.answer else "",
    )


def _pretty(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except ValueError:
        return text


def lag_text(waiting: int, oldest_at: datetime | None, failed: int, system_now: datetime) -> str:
    """Return in words how far the outbox is behind."""
    parts = ["nothing waits to be sent"]
    if waiting:
        age = (system_now - oldest_at) if oldest_at is not None else timedelta(0)
        seconds = max(age.total_seconds(), 0.0)
        parts = [f"{waiting} messages wait, the oldest for {seconds:.0f} s"]
    if failed:
        parts.append(f"{failed} were given up")
    return "; ".join(parts)
