"""Why an award moved, in numbers: what changed on the signals, who holds the power now, or which limit closed in.

Pure: two plans side by side come in, one cause with its sentence comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from agents.wording import money_text, price_text, when
from models.domain.change import MoveValues, Worth
from models.domain.job import Job
from models.domain.regions import admits
from services.plan_sides import Entry, Placed, Side, as_planned, published_since

EPSILON_GBP = 1e-6
"""Differences below this are rounding. [GBP]"""

SMALLER_PART = 0.25
"""A signal is named beside the stronger one from this share of it on."""


@dataclass(frozen=True)
class Cause:
    """Why, as a word and as a sentence without its full stop."""

    word: str
    text: str
    room_for: tuple[str, ...] = ()
    room_for_others: int = 0


@dataclass(frozen=True)
class Move:
    """One job that moved, with all that may explain it."""

    job: Job
    old: Placed
    new: Placed
    values: MoveValues
    before: Side
    after: Side
    jobs: Mapping[str, Job]
    """Every job of the new plan, to tell own ones from others'."""


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
    """Return why a job moved: a limit that closed the old window, better signals, or power that others hold."""
    return _closed(move) or _capped(move) or _waits(move) or _better(move) or _crowded(move)


def _closed(move: Move) -> Cause | None:
    """Return what took the old window away without regard to power or signals."""
    job, old, now = move.job, move.old.window, move.after.at
    if job.pinned_start is not None and job.pinned_start == move.new.window.start:
        return Cause("pinned", "somebody pinned it to this start")
    if old.asset_id not in move.after.room_kw:
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
    if then > values.churn_gbp + EPSILON_GBP:
        was, now = (side.kappa_gbp_per_kg * 1000.0 for side in (move.before, move.after))
        if abs(was - now) > 1e-6:
            text = f"the value of carbon was set from £{was:,.0f}/t to £{now:,.0f}/t"
            return Cause("weights", text + _by(values))
        if not move.before.has_room(move.new, move.job.job_id):
            return Cause(
                "freed", "power became free in a window that was better all along" + _by(values)
            )
    return _signals(move)


def _signals(move: Move) -> Cause:
    """Return which signal turned the comparison, with its values in the window where it changed most."""
    values, kappa = move.values, move.after.kappa_gbp_per_kg
    carbon_kg = _turned(values, lambda worth: worth.carbon_kg)
    cost_gbp = _turned(values, lambda worth: worth.cost_gbp)
    parts = {"carbon": kappa * carbon_kg, "price": cost_gbp}
    strongest = max(parts, key=lambda name: parts[name])
    if parts[strongest] <= EPSILON_GBP:
        return Cause(
            "search", "the new plan found a better window than the one before" + _by(values)
        )
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


def _crowded(move: Move) -> Cause:
    """Return who holds the power of the old window now; the move is for the good of the whole plan."""
    worse = -(move.values.gain_gbp or 0.0)
    cost = (
        f"; its new window is {money_text(worse)} worse by the policy's weights"
        if worse > 0.005
        else ""
    )
    if move.after.has_room(move.old, move.job.job_id):
        return Cause("whole", f"the plan as a whole is better with it there{cost}")
    now, then = (side.others_in(move.old, move.job.job_id) for side in (move.after, move.before))
    came = [name for name in now if name not in then]
    place = move.old.window.asset_id
    if not came:
        room_now, room_then = (side.room_kw.get(place, 0.0) for side in (move.after, move.before))
        if room_now < room_then:
            return Cause(
                "less_power",
                f"{place} now has {room_now:g} kW for jobs instead of {room_then:g}{cost}",
            )
        came = list(now)
    own = tuple(n for n in came if n in move.jobs and move.jobs[n].owner == move.job.owner)
    others = len(came) - len(own)
    names = [*own[:3], *([f"{len(own) - 3} more of yours"] if len(own) > 3 else [])]
    if others:
        names.append(f"{others} {'job' if others == 1 else 'jobs'} of others")
    made = (
        ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
        if names
        else "other work"
    )
    return Cause("room", f"it made room for {made}{cost}", own, others)


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
