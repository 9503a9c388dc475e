"""Words of the answers to "why not then?": lengths, figures, differences, and who holds the power."""

from __future__ import annotations

from collections.abc import Sequence

from agents.wording import money_text, significant
from models.domain.plan import Placement
from services.asset_room import Stretch
from services.explain_types import Candidate, Difference

SAME_GBP = 0.0005
"""Differences below this are none. [GBP]"""

LONG_HOURS = 48
"""From here on a length is told in days. [h]"""


def compared(
    extra_gbp: float, against: Difference, over: str | None, kept: str, carbon_gbp_per_tonne: float
) -> tuple[str, str]:
    """Return verdict and words for a free window whose worth is known.

    Args:
        extra_gbp: Its objective above that of the award, moving included. [GBP]
        against: The same in parts.
        over: How a plan with it would break a carbon budget; None: it would not.
        kept: Why the job keeps its window where this one is better.
        carbon_gbp_per_tonne: Value of carbon. [GBP/t]
    """
    parts = parts_of(against, carbon_gbp_per_tonne)
    because = f": {parts}" if parts else ""
    gain = against.moving_gbp - extra_gbp
    has = "by the policy's weights than the window it has"
    if extra_gbp > SAME_GBP and gain > SAME_GBP:
        moving = money_text(against.moving_gbp)
        rest = f"is free and {money_text(gain)} better {has}, but leaving that one counts {moving}, so the job stays{because}"
        return "moving", rest
    if extra_gbp > SAME_GBP:
        return "dearer", f"is free but {money_text(extra_gbp)} dearer {has}{because}"
    if extra_gbp >= -SAME_GBP:
        same = "is free and worth the same by the policy's weights as the window it has"
        return "same", f"{same}{because}"
    better = f"is free and {money_text(-extra_gbp)} better by the policy's weights, on what is known now, than the window it has{because}"
    if over is not None:
        return "carbon_budget", f"{better}; but {over}"
    return "better", f"{better}; {kept}"


def span(minutes: float) -> str:
    """Return a length such as `1 h 30 min`."""
    whole = max(round(minutes), 1)
    hours, rest = divmod(whole, 60)
    if hours >= LONG_HOURS:
        days, hours = divmod(hours, 24)
        return f"{days} days {hours} h" if hours else f"{days} days"
    parts = [f"{hours} h"] if hours else []
    return " ".join([*parts, f"{rest} min"] if rest or not hours else parts)


def figures(placed: Placement) -> str:
    """Return cost and carbon of a window, as far as they are known."""
    known = []
    if placed.cost_gbp is not None:
        known.append(money_text(placed.cost_gbp))
    if placed.carbon_kg is not None:
        known.append(f"{significant(placed.carbon_kg)} kg CO2")
    return f", at {' and '.join(known)}" if known else ""


def parts_of(against: Difference, carbon_price_gbp_per_tonne: float) -> str:
    """Return what a difference is made of, in words."""
    parts = []
    kg, worth = against.carbon_kg, against.carbon_gbp
    if kg is not None and worth is not None and abs(kg) >= 0.0005:
        price = f"£{carbon_price_gbp_per_tonne:,.0f}/t"
        parts.append(f"{significant(abs(kg))} kg CO2 {_more(kg)} ({money_text(abs(worth))} at {price})")  # fmt: skip
    if against.cost_gbp is not None and abs(against.cost_gbp) >= 0.005:
        parts.append(f"{money_text(abs(against.cost_gbp))} {_more(against.cost_gbp)} for electricity")  # fmt: skip
    if against.delay_gbp is not None and abs(against.delay_gbp) >= 0.005:
        parts.append(f"{money_text(abs(against.delay_gbp))} {_more(against.delay_gbp)} for waiting")
    if against.moving_gbp >= 0.005:
        parts.append(f"{money_text(against.moving_gbp)} for moving")
    return ", ".join(parts)


def _more(value: float) -> str:
    return "more" if value > 0 else "less"


def holders(candidate: Candidate, kept: Sequence[Stretch]) -> str:
    """Return who holds the power, other owners' jobs as a number only.

    Args:
        candidate: The window with the jobs that hold it.
        kept: What contracts keep in its full half-hours.
    """
    named = list(candidate.held_by[:3])
    rest = candidate.held_by_own_jobs - len(named)
    if rest:
        named.append(f"{rest} more of your jobs")
    if candidate.held_by_others:
        others = candidate.held_by_others
        named.append("1 job of another owner" if others == 1 else f"{others} jobs of other owners")
    named += sorted({one.why for one in kept})
    if not named:
        return "no job and no contract is known to hold it"
    told = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"the power is held by {told}"
