"""Assets as answers."""

from __future__ import annotations

from models.domain.asset import Asset
from models.domain.power_limit import PowerLimit
from web.present.common import Json, when


def power_limit(found: PowerLimit) -> Json:
    """Return one limit of power as it is sent."""
    return {
        "max_power_kw": found.max_power_kw,
        "start": when(found.start),
        "end": when(found.end),
        "from_time": None if found.from_time is None else f"{found.from_time:%H:%M}",
        "to_time": None if found.to_time is None else f"{found.to_time:%H:%M}",
        "days": [str(day) for day in found.days],
        "reason": found.reason,
    }


def asset(found: Asset) -> Json:
    """Return an asset."""
    return {
        "asset_id": found.asset_id,
        "name": found.label,
        "asset_type": found.asset_type,
        "region": found.region,
        "max_power_kw": found.max_power_kw,
        "base_load_kw": found.base_load_kw,
        "pue": found.pue,
        "flexibility_type": str(found.flexibility_type),
        "is_deferrable": found.is_deferrable,
        "gpu_model": found.gpu_model,
        "gpu_count": found.gpu_count,
        "embodied_g_per_kwh": found.embodied_g_per_kwh,
        "power_limits": [power_limit(one) for one in found.power_limits],
        "tariff": found.tariff,
        "executor": found.executor,
        "is_demo": found.is_demo,
        "owner": found.owner,
        "created_at": when(found.created_at),
        "version": found.version,
    }
