"""The demo: three clusters and 24 jobs that show what the planner does, loaded by one click and removed by another.

It goes through the same use cases as everybody's work. On live signals it is planned like real work, but it is marked
as the demo and never enters a statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.domain.access import Caller
from models.domain.errors import Conflict, Forbidden
from models.domain.job import Flexibility, Priority
from models.domain.time import ceil_slot
from services import assets, change_records, planning, submit
from services.context import Context
from services.holding import fixed_work
from services.types import AssetDraft, JobDraft, PlanRun

LONDON, YORKSHIRE, SCOTLAND = "london", "yorkshire", "south_scotland"

CLUSTERS = (
    AssetDraft(
        region=LONDON, name="Demo London inference", max_power_kw=60.0, base_load_kw=12.0, pue=1.30,
        gpu_model="H100-SXM5", gpu_count=32, is_demo=True,
    ),
    AssetDraft(
        region=YORKSHIRE, name="Demo Yorkshire training", max_power_kw=160.0, base_load_kw=15.0,
        pue=1.20, gpu_model="H100-SXM5", gpu_count=96, is_demo=True,
    ),
    AssetDraft(
        region=SCOTLAND, name="Demo Borders HPC", max_power_kw=90.0, base_load_kw=10.0, pue=1.15,
        gpu_model="A100-80GB-SXM4", gpu_count=64, is_demo=True,
    ),
)  # fmt: skip
"""The clusters of the demo, by region."""

IMPOSSIBLE_CAP_G_PER_KWH = 1.0
"""Cap of the one job that is meant to be refused: below anything the GB mix outside Scotland reaches. [g/kWh]"""


@dataclass(frozen=True)
class _Job:
    """One job of the demo; hours count from the moment it is loaded."""

    name: str
    region: str
    hours: float
    power_kw: float
    ready_in_hours: float
    priority: Priority = Priority.NORMAL
    from_in_hours: float = 0.0
    job_type: str = "training"
    also: tuple[str, ...] = ()
    carbon_cap_g_per_kwh: float | None = None
    max_price_gbp_per_kwh: float | None = None
    flexibility: Flexibility = Flexibility.DEFERRABLE
    after: str | None = None


_LOW, _HIGH, _CRITICAL = Priority.LOW, Priority.HIGH, Priority.CRITICAL

JOBS = (
    # London: small room, so that jobs compete for the good half-hours.
    _Job("embed-support-tickets", LONDON, 2, 18, 20, job_type="inference"),
    _Job("rerank-eval-nightly", LONDON, 1.5, 12, 16, job_type="evaluation"),
    _Job("whisper-transcribe-archive", LONDON, 4, 20, 30, _LOW, job_type="inference"),
    _Job("fraud-model-refresh", LONDON, 3, 24, 3.75, _CRITICAL),  # tight: 45 minutes of slack
    _Job("recsys-candidate-gen", LONDON, 1, 16, 12, _HIGH, job_type="batch"),
    _Job("doc-ocr-backfill", LONDON, 6, 15, 40, _LOW, job_type="batch"),
    _Job("a-b-report", LONDON, 0.5, 8, 6, _HIGH, job_type="batch", flexibility=Flexibility.FIXED),
    _Job(
        "image-gen-marketing-set", LONDON, 2, 20, 24, job_type="inference",
        carbon_cap_g_per_kwh=IMPOSSIBLE_CAP_G_PER_KWH,  # refused, with the cap that would do
    ),
    # Yorkshire: large training runs.
    _Job("llm-7b-finetune-legal", YORKSHIRE, 8, 70, 40, _HIGH),
    _Job("llm-13b-sft-run-4", YORKSHIRE, 12, 80, 60),
    _Job("vision-pretrain-shard-a", YORKSHIRE, 6, 50, 36),
    _Job("vision-pretrain-shard-b", YORKSHIRE, 6, 50, 36),
    _Job("dpo-alignment-sweep", YORKSHIRE, 5, 40, 30),
    _Job("tokenizer-ablation", YORKSHIRE, 2.5, 30, 22, _LOW),
    _Job("checkpoint-eval-suite", YORKSHIRE, 3, 25, 44, job_type="evaluation",
         after="llm-7b-finetune-legal"),
    _Job("speech-model-distil", YORKSHIRE, 7, 45, 48, also=(SCOTLAND,)),  # may move to Scotland
    _Job("hyperparam-search-64", YORKSHIRE, 4, 60, 26, max_price_gbp_per_kwh=0.45),
    _Job("safety-red-team-batch", YORKSHIRE, 1, 35, 10, _CRITICAL, job_type="evaluation"),
    # Scotland: HPC.
    _Job("cfd-turbine-blade-12m", SCOTLAND, 10, 40, 56, job_type="hpc"),
    _Job("wrf-ensemble-00z", SCOTLAND, 3, 45, 18, _HIGH, job_type="hpc"),
    _Job("lattice-qcd-config-881", SCOTLAND, 9, 30, 60, _LOW, job_type="hpc"),
    _Job("genome-align-batch-17", SCOTLAND, 4, 25, 30, job_type="hpc",
         carbon_cap_g_per_kwh=220.0),  # capped, and possible
    _Job("md-protein-2us", SCOTLAND, 11.25, 20, 70, job_type="hpc"),
    _Job("seismic-rtm-north-sea", SCOTLAND, 5.5, 35, 34, job_type="hpc", from_in_hours=6),
)  # fmt: skip
"""The 24 jobs of the demo."""


def load(context: Context, caller: Caller) -> PlanRun:
    """Register the demo clusters, submit the demo jobs and plan.

    Raises:
        Forbidden: If the caller is not an operator.
        Conflict: If the demo is there already.
    """
    _need_operator(caller)
    with context.uow() as uow:
        if any(asset.is_demo for asset in uow.assets.all_live()):
            raise Conflict("the demo is loaded already; remove it before loading it again")
    now = context.clock.now()
    asset_ids = {draft.region: assets.create(context, caller, draft).asset_id for draft in CLUSTERS}
    job_ids: dict[str, str] = {}
    for one in JOBS:
        before = (job_ids[one.after],) if one.after else ()
        view = submit.submit(context, caller, _draft(one, asset_ids[one.region], before, now))
        job_ids[one.name] = view.job.job_id
    return planning.schedule_all(context, caller)


def clear(context: Context, caller: Caller) -> int:
    """Cancel the demo's jobs and retire its clusters; return how many of both there were.

    Raises:
        Forbidden: If the caller is not an operator.
        Conflict: If work that is not part of the demo runs on one of its clusters or starts too soon to move.
    """
    _need_operator(caller)
    now = context.clock.now()
    with context.uow(write=True) as uow:
        for asset in uow.assets.all_live():
            held = fixed_work(context.settings, uow, asset, now) if asset.is_demo else []
            own = [view.job.job_name for view in held if not view.job.is_demo]
            if own:
                raise Conflict(
                    f"{asset.label} is part of the demo, but {', '.join(own[:3])} is not and runs there "
                    "or starts too soon to move; cancel it or wait"
                )
        changed = uow.jobs.delete_demo()
        if changed:
            uow.decisions.append(
                change_records.config_change(
                    context, caller, "demo_removed", {"jobs_and_clusters": changed}
                )
            )
            uow.plans.bump()
            uow.commit()
    if changed:
        planning.replan(context, trigger="asset_changed")
    return changed


def _need_operator(caller: Caller) -> None:
    if not caller.may_operate:
        raise Forbidden(
            f"only an operator may load or remove the demo; this key has the role {caller.role}"
        )


def _draft(one: _Job, asset_id: str, before: tuple[str, ...], now: datetime) -> JobDraft:
    ready = ceil_slot(now + timedelta(hours=one.ready_in_hours))
    first = now + timedelta(hours=one.from_in_hours) if one.from_in_hours else None
    return JobDraft(
        duration=timedelta(hours=one.hours),
        latest_finish=ready,
        estimated_power_kw=one.power_kw,
        job_name=one.name,
        job_type=one.job_type,
        asset_id=asset_id,
        earliest_start=first,
        allowed_regions=(one.region, *one.also),
        flexibility=one.flexibility,
        priority=one.priority,
        carbon_cap_g_per_kwh=one.carbon_cap_g_per_kwh,
        max_price_gbp_per_kwh=one.max_price_gbp_per_kwh,
        depends_on=before,
        is_demo=True,
    )
