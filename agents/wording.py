"""Sentences for decisions, in London time and plain words. Numbers come in; nothing is computed here."""

from __future__ import annotations

from datetime import date, datetime
from math import floor, log10

from models.domain.plan import Baseline, Explanation, Placement, Savings
from models.domain.regions import REGIONS
from models.domain.signal import Quality
from models.domain.time import LONDON


def when(instant: datetime) -> str:
    """Return a London time such as `Sun 02:30`, with the offset on days when clocks change."""
    local = instant.astimezone(LONDON)
    text = local.strftime("%a %H:%M")
    before = (local.replace(hour=0, minute=0)).utcoffset()
    after = (local.replace(hour=23, minute=59)).utcoffset()
    return text if before == after else f"{text} {local.tzname()}"


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, without an exponent."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    decimals = max(0, digits - 1 - floor(log10(abs(rounded))))
    text = f"{rounded:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price_text(gbp_per_kwh: float) -> str:
    """Return a price in pence; a negative one says who pays."""
    pence = gbp_per_kwh * 100
    return f"paid {-pence:.1f} p/kWh" if pence < 0 else f"{pence:.1f} p/kWh"


def money_text(gbp: float) -> str:
    """Return an amount in pounds and pence, minus sign first."""
    amount = f"{abs(gbp):,.2f}"
    sign = "−" if gbp < 0 and amount != "0.00" else ""
    return f"{sign}£{amount}"


def budget_text(day: date, kg: float, limit_kg: float) -> str:
    """Return that a fleet with one run more would break the carbon budget of a day."""
    return (
        f"with it the fleet would emit {significant(kg)} kg on {day:%-d %B}, "
        f"above the carbon budget of {limit_kg:g} kg"
    )


def _difference(savings: Savings) -> str:
    parts = []
    if savings.cost_gbp is not None and abs(savings.cost_gbp) >= 0.005:
        parts.append(
            f"{money_text(abs(savings.cost_gbp))} {'less' if savings.cost_gbp > 0 else 'more'}"
        )
    if savings.carbon_kg is not None and abs(savings.carbon_kg) >= 0.0005:
        kg = significant(abs(savings.carbon_kg))
        parts.append(f"{kg} kg CO2 {'less' if savings.carbon_kg > 0 else 'more'}")
    return " and ".join(parts)


def award_sentence(
    placed: Placement,
    baseline: Baseline,
    savings: Savings,
    explanation: Explanation,
    *,
    is_pinned: bool = False,
    must_run: bool = False,
) -> str:
    """Return why a job runs when and where it does, with the runner-up."""
    place = REGIONS[placed.region].name
    head = f"Starts {when(placed.start)} on {placed.asset_id} ({place})"
    if placed.data_quality is Quality.NONE and placed.objective_gbp is None:
        return (
            f"{head}: no carbon or price is known yet, so this is the last start that meets the "
            "deadline; it improves as soon as data arrive."
        )
    facts = []
    if placed.mean_carbon_g_per_kwh is not None:
        facts.append(f"{placed.mean_carbon_g_per_kwh:.0f} g/kWh")
    if placed.mean_price_gbp_per_kwh is not None:
        facts.append(price_text(placed.mean_price_gbp_per_kwh))
    sentence = f"{head}: {' and '.join(facts)}"
    arrival = baseline.placement
    if is_pinned:
        sentence += ", because it is pinned there"
    elif must_run:
        sentence += ", on arrival, because it may not wait"
    elif explanation.waits_only_if_pays:
        sentence += ", because waiting would save too little"
    if (
        arrival is not None
        and arrival.start == placed.start
        and arrival.asset_id == placed.asset_id
    ):
        sentence += "; this is the run on arrival"
    elif (told := _difference(savings)) != "":
        sentence += f"; {told} than on arrival"
    return sentence + _moved_data(placed) + _runner_up(placed, explanation) + "."


def _moved_data(placed: Placement) -> str:
    """Return what moving the job's data adds, where it runs in another region."""
    if placed.transfer_kwh <= 0.0:
        return ""
    parts = [f"{significant(placed.transfer_kwh)} kWh"]
    if placed.transfer_cost_gbp is not None:
        parts.append(money_text(placed.transfer_cost_gbp))
    if placed.transfer_carbon_kg is not None:
        parts.append(f"{significant(placed.transfer_carbon_kg)} kg CO2")
    told = ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else parts[0]
    return f"; of that, moving its data there takes {told}"


def _kept_off(better: Placement, explanation: Explanation) -> str:
    """Return that a carbon budget keeps a better window off, where it does."""
    for closed in explanation.blocked:
        if closed.rule == "carbon_budget" and closed.best_start == better.start:
            return ", but the carbon budget of its day is short"
    return ""


def _runner_up(placed: Placement, explanation: Explanation) -> str:
    second = explanation.runner_up
    if second is None:
        return "; no other window is free that does not overlap it"
    if second.objective_gbp is None or placed.objective_gbp is None:
        return f"; the runner-up is {when(second.start)} on {second.asset_id}"
    extra = second.objective_gbp - placed.objective_gbp
    if extra < 0:
        return (
            f"; {when(second.start)} on {second.asset_id} would be "
            f"{money_text(-extra)} better by the policy's weights{_kept_off(second, explanation)}"
        )
    return (
        f"; the runner-up, {when(second.start)} on {second.asset_id}, is "
        f"{money_text(extra)} worse by the policy's weights"
    )
