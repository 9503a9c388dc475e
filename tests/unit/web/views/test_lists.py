"""Lists: jobs, clusters, slots, records."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from models.domain.decision import DecisionDraft, EventType, seal
from models.domain.plan import Refusal
from models.domain.ports import VerifyReport
from models.domain.power_limit import WEEK, Day, PowerLimit
from models.domain.time import SLOT
from services.explain_types import Candidate
from services.types import AssetUse, Statement, Totals
from tests.support.fleet import an_asset
from tests.unit.web.views.samples import NOW, placement, planned, refused
from web.views.cluster_views import cluster_view
from web.views.job_list import job_list
from web.views.limit_views import limit_key, limit_text
from web.views.record_views import chain_view, record_row, statement_view
from web.views.slots import extra_text, slots_view


def test_a_row_of_the_job_list_tells_state_window_place_and_saving() -> None:
    view = job_list(
        [planned(), refused(Refusal("job-a", "power", "it needs 9 kW", None))],
        now=NOW, assets=[an_asset(name="Rack")], next_cursor=None, is_first=True,
        statuses=frozenset(), asset_id=None, text="",
    )  # fmt: skip
    good, bad = view.rows
    assert good.where == "Rack, London"
    assert good.when is not None
    assert good.needs == "1 h at 10 kW"
    assert good.carbon == "1.00 kg less"
    assert (bad.state.word, bad.note, bad.when) == ("refused", "it needs 9 kW", None)


def test_a_cluster_tells_how_much_of_it_is_held() -> None:
    use = AssetUse(an_asset(), NOW, (50.0, 0.0, 0.0, 0.0), 1)
    # 50 kW of 100 kW in one of four half-hours: an eighth.
    assert cluster_view(use, NOW).use_text == "12 % of the next 2 h held; most 50 kW, today 12:00"
    free = AssetUse(an_asset(), NOW, (0.0,) * 4, 0)
    assert cluster_view(free, NOW).use_text == "nothing held in the next 2 h"


def test_slots_are_grouped_by_day_with_the_best_free_ones_first() -> None:
    view = planned(start=NOW + timedelta(hours=5))
    found = slots_view(
        view,
        [
            Candidate(placement(NOW + timedelta(hours=5)), True, None, 0.0),
            Candidate(placement(NOW + timedelta(hours=6)), False, "power", -1.0, ("job-x",)),
            Candidate(placement(NOW + timedelta(hours=14)), True, None, 0.42),
        ],
        NOW,
        {"cluster-a": "Rack"},
    )
    assert [d.name for d in found.days] == ["Today", "Tomorrow"]
    assert [r.is_chosen for r in found.best] == [True, False]
    assert found.best[1].extra == "42p worse"
    assert found.days[0].rows[1].reason == "the power was taken by job-x"
    assert extra_text(-1.2) == "£1.20 better"
    assert extra_text(None) == "unknown"


def test_a_statement_without_confirmed_runs_claims_nothing() -> None:
    empty = Statement(
        NOW.date(), NOW.date(), Totals(jobs=2, carbon_kg=3.0, saved_carbon_kg=1.0), Totals(), Totals(),
        (), 4, "run on arrival", "method",
    )  # fmt: skip
    found = statement_view(empty, NOW)
    assert found.headline == "No run is confirmed in this period, so no saving is claimed."
    assert found.excluded.startswith("4 jobs left out")
    done = replace(empty, confirmed=Totals(jobs=1, saved_carbon_kg=-2.0, saved_cost_gbp=1.0))
    assert statement_view(done, NOW).headline.startswith("1 confirmed run: 2.00 kg more of carbon")


def test_a_record_is_told_in_one_sentence() -> None:
    draft = DecisionDraft(
        EventType.DECISION, {"selected": {"rationale": "starts at noon"}}, job_id="job-a"
    )
    row = record_row(seal(draft, seq=7, prev_hash="0" * 64, now=NOW), NOW)
    assert (row.seq, row.kind, row.text, row.job_id) == (7, "Award", "Starts at noon", "job-a")


def test_the_chain_says_up_to_where_it_was_verified_or_where_it_breaks() -> None:
    good = VerifyReport(True, 12, 12, "a" * 64, NOW)
    assert chain_view(good, NOW).text == "Verified up to seq 12"
    bad = VerifyReport(False, 12, 12, "a" * 64, NOW, 5, "changed: the hash differs")
    assert chain_view(bad, NOW).text.endswith("first fault at seq 5, changed: the hash differs")


def test_the_line_of_room_on_a_cluster_steps_where_its_power_is_limited() -> None:
    # 100 kW, 50 kW in the second of four half-hours: a quarter of the width at half the height.
    limit = PowerLimit(50.0, NOW + SLOT, NOW + 2 * SLOT, reason="maintenance")
    view = cluster_view(
        AssetUse(an_asset(power_limits=(limit,)), NOW, (70.0, 0.0, 0.0, 0.0), 1), NOW
    )
    assert view.spark is not None
    assert view.spark.limit_path == ("M0.00 1L72.00 1L72.00 18.5L144.00 18.5L144.00 1L288.00 1")
    # 70 of 350 kW half-hours.
    assert view.use_text == "20 % of the next 2 h held; most 70 kW, today 12:00"
    (row,) = view.limits
    assert row.text == "At most 50 kW from Sat 21 Nov 12:30 to Sat 21 Nov 13:00"
    assert (row.reason, row.is_over) == ("maintenance", False)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (
            PowerLimit(50.0, from_time=time(16), to_time=time(19)),
            "At most 50 kW every day from 16:00 to 19:00 London time",
        ),
        (
            PowerLimit(0.0, from_time=time(22), to_time=time(6), days=(Day.SUN, Day.SAT)),
            "No power at weekends from 22:00 to 06:00 on the next day London time",
        ),
        (
            PowerLimit(5.0, NOW, None, time(1), time(2), WEEK[:5]),
            "At most 5 kW Monday to Friday from 01:00 to 02:00 London time from Sat 21 Nov 12:00",
        ),
        (
            PowerLimit(5.0, None, NOW, time(1), time(2), (Day.TUE, Day.MON)),
            "At most 5 kW on Monday and Tuesday from 01:00 to 02:00 London time to Sat 21 Nov 12:00",
        ),
    ],
)
def test_a_limit_of_power_reads_as_a_sentence(limit: PowerLimit, text: str) -> None:
    assert limit_text(limit, NOW) == text


def test_limits_are_told_apart_by_all_they_say() -> None:
    peak = PowerLimit(50.0, from_time=time(16), to_time=time(19))
    assert limit_key(peak) == limit_key(replace(peak))
    assert limit_key(peak) != limit_key(replace(peak, days=(Day.MON,)))
