"""The paths of the GB Carbon Intensity API, with the shapes and the selection rule of the real one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify

from models.domain.regions import REGIONS, Region
from models.domain.time import (
    SLOT,
    ceil_slot,
    floor_slot,
    london_date,
    london_midnight,
    periods_in_day,
    settlement_start,
)
from tests.standin.state import StandInState
from tests.standin.world import World

HORIZON = timedelta(hours=48)
ACTUAL_AFTER = timedelta(minutes=10)
"""An actual appears this long after its half-hour."""

INVALID_DATETIME = "Please enter a valid datetime in ISO8601 format YYYY-MM-DDThh:mmZ e.g. /intensity/2017-08-25T15:30Z"
INVALID_DATE = (
    "Please enter a valid date in ISO8601 format 'YYYY-MM-DD' i.e. .../intensity/date/2017-08-25"
)
INVALID_PATH = "Please enter a valid path e.g. /intensity/"
RANGE_TOO_LONG = (
    "The date range you have specified is greater than 31 days. Please select a smaller date range."
)
BAD_REGION = "Please enter a valid region ID i.e. 1-17."
NO_POSTCODE = "No postcode match can be found."

FACTORS = {
    "Biomass": 120, "Coal": 937, "Dutch Imports": 474, "French Imports": 53, "Gas (Combined Cycle)": 394,
    "Gas (Open Cycle)": 651, "Hydro": 0, "Irish Imports": 458, "Nuclear": 0, "Oil": 935, "Other": 300,
    "Pumped Storage": 0, "Solar": 0, "Wind": 0,
}  # fmt: skip

_DNO_NAMES = (
    "Scottish Hydro Electric Power Distribution", "SP Distribution", "Electricity North West",
    "NPG North East", "NPG Yorkshire", "SP Manweb", "WPD South Wales", "WPD West Midlands",
    "WPD East Midlands", "UKPN East", "WPD South West", "SSE South", "UKPN London", "UKPN South East",
)  # fmt: skip

_POSTCODES = {
    "SW1A": "london", "EC1V": "london", "EN2": "east_england", "RG10": "south_england",
    "BH1": "south_england", "CF10": "south_wales", "IV1": "north_scotland", "EH1": "south_scotland",
    "M1": "north_west_england", "BS16": "south_west_england",
}  # fmt: skip
"""Outward codes the stand-in knows; W1 and its neighbours are missing, as in the real one."""

_BANDS = {2018: (79, 179, 279, 380), 2023: (39, 119, 199, 290), 2026: (24, 89, 169, 230)}
_WORDS = ("very low", "low", "moderate", "high", "very high")


class BadRequest(Exception):
    """A 400 with the provider's sentence."""


def carbon_blueprint(world: World, state: StandInState) -> Blueprint:
    """Return the routes, to be mounted at `/carbon`."""
    paths = _Carbon(world, state)
    bp = Blueprint("carbon", __name__)

    @bp.errorhandler(BadRequest)
    def bad_request(error: BadRequest) -> tuple[Response, int]:
        return jsonify({"error": {"code": "400 Bad Request", "message": str(error)}}), 400

    @bp.get("/<path:path>")
    def answer(path: str) -> Any:
        return _faulty(path, state) or jsonify(paths.answer(path.strip("/").split("/")))

    return bp


def _faulty(path: str, state: StandInState) -> Any:
    """Return the answer of a fault that replaces the whole body, or None."""
    slow = state.fault("carbon_slow")
    if slow:
        state.stopped.wait(float(slow))
    is_regional = path.startswith("regional")
    if (
        state.fault("carbon_500")
        or (is_regional and state.fault("regional_500"))
        or (not is_regional and state.fault("national_500"))
    ):
        body = {"code": "500 Internal Server Error", "message": "Requested resource not found."}
        return jsonify({"error": body}), 500
    limited = state.fault("carbon_429")
    if limited:
        return jsonify({"message": "Too Many Requests"}), 429, {"Retry-After": str(int(limited))}
    if state.fault("carbon_html"):
        return "<html><body>Service temporarily unavailable</body></html>", 200
    if state.fault("carbon_empty_object"):
        return jsonify({})
    if state.fault("carbon_empty_data"):
        return jsonify({"data": []})
    return None


