"""Numbers as pages print them: two or three significant figures, always with a unit, unknown as "unknown"."""

from __future__ import annotations

import math
from datetime import timedelta

UNKNOWN = "unknown"
"""What a page prints where nothing is known; never zero, never blank."""

MINUS = "−"
"""Typographic minus, as wide as a figure."""


def figures(value: float, significant: int = 3) -> str:
    """Return a number to some significant figures, thousands grouped, without an exponent.

    Whole parts are never cut: 12345 to three figures is `12,300`, 0.01234 is `0.0123`.
    """
    if not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    places = significant - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    # Rounding up may have gained a digit (9.996 → 10.00): count again.
    places = significant - 1 - math.floor(math.log10(abs(rounded))) if rounded else 0
    text = f"{abs(rounded):,.{max(places, 0)}f}"
    return f"{MINUS}{text}" if rounded < 0 else text


def _plain(value: float, significant: int = 3) -> str:
    """Return figures without trailing zeros behind the point."""
    text = figures(value, significant)
    return text.rstrip("0").rstrip(".") if "." in text else text


def kilograms(value: float | None) -> str:
    """Return a mass of carbon dioxide. [kg in, kg or g out]"""
    if value is None:
        return UNKNOWN
    if value and abs(value) < 0.1:
        return f"{figures(value * 1000, 2)} g"
    if abs(value) >= 10_000:
        return f"{figures(value / 1000)} t"
    return f"{figures(value)} kg"


def pounds(value: float | None) -> str:
    """Return money. [GBP]"""
    if value is None:
        return UNKNOWN
    sign = MINUS if value < 0 else ""
    size = abs(value)
    if size >= 1000:
        return f"{sign}£{figures(size)}"
    if size >= 100:
        return f"{sign}£{size:.0f}"
    if size >= 0.995 or size == 0:
        return f"{sign}£{size:.2f}"
    if size < 0.0005:
        return "less than 0.1p"
    return f"{sign}{figures(size * 100, 2)}p"


def pence_per_kwh(price_gbp_per_kwh: float | None) -> str:
    """Return a price on the page's scale; a negative one says who pays. [GBP/kWh in, p/kWh out]"""
    if price_gbp_per_kwh is None:
        return UNKNOWN
    pence = price_gbp_per_kwh * 100
    if round(pence, 1) < 0:
        return f"paid {figures(-pence)} p/kWh" if abs(pence) >= 1 else f"paid {-pence:.2g} p/kWh"
    if abs(pence) < 1:
        return f"{abs(pence):.1f} p/kWh"
    return f"{figures(pence)} p/kWh"


def pence_figure(price_gbp_per_kwh: float | None) -> str:
    """Return a price without its unit, for table cells whose heading carries it. [GBP/kWh in, p/kWh out]"""
    if price_gbp_per_kwh is None:
        return UNKNOWN
    pence = price_gbp_per_kwh * 100
    sign = MINUS if round(pence, 1) < 0 else ""
    return f"{sign}{abs(pence):.1f}"


def intensity(value_g_per_kwh: float | None) -> str:
    """Return a carbon intensity. [gCO2/kWh]"""
    if value_g_per_kwh is None:
        return UNKNOWN
    return f"{value_g_per_kwh:.0f} g/kWh"


def intensity_figure(value_g_per_kwh: float | None) -> str:
    """Return a carbon intensity without its unit, for table cells. [gCO2/kWh]"""
    return UNKNOWN if value_g_per_kwh is None else f"{value_g_per_kwh:.0f}"


def kilowatts(value: float | None) -> str:
    """Return a power. [kW in, kW, W or MW out]"""
    if value is None:
        return UNKNOWN
    if value and abs(value) < 1:
        return f"{_plain(value * 1000)} W"
    if abs(value) >= 1000:
        return f"{_plain(value / 1000)} MW"
    return f"{_plain(value)} kW"


def kilowatt_hours(value: float | None) -> str:
    """Return an energy. [kWh in, kWh or MWh out]"""
    if value is None:
        return UNKNOWN
    if abs(value) >= 10_000:
        return f"{_plain(value / 1000)} MWh"
    return f"{_plain(value)} kWh"


def percent(value: float | None) -> str:
    """Return a percentage that is already in percent. [%]"""
    if value is None:
        return UNKNOWN
    if abs(value) >= 10:
        return f"{MINUS if value < 0 else ''}{abs(value):.0f} %"
    if 0 < abs(value) < 0.001:
        return "less than 0.001 %"
    return f"{figures(value, 2)} %" if value else "0 %"


def is_nothing(value_percent: float) -> bool:
    """Return whether a percentage is too small to be told from zero. [%]"""
    return abs(value_percent) < 0.005


def share(value: float) -> str:
    """Return a share between 0 and 1 as a percentage, never rounded to all or nothing."""
    if 0 < value < 0.01:
        return "under 1 %"
    if 0.99 < value < 1:
        return "over 99 %"
    return f"{value * 100:.0f} %"


def carbon_value(gbp_per_tonne: float) -> str:
    """Return a value of carbon. [GBP/t]"""
    return f"£{gbp_per_tonne:,.0f}/t"


def length(span: timedelta | None) -> str:
    """Return a length of time in words."""
    if span is None:
        return UNKNOWN
    minutes = round(span.total_seconds() / 60)
    if minutes == 0:
        return "under a minute" if span else "0 min"
    sign, minutes = (MINUS if minutes < 0 else ""), abs(minutes)
    days, rest = divmod(minutes, 1440)
    hours, left = divmod(rest, 60)
    parts = []
    if days:
        parts.append(f"{days} day{'s' if days > 1 else ''}")
    if hours:
        parts.append(f"{hours} h")
    if left and not days:
        parts.append(f"{left} min")
    return sign + " ".join(parts)


def waiting(span: timedelta | None) -> str:
    """Return how long a job waits, in words."""
    if span is None:
        return UNKNOWN
    return "none" if round(span.total_seconds() / 60) <= 0 else length(span)


def against(saved: float | None, text_of: str, *, less: str = "less", more: str = "more") -> str:
    """Return a saving in words, with its sign in the word.

    Args:
        saved: Baseline minus plan; positive is better, None unknown.
        text_of: The absolute amount, formatted.
        less: Word for a saving.
        more: Word for its opposite.
    """
    if saved is None:
        return UNKNOWN
    if abs(saved) < 5e-4:
        return "the same"
    return f"{text_of} {less if saved > 0 else more}"


def carbon_against(saved_kg: float | None) -> str:
    """Return a carbon saving in words. [kg]"""
    return against(saved_kg, kilograms(abs(saved_kg or 0.0)))


def money_against(saved_gbp: float | None) -> str:
    """Return a cost saving in words. [GBP]"""
    return against(saved_gbp, pounds(abs(saved_gbp or 0.0)))


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 job`, `2 jobs`, `no jobs`."""
    noun = one if number == 1 else (many or f"{one}s")
    return f"{'no' if number == 0 else f'{number:,}'} {noun}"


def capitalised(text: str) -> str:
    """Return a text with its first letter in capitals; units such as `kWh` inside stay as they are."""
    return text[:1].upper() + text[1:]


def sentence_list(words: list[str]) -> str:
    """Return words joined as in a sentence: `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
