"""What a draft must keep for its kind of flexibility, and the levels of power as they are kept."""

from __future__ import annotations

import math

from models.domain.errors import FieldError
from models.domain.job import Flexibility
from services.types import JobDraft

BENT = (Flexibility.INTERRUPTIBLE, Flexibility.ELASTIC)
"""Kinds whose half-hours a plan chooses one by one."""

RATE_STEPS = 1_000_000
"""Rates of work are kept in millionths of the full rate."""

NEAR_KW = 1e-6
"""Powers this close are the same. [kW]"""


def kept_levels(levels: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Return levels with their rates in millionths, rounded up, so that three times a third is a whole."""
    return tuple((kw, math.ceil(rate * RATE_STEPS - 1e-6) / RATE_STEPS) for kw, rate in levels)


def kind_errors(draft: JobDraft, flexibility: Flexibility, slots: int) -> list[FieldError]:
    """Return what is wrong with a draft for its kind of flexibility.

    Args:
        draft: What was asked for.
        flexibility: Of the draft, or of its cluster where it says nothing.
        slots: Half-hours the run touches.
    """
    errors: list[FieldError] = []
    if draft.power_profile_kw and flexibility in BENT:
        errors.append(
            FieldError(
                "power_profile_kw",
                f"a power for each half-hour says nothing of an {flexibility.value} run, whose half-hours are not known",
                list(draft.power_profile_kw),
                "left out, or flexibility fixed or deferrable",
                "send estimated_power_kw instead, or let the job run in one piece at full speed",
            )
        )
    errors.extend(_level_errors(draft))
    if flexibility is Flexibility.INTERRUPTIBLE and draft.min_run_slots > slots:
        errors.append(
            FieldError(
                "min_run_slots",
                f"a chunk of {draft.min_run_slots} half-hours is longer than the run of {slots}",
                draft.min_run_slots,
                f"1 to {slots}",
                "choose shorter chunks",
            )
        )
    power = draft.estimated_power_kw
    if draft.min_power_kw is not None and power is not None and draft.min_power_kw > power:
        errors.append(
            FieldError(
                "min_power_kw",
                f"{draft.min_power_kw:g} kW is above the full power of {power:g} kW",
                draft.min_power_kw,
                f"0 to {power:g} kW",
                "lower it or raise estimated_power_kw",
            )
        )
    return errors


def _level_errors(draft: JobDraft) -> list[FieldError]:
    power = draft.estimated_power_kw
    seen: set[float] = set()
    errors: list[FieldError] = []
    for place, (kw, rate) in enumerate(draft.power_levels):
        fault = None
        if kw <= 0.0 or rate <= 0.0:
            fault = "is no level: standing still is always allowed and need not be listed"
        elif power is not None and kw > power:
            fault = f"lies above the full power of {power:g} kW"
        elif any(abs(kw - other) < NEAR_KW for other in seen):
            fault = "names a power that another level has"
        seen.add(kw)
        if fault is not None:
            most = "" if power is None else f" to {power:g}"
            errors.append(
                FieldError(
                    f"power_levels.{place}",
                    f"[{kw:g} kW, {rate:g}] {fault}",
                    [kw, rate],
                    f"more than 0{most} kW, each power once, with a share of more than 0",
                    "give each power at which the job can run once, with the share of its full speed there",
                )
            )
    least = draft.min_power_kw
    if draft.power_levels and least is not None and all(kw < least for kw, _ in draft.power_levels):
        errors.append(
            FieldError(
                "min_power_kw",
                f"no level of power_levels reaches {least:g} kW",
                least,
                f"at most {max(kw for kw, _ in draft.power_levels):g} kW",
                "lower it or leave it out",
            )
        )
    return errors
