"""Clusters: register, show, change and retire them, and how much of them the plan holds."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from models.domain.access import Caller
from models.domain.asset import Asset
from models.domain.errors import Conflict, FieldError, Forbidden, InvalidRequest
from models.domain.gpu import GPU_MODELS
from models.domain.job import Flexibility, JobStatus
from models.domain.ports import JobView, Page, UnitOfWork
from models.domain.power_limit import MOST_LIMITS, PowerLimit
from models.domain.regions import region as known_region
from models.domain.time import SLOT, floor_slot, format_utc
from services import change_records, planning
from services.context import Context
from services.holding import fixed_work, total_kw
from services.memo import Memo, state_of
from services.types import AssetDraft, AssetUse

CHANGEABLE = (
    "name", "asset_type", "region", "max_power_kw", "pue", "base_load_kw", "flexibility_type",
    "is_deferrable", "gpu_model", "gpu_count", "embodied_g_per_kwh", "power_limits", "executor",
)  # fmt: skip
"""Fields of an asset that may change after it was registered."""

MAX_PUE = 5.0
"""A greater power usage effectiveness is taken for a mistake."""

_PLANNED_ON = frozenset(
    {"region", "max_power_kw", "base_load_kw", "pue", "power_limits", "executor"}
)
"""Fields whose change makes the present plan wrong."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOLERANCE_KW = 1e-6
_TRIES = 1000

_uses: Memo[tuple[AssetUse, ...]] = Memo()


def create(context: Context, caller: Caller, draft: AssetDraft) -> Asset:
    """Register an asset for the caller's owner, and re-plan if refused jobs may now fit.

    Raises:
        Forbidden: If the caller is not an operator.
        InvalidRequest: If a field makes no sense; all such fields are named.
        Conflict: If the id exists (also that of a retired asset).
    """
    _need_operator(caller, "register clusters")
    now = context.clock.now()
    asset = Asset(
        asset_id=draft.asset_id or _slug(draft.name or draft.region),
        owner=caller.owner,
        asset_type=draft.asset_type,
        region=draft.region,
        max_power_kw=draft.max_power_kw,
        created_at=now,
        name=draft.name.strip(),
        pue=draft.pue,
        base_load_kw=draft.base_load_kw,
        flexibility_type=draft.flexibility_type,
        is_deferrable=draft.is_deferrable,
        gpu_model=_canonical_gpu(draft.gpu_model),
        gpu_count=draft.gpu_count,
        embodied_g_per_kwh=draft.embodied_g_per_kwh,
        power_limits=draft.power_limits,
        executor=draft.executor,
        is_demo=draft.is_demo,
    )
    _check(asset, context.executors)
    with context.uow(write=True) as uow:
        stored = _add(uow, asset) if draft.asset_id else _add_numbered(uow, asset)
        uow.decisions.append(
            change_records.asset_change(context, caller, "asset_created", None, stored)
        )
        uow.plans.bump()
        has_refused = uow.jobs.counts(caller.owner, now)[JobStatus.REFUSED] > 0
        uow.commit()
    if has_refused:
        planning.replan(context, trigger="asset_changed")
    return stored


def get(context: Context, caller: Caller, asset_id: str) -> Asset:
    """Return one live asset the caller may see. Raises `NotFound`."""
    with context.uow() as uow:
        return uow.assets.get(asset_id, caller.sees_owner)


def page(
    context: Context,
    caller: Caller,
    *,
    region: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Asset]:
    """Return live assets the caller may see, by id."""
    if region is not None:
        known_region(region)
    with context.uow() as uow:
        return uow.assets.page(caller.sees_owner, region=region, cursor=cursor, limit=limit)


def change(context: Context, caller: Caller, asset_id: str, changes: Mapping[str, Any]) -> Asset:
    """Change fields of an asset; where the plan rests on them, it is made again.

    Raises:
        Forbidden: If the caller is not an operator.
        InvalidRequest: If a field is unknown, fixed, or makes no sense.
        Conflict: If frozen or running work needs the power or the region that would go.
    """
    _need_operator(caller, "change clusters")
    wanted = _changes(changes)
    now = context.clock.now()
    with context.uow(write=True) as uow:
        before = uow.assets.get(asset_id, caller.owner)
        changed = {name for name, value in wanted.items() if getattr(before, name) != value}
        if not changed:
            return before
        after = replace(before, **wanted, version=before.version + 1)
        _check(after, context.executors)
        moves_away = after.region != before.region
        is_smaller = after.room_kw < before.room_kw - _TOLERANCE_KW
        if moves_away or is_smaller or "power_limits" in changed:
            held = fixed_work(context.settings, uow, before, now)
            _check_room(before, after, held, now)
        uow.assets.update(after)
        uow.decisions.append(
            change_records.asset_change(context, caller, "asset_changed", before, after)
        )
        needs_planning = bool(changed & _PLANNED_ON)
        if needs_planning:
            uow.plans.bump()
        uow.commit()
    if needs_planning:
        planning.replan(context, trigger="asset_changed")
    return after


