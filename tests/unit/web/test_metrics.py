"""`/metrics` speaks the text format of Prometheus, and leaves out what is unknown."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from flask.testing import FlaskClient

from models.domain.execution import ExecutionState, HandOver, Stage, Wanted
from services.telemetry import Telemetry
from tests.support.fake_services import FakeServices, filled
from web.auth import OPEN_CALLER
from web.present.metrics import metrics

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROW = re.compile(r'halfhour_[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+')


def test_every_line_is_a_comment_or_a_sample(client: FlaskClient) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    rows = [line for line in answer.text.splitlines() if not line.startswith("# ")]
    assert rows
    assert [line for line in rows if not ROW.fullmatch(line)] == []


def test_jobs_are_counted_by_status(client: FlaskClient, services: FakeServices) -> None:
    text = client.get("/metrics").text
    refused = sum(j.status == "refused" for j in services.jobs_by_id.values())
    assert f'halfhour_jobs{{status="refused"}} {refused}\n' in text


def test_an_unknown_age_is_left_out_and_labels_are_escaped() -> None:
    services = filled()
    found = services.statistics(OPEN_CALLER)
    data = replace(found.data, carbon_age=None, prices_known_until=None, mode='a"b\\c\nd')
    text = metrics(replace(found, data=data), {}, services.seen)
    assert "carbon_age" not in text
    assert "prices_known_until" not in text
    assert 'mode="a\\"b\\\\c\\nd"' in text


def test_planning_time_gap_and_hand_overs_are_told(
    client: FlaskClient, services: FakeServices
) -> None:
    stored = HandOver(
        "a" * 32, "job-a", "local", 1, "slurm", Stage.HANDED, Wanted.RUN, NOON, NOON, 3, tries=2,
        state=ExecutionState.QUEUED, told=Wanted.RUN, told_begin=None,
    )  # fmt: skip
    plan = services.negotiations_made[0]
    proof = replace(plan.certificate, gap_percent=1.25)
    plan = replace(plan, certificate=proof)
    services.seen = Telemetry(
        NOON, plan, {("slurm", Stage.HANDED, ExecutionState.QUEUED): 7}, (stored,), False
    )
    text = client.get("/metrics").text
    assert f'halfhour_plan_seconds{{method="{proof.method}"}} {proof.seconds:.15g}\n' in text
    assert "halfhour_plan_gap_percent 1.25\n" in text
    assert 'halfhour_hand_overs{executor="slurm",stage="handed",state="queued"} 7\n' in text
    assert "halfhour_hand_overs_untold 1\n" in text, "its begin time is not told yet"
    assert "halfhour_hand_overs_failing 1\n" in text
    assert "halfhour_loop_running 0\n" in text
