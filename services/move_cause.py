"""Why an award moved, in numbers: what changed on the signals, who holds the power now, or which limit closed in.

Pure: two plans side by side come in, one cause with its sentence comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agents.wording import money_text, price_text, when
from models.domain.change import MoveValues, Worth
from models.domain.regions import admits
from services.move_room import crowded, freed_text, kept_off, limited, none_found
from services.move_types import Cause, Move
from services.plan_sides import Entry, Side, as_planned, published_since

EPSILON_GBP = 1e-6
"""Differences below this are rounding. [GBP]"""

SMALLER_PART = 0.25
"""A signal is named beside the stronger one from this share of it on."""


def values_of(
    old: Entry,
    new: Entry,
    before: Side,
    after: Side,
    vat_factor: Callable[[datetime], float],
) -> MoveValues:
    """Return both windows of a move on both sets of signals, at the weights of the new plan."""
    assert old.placed is not None
    assert new.placed is not None
    kappa = after.kappa_gbp_per_kg
    old_now = after.worth(old.placed, kappa, vat_factor)
    new_now = as_planned(new.placed, kappa)
    return MoveValues(
        old_then=as_planned(old.placed, kappa),
        old_now=old_now,
        new_then=before.worth(new.placed, kappa, vat_factor),
        new_now=new_now,
        gain_gbp=_less(old_now.objective_gbp, new_now.objective_gbp),
        churn_gbp=new.churn_gbp,
    )


def cause_of(move: Move) -> Cause:
    """Return why a job moved: what closed the old window, better signals, or power that is held there now.

    Every cause is one that was worked out; where none is found, that is what is said.
    """
    return (
        _closed(move)
        or _capped(move)
        or limited(move)
        or _waits(move)
        or _better(move)
        or crowded(move)
        or kept_off(move)
        or none_found(move)
    )


def _closed(move: Move) -> Cause | None:
    """Return what took the old window away without regard to power or signals."""
    job, old, now = move.job, move.old.window, move.after.at
    if job.pinned_start is not None and job.pinned_start == move.new.window.start:
        return Cause("pinned", "somebody pinned it to this start")
    if old.asset_id not in move.after.rooms:
        return Cause("cluster", f"cluster {old.asset_id} is no longer there")
    if old.start <= now:
        return Cause("did_not_run", f"its window of {when(old.start)} passed without a run")
    if old.end > job.latest_finish or old.start < job.earliest_start:
        return Cause("limits", "the times between which it may run were changed")
    if not admits(job.allowed_regions, old.region):
        return Cause("limits", f"it may no longer run in {old.region.replace('_', ' ')}")
    return None


def _capped(move: Move) -> Cause | None:
    """Return the cap the old window breaks on the new signals."""
    job, worth = move.job, move.values.old_now
    carbon, price = worth.mean_carbon_g_per_kwh, worth.mean_price_gbp_per_kwh
    cap_g, cap_gbp = job.carbon_cap_g_per_kwh, job.max_price_gbp_per_kwh
    if cap_g is not None and carbon is not None and carbon > cap_g + 1e-6:
        return Cause(
            "carbon_cap",
            f"carbon in the old window is now {carbon:.0f} g/kWh, above the job's cap of {cap_g:g}",
        )
    if cap_gbp is not None and price is not None and price > cap_gbp + 1e-9:
        return Cause(
            "max_price",
            f"the old window now costs {price_text(price)}, above the job's cap of "
            f"{price_text(cap_gbp)}",
        )
    return None


def _waits(move: Move) -> Cause | None:
    """Return the predecessor that now ends too late for the old window."""
    for name in move.job.depends_on:
        entry = move.after.entries.get(name)
        if entry is None or entry.placed is None:
            continue
        if entry.placed.window.end > move.old.window.start:
            return Cause(
                "predecessor",
                f"{name}, which it waits for, now ends {when(entry.placed.window.end)}",
            )
    return None


def _better(move: Move) -> Cause | None:
    """Return what made the new window better by more than moving costs; None where it is not."""
    values = move.values
    gain = values.gain_gbp
    if gain is None:
        return Cause("known", "carbon and prices of its windows became known, or ceased to be")
    if gain <= values.churn_gbp + EPSILON_GBP:
        return None
    then = _less(values.old_then.objective_gbp, values.new_then.objective_gbp)
    if then is None:
        text = "carbon or prices of the new window were not known to the plan before"
        return Cause("known", text + _by(values))
    if then <= values.churn_gbp + EPSILON_GBP:
        return _signals(move)
    was, now = (side.kappa_gbp_per_kg * 1000.0 for side in (move.before, move.after))
    if abs(was - now) > 1e-6 and _gain_then(move) <= values.churn_gbp + EPSILON_GBP:
        text = f"the value of carbon was set from £{was:,.0f}/t to £{now:,.0f}/t"
        return Cause("weights", text + _by(values))
    return _opened(move)


def _gain_then(move: Move) -> float:
    """Return what moving would have gained by the signals and the weights of the plan before. [GBP]"""
    kappa = move.before.kappa_gbp_per_kg
    old, new = (
        (worth.cost_gbp or 0.0) + kappa * (worth.carbon_kg or 0.0) + worth.delay_gbp
        for worth in (move.values.old_then, move.values.new_then)
    )
    return old - new


def _opened(move: Move) -> Cause:
    """Return what had closed a window that was better already when the plan before was made."""
    job, values = move.job, move.values
    freed = freed_text(move)
    if freed:
        return Cause("freed", freed + _by(values))
    was = values.new_then
    carbon, price = was.mean_carbon_g_per_kwh, was.mean_price_gbp_per_kwh
    cap_g, cap_gbp = job.carbon_cap_g_per_kwh, job.max_price_gbp_per_kwh
    if cap_g is not None and carbon is not None and carbon > cap_g + 1e-6:
        text = f"carbon in the new window fell from {carbon:.0f} g/kWh to below the job's cap of {cap_g:g}"
        return Cause("carbon_cap", text + _by(values))
    if cap_gbp is not None and price is not None and price > cap_gbp + 1e-9:
        text = f"the price in the new window fell from {price_text(price)} to below the job's cap of {price_text(cap_gbp)}"
        return Cause("max_price", text + _by(values))
    for name in job.depends_on:
        entry = move.before.entries.get(name)
        if entry is not None and entry.placed and entry.placed.window.end > move.new.window.start:
            text = f"{name}, which it waits for, ended {when(entry.placed.window.end)} in the plan before"
            return Cause("predecessor", text + _by(values))
    text = "the new window was better in the plan before too, which did not give it to the job"
    return Cause("search", text + _by(values))


def _signals(move: Move) -> Cause:
    """Return which signal turned the comparison, with its values in the window where it changed most."""
    values, kappa = move.values, move.after.kappa_gbp_per_kg
    carbon_kg = _turned(values, lambda worth: worth.carbon_kg)
    cost_gbp = _turned(values, lambda worth: worth.cost_gbp)
    parts = {"carbon": kappa * carbon_kg, "price": cost_gbp}
    strongest = max(parts, key=lambda name: parts[name])
    if parts[strongest] <= EPSILON_GBP:
        return Cause("search", "the new window is better now, by no single signal" + _by(values))
    named = [strongest]
    named += [
        n for n, gbp in parts.items() if n != strongest and gbp >= SMALLER_PART * parts[strongest]
    ]
    published = strongest == "price" and published_since(
        move.before.tapes.get(move.new.window.region),
        move.after.tapes.get(move.new.window.region),
        (move.old, move.new),
    )
    text = " and ".join(_told(values, name) for name in named)
    if published:
        return Cause("prices_published", f"prices were published: {text}{_by(values)}")
    return Cause(strongest, text + _by(values))


def _told(values: MoveValues, name: str) -> str:
    """Return how one signal changed in the old window, the new one, or both."""
    reader = _CARBON if name == "carbon" else _PRICE
    old_then, old_now = reader.read(values.old_then), reader.read(values.old_now)
    new_then, new_now = reader.read(values.new_then), reader.read(values.new_now)
    rise, fall = old_now - old_then, new_then - new_now
    write = reader.write
    told = []
    if rise > 0.0 and rise >= SMALLER_PART * fall:
        told.append(f"in the old window rose from {write(old_then)} to {write(old_now)}")
    if fall > 0.0 and fall >= SMALLER_PART * rise:
        told.append(f"in the new window fell from {write(new_then)} to {write(new_now)}")
    if not told:
        return f"{reader.name} turned in favour of the new window"  # sites differ in energy, not in means
    return f"{reader.name} {' and '.join(told)}"


@dataclass(frozen=True)
class _Reader:
    """How one signal is read from a worth and written in a sentence."""

    name: str
    mean: Callable[[Worth], float | None]
    write: Callable[[float], str]

    def read(self, worth: Worth) -> float:
        """Return the mean of a worth that is known."""
        return self.mean(worth) or 0.0


_CARBON = _Reader("carbon", lambda w: w.mean_carbon_g_per_kwh, lambda v: f"{v:.0f} g/kWh")
_PRICE = _Reader("the price", lambda w: w.mean_price_gbp_per_kwh, price_text)


def _by(values: MoveValues) -> str:
    gain = values.gain_gbp or 0.0
    moving = (
        f", against {money_text(values.churn_gbp)} for moving" if values.churn_gbp >= 0.005 else ""
    )
    return f"; moving is {money_text(gain)} better than staying by the policy's weights{moving}"


def _turned(values: MoveValues, read: Callable[[Worth], float | None]) -> float:
    """Return how far a figure turned in favour of the new window between the two sets of signals."""
    known = [read(w) for w in (values.old_now, values.old_then, values.new_now, values.new_then)]
    if any(value is None for value in known):
        return 0.0
    old_now, old_then, new_now, new_then = (value or 0.0 for value in known)
    return (old_now - old_then) - (new_now - new_then)


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
