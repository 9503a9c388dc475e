"""Read every body of the GB Carbon Intensity API: one parser for its three envelopes and the national mix.

Provider shapes and their faults end here; what leaves are numbers by region slug and half-hour. A body of any other shape,
an empty one, and one in which nothing is usable are refused; single bad rows are dropped and counted.

The `index` word ("low", "moderate") is never read: its bands move every year.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from models.domain.errors import SourceMalformed
from models.domain.regions import REGIONS
from models.domain.time import SLOT, as_utc, floor_slot

NATIONAL_BOUNDS_G_PER_KWH = (5.0, 600.0)
"""A national value outside is a fault of the service (2856 and 0 have been seen). [gCO2/kWh]"""

REGIONAL_BOUNDS_G_PER_KWH = (-20.0, 900.0)
"""A regional value outside is a fault; small negative ones occur and count as 0, and 0 is real. [gCO2/kWh]"""

JUMP_G_PER_KWH = 150.0
"""A larger step between neighbouring half-hours is reported, not removed. [gCO2/kWh]"""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Intensity(_Part):
    forecast: float | None = None
    actual: float | None = None


class _MixItem(_Part):
    fuel: str
    perc: float | None = None


class _Period(_Part):
    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    intensity: _Intensity = _Intensity()
    generationmix: tuple[_MixItem, ...] = ()


@dataclass(frozen=True, slots=True)
class CarbonPoint:
    """What is said of one region in one half-hour; None is missing."""

    forecast_g_per_kwh: float | None
    actual_g_per_kwh: float | None
    mix_percent: Mapping[str, float]
    """Percent by fuel; empty where the envelope has no mix. Unknown fuels are kept."""


_NOTHING = CarbonPoint(None, None, {})
"""A half-hour about which only nulls were sent."""


@dataclass(frozen=True)
class CarbonTable:
    """Everything usable in one body."""

    points: Mapping[str, Mapping[datetime, CarbonPoint]]
    """Region slug, then slot start."""
    dropped_rows: int
    """Malformed or absurd rows left out; an absurd value counts as one."""
    warnings: tuple[str, ...]

    def forecasts(self, slug: str) -> dict[datetime, float]:
        """Return the known forecasts of a region by slot start. [gCO2/kWh]"""
        known = self.points.get(slug, {}).items()
        return {t: p.forecast_g_per_kwh for t, p in known if p.forecast_g_per_kwh is not None}

    def actuals(self, slug: str) -> dict[datetime, float]:
        """Return the known actuals of a region by slot start. [gCO2/kWh]"""
        known = self.points.get(slug, {}).items()
        return {t: p.actual_g_per_kwh for t, p in known if p.actual_g_per_kwh is not None}

    def mixes(self, slug: str) -> dict[datetime, Mapping[str, float]]:
        """Return the known generation mixes of a region by slot start. [%]"""
        known = self.points.get(slug, {}).items()
        return {t: p.mix_percent for t, p in known if p.mix_percent}


def parse_carbon(body: Any) -> CarbonTable:
    """Read a body of any envelope.

    Raises:
        SourceMalformed: If the body is empty, of another shape, or holds nothing usable.
    """
    reader = _Reader()
    for slug, row in _rows(body, reader):
        reader.read(slug, row)
    if not any(reader.points.values()):
        raise SourceMalformed(
            f"the carbon service sent no usable half-hour ({reader.dropped} rows were malformed or absurd)"
        )
    return reader.table()


def slug_of_shortname(shortname: object) -> str | None:
    """Return the region of a provider's short name, or None. Ids are not trusted: some answers have them off by one."""
    return _SLUG_BY_NAME.get(_plain(shortname)) if isinstance(shortname, str) else None


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("&", " and ").split())


_SLUG_BY_NAME = {_plain(r.name): r.slug for r in REGIONS.values()} | {"gb": "gb"}


