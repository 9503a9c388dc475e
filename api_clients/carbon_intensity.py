"""The GB Carbon Intensity API: forecasts and actuals, national and regional, with the generation mix.

The provider gives no issue time, no quantiles and no promise of a full horizon; none is invented here.
Attribution: National Energy System Operator (NESO) Carbon Intensity API, CC BY 4.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from api_clients.carbon_parse import CarbonTable, parse_carbon
from api_clients.http import Answer, HttpClient
from api_clients.series import assemble, assemble_mix, span
from models.domain.errors import SourceUnavailable
from models.domain.ports import SignalBatch
from models.domain.regions import REGIONS
from models.domain.signal import MixSeries, Provenance, SignalName, SignalSeries, ValueKind
from models.domain.time import SLOT, Horizon, ceil_slot, floor_slot, format_utc

FORECAST_SLOTS = 96
"""Half-hours of the longest forecast path, `fw48h`."""

NATIONAL_CHUNK = timedelta(days=14)
"""Longest range the documentation allows in one request."""

REGIONAL_CHUNK = timedelta(days=1)
"""Range of one regional request: all 18 regions with their mix are about 340 kB a day."""

OPEN_HISTORY_TTL = timedelta(minutes=20)
"""Freshness of a range that reaches into the last hours, where actuals still arrive."""

CLOSED_HISTORY_TTL = timedelta(days=30)
"""Freshness of a range that is long over."""

SETTLES_WITHIN = timedelta(hours=6)
"""After this long a past half-hour is taken as final."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Parsed = Answer[CarbonTable]