class _Carbon:
    """Answers a path given as its parts."""

    def __init__(self, world: World, state: StandInState) -> None:
        self._world = world
        self._state = state

    def answer(self, parts: list[str]) -> Any:
        match parts:
            case ["intensity", *rest]:
                return self._intensity(rest)
            case ["generation", *rest]:
                return self._generation(rest)
            case ["regional", *rest]:
                return self._regional(rest)
        raise BadRequest(INVALID_PATH)

    # --- national -----------------------------------------------------------------------------

    def _intensity(self, parts: list[str]) -> Any:
        match parts:
            case []:
                return {"data": self._national(self._latest())}
            case ["factors"]:
                return {"data": [FACTORS]}
            case ["date", *rest]:
                return {"data": self._national(self._of_date(rest))}
            case ["stats", begin, until]:
                return {"data": self._stats(begin, until, None)}
            case ["stats", begin, until, block]:
                return {"data": self._stats(begin, until, int(block))}
            case [begin]:
                at = _instant(begin)
                return {"data": self._national([ceil_slot(at) - SLOT])}
            case [begin, until]:
                return {"data": self._national(_selected(*_range(begin, until)))}
        raise BadRequest(INVALID_PATH)

    def _latest(self) -> list[datetime]:
        return [floor_slot(self._state.now())]

    def _of_date(self, parts: list[str]) -> list[datetime]:
        """Return the half-hours of a London day, or one settlement period of it."""
        if not parts:
            day = london_date(self._state.now())
        else:
            try:
                day = date.fromisoformat(parts[0])
            except ValueError as error:
                raise BadRequest(INVALID_DATE) from error
        if len(parts) == 2:
            return [settlement_start(day, int(parts[1]))]
        return [london_midnight(day) + k * SLOT for k in range(periods_in_day(day))]

    def _national(self, starts: list[datetime]) -> list[dict[str, Any]]:
        now = self._state.now()
        rows = []
        for start in starts:
            forecast = self._world.forecast(start, now) if start < self._horizon_end() else None
            if forecast is None:
                continue
            is_over = start + SLOT + ACTUAL_AFTER <= now
            actual = self._world.actual(start) if is_over else None
            rows.append(_row(start, forecast, actual))
        return self._spoil_national(rows)

    def _spoil_national(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if rows and self._state.fault("carbon_2856"):
            rows[0]["intensity"]["forecast"] = 2856
        if self._state.fault("carbon_zero_actual"):
            metered = [r for r in rows if r["intensity"]["actual"] is not None]
            if metered:
                metered[-1]["intensity"]["actual"] = 0
        if self._state.fault("carbon_null_forecast"):
            for row in rows[::3]:
                row["intensity"]["forecast"] = None
        if rows and self._state.fault("carbon_duplicates"):
            rows.insert(
                0, {**rows[0], "intensity": {"forecast": 599, "actual": 599, "index": "high"}}
            )
        return rows

    def _stats(self, begin: str, until: str, block_hours: int | None) -> list[dict[str, Any]]:
        first, last = _range(begin, until, most_days=30)
        step = timedelta(hours=block_hours) if block_hours else last - first
        blocks = []
        while first < last:
            rows = self._national(_selected(first + timedelta(minutes=1), min(first + step, last)))
            values = [r["intensity"]["actual"] or r["intensity"]["forecast"] for r in rows]
            if values:
                mean = round(sum(values) / len(values))
                summary = {"max": max(values), "average": mean, "min": min(values)}
                summary["index"] = _index(first, mean)
                blocks.append(
                    {"from": _text(first), "to": _text(first + step), "intensity": summary}
                )
            first += step
        return blocks

    def _generation(self, parts: list[str]) -> Any:
        if not parts:
            start = self._latest()[0]
            return {"data": self._mix_row(start)}
        begin, until = parts if len(parts) == 2 else (parts[0], "")
        starts = _selected(*_range(begin, until))
        return {"data": [r for s in starts if s <= self._state.now() if (r := self._mix_row(s))]}

    def _mix_row(self, start: datetime) -> dict[str, Any]:
        forecast = self._world.forecast(start, self._state.now())
        if forecast is None:
            return {}
        mix = _mix(self._world.mix("gb", start, forecast))
        return {"from": _text(start), "to": _text(start + SLOT), "generationmix": mix}

    # --- regional -----------------------------------------------------------------------------

    def _regional(self, parts: list[str]) -> Any:
        match parts:
            case []:
                return {"data": self._period_keyed(self._latest())}
            case ["england" | "scotland" | "wales" as slug]:
                return {"data": [self._region_keyed(slug, self._latest())]}
            case ["regionid", number]:
                return {"data": [self._region_keyed(_region_of(number), self._latest())]}
            case ["postcode", code]:
                slug = _POSTCODES.get(_outward(code))
                if slug is None:
                    raise BadRequest(NO_POSTCODE)
                return {"data": [self._of_postcode(slug, code, self._latest())]}
            case ["intensity", begin, until, *rest]:
                return self._regional_range(begin, until, rest)
        raise BadRequest(INVALID_PATH)

    def _regional_range(self, begin: str, until: str, rest: list[str]) -> Any:
        if len(begin) == len("2018-01-20"):
            return {}
        starts = _selected(*_range(begin, until))
        match rest:
            case []:
                periods = self._period_keyed(starts)
                return {"data": periods} if periods else {}
            case ["regionid", number]:
                return {"data": self._region_keyed(_region_of(number), starts)}
            case ["postcode", code]:
                slug = _POSTCODES.get(_outward(code))
                return {"data": self._of_postcode(slug, code, starts)} if slug else {}
        raise BadRequest(INVALID_PATH)

    def _period_keyed(self, starts: list[datetime]) -> list[dict[str, Any]]:
        missing = set(self._state.fault("carbon_missing_regions") or ())
        periods = []
        for start in starts:
            regions = [
                {**_place(slug), "intensity": intensity, "generationmix": mix}
                for slug, intensity, mix in self._values(start)
                if _shortname(slug) not in missing
            ]
            if regions:
                periods.append(
                    {"from": _text(start), "to": _text(start + SLOT), "regions": regions}
                )
        if periods and self._state.fault("carbon_duplicates"):
            first = periods[0]
            spoiled = [
                {**r, "intensity": {"forecast": 899, "index": "high"}} for r in first["regions"]
            ]
            periods.insert(0, {**first, "regions": spoiled})
        return periods

    def _region_keyed(self, slug: str, starts: list[datetime]) -> dict[str, Any]:
        rows = [
            {"from": _text(s), "to": _text(s + SLOT), "intensity": intensity, "generationmix": mix}
            for s in starts
            for place, intensity, mix in self._values(s)
            if place == slug
        ]
        return {**_place(slug), "data": rows}

    def _of_postcode(self, slug: str, code: str, starts: list[datetime]) -> dict[str, Any]:
        """Return one region; its id is one too low here, as in real answers."""
        found = self._region_keyed(slug, starts)
        return {**found, "regionid": found["regionid"] - 1, "postcode": _outward(code)}

    def _values(
        self, start: datetime
    ) -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
        """Yield (slug, intensity, mix) of every region; there is no regional actual."""
        if start >= self._horizon_end():
            return
        values = self._world.regional(start, self._state.now())
        for slug, value in (values or {}).items():
            mix = _mix(self._world.mix(slug, start, value))
            yield slug, {"forecast": round(value), "index": _index(start, value)}, mix

    def _horizon_end(self) -> datetime:
        now = self._state.now()
        if self._state.fault("carbon_truncated"):
            return datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
        return floor_slot(now) + HORIZON


def _row(start: datetime, forecast: float, actual: float | None) -> dict[str, Any]:
    leading = forecast if actual is None else actual
    return {
        "from": _text(start),
        "to": _text(start + SLOT),
        "intensity": {
            "forecast": round(forecast),
            "actual": None if actual is None else round(actual),
            "index": _index(start, leading),
        },
    }


def _selected(begin: datetime, until: datetime) -> list[datetime]:
    """Return the half-hours whose end lies in `[begin, until]`, both included."""
    end = ceil_slot(begin)
    found = []
    while end <= until:
        found.append(end - SLOT)
        end += SLOT
    return found


def _range(begin: str, until: str, most_days: int = 31) -> tuple[datetime, datetime]:
    first = _instant(begin)
    spans = {"fw24h": 24, "fw48h": 48}
    if until in spans:
        return first, first + timedelta(hours=spans[until])
    if until == "pt24h":
        return first - timedelta(hours=24), first
    last = _instant(until)
    if last - first > timedelta(days=most_days):
        raise BadRequest(RANGE_TOO_LONG)
    return first, last


def _instant(text: str) -> datetime:
    for layout in ("%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            return datetime.strptime(text, layout).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise BadRequest(INVALID_DATETIME)


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%MZ}"


def _index(start: datetime, value: float) -> str:
    year = max((y for y in _BANDS if y <= start.year), default=2018)
    return _WORDS[sum(value > top for top in _BANDS[year])]


def _mix(mix: Any) -> list[dict[str, Any]]:
    return [{"fuel": fuel, "perc": round(percent, 1)} for fuel, percent in mix.items()]


def _shortname(slug: str) -> str:
    if slug == "gb":
        return "GB"
    return REGIONS[slug].name.replace("North Wales and Merseyside", "North Wales & Merseyside")


def _place(slug: str) -> dict[str, Any]:
    place: Region = REGIONS[slug]
    number = place.carbon_intensity_id
    dno = _DNO_NAMES[number - 1] if number <= 14 else _shortname(slug)
    return {"regionid": number, "dnoregion": dno, "shortname": _shortname(slug)}


def _region_of(number: str) -> str:
    found = [s for s, r in REGIONS.items() if str(r.carbon_intensity_id) == number and s != "gb"]
    if not found:
        raise BadRequest(BAD_REGION)
    return found[0]


def _outward(code: str) -> str:
    if " " in code:
        raise BadRequest(INVALID_PATH)
    return code.upper()
