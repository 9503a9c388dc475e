"""What a refusal offers is kept: the changed job is served beside an otherwise unchanged plan.

Hundreds of jobs of all kinds are tried in `test_relaxation_of_every_kind.py`.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.scheduler import negotiate
from agents.view import Outcome, Situation
from models.optimise.options import Incumbent
from tests.support.planning import (
    SLOTS,
    a_policy,
    a_situation,
    small_assets,
    small_jobs,
    small_series,
)
from tests.support.relaxing import relaxed


def held_after(outcome: Outcome, situation: Situation) -> dict[str, Incumbent]:
    return {
        award.job_id: Incumbent(
            award.placement.asset_id, situation.horizon.index_of(award.placement.start)
        )
        for award in outcome.awards
    }


@st.composite
def crowded(draw: st.DrawFn) -> Situation:
    """Draw more jobs than there is power for, with time after the last deadline."""
    assets = draw(small_assets())
    price, carbon = draw(small_series(-0.05, 0.45)), draw(small_series(20.0, 300.0))
    jobs = draw(small_jobs(assets, most=7, with_links=draw(st.booleans())))
    longer = {slug: row * 3 for slug, row in price.items()}
    weights = a_policy(kappa_gbp_per_kg=2.667, churn_gbp_per_kwh=0.005, min_saving_percent=5.0)
    return a_situation(
        jobs, longer, {slug: row * 3 for slug, row in carbon.items()}, assets, policy=weights
    )


@settings(max_examples=25, deadline=None)
@given(crowded())
def test_every_offer_of_a_refusal_is_kept_and_nobody_else_is_left_out_for_it(
    situation: Situation,
) -> None:
    assert situation.horizon.slots == 3 * SLOTS
    outcome = negotiate(situation)
    served = {award.job_id for award in outcome.awards}
    held = held_after(outcome, situation)
    by_id = {job.job_id: job for job in situation.jobs}
    for refusal in outcome.refusals:
        for offer in refusal.relaxations:
            changed = relaxed(by_id[refusal.job_id], offer)
            jobs = tuple(changed if job is by_id[refusal.job_id] else job for job in situation.jobs)
            again = negotiate(replace(situation, jobs=jobs, incumbents=held))
            now_served = {award.job_id for award in again.awards}
            assert refusal.job_id in now_served, (offer.field, offer.value)
            assert served <= now_served, (offer.field, offer.value)


@settings(max_examples=40, deadline=None)
@given(crowded())
def test_offers_are_sorted_and_the_first_is_the_smallest(situation: Situation) -> None:
    for refusal in negotiate(situation).refusals:
        assert refusal.smallest_relaxation == next(iter(refusal.relaxations), None)
        fields = [offer.field for offer in refusal.relaxations]
        assert len(fields) == len(set(fields))
        if refusal.rule == "predecessor":
            assert not refusal.relaxations
