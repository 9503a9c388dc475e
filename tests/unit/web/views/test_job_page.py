"""The Job page's sentences and buttons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from models.domain.job import JobStatus
from models.domain.plan import Baseline, Blocked, Refusal, Relaxation, Savings
from services.types import JobDetail
from tests.support.fleet import a_job, an_asset
from tests.unit.web.views.samples import NOW, award, planned, refused, rows
from web.views.job_page import (
    actions_of,
    award_figures,
    blocked_sentence,
    flip_sentence,
    job_page,
    sbatch_of,
)


def detail(view, **changes) -> JobDetail:
    return replace(JobDetail(view, an_asset(), 4235.0, None, None), **changes)


def test_the_flip_sentence_names_both_values_of_carbon() -> None:
    found = award(a_job(), NOW).explanation
    assert flip_sentence(found, 4235.0) == "The runner-up wins below £967/t; now £4,235/t."


def test_a_choice_nothing_flips_says_so() -> None:
    found = replace(award(a_job(), NOW).explanation, flip_carbon_gbp_per_tonne=None)
    assert flip_sentence(found, 245.0).startswith("No value of carbon from £0/t to £10,000/t")
    alone = replace(found, runner_up=None)
    assert "No other window is free" in flip_sentence(alone, 245.0)


def test_a_job_for_which_waiting_does_not_pay_is_not_said_to_be_unbeatable() -> None:
    found = replace(
        award(a_job(), NOW).explanation, flip_carbon_gbp_per_tonne=None, waits_only_if_pays=True
    )
    assert flip_sentence(found, 245.0) == (
        "It does not wait because waiting saves too little, not because of the value of carbon; now £245/t."
    )


def test_blocked_windows_are_told_with_their_rule_and_holder() -> None:
    blocked = Blocked("power", 12, NOW + timedelta(hours=1), "cluster-a", 0.42, ("job-x",))
    assert blocked_sentence(blocked, NOW) == (
        "12 better windows closed because the power was taken; the best of them, today 13:00, would have been "
        "42p better by the policy's weights, held by job-x."
    )


def test_figures_stand_beside_the_run_on_arrival() -> None:
    job = replace(a_job(), baseline_start=NOW)
    wait, carbon, cost = award_figures(job, award(job, NOW + timedelta(hours=5)))
    assert (wait.value, wait.gloss) == ("5 h", "longer than on arrival")
    assert carbon.value == "1.00 kg"
    assert carbon.gloss == (
        "1.00 kg less than on arrival (50 %); estimated, average location-based"
    )
    assert cost.gloss == "£1.00 less than on arrival (33 %); household proxy, price shape"


def test_a_plan_that_is_dirtier_says_more() -> None:
    job = a_job()
    found = award(job, NOW, savings=Savings(-1.37, -42.0, 20.91, 45.0))
    carbon = award_figures(job, found)[1]
    assert carbon.gloss.startswith("1.37 kg more than on arrival (42 %)")


def test_without_a_run_on_arrival_the_reason_is_given() -> None:
    job = a_job()
    found = award(
        job, NOW,
        baseline=Baseline(None, "no start on arrival meets the deadline"),
        savings=Savings(None, None, None, None),
    )  # fmt: skip
    assert award_figures(job, found)[1].gloss.startswith("no start on arrival meets the deadline")


def labels(view, now=NOW) -> tuple[list[str], list[str]]:
    actions, confirms = actions_of(view, now)
    return [a.label for a in actions], [c.label for c in confirms]


def test_each_state_has_the_buttons_that_make_sense() -> None:
    view = planned()
    assert labels(view) == (["Run now", "Pin here", "Hold", "Cancel job"], [])
    pinned = replace(view, job=replace(view.job, pinned_start=NOW))
    assert labels(pinned)[0][1] == "Unpin"
    opened = NOW + timedelta(hours=5, minutes=1)
    assert labels(view, opened) == ([], ["It started", "It did not run", "It failed"])
    gone = replace(view, status=JobStatus.UNCONFIRMED)
    assert labels(gone) == ([], ["It ran", "It did not run", "It failed"])
    running = replace(view, status=JobStatus.RUNNING)
    assert labels(running) == ([], ["It finished", "It failed"])
    cancelled = replace(view, status=JobStatus.CANCELLED)
    assert labels(cancelled) == (["Undo cancel"], [])
    assert labels(replace(view, status=JobStatus.COMPLETED)) == ([], [])
    held = replace(view, status=JobStatus.PENDING, job=replace(view.job, is_held=True))
    assert labels(held) == (["Release", "Cancel job"], [])


def test_the_slurm_line_is_london_time_and_warns_near_a_clock_change() -> None:
    summer = planned(start=datetime(2026, 7, 1, 12, tzinfo=UTC))
    line, note = sbatch_of(summer)
    assert line == "sbatch --begin=2026-07-01T13:00:00 --time=01:00:00 your-job.sh"
    assert note == ""
    autumn = planned(start=datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    line, note = sbatch_of(autumn)
    assert "--begin=2026-10-25T01:30:00" in line
    assert "GMT" in note
    assert sbatch_of(replace(summer, status=JobStatus.COMPLETED)) == ("", "")


def test_the_picture_shows_the_three_alternatives() -> None:
    page = job_page(detail(planned()), NOW, rows([100.0] * 96, [0.2] * 96))
    assert page.chart is not None
    assert [b.label for b in page.chart.bars] == ["Chosen", "Runner-up", "On arrival"]
    assert page.headline == "Runs"
    assert [o.label for o in page.options] == ["Chosen", "Runner-up", "On arrival"]


def test_a_refusal_offers_what_was_checked_and_shows_no_award() -> None:
    relaxation = Relaxation(
        "latest_finish", "2026-11-22T15:00:00Z", NOW + timedelta(hours=20), "cluster-a", 1.5, 0.4
    )
    view = refused(Refusal("job-a", "deadline", "too late", relaxation, (relaxation,), 7, ("a",)))
    page = job_page(detail(view), NOW)
    assert page.refusal is not None
    (offer,) = page.refusal.relaxations
    assert offer.label == "Ready by tomorrow 15:00"
    assert offer.effect == "runs tomorrow 08:00 on cluster-a, £1.50 and 0.400 kg"
    assert page.figures == ()
    assert page.when is None


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("carbon_cap_g_per_kwh", 85.5, "Carbon cap 86 g/kWh"),
        ("max_price_per_kwh", 0.2, "Price cap 20.0 p/kWh"),
        ("estimated_power_kw", 12.0, "Draw 12 kW"),
        ("power_profile_kw", [12.0, 4.0], "Draw at most 12 kW, in the same profile"),
        ("duration_hours", 2.5, "Run for 2 h 30 min"),
        ("allowed_regions", ["london", "yorkshire"], "Allow London and Yorkshire"),
        ("flexibility_type", "deferrable", "Flexibility: can wait, runs in one go"),
    ],
)
def test_changes_read_as_sentences(field: str, value: object, text: str) -> None:
    from web.views.refusal import change_words

    assert change_words(field, value, NOW) == text