def delete(context: Context, caller: Caller, asset_id: str) -> None:
    """Retire an asset; its jobs move to other candidates or are refused by the re-plan that follows.

    Raises:
        Forbidden: If the caller is not an operator.
        Conflict: While work on it is frozen or running.
    """
    _need_operator(caller, "remove clusters")
    now = context.clock.now()
    with context.uow(write=True) as uow:
        before = uow.assets.get(asset_id, caller.owner)
        held = fixed_work(context.settings, uow, before, now)
        if held:
            raise Conflict(
                f"{before.label} cannot be removed {_not_before(held, now)}: {_names(held)} "
                "runs there or starts too soon to move; cancel it or wait"
            )
        uow.assets.update(replace(before, deleted_at=now, version=before.version + 1))
        uow.decisions.append(
            change_records.asset_change(context, caller, "asset_deleted", before, None)
        )
        uow.plans.bump()
        uow.commit()
    planning.replan(context, trigger="asset_changed")


def uses(context: Context, caller: Caller, slots: int = 96) -> tuple[AssetUse, ...]:
    """Return every asset the caller may see with the IT power the plan holds on it.

    Args:
        context: Ports.
        caller: Whose assets.
        slots: Half-hours from the current one on, 1 to 672.
    """
    if not 1 <= slots <= 672:
        raise InvalidRequest(f"a use of clusters is shown over 1 to 672 half-hours, not {slots}")
    now = context.clock.now()
    with context.uow() as uow:
        key = (caller.sees_owner, slots, floor_slot(now), state_of(uow))
        return _uses.get(context, key, lambda: _read_uses(uow, caller.sees_owner, slots, now))


def _read_uses(
    uow: UnitOfWork, owner: str | None, slots: int, now: datetime
) -> tuple[AssetUse, ...]:
    start = floor_slot(now)
    held_by_asset = uow.plans.reserved(start, start + slots * SLOT)
    open_count = uow.jobs.open_by_asset(owner)
    found = []
    for asset in uow.assets.all_live(owner):
        held = held_by_asset.get(asset.asset_id, {})
        used_kw = tuple(held.get(start + k * SLOT, 0.0) for k in range(slots))
        found.append(AssetUse(asset, start, used_kw, open_count.get(asset.asset_id, 0)))
    return tuple(found)


# --- checks -----------------------------------------------------------------------------------


def _need_operator(caller: Caller, deed: str) -> None:
    if not caller.may_operate:
        raise Forbidden(f"only an operator may {deed}; this key has the role {caller.role}")


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[:56]
    return slug or "cluster"


def _canonical_gpu(name: str | None) -> str | None:
    if name is None or not name.strip():
        return None
    known = {model.casefold(): model for model in GPU_MODELS}
    return known.get(name.strip().casefold(), name.strip())


def _add(uow: UnitOfWork, asset: Asset) -> Asset:
    uow.assets.add(asset)
    return asset


def _add_numbered(uow: UnitOfWork, asset: Asset) -> Asset:
    """Store an asset under its id, or under the first free `id-2`, `id-3`, …"""
    for number in range(1, _TRIES):
        suffix = "" if number == 1 else f"-{number}"
        numbered = replace(asset, asset_id=f"{asset.asset_id}{suffix}")
        try:
            uow.assets.add(numbered)
        except Conflict:
            continue
        return numbered
    raise Conflict(f"{_TRIES} clusters are called {asset.asset_id!r}; choose an asset_id")


