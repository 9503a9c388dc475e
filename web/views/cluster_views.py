"""Clusters: what they are and how much of them the plan holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.domain.asset import Asset
from models.domain.regions import REGIONS
from models.domain.time import SLOT
from services.types import AssetUse
from web.views.formatting import count, figures, kilowatts, share
from web.views.limit_views import LimitRow, limit_row
from web.views.stamps import when
from web.views.steps import step_line

SPARK_WIDTH = 288.0
SPARK_HEIGHT = 36.0


@dataclass(frozen=True, slots=True)
class Spark:
    """Power held over the next hours, as a stepped area under the room for jobs."""

    width: float
    height: float
    path: str
    limit_path: str
    """Room for jobs, in steps where limits of power change it."""
    title: str


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One cluster ready to place."""

    asset_id: str
    name: str
    region: str
    region_name: str
    power: str
    room: str
    details: tuple[tuple[str, str], ...]
    limits: tuple[LimitRow, ...]
    spark: Spark | None
    use_text: str
    jobs_text: str
    is_demo: bool


def spark(use: AssetUse, now: datetime) -> Spark | None:
    """Return the drawing of what the plan holds of a cluster; None where nothing is known of it."""
    if not use.used_kw:
        return None
    room_kw = use.room_kw
    top = max(*room_kw, *use.used_kw) or 1.0
    step = SPARK_WIDTH / len(use.used_kw)
    points = [f"M0 {SPARK_HEIGHT:g}"]
    for index, value in enumerate(use.used_kw):
        y = round((SPARK_HEIGHT - 1) * (1 - value / top) + 1, 2)
        points.append(f"L{index * step:.2f} {y:g}L{(index + 1) * step:.2f} {y:g}")
    points.append(f"L{SPARK_WIDTH:g} {SPARK_HEIGHT:g}Z")
    return Spark(
        SPARK_WIDTH,
        SPARK_HEIGHT,
        "".join(points),
        step_line([round((SPARK_HEIGHT - 1) * (1 - kw / top) + 1, 2) for kw in room_kw], step),
        use_text(use, now),
    )


def use_text(use: AssetUse, now: datetime) -> str:
    """Return in words how much of a cluster is held over the next hours."""
    hours = len(use.used_kw) // 2
    peak = max(use.used_kw, default=0.0)
    if not peak:
        return f"nothing held in the next {hours} h"
    busiest = use.start + use.used_kw.index(peak) * SLOT
    limit = sum(use.room_kw)
    held = share(sum(use.used_kw) / limit) if limit else "all"
    return f"{held} of the next {hours} h held; most {kilowatts(peak)}, {when(busiest, now).text}"


def _details(asset: Asset) -> tuple[tuple[str, str], ...]:
    lines = [("Type", asset.asset_type.replace("_", " ")), ("Tariff", f"{asset.tariff}, household proxy")]  # fmt: skip
    if asset.pue != 1.0:
        lines.append(("PUE", figures(asset.pue)))
    if asset.base_load_kw:
        lines.append(("Base load", kilowatts(asset.base_load_kw)))
    if asset.gpu_model:
        lines.append(("GPUs", f"{asset.gpu_count or '?'} × {asset.gpu_model}"))
    if not asset.is_deferrable:
        lines.append(("Waiting", "not allowed: every job here runs on arrival"))
    lines.append(("Started by", asset.executor or "you or another system"))
    lines.append(("Id", asset.asset_id))
    return tuple(lines)


def cluster_view(use: AssetUse, now: datetime) -> ClusterView:
    """Return one cluster ready to place."""
    asset = use.asset
    return ClusterView(
        asset_id=asset.asset_id,
        name=asset.label,
        region=asset.region,
        region_name=REGIONS[asset.region].name,
        power=kilowatts(asset.max_power_kw),
        room=kilowatts(asset.room_kw),
        details=_details(asset),
        limits=tuple(limit_row(one, now) for one in asset.power_limits),
        spark=spark(use, now),
        use_text=use_text(use, now),
        jobs_text=count(use.open_jobs, "open job"),
        is_demo=asset.is_demo,
    )
