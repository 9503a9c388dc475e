"""One line and one banner that say how fresh the signals are. Only wording and arithmetic live here."""

from __future__ import annotations

from datetime import datetime, timedelta

from models.domain.ports import SourceHealth
from models.domain.signal import (
    Provenance,
    Quality,
    RegionSignals,
    SignalSeries,
    ValueKind,
    worst_quality,
)
from models.domain.time import LONDON, as_utc, london_date
from services.types import DataLine

QUALITY_WORDS = {
    Quality.LIVE: "Live",
    Quality.CACHED: "Cached",
    Quality.STALE: "Stale",
    Quality.ESTIMATED: "Own estimate",
    Quality.REPLAYED: "Replayed",
    Quality.SIMULATED: "Simulated",
    Quality.NONE: "No data",
}
"""How a quality reads at the end of the line."""

OLD_CARBON = timedelta(hours=3)
"""A carbon forecast older than this gets a banner."""

LEAKS = "optimistic, leaks"
"""Part of the note on replayed forecasts without issue time (design section 7)."""


def describe(
    signals: RegionSignals,
    archived_carbon: SignalSeries,
    *,
    mode: str,
    is_auto: bool,
    now: datetime,
    sources: tuple[SourceHealth, ...],
) -> DataLine:
    """Say how fresh the signals of a region are.

    Args:
        signals: The view from the current half-hour on.
        archived_carbon: Carbon of the last days as archived: tells the age of the last forecast once it is over.
        mode: Whose values these are.
        is_auto: Whether simulated values only stand in until a provider answers.
        now: Planning clock.
        sources: Health of the sources.
    """
    origin = _published_origin(signals.carbon) or _newest_origin(archived_carbon)
    price_origin = _published_origin(signals.price)
    retrieved_at = origin.retrieved_at if origin else None
    issued_at = origin.issued_at if origin else None
    said_at = issued_at or retrieved_at
    age = max(timedelta(0), now - said_at) if said_at else None
    prices_until = signals.price.known_until()
    here = [s.quality_over([0]) for s in (signals.carbon, signals.price)]
    quality = worst_quality(q for q in here if q is not Quality.NONE)
    parts = [
        _carbon_text(said_at, age, now, is_issued=issued_at is not None),
        _price_text(prices_until, signals.price),
        QUALITY_WORDS[quality],
    ]
    return DataLine(
        mode=mode,
        quality=quality,
        carbon_issued_at=said_at,
        carbon_retrieved_at=retrieved_at,
        carbon_age=age,
        carbon_known_until=signals.carbon.known_until(),
        prices_known_until=prices_until,
        prices_retrieved_at=price_origin.retrieved_at if price_origin else None,
        text=" · ".join(parts),
        is_simulated=mode == "simulated",
        banner=banner(signals, mode=mode, is_auto=is_auto, carbon_age=age, now=now),
        sources=sources,
    )


def banner(
    signals: RegionSignals, *, mode: str, is_auto: bool, carbon_age: timedelta | None, now: datetime
) -> str | None:
    """Return the sentence every page must carry on top, or None when all is well."""
    if mode == "simulated":
        return (
            "Simulated grid: no data provider has answered yet. Plans made now are void once live data arrive, "
            "and never count as savings."
            if is_auto
            else "Simulated grid, as set: no real prices or carbon. Plans are never dispatched and never count as savings."
        )
    missing = _missing_sentence(signals)
    if mode == "replay":
        leaks = any(LEAKS in p.note for s in (signals.carbon, signals.price) for p in s.provenances)
        return " ".join(
            part
            for part in (
                f"Replayed data: the clock reads {_full_time(now)}.",
                "Some forecasts carry no issue time and count as issued 48 h ahead: optimistic, leaks."
                if leaks
                else "",
                missing,
            )
            if part
        )
    return " ".join([missing, *_old_sentences(signals, carbon_age)]).strip() or None


def _old_sentences(signals: RegionSignals, carbon_age: timedelta | None) -> list[str]:
    """Say that a signal is known, but not from its provider, or not lately."""
    said = []
    age = age_text(carbon_age) if carbon_age is not None else ""
    if signals.carbon.quality_over([0]) is Quality.ESTIMATED:
        last = f"The last carbon forecast is {age} old and over" if age else "No forecast is known"
        said.append(f"{last}: carbon is our own estimate until its provider answers.")
    elif carbon_age is not None and carbon_age > OLD_CARBON:
        said.append(
            f"The carbon forecast is {age} old: its provider has not answered since. "
            "Plans go on with it, labelled stale, and then with own estimates."
        )
    if signals.price.quality_over([0]) is Quality.ESTIMATED:
        said.append(
            "No published price is known from now on: prices are our own estimate until their provider answers."
        )
    return said


def _missing_sentence(signals: RegionSignals) -> str:
    has_carbon = bool(signals.carbon.is_known.any())
    has_price = bool(signals.price.is_known.any())
    if has_carbon and has_price:
        return ""
    if has_carbon:
        return "No price is known: plans weigh carbon alone, and costs show as unknown."
    if has_price:
        return "No carbon forecast is known: plans weigh cost alone, and carbon shows as unknown."
    return (
        "No data has been received yet: jobs are set to the last half-hour that meets their deadline, "
        "and are improved when data arrive."
    )


def _published_origin(series: SignalSeries) -> Provenance | None:
    """Return the origin of the first published (not estimated) value from now on."""
    published = [
        p for p in series.provenances_used() if p.kind is not ValueKind.ESTIMATE and p.source
    ]
    return published[0] if published else None


def _newest_origin(series: SignalSeries) -> Provenance | None:
    """Return the origin of the forecast fetched last."""
    forecasts = [p for p in series.provenances_used() if p.kind is ValueKind.FORECAST]
    return max(forecasts, key=lambda p: p.retrieved_at, default=None)


def _price_text(known_until: datetime | None, price: SignalSeries) -> str:
    if known_until is not None:
        return f"Prices known to {_weekday_time(known_until)}"
    return "Prices: own estimate" if price.is_known.any() else "Prices: unknown"


def _carbon_text(
    said_at: datetime | None, age: timedelta | None, now: datetime, *, is_issued: bool
) -> str:
    if said_at is None or age is None:
        return "Carbon: unknown"
    same_day = london_date(said_at) == london_date(now)
    at = f"{as_utc(said_at).astimezone(LONDON):%H:%M}" if same_day else _weekday_time(said_at)
    return f"Carbon: {'issued' if is_issued else 'fetched'} {at}, {age_text(age)} old"


def age_text(age: timedelta) -> str:
    """Return an age in whole minutes below two hours, in hours below two days, then in days."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _weekday_time(instant: datetime) -> str:
    return f"{as_utc(instant).astimezone(LONDON):%a %H:%M}"


def _full_time(instant: datetime) -> str:
    local = as_utc(instant).astimezone(LONDON)
    return f"{local:%a} {local.day} {local:%b %Y %H:%M}"
