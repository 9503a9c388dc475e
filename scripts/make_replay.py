"""Turn recorded Parquet files into a replay folder (`signals.parquet`) for HALFHOUR_GRID_SOURCE=replay.

    python -m scripts.make_replay --carbon national.parquet --prices agile_J.parquet --price-region south_east_england \
        --from 2023-03-01 --to 2023-04-01 --out data/replay

Input columns:
  --carbon    ts_utc, forecast_gco2_kwh, actual_gco2_kwh: national half-hours; the forecast has no issue time
  --issues    issue_slot_utc, ts_utc, forecast_gco2_kwh: national forecasts with their issue time
  --regional  ts_utc, region or shortname, forecast_gco2_kwh: regional values without issue time
  --prices    ts_utc and one price column in p/kWh with VAT (--prices-ex-vat if without)

National zeros are left out: the provider writes 0 where it has no value. Prices are stored for `gb` and then serve every
region, unless --price-region names one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from models.domain.regions import REGIONS

HALF_HOUR = timedelta(minutes=30)

SCHEMA = pa.schema(
    [
        ("signal", pa.string()),
        ("region", pa.string()),
        ("start", pa.timestamp("s", tz="UTC")),
        ("end", pa.timestamp("s", tz="UTC")),
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("kind", pa.string()),
        ("issued_at", pa.timestamp("s", tz="UTC")),
    ]
)
"""Columns of a replay file."""

Row = tuple[str, str, datetime, datetime, float, str, str, datetime | None]

_SLUG_BY_NAME = {r.name.lower(): r.slug for r in REGIONS.values()} | {
    "gb": "gb",
    "north wales & merseyside": "north_wales_and_merseyside",
}


def _records(path: Path, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file whose half-hour lies in `[since, until)`."""
    for row in pa.parquet.read_table(path).to_pylist():
        if since <= row["ts_utc"] < until:
            yield row


def _carbon(
    region: str, row: dict[str, Any], column: str, kind: str, issued_at: datetime | None = None
) -> Iterator[Row]:
    """Yield one carbon row, or none where the value is missing (a national 0 included)."""
    value, start = row[column], row["ts_utc"].astimezone(UTC)
    if value is None or value != value or (region == "gb" and value == 0):
        return
    yield "carbon", region, start, start + HALF_HOUR, float(value), "gCO2/kWh", kind, issued_at


def national_rows(path: Path, since: datetime, until: datetime) -> Iterator[Row]:
    """Yield national forecasts (without issue time) and actuals."""
    for row in _records(path, since, until):
        yield from _carbon("gb", row, "forecast_gco2_kwh", "forecast")
        yield from _carbon("gb", row, "actual_gco2_kwh", "actual")


def issue_rows(path: Path, since: datetime, until: datetime) -> Iterator[Row]:
    """Yield national forecasts with their issue time."""
    for row in _records(path, since, until):
        issued_at = row["issue_slot_utc"].astimezone(UTC)
        yield from _carbon("gb", row, "forecast_gco2_kwh", "forecast", issued_at)


def regional_rows(path: Path, since: datetime, until: datetime) -> Iterator[Row]:
    """Yield regional values (without issue time)."""
    for row in _records(path, since, until):
        name = str(row.get("region") or row.get("shortname"))
        slug = _SLUG_BY_NAME.get(name.lower())
        if slug is None:
            raise SystemExit(f"{path}: {name!r} is not a region name")
        yield from _carbon(slug, row, "forecast_gco2_kwh", "forecast")


def price_rows(
    path: Path, since: datetime, until: datetime, region: str, column: str, unit: str
) -> Iterator[Row]:
    """Yield tariff rows; their publication time follows from the half-hour when the file is replayed."""
    for row in _records(path, since, until):
        value, start = row[column], row["ts_utc"].astimezone(UTC)
        if value is not None and value == value:
            yield "price", region, start, start + HALF_HOUR, float(value), unit, "tariff", None


def write(rows: Sequence[Row], folder: Path) -> Path:
    """Write the rows as `signals.parquet` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = list(zip(*rows, strict=True))
    table = pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)],
        schema=SCHEMA,
    )
    path = folder / "signals.parquet"
    pa.parquet.write_table(table, path, compression="zstd")
    return path


def _day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(0), UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.make_replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--carbon", type=Path)
    parser.add_argument("--issues", type=Path)
    parser.add_argument("--regional", type=Path)
    parser.add_argument("--prices", type=Path)
    parser.add_argument("--price-region", default="gb", choices=list(REGIONS))
    parser.add_argument("--price-column", default="price_p_kwh_inc_vat")
    parser.add_argument("--prices-ex-vat", action="store_true")
    parser.add_argument("--from", dest="since", type=_day, default=datetime(1970, 1, 1, tzinfo=UTC))
    parser.add_argument("--to", dest="until", type=_day, default=datetime(2100, 1, 1, tzinfo=UTC))
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args(arguments)
    rows: list[Row] = []
    if wanted.carbon:
        rows.extend(national_rows(wanted.carbon, wanted.since, wanted.until))
    if wanted.issues:
        rows.extend(issue_rows(wanted.issues, wanted.since, wanted.until))
    if wanted.regional:
        rows.extend(regional_rows(wanted.regional, wanted.since, wanted.until))
    if wanted.prices:
        unit = "p/kWh" if wanted.prices_ex_vat else "p/kWh inc VAT"
        rows.extend(
            price_rows(
                wanted.prices,
                wanted.since,
                wanted.until,
                wanted.price_region,
                wanted.price_column,
                unit,
            )
        )
    if not rows:
        parser.error("no rows: name at least one input file, and days that it covers")
    path = write(rows, wanted.out)
    print(f"{path}: {len(rows)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
