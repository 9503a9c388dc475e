"""Why a job left a window that cost it nothing to keep: limits, contracts, others, a carbon budget; or nothing found.

Pure. Every cause is one that was worked out from the two plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from agents.carbon_budget import TOLERANCE as BUDGET_SLACK
from agents.wording import budget_text, money_text, when
from models.optimise.limits import TOLERANCE_KW
from services.asset_room import NO_REASON, kept_text, limit_text
from services.move_types import Cause, Move


def limited(move: Move) -> Cause | None:
    """Return the limit that leaves too little for the job in its old window, whatever else runs there."""
    place = move.old.window.asset_id
    room = move.after.rooms[place]
    for slot, kw in sorted(move.old.reserved_kw.items()):
        limit = room.limit_at(slot)
        if limit is not None and kw > limit.power_kw + TOLERANCE_KW:
            word = "claim" if limit.is_of_contract else "limit"
            return Cause(word, f"{limit_text(place, limit, slot)}, and it needs {kw:g}")
    return None


def freed_text(move: Move) -> str:
    """Return what had kept the new window from the job in the plan before; empty where it had room."""
    place = move.new.window.asset_id
    slots = move.before.too_full(move.new, move.job.job_id)
    if not slots:
        return ""
    room, slot = move.before.rooms.get(place), slots[0]
    if room is None:
        return f"cluster {place}, where its new window is, was not there before"
    others_kw = move.before.others_kw(place, slot, move.job.job_id)
    need_kw = others_kw + move.new.reserved_kw[slot] - TOLERANCE_KW
    limit = room.limit_at(slot)
    if limit is not None and room.offered_kw(slot) < need_kw <= room.plain_kw:
        why = "" if limit.why == NO_REASON else f" ({limit.why})"
        return (
            f"a limit of power on {place}{why} no longer closes a window that was better all along"
        )
    if room.free_kw(slot) < need_kw <= room.offered_kw(slot):
        names = ", ".join(sorted({one.why for one in room.kept_at(slot)}))
        return f"{names} no longer keeps the power of a window that was better all along"
    return "power became free in a window that was better all along"


def crowded(move: Move) -> Cause | None:
    """Return what takes the power of the old window now; None where there is room for the job still."""
    job_id, place = move.job.job_id, move.old.window.asset_id
    short = move.after.too_full(move.old, job_id)
    if not short:
        return None
    return _less_room(move, short) or _room_for(move, place)


def _less_room(move: Move, short: Sequence[datetime]) -> Cause | None:
    """Return what the cluster lost, where all the others and the job would have fitted into what it had before."""
    job_id, place = move.job.job_id, move.old.window.asset_id
    then, now = move.before.rooms.get(place), move.after.rooms[place]
    if then is None:
        return None
    needed = {
        slot: move.after.others_kw(place, slot, job_id) + move.old.reserved_kw[slot]
        for slot in short
    }
    if any(kw > then.free_kw(slot) + TOLERANCE_KW for slot, kw in needed.items()):
        return None
    slot = min(short, key=lambda at: now.free_kw(at) - needed[at])
    limit = now.limit_at(slot)
    if limit is not None and limit.power_kw < then.offered_kw(slot) - TOLERANCE_KW:
        word = "claim" if limit.is_of_contract else "limit"
        return Cause(word, limit_text(place, limit, slot) + _worse(move))
    if now.offered_kw(slot) < then.offered_kw(slot) - TOLERANCE_KW:
        has, had = now.offered_kw(slot), then.offered_kw(slot)
        return Cause("less_power", f"{place} now has {has:g} kW for jobs instead of {had:g}" + _worse(move))  # fmt: skip
    return Cause("claim", kept_text(now.kept_at(slot), slot) + _worse(move))


def _room_for(move: Move, place: str) -> Cause:
    """Return which jobs hold the power of the old window now: those that came, else all of them."""
    now, then = (side.others_in(move.old, move.job.job_id) for side in (move.after, move.before))
    came = [name for name in now if name not in then] or list(now)
    own = tuple(n for n in came if n in move.jobs and move.jobs[n].owner == move.job.owner)
    others = len(came) - len(own)
    names = [*own[:3], *([f"{len(own) - 3} more of yours"] if len(own) > 3 else [])]
    if others:
        names.append(f"{others} {'job' if others == 1 else 'jobs'} of others")
    if not names:
        return Cause("less_power", f"{place} has too little power for it in its old window{_worse(move)}")  # fmt: skip
    made = ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
    return Cause("room", f"it made room for {made}{_worse(move)}", own, others)


def kept_off(move: Move) -> Cause | None:
    """Return what keeps a job from an old window that has room and costs no more than the new one and the move."""
    over = _over_budget(move)
    if over is not None:
        day, back_kg, limit_kg = over
        text = f"with it in its old window {budget_text(day, back_kg, limit_kg).removeprefix('with it ')}"
        return Cause("budget", text + _worse(move))
    for name in move.successors:
        entry = move.after.entries.get(name)
        if entry is not None and entry.placed and entry.placed.window.start < move.old.window.end:
            said = when(entry.placed.window.start)
            return Cause("successor", f"{name}, which waits for it, now starts {said}" + _worse(move))  # fmt: skip
    if move.saves_too_little:
        text = "waiting for its old window would save too little now, so it runs on arrival"
        return Cause("arrival", text + _worse(move))
    return None


def _over_budget(move: Move) -> tuple[date, float, float] | None:
    """Return the London day whose carbon budget the old window would break, what it would emit, and the budget. [kg]"""
    budgets = move.after.budgets
    old, new = (move.after.kg_by_day(placed) for placed in (move.old, move.new))
    if not budgets or old is None or new is None:
        return None
    for day, kg in sorted(old.items()):
        budget = budgets.get(day)
        more_kg = kg - new.get(day, 0.0)
        if budget is None or more_kg <= 0.0:
            continue
        back_kg = budget.planned_kg + more_kg
        if back_kg > budget.limit_kg * (1.0 + BUDGET_SLACK):
            return day, back_kg, budget.limit_kg
    return None


def none_found(move: Move) -> Cause:
    """Return what is known where nothing that was worked out explains the move."""
    text = "no single cause was found: its old window has room, and the new one does not save more than moving costs"
    return Cause("unexplained", text + _worse(move))


def _worse(move: Move) -> str:
    """Return how much worse the new window is for the job itself, where it is."""
    worse = -(move.values.gain_gbp or 0.0)
    if worse <= 0.005:
        return ""
    return f"; its new window is {money_text(worse)} worse by the policy's weights"