@dataclass
class _Reader:
    """Collects points and counts faults."""

    points: dict[str, dict[datetime, CarbonPoint]] = field(default_factory=dict)
    dropped: int = 0
    duplicates: int = 0
    unknown_regions: set[str] = field(default_factory=set)

    def read(self, slug: str, row: Any) -> None:
        try:
            period = _Period.model_validate(row)
        except ValidationError:
            self.dropped += 1
            return
        start, end = as_utc(period.start), as_utc(period.end)
        if floor_slot(start) != start or end <= start or (end - start) % SLOT:
            self.dropped += 1
            return
        point = CarbonPoint(
            self._value(slug, period.intensity.forecast),
            self._value(slug, period.intensity.actual),
            self._mix(period.generationmix),
        )
        of_region = self.points.setdefault(slug, {})
        while start < end:
            # The last one wins, also when it says nothing: the one before it has been withdrawn.
            self.duplicates += of_region.pop(start, None) is not None
            if point != _NOTHING:
                of_region[start] = point
            start += SLOT

    def _value(self, slug: str, value: float | None) -> float | None:
        if value is None:
            return None
        low, high = NATIONAL_BOUNDS_G_PER_KWH if slug == "gb" else REGIONAL_BOUNDS_G_PER_KWH
        if not (math.isfinite(value) and low <= value <= high):
            self.dropped += 1
            return None
        return max(0.0, value)

    def _mix(self, items: tuple[_MixItem, ...]) -> dict[str, float]:
        mix = {}
        for item in items:
            if item.perc is None:
                continue
            if not -1.0 <= item.perc <= 101.0:
                self.dropped += 1
                continue
            mix[item.fuel.strip().lower()] = max(0.0, item.perc)
        return mix

    def table(self) -> CarbonTable:
        warnings = []
        if self.duplicates:
            warnings.append(f"{self.duplicates} half-hours were sent twice; the last one counts")
        if self.unknown_regions:
            names = ", ".join(sorted(self.unknown_regions))
            warnings.append(f"unknown regions were left out: {names}")
        for slug, points in self.points.items():
            warnings.extend(_jumps(slug, points))
        return CarbonTable(self.points, self.dropped, tuple(warnings))


def _jumps(slug: str, points: Mapping[datetime, CarbonPoint]) -> list[str]:
    """Report steps between neighbouring half-hours that no grid makes; they are kept."""
    known = {t: p.forecast_g_per_kwh for t, p in points.items() if p.forecast_g_per_kwh is not None}
    found = [
        start
        for start in sorted(known)
        if abs(known.get(start + SLOT, known[start]) - known[start]) > JUMP_G_PER_KWH
    ]
    if not found:
        return []
    said = f"{slug}: {len(found)} jumps above {JUMP_G_PER_KWH:.0f} g/kWh between neighbouring half-hours"
    return [f"{said}, the first after {found[0]:%Y-%m-%dT%H:%MZ}"]


def _rows(body: Any, reader: _Reader) -> Iterator[tuple[str, Any]]:
    """Yield (region slug, raw period) from any of the envelopes."""
    data = body.get("data") if isinstance(body, dict) else None
    if data is None:
        raise SourceMalformed("the carbon service sent a body without `data`")
    if isinstance(data, dict):
        data = [data]
    if not isinstance(data, list):
        raise SourceMalformed(f"the carbon service sent `data` as {type(data).__name__}")
    if not data:
        raise SourceMalformed("the carbon service sent an empty list")
    for item in data:
        yield from _item_rows(item, reader)


def _item_rows(item: Any, reader: _Reader) -> Iterator[tuple[str, Any]]:
    """Yield the rows of one element of `data`, whichever envelope it belongs to."""
    if not isinstance(item, dict):
        reader.dropped += 1
    elif isinstance(item.get("regions"), list):
        for region in item["regions"]:
            slug = _slug(region, reader)
            if slug is not None:
                yield slug, {**region, "from": item.get("from"), "to": item.get("to")}
    elif isinstance(item.get("data"), list):
        slug = _slug(item, reader)
        if slug is not None:
            for row in item["data"]:
                yield slug, row
    elif "intensity" in item or "generationmix" in item:
        yield "gb", item
    else:
        raise SourceMalformed(
            f"the carbon service sent an element with the fields {', '.join(sorted(item)) or 'none'}"
        )


def _slug(item: Any, reader: _Reader) -> str | None:
    shortname = item.get("shortname") if isinstance(item, dict) else None
    slug = slug_of_shortname(shortname)
    if slug is None:
        reader.dropped += 1
        reader.unknown_regions.add(str(shortname)[:40])
    return slug
