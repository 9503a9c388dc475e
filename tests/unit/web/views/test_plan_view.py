"""The certificate of a plan in words: what is proven, what is said beside it, and the carbon budget by day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from models.domain.plan import Certificate, PlanMethod
from web.views.plan_view import budget_days, certificate_rows

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 11, day) for day in (23, 24, 25))

PLAIN = Certificate(
    objective_gbp=12.0, lower_bound_gbp=11.7, gap_gbp=0.3, gap_percent=2.5, gap_served_percent=2.5,
    served_gbp=12.0, unserved_gbp=0.0, rounds=80, seconds=1.234, method=PlanMethod.PRICED, heuristic=False,
)  # fmt: skip


def test_the_gap_is_told_in_pounds_and_per_cent() -> None:
    rows = dict(certificate_rows(PLAIN))
    assert rows["Gap"] == "30p, 2.5 %"
    assert rows["Method"] == "priced, 80 rounds, 1.2 s"


def test_days_of_a_carbon_budget_show_use_and_price_and_idle_days_are_left_out() -> None:
    days = budget_days(
        replace(
            PLAIN,
            carbon_budget_kg_by_day=((MONDAY, 40.0), (TUESDAY, 40.0), (WEDNESDAY, 40.0)),
            carbon_kg_by_day=((MONDAY, 40.0), (TUESDAY, 50.0), (WEDNESDAY, 0.0)),
            carbon_gbp_per_tonne_by_day=((MONDAY, 1250.0), (WEDNESDAY, 0.0)),
        )
    )
    assert [(day.day, day.use, day.is_over, day.price) for day in days] == [
        ("Mon 23 Nov", "100 %", False, "£1,250/t"),
        ("Tue 24 Nov", "125 %", True, "none keeps it"),
    ]
    assert budget_days(PLAIN) == ()