def _check(asset: Asset, executors: Collection[str]) -> None:
    """Raise `InvalidRequest` with every field that makes no sense."""
    errors: list[FieldError] = []

    def wrong(name: str, allowed: str, cure: str | None = None) -> None:
        value = getattr(asset, name)
        errors.append(FieldError(name, f"{name} is {value!r}", value, allowed, cure))

    if not _ID.fullmatch(asset.asset_id):
        wrong("asset_id", "1 to 64 letters, digits, dots, dashes and underscores")
    try:
        known_region(asset.region)
    except InvalidRequest as error:
        errors += error.fields
    if not _is_number(asset.max_power_kw) or asset.max_power_kw <= 0:
        wrong("max_power_kw", "above 0 kW")
    elif not _is_number(asset.base_load_kw) or not 0 <= asset.base_load_kw < asset.max_power_kw:
        wrong(
            "base_load_kw",
            f"0 to below max_power_kw ({asset.max_power_kw:g} kW)",
            "leave room for at least one job",
        )
    if not _is_number(asset.pue) or not 1.0 <= asset.pue <= MAX_PUE:
        wrong("pue", f"1.0 to {MAX_PUE}", "send 1.0 where it is not known")
    if asset.gpu_count is not None and asset.gpu_count < 1:
        wrong("gpu_count", "at least 1")
    embodied = asset.embodied_g_per_kwh
    if embodied is not None and (not _is_number(embodied) or embodied < 0):
        wrong("embodied_g_per_kwh", "0 g/kWh or more")
    if not asset.asset_type.strip():
        wrong("asset_type", "a word, e.g. gpu_cluster")
    errors += _executor_errors(asset, executors)
    if len(asset.name) > 80:
        wrong("name", "at most 80 characters")
    errors += _limit_faults(asset.power_limits)
    if errors:
        raise InvalidRequest(errors[0].message, tuple(errors))


def _limit_faults(limits: tuple[PowerLimit, ...]) -> list[FieldError]:
    errors = [
        replace(fault, field=f"power_limits.{place}.{fault.field}")
        for place, one in enumerate(limits)
        for fault in one.faults()
    ]
    if len(limits) > MOST_LIMITS:
        allowed = f"at most {MOST_LIMITS} limits"
        message = f"{len(limits)} limits of power"
        errors.append(
            FieldError("power_limits", message, None, allowed, "remove those that are over")
        )
    return errors


def _executor_errors(asset: Asset, executors: Collection[str]) -> list[FieldError]:
    if asset.executor is None or asset.executor in executors:
        return []
    known = ", ".join(sorted(executors)) or "none is switched on"
    cure = "switch it on with HALFHOUR_EXECUTORS, or leave it out"
    said = f"executor is {asset.executor!r}"
    return [FieldError("executor", said, asset.executor, known, cure)]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [name for name in changes if name not in CHANGEABLE]
    if unknown:
        raise InvalidRequest(
            f"{unknown[0]!r} of a cluster cannot be changed",
            tuple(
                FieldError(
                    name, f"{name!r} cannot be changed", changes[name], ", ".join(CHANGEABLE)
                )
                for name in unknown
            ),
        )
    wanted = dict(changes)
    if "flexibility_type" in wanted:
        try:
            wanted["flexibility_type"] = Flexibility(wanted["flexibility_type"])
        except ValueError as error:
            allowed = ", ".join(Flexibility)
            name = "flexibility_type"
            raise InvalidRequest(
                f"{wanted[name]!r} is not a kind of flexibility",
                (FieldError(name, f"{name} is {wanted[name]!r}", wanted[name], allowed),),
            ) from error
    if "gpu_model" in wanted:
        wanted["gpu_model"] = _canonical_gpu(wanted["gpu_model"])
    return wanted


def _check_room(before: Asset, after: Asset, held: list[JobView], now: datetime) -> None:
    if not held:
        return
    if after.region != before.region:
        raise Conflict(
            f"{before.label} cannot move to {after.region} {_not_before(held, now)}: "
            f"{_names(held)} runs there or starts too soon to move"
        )
    current = floor_slot(now)
    used = total_kw(view.plan.award.placement for view in held if view.plan and view.plan.award)
    over = {
        slot: kw
        for slot, kw in used.items()
        if slot >= current
        and kw > after.room_at(slot) + _TOLERANCE_KW
        and after.room_at(slot) < before.room_at(slot) - _TOLERANCE_KW
    }
    if over:
        until = max(over) + SLOT
        least = min(after.room_at(slot) for slot in over)
        raise Conflict(
            f"{before.label} cannot shrink to {least:g} kW for jobs: running or frozen work "
            f"({_names(held)}) holds up to {max(over.values()):g} kW until {format_utc(until)}; "
            "shrink it then, or cancel that work"
        )


def _not_before(held: list[JobView], now: datetime) -> str:
    ends = [view.plan.award.placement.end for view in held if view.plan and view.plan.award]
    latest = max(ends)
    if latest <= now:
        return "until somebody confirms that its running work has ended"
    return f"before {format_utc(latest)}"


def _names(held: list[JobView]) -> str:
    names = [view.job.job_name for view in held]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