class CarbonIntensityClient:
    """Carbon source of the live grid."""

    name = "NESO Carbon Intensity API"
    mode = "live"

    def __init__(
        self, http: HttpClient, base_url: str, *, cache_ttl_seconds: float = 1500.0
    ) -> None:
        """Keep the shared HTTP client.

        Args:
            http: The client.
            base_url: Address of the API without a trailing slash.
            cache_ttl_seconds: How long a forecast counts as fresh. [s]
        """
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._forecast_ttl = timedelta(seconds=cache_ttl_seconds)

    def forecast(self, now: datetime) -> SignalBatch:
        """Return carbon and mix of all regions from the current half-hour, as far as issued (at most 48 h).

        `gb` comes from the national path, gaps in it from the regional one. If one path fails the other's
        answer is returned with a warning.

        Raises:
            SourceUnavailable: If neither path gives anything usable.
        """
        first = floor_slot(now)
        stamp = _stamp(first)
        regional_path = "/regional/intensity/{from}/fw48h"
        national_path = "/intensity/{from}/fw48h"
        warnings: list[str] = []
        errors: list[SourceUnavailable] = []
        answers: dict[str, Parsed] = {}
        for path in (regional_path, national_path):
            try:
                answers[path] = self._get(path.replace("{from}", stamp), self._forecast_ttl)
            except SourceUnavailable as error:
                errors.append(error)
                warnings.append(f"{path} failed: {error}")
        if not answers:
            raise errors[0]
        series = []
        for slug in REGIONS:
            parts = [
                (answers[path].value.forecasts(slug), self._provenance(answers[path], path))
                for path in (national_path, regional_path)
                if path in answers and (path == regional_path or slug == "gb")
            ]
            horizon = span((t for known, _ in parts for t in known), first, FORECAST_SLOTS)
            if horizon is not None:
                made = assemble(SignalName.CARBON, slug, horizon, parts)
                series.extend([made] if made else [])
        if not series:
            raise SourceUnavailable(
                f"{self.name} has no forecast from {format_utc(first)} on", source=self.name
            )
        mixes = self._forecast_mixes(answers.get(regional_path), regional_path, first, warnings)
        return SignalBatch(
            tuple(series),
            mixes,
            sum(a.value.dropped_rows for a in answers.values()),
            tuple(warnings)
            + tuple(w for a in answers.values() for w in a.value.warnings)
            + _shortfalls(series),
        )

    def history(self, start: datetime, end: datetime, now: datetime) -> SignalBatch:
        """Return past carbon in `[start, end)`: `gb` actuals, regional last forecasts, and mixes.

        Half-hours of `gb` without an actual carry the last forecast, labelled so. Requests lie on fixed
        chunks, so that closed ones are asked for once.

        Raises:
            SourceUnavailable: If nothing usable came back, or no half-hour of the range has ended.
        """
        horizon = self._past(start, end, now)
        warnings: list[str] = []
        errors: list[SourceUnavailable] = []
        national = list(
            self._chunks("/intensity/{from}/{to}", horizon, NATIONAL_CHUNK, now, warnings, errors)
        )
        regional = list(
            self._chunks(
                "/regional/intensity/{from}/{to}", horizon, REGIONAL_CHUNK, now, warnings, errors
            )
        )
        series: list[SignalSeries] = []
        mixes: list[MixSeries] = []
        for slug in REGIONS:
            parts = []
            if slug == "gb":
                for path, answer in national:
                    metered = self._provenance(answer, path, ValueKind.ACTUAL)
                    parts.append((answer.value.actuals(slug), metered))
                    parts.append((answer.value.forecasts(slug), self._provenance(answer, path)))
            for path, answer in regional:
                parts.append((answer.value.forecasts(slug), self._provenance(answer, path)))
                mix = assemble_mix(
                    slug, horizon, answer.value.mixes(slug), self._provenance(answer, path)
                )
                mixes.extend([mix] if mix else [])
            made = assemble(SignalName.CARBON, slug, horizon, parts)
            series.extend([made] if made else [])
        if not series:
            raise (
                errors[0]
                if errors
                else SourceUnavailable(f"{self.name} has no values in that range", source=self.name)
            )
        answers = [answer for _, answer in national + regional]
        return SignalBatch(
            tuple(series),
            tuple(mixes),
            sum(a.value.dropped_rows for a in answers),
            tuple(warnings) + tuple(w for a in answers for w in a.value.warnings),
        )

    def region_of_postcode(self, outward_code: str) -> str | None:
        """Return the region slug of an outward postcode, or None if the answer names no known region.

        Raises:
            SourceUnavailable: If the service does not know it (400 for some valid ones) or is down.
        """
        answer = self._get(f"/regional/postcode/{outward_code}", timedelta(minutes=5))
        return next(iter(answer.value.points), None)

    # --- inside -------------------------------------------------------------------------------

    def _get(self, path: str, ttl: timedelta, keep: timedelta = timedelta(days=1)) -> Parsed:
        return self._http.get_json(
            self._base_url + path,
            service=self._base_url,
            source=self.name,
            check=parse_carbon,
            ttl=ttl,
            keep=keep,
        )

    def _provenance(
        self, answer: Parsed, endpoint: str, kind: ValueKind = ValueKind.FORECAST
    ) -> Provenance:
        return Provenance(
            source=self.name,
            endpoint=endpoint,
            kind=kind,
            quality=answer.quality,
            issued_at=None,
            retrieved_at=answer.fetched_at,
            sha256=answer.sha256,
        )

    def _forecast_mixes(
        self, regional: Parsed | None, path: str, first: datetime, warnings: list[str]
    ) -> tuple[MixSeries, ...]:
        """Return the regional mixes; without them the latest national one, which has its own path."""
        slugs: tuple[str, ...] = tuple(REGIONS)
        if regional is None:
            path, slugs = "/generation", ("gb",)
            try:
                regional = self._get(path, timedelta(minutes=5))
            except SourceUnavailable as error:
                warnings.append(f"{path} failed: {error}")
                return ()
            known = regional.value.mixes("gb")
            first = min(known, default=first)
        kind = ValueKind.FORECAST if path != "/generation" else ValueKind.ESTIMATE
        provenance = self._provenance(regional, path, kind)
        made = []
        for slug in slugs:
            known = regional.value.mixes(slug)
            horizon = span(known, first, FORECAST_SLOTS)
            mix = assemble_mix(slug, horizon, known, provenance) if horizon else None
            made.extend([mix] if mix else [])
        return tuple(made)

    def _past(self, start: datetime, end: datetime, now: datetime) -> Horizon:
        first, until = floor_slot(start), min(ceil_slot(end), floor_slot(now))
        if until <= first:
            raise SourceUnavailable(
                f"no half-hour between {format_utc(start)} and {format_utc(end)} has ended yet",
                source=self.name,
            )
        return Horizon(first, (until - first) // SLOT)

    def _chunks(
        self,
        path: str,
        horizon: Horizon,
        length: timedelta,
        now: datetime,
        warnings: list[str],
        errors: list[SourceUnavailable],
    ) -> Iterator[tuple[str, Parsed]]:
        """Yield the answers for the chunks that cover the horizon; a failed one is noted and left out."""
        begin = _EPOCH + ((horizon.start - _EPOCH) // length) * length
        while begin < horizon.end:
            until = min(begin + length, floor_slot(now))
            is_closed = until == begin + length and until <= now - SETTLES_WITHIN
            filled = path.replace("{from}", _stamp(begin)).replace(
                "{to}", f"{until:%Y-%m-%dT%H:%MZ}"
            )
            ttl = CLOSED_HISTORY_TTL if is_closed else OPEN_HISTORY_TTL
            keep = CLOSED_HISTORY_TTL if is_closed else timedelta(hours=2)
            try:
                yield path, self._get(filled, ttl, keep)
            except SourceUnavailable as error:
                errors.append(error)
                warnings.append(f"{path} from {format_utc(begin)} failed: {error}")
            begin += length


def _stamp(slot_start: datetime) -> str:
    """Return `{from}` for a range that begins with this slot.

    The service selects half-hours whose *end* lies in the range, both ends included; one minute past the boundary
    leaves out the one before. All questions within a half-hour share the address.
    """
    return f"{slot_start + timedelta(minutes=1):%Y-%m-%dT%H:%MZ}"


def _shortfalls(series: list[SignalSeries]) -> tuple[str, ...]:
    """Say which regions are missing and how far short of 48 h the forecast ends."""
    said = []
    missing = [slug for slug in REGIONS if slug not in {s.region for s in series}]
    if missing:
        said.append(f"no forecast for {', '.join(missing)}")
    longest = max(series, key=lambda s: s.horizon.slots).horizon
    if longest.slots < FORECAST_SLOTS:
        said.append(
            f"the forecast ends at {format_utc(longest.end)}: {longest.slots} of {FORECAST_SLOTS} half-hours"
        )
    return tuple(said)
