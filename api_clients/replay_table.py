"""Read a replay file, `signals.parquet` or `signals.csv`, into arrays by signal, kind and region.

Columns: `signal, region, start, end, value, unit, kind` and optionally `issued_at`; times carry an offset. One wrong cell
stops the reading with its row and column: the file is the operator's own, and a silent gap would be a wrong answer later.
Missing values (null, NaN) and absurd ones are gaps: they are dropped and counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from api_clients.carbon_parse import NATIONAL_BOUNDS_G_PER_KWH, REGIONAL_BOUNDS_G_PER_KWH
from models.domain.errors import InvalidRequest, SourceMalformed, SourceUnavailable
from models.domain.regions import PRICE_LETTERS, REGIONS, region_of_letter
from models.domain.signal import SignalName, ValueKind
from models.domain.time import agile_published_at, parse_rfc3339
from models.domain.vat import vat_rate

SLOT_SECONDS = 1800
"""Length of one settlement period. [s]"""

LEAK_LEAD_SECONDS = 48 * 3600
"""A forecast without issue time counts as issued this long before its half-hour. [s]"""

NO_ISSUE = np.iinfo(np.int64).min
"""Issue time of a row that has none."""

ABSURD_GBP_PER_KWH = 5.0
"""A price beyond this, either way, is a gap. [GBP/kWh]"""

REQUIRED = ("signal", "region", "start", "end", "value", "unit", "kind")

_SIGNALS = {
    "carbon": SignalName.CARBON,
    "carbon_average": SignalName.CARBON,
    "price": SignalName.PRICE,
    "price_retail": SignalName.PRICE,
}
_KINDS: Mapping[SignalName, frozenset[ValueKind]] = {
    SignalName.CARBON: frozenset({ValueKind.FORECAST, ValueKind.ACTUAL}),
    SignalName.PRICE: frozenset({ValueKind.TARIFF}),
}
_FACTORS: Mapping[SignalName, Mapping[str, float]] = {
    SignalName.CARBON: {"gco2/kwh": 1.0, "g/kwh": 1.0},
    SignalName.PRICE: {"p/kwh": 0.01, "gbp/kwh": 1.0, "gbp/mwh": 0.001},
}
_INC_VAT = "inc vat"

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Key = tuple[SignalName, ValueKind, str]


@dataclass(frozen=True)
class Rows:
    """All values of one signal, kind and region, by slot and then by when they became visible.

    Attributes:
        slot: Half-hours since 1970. Shape (n,).
        visible_at: From when the value may be known. Shape (n,). [s since 1970]
        issued_at: Issue time, `NO_ISSUE` where the file has none. Shape (n,). [s since 1970]
        value: gCO2/kWh, or GBP/kWh ex VAT. Shape (n,).
    """

    slot: IntArray
    visible_at: IntArray
    issued_at: IntArray
    value: FloatArray

    def newest(self, first: int, slots: int, at_seconds: int) -> tuple[IntArray, IntArray]:
        """Return positions and slots of the newest visible value of each half-hour in a range."""
        low, high = np.searchsorted(self.slot, [first, first + slots])
        position = np.arange(low, high)[self.visible_at[low:high] <= at_seconds]
        found = self.slot[position]
        is_last = np.append(found[1:] != found[:-1], True) if found.size else np.zeros(0, bool)
        return position[is_last], found[is_last]


@dataclass(frozen=True)
class ReplayTable:
    """A replay file in memory."""

    file_name: str
    sha256: str
    rows: Mapping[Key, Rows]
    dropped_rows: int
    warnings: tuple[str, ...]
    start: datetime
    end: datetime


def load_table(folder: Path) -> ReplayTable:
    """Read `signals.parquet`, or else `signals.csv`, of a folder.

    Raises:
        SourceUnavailable: If there is neither.
        SourceMalformed: If a column is missing or a cell is wrong; the sentence names row and column.
    """
    path = next((p for n in ("parquet", "csv") if (p := folder / f"signals.{n}").exists()), None)
    if path is None:
        raise SourceUnavailable(
            f"the replay folder {folder} has neither signals.parquet nor signals.csv",
            source="replay",
        )
    try:
        table = _read(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceMalformed(f"{path} cannot be read: {error}", source="replay") from error
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise SourceMalformed(
            f"{path} has no column {', '.join(missing)}; it needs {', '.join(REQUIRED)}",
            source="replay",
        )
    if table.num_rows == 0:
        raise SourceMalformed(f"{path} has no rows", source="replay")
    return _Builder(path, table).build()


def _read(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pa.parquet.read_table(path)
    text = {name: pa.string() for name in (*REQUIRED, "issued_at")}
    options = pa.csv.ConvertOptions(column_types=text, strings_can_be_null=True)
    return pa.csv.read_csv(path, convert_options=options)


class _Builder:
    """Checks the columns one by one and sorts the rows into groups."""

    def __init__(self, path: Path, table: Any) -> None:
        self._path = path
        self._table = table
        self._count = int(table.num_rows)

    def build(self) -> ReplayTable:
        signal_names = self._words("signal", lambda text: _SIGNALS.get(text))
        other = np.array([name is None for name in signal_names])
        regions = self._words("region", self._region, but_not=other)
        kinds = self._words("kind", self._kind, but_not=other)
        units = self._words("unit", lambda text: " ".join(text.lower().split()), but_not=other)
        start = self._times("start", but_not=other)
        end = self._times("end", but_not=other)
        issued = self._times("issued_at", but_not=other, is_optional=True)
        value = self._numbers("value", but_not=other)
        self._demand(~other & (start % SLOT_SECONDS != 0), "start", "is not on a half-hour")
        self._demand(
            ~other & ((end <= start) | (end % SLOT_SECONDS != 0)),
            "end",
            "is not a later half-hour boundary than start",
        )
        groups: dict[tuple[Any, ...], list[int]] = {}
        unused = 0
        for row in np.flatnonzero(~other):
            name, kind = signal_names[row], kinds[row]
            if kind not in _KINDS[name]:
                unused += 1
                continue
            groups.setdefault((name, kind, regions[row], units[row]), []).append(int(row))
        merged: dict[Key, list[Rows]] = {}
        dropped = 0
        for (name, kind, region, unit), members in groups.items():
            taken = np.array(members)
            factor, is_inc_vat = self._factor(name, unit, members[0])
            if name is SignalName.PRICE and region in PRICE_LETTERS:
                region = region_of_letter(region).slug
            made, bad = _rows(
                name, kind, region, start[taken], end[taken], issued[taken], value[taken] * factor
            )
            if is_inc_vat:
                made = _without_vat(made)
            dropped += bad
            merged.setdefault((name, kind, region), []).append(made)
        rows = {key: _sorted(parts) for key, parts in merged.items()}
        rows = {key: kept for key, kept in rows.items() if kept.slot.size}
        if not rows:
            raise SourceMalformed(
                f"{self._path} holds no usable carbon or price row", source="replay"
            )
        return ReplayTable(
            self._path.name,
            hashlib.sha256(self._path.read_bytes()).hexdigest(),
            rows,
            dropped,
            self._warnings(int(other.sum()), unused, dropped),
            _instant(min(int(r.slot[0]) for r in rows.values())),
            _instant(max(int(r.slot[-1]) for r in rows.values()) + 1),
        )

    # --- cells --------------------------------------------------------------------------------

    def _wrong(self, row: int, column: str, why: str) -> SourceMalformed:
        cell = self._table.column(column)[row].as_py()
        return SourceMalformed(
            f"{self._path}, row {row + 1}, column {column}: {cell!r} {why}", source="replay"
        )

    def _demand(self, is_wrong: NDArray[np.bool_], column: str, why: str) -> None:
        if is_wrong.any():
            raise self._wrong(int(np.flatnonzero(is_wrong)[0]), column, why)

    def _words(
        self,
        column: str,
        meaning: Callable[[str], Any],
        but_not: NDArray[np.bool_] | None = None,
    ) -> list[Any]:
        """Return what each cell means; each distinct word is looked up once."""
        cells = self._table.column(column).to_pylist()
        seen: dict[Any, Any] = {}
        found: list[Any] = []
        for row, cell in enumerate(cells):
            if but_not is not None and but_not[row]:
                found.append(None)
                continue
            if cell not in seen:
                if not isinstance(cell, str):
                    raise self._wrong(row, column, "is not a word")
                try:
                    seen[cell] = meaning(cell.strip())
                except ValueError as error:
                    raise self._wrong(row, column, str(error)) from error
            found.append(seen[cell])
        return found

    @staticmethod
    def _region(text: str) -> str:
        if text in REGIONS:
            return text
        if text.removeprefix("_") in PRICE_LETTERS:
            return text.removeprefix("_")
        raise ValueError(f"is not a region; use one of {', '.join(REGIONS)}")

    @staticmethod
    def _kind(text: str) -> ValueKind:
        try:
            return ValueKind(text)
        except ValueError as error:
            raise ValueError(f"is not a kind; use one of {', '.join(ValueKind)}") from error

    def _factor(self, name: SignalName, unit: str, row: int) -> tuple[float, bool]:
        """Return what a unit is multiplied by, and whether its values include VAT."""
        is_inc_vat = unit.replace("_", " ").endswith(_INC_VAT)
        plain = unit.replace("_", " ").removesuffix(_INC_VAT).removesuffix("ex vat").strip(" ,()")
        factor = _FACTORS[name].get(plain)
        if factor is None:
            units = ", ".join(sorted({"gCO2/kWh"} if name is SignalName.CARBON else _PRICE_UNITS))
            raise self._wrong(row, "unit", f"is not a unit of {name}; use {units}")
        return factor, is_inc_vat

    def _times(
        self, column: str, but_not: NDArray[np.bool_], *, is_optional: bool = False
    ) -> IntArray:
        """Return a column of instants. [s since 1970]"""
        if is_optional and column not in self._table.column_names:
            return np.full(self._count, NO_ISSUE, dtype=np.int64)
        cells = self._table.column(column)
        is_null = np.asarray(cells.is_null().combine_chunks(), dtype=bool)
        if not is_optional:
            self._demand(is_null & ~but_not, column, "is missing")
        if pa.types.is_timestamp(cells.type):
            if cells.type.tz is None:
                raise SourceMalformed(
                    f"{self._path}, column {column}: times have no time zone; store them as UTC",
                    source="replay",
                )
            seconds = cells.cast(pa.timestamp("s", tz="UTC"), safe=False).cast(pa.int64())
            return np.asarray(seconds.fill_null(NO_ISSUE).combine_chunks(), dtype=np.int64)
        parsed: dict[str, int] = {}
        found = np.full(self._count, NO_ISSUE, dtype=np.int64)
        for row, cell in enumerate(cells.to_pylist()):
            if cell is None or cell == "" or but_not[row]:
                continue
            text = str(cell)
            if text not in parsed:
                try:
                    parsed[text] = int(parse_rfc3339(text).timestamp())
                except InvalidRequest as error:
                    raise self._wrong(row, column, "is not a time with an offset") from error
            found[row] = parsed[text]
        return found

    def _numbers(self, column: str, but_not: NDArray[np.bool_]) -> FloatArray:
        """Return a column of numbers; NaN where it is empty."""
        cells = self._table.column(column)
        if pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type):
            numbers = cells.cast(pa.float64()).fill_null(float("nan")).combine_chunks()
            found = np.array(numbers, dtype=np.float64)
        else:
            found = np.full(self._count, np.nan)
            for row, cell in enumerate(cells.to_pylist()):
                if cell is None or cell == "" or but_not[row]:
                    continue
                try:
                    found[row] = float(cell)
                except (TypeError, ValueError) as error:
                    raise self._wrong(row, column, "is not a number") from error
        self._demand(np.isinf(found) & ~but_not, column, "is not finite")
        return found

    def _warnings(self, other: int, unused: int, dropped: int) -> tuple[str, ...]:
        name = self._path.name
        said = []
        if other:
            said.append(f"{name}: {other} rows of other signals are not used")
        if unused:
            said.append(
                f"{name}: {unused} rows of other kinds are not used (carbon: forecast, actual; price: tariff)"
            )
        if dropped:
            said.append(f"{name}: {dropped} half-hours without a plausible value are gaps")
        return tuple(said)


_PRICE_UNITS = {"p/kWh", "GBP/kWh", "GBP/MWh", "p/kWh inc VAT", "GBP/kWh inc VAT"}


def _rows(
    name: SignalName,
    kind: ValueKind,
    region: str,
    start: IntArray,
    end: IntArray,
    issued: IntArray,
    value: FloatArray,
) -> tuple[Rows, int]:
    """Spread rows over their half-hours, drop implausible ones, and say when each becomes visible."""
    lengths = (end - start) // SLOT_SECONDS
    slot = np.repeat(start // SLOT_SECONDS, lengths) + _within(lengths)
    value, issued = np.repeat(value, lengths), np.repeat(issued, lengths)
    end = np.repeat(end, lengths)
    if name is SignalName.CARBON:
        low, high = NATIONAL_BOUNDS_G_PER_KWH if region == "gb" else REGIONAL_BOUNDS_G_PER_KWH
        good = (value >= low) & (value <= high)
        value = np.maximum(value, 0.0)
    else:
        good = np.abs(value) <= ABSURD_GBP_PER_KWH
    if kind is ValueKind.ACTUAL:
        visible = np.maximum(end, issued)
    elif kind is ValueKind.FORECAST:
        visible = np.where(issued == NO_ISSUE, slot * SLOT_SECONDS - LEAK_LEAD_SECONDS, issued)
    else:
        distinct, place = np.unique(slot, return_inverse=True)
        nominal = [int(agile_published_at(_instant(int(s))).timestamp()) for s in distinct]
        visible = np.where(issued == NO_ISSUE, np.array(nominal, dtype=np.int64)[place], issued)
    kept = Rows(slot[good], visible[good], issued[good], value[good])
    return kept, int((~good).sum())


def _within(lengths: IntArray) -> IntArray:
    """Return 0, 1, … inside each run of the given lengths."""
    begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.asarray(np.arange(int(lengths.sum())) - begins, dtype=np.int64)


def _without_vat(rows: Rows) -> Rows:
    """Take domestic VAT out of prices."""
    distinct, place = np.unique(rows.slot, return_inverse=True)
    rates = np.array([float(vat_rate(_instant(int(s)))) for s in distinct])
    return Rows(rows.slot, rows.visible_at, rows.issued_at, rows.value / (1.0 + rates[place]))


def _sorted(parts: list[Rows]) -> Rows:
    """Return the rows of several parts by slot, then by visibility; equals keep the order of the file."""
    slot = np.concatenate([p.slot for p in parts])
    visible = np.concatenate([p.visible_at for p in parts])
    order = np.lexsort((visible, slot))
    return Rows(
        slot[order],
        visible[order],
        np.concatenate([p.issued_at for p in parts])[order],
        np.concatenate([p.value for p in parts])[order],
    )


def _instant(slot: int) -> datetime:
    return datetime.fromtimestamp(slot * SLOT_SECONDS, UTC)
