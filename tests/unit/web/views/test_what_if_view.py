"""The What-if page's words and figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from models.domain.access import Caller, Role
from models.domain.plan import Refusal
from services.what_if import JobDifference, WhatIf
from tests.support.fake_services import filled
from tests.support.sample_grid import NOW
from web.views.what_if_view import MOST_ROWS, WhatIfView, curve_view, what_if_view

ADA = Caller("local", Role.OPERATOR)


def shown(price: float, **changes: object) -> tuple[WhatIf, WhatIfView]:
    services = filled()
    found = replace(services.what_if(ADA, price), **changes)  # type: ignore[arg-type]
    return found, what_if_view(found, services.trade_off(ADA, price), NOW)


def test_presets_print_pounds_a_tonne_and_the_chosen_one_is_marked() -> None:
    _, page = shown(245.0)
    assert [preset.text for preset in page.presets] == ["£0/t", "£245/t", "£2,667/t", "£10,000/t"]
    assert [preset.is_chosen for preset in page.presets] == [False, True, False, False]
    assert page.price_text == "£245/t"
    assert not page.is_current


def test_another_current_value_is_a_preset_of_its_own() -> None:
    _, page = shown(500.0, current_carbon_price_gbp_per_tonne=500.0)
    assert (page.presets[0].text, page.presets[0].name) == ("£500/t", "As set now")
    assert page.is_current


def test_a_gap_that_is_only_rounding_is_told_as_none() -> None:
    found, _ = shown(245.0)

    def proof(gap_percent: float) -> str:
        certificate = replace(found.certificate, gap_percent=gap_percent)
        return shown(245.0, certificate=certificate)[1].proof

    assert "signals is better at this value" in proof(3.8e-9)
    assert "more than 1.5 % better" in proof(1.5)


def test_changed_jobs_are_listed_with_signed_differences() -> None:
    found, page = shown(0.0)
    row = next(r for r in found.jobs if r.planned is not None and r.current is not None)
    assert row.planned is not None
    later = replace(
        row.planned,
        start=row.planned.start + timedelta(hours=3),
        end=row.planned.end + timedelta(hours=3),
        carbon_kg=(row.planned.carbon_kg or 0) + 2.0,
        cost_gbp=(row.planned.cost_gbp or 0) - 1.5,
    )
    moved = replace(row, current=row.planned, planned=later)
    page = what_if_view(replace(found, jobs=(moved,)), filled().trade_off(ADA, 0.0), NOW)
    assert page.sentence == "At £0/t 1 job of 1 would be answered otherwise."
    (line,) = page.changes
    assert line.shift == "3 h later"
    assert line.carbon == "2.00 kg more"
    assert line.cost == "£1.50 less"


def test_a_job_that_would_be_refused_says_why() -> None:
    refusal = Refusal("a", "power", "no room before its deadline", None)
    row = JobDifference("a", "train", None, None, refusal)
    found, _ = shown(0.0)
    page = what_if_view(replace(found, jobs=(row,)), filled().trade_off(ADA, 0.0), NOW)
    assert page.changes == ()  # refused before and after: nothing changes
    placed = next(r.planned for r in found.jobs if r.planned)
    page = what_if_view(
        replace(found, jobs=(replace(row, current=placed),)), filled().trade_off(ADA, 0.0), NOW
    )
    assert page.changes[0].after_note == "refused: no room before its deadline"
    assert page.changes[0].carbon == "unknown"


def test_a_long_list_is_cut_and_counted() -> None:
    found, _ = shown(0.0)
    placed = next(r.planned for r in found.jobs if r.planned)
    rows = tuple(JobDifference(f"j{k}", f"j{k}", None, placed) for k in range(MOST_ROWS + 7))
    page = what_if_view(replace(found, jobs=rows), filled().trade_off(ADA, 0.0), NOW)
    assert (len(page.changes), page.more_changes) == (MOST_ROWS, 7)


def test_totals_of_different_job_counts_are_not_compared() -> None:
    found, page = shown(0.0)
    assert "present plan" in page.figures[0].gloss
    fewer = replace(found.current, jobs=found.current.jobs + 1)
    page = what_if_view(replace(found, current=fewer), filled().trade_off(ADA, 0.0), NOW)
    assert page.figures[0].gloss.startswith("not comparable")


def test_without_jobs_there_is_nothing_to_compare() -> None:
    _, page = shown(0.0, jobs=())
    assert not page.has_jobs
    assert page.sentence == "No job is up for planning, so no value of carbon changes anything."


def test_a_curve_says_how_many_of_its_values_are_planned_and_which_are_not() -> None:
    services = filled()
    services.slow_points = [0.0, 10_000.0]
    curve = curve_view(245.0, services.trade_off(ADA, 245.0))
    assert (curve.planned, curve.wanted, curve.price) == (3, 5, "245")
    assert curve.missing.endswith("not planned yet: £0/t and £10,000/t.")
    assert len(curve.points) == 3
