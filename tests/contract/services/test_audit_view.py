"""The audit log as callers see it, and its writing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from audit.anchors import AnchorSigner
from audit.writer import JsonlAuditLog
from models.domain.decision import EventType
from models.domain.errors import NotFound
from services import audit_view
from services.brief import Brief
from services.context import Context
from tests.support.world import AUDITOR, OPERATOR, STRANGER, World, submitted, with_cluster


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_view, "_reports", Brief(60.0))


@pytest.fixture
def job_id(world: World) -> str:
    with_cluster(world)
    return submitted(world)


def signed(world: World, tmp_path: Path) -> Context:
    signer = AnchorSigner(tmp_path / "keys")
    log = JsonlAuditLog(tmp_path / "logs", signer)
    return replace(world.context, audit=log, draft_anchor=signer.draft_anchor)


def test_owners_see_their_jobs_and_what_belongs_to_nobody(world: World, job_id: str) -> None:
    mine = audit_view.page(world.context, OPERATOR, limit=200).items
    kinds = {record.event_type for record in mine}
    assert {"decision", "negotiation"} <= kinds
    theirs = audit_view.page(world.context, STRANGER, limit=200).items
    assert {record.owner for record in theirs} == {None}
    everything = audit_view.page(world.context, AUDITOR, limit=200).items
    assert len(everything) == len(mine)


def test_one_record_is_hidden_from_strangers(world: World, job_id: str) -> None:
    record = audit_view.page(world.context, OPERATOR, job_id=job_id).items[0]
    assert audit_view.get(world.context, AUDITOR, record.event_id) == record
    assert audit_view.get(world.context, OPERATOR, record.event_id) == record
    with pytest.raises(NotFound):
        audit_view.get(world.context, STRANGER, record.event_id)
    with pytest.raises(NotFound):
        audit_view.page(world.context, STRANGER, job_id=job_id)


def test_a_report_is_reused_for_a_minute_unless_asked_anew(world: World, job_id: str) -> None:
    audit_view.flush(world.context)
    first = audit_view.verify(world.context)
    assert first.ok
    submitted(world)
    audit_view.flush(world.context)
    assert audit_view.verify(world.context) is first
    assert audit_view.verify(world.context, fresh=True).last_seq > first.last_seq


def test_flushing_writes_every_record_and_signs_the_head_once_a_day(
    world: World, job_id: str, tmp_path: Path
) -> None:
    context = signed(world, tmp_path)
    first = audit_view.flush(context)
    assert first.anchored
    assert not audit_view.flush(context).anchored
    with context.uow() as work:
        assert work.decisions.flushed_seq() == work.decisions.head()[0]
    world.clock.instant += timedelta(days=1)
    assert audit_view.flush(context).anchored
    report = audit_view.verify(context, fresh=True)
    assert (report.ok, report.anchors_checked) == (True, 2)


def test_an_empty_log_gets_no_anchor(world: World, tmp_path: Path) -> None:
    context = signed(world, tmp_path)
    flushed = audit_view.flush(context)
    assert (flushed.records, flushed.anchored) == (0, False)
    assert not audit_view.anchor(context, force=True)
    with context.uow() as work:
        assert work.decisions.page(event_types=(EventType.ANCHOR,)).items == ()


def test_without_a_signer_nothing_is_signed(world: World, job_id: str) -> None:
    assert not audit_view.flush(world.context).anchored
    assert not audit_view.anchor(world.context, force=True)
