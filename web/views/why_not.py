"""The answer to "why not then?" as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from services.explain_types import Difference, WhyNot
from web.views.formatting import carbon_against, kilograms, money_against, pounds


@dataclass(frozen=True, slots=True)
class WhyNotView:
    """One answer ready to place."""

    sentence: str
    figures: tuple[tuple[str, str], ...]
    """(label, value) of the window asked about; empty where there is none."""
    holders: tuple[str, ...]
    """Ids of own jobs that hold its power."""
    more_holders: str
    value: str
    """The start as `choose` takes it; empty where it cannot be taken."""


def why_not_view(found: WhyNot) -> WhyNotView:
    """Return an answer ready to place."""
    candidate = found.candidate
    return WhyNotView(
        sentence=found.sentence,
        figures=_figures(found),
        holders=candidate.held_by if candidate else (),
        more_holders=_more(found),
        value=f"{found.start:%Y-%m-%dT%H:%M:%SZ} {found.asset_id}"
        if candidate and candidate.feasible and found.verdict != "chosen"
        else "",
    )


def _figures(found: WhyNot) -> tuple[tuple[str, str], ...]:
    candidate = found.candidate
    if candidate is None:
        return ()
    placed, against = candidate.placement, found.against
    rows = [
        ("Cost", _with(pounds(placed.cost_gbp), _cost(against))),
        ("Carbon", _with(kilograms(placed.carbon_kg), _carbon(against))),
    ]
    if against is not None and against.objective_gbp is not None and found.verdict != "chosen":
        words = "worse" if against.objective_gbp > 0 else "better"
        rows.append(("By the policy's weights", f"{pounds(abs(against.objective_gbp))} {words}"))
    shadow = candidate.shadow
    if shadow is not None and shadow.highest_gbp_per_kwh > 0.0:
        mean, most = shadow.mean_gbp_per_kwh * 100, shadow.highest_gbp_per_kwh * 100
        rows.append(
            (
                "Price of its scarce power",
                f"{pounds(shadow.run_gbp)} for the run; {mean:.2f} p/kWh on average, {most:.2f} p/kWh at most",
            )
        )
    rows.append(("Data", str(placed.data_quality)))
    return tuple(rows)


def _with(value: str, words: str) -> str:
    return f"{value}, {words} than the present plan" if words else value


def _cost(against: Difference | None) -> str:
    known = against is not None and against.cost_gbp is not None and abs(against.cost_gbp) >= 0.005
    return money_against(-against.cost_gbp) if known and against and against.cost_gbp else ""


def _carbon(against: Difference | None) -> str:
    known = against is not None and against.carbon_kg is not None and abs(against.carbon_kg) >= 5e-4
    return carbon_against(-against.carbon_kg) if known and against and against.carbon_kg else ""


def _more(found: WhyNot) -> str:
    candidate = found.candidate
    if candidate is None:
        return ""
    parts = []
    rest = candidate.held_by_own_jobs - len(candidate.held_by)
    if rest > 0:
        parts.append(f"{rest:,} more of your jobs")
    if candidate.held_by_others:
        others = candidate.held_by_others
        parts.append("1 job of another owner" if others == 1 else f"{others:,} of other owners")
    return " and ".join(parts)
