"""Runs inside the throw-away environment that has CATS: reads cases, prints CATS's choice and its time.

Standard library and `cats` only, so that the other environment needs nothing of ours.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timedelta


def main() -> None:
    """Read one JSON document with cases from standard input; write one with answers to standard output."""
    from cats.forecast import PointEstimate, WindowedForecast

    answers = []
    for case in json.load(sys.stdin)["cases"]:
        start = datetime.fromisoformat(case["start"])
        points = [
            PointEstimate(value, start + timedelta(minutes=30 * n))
            for n, value in enumerate(case["forecast_g_per_kwh"])
        ]
        began = time.perf_counter()
        windows = WindowedForecast(points, case["duration_minutes"], start)
        best = min(windows)
        seconds = time.perf_counter() - began
        answers.append(
            {
                "slot": int((best.start - start) / timedelta(minutes=30)),
                "windows": len(windows),
                "seconds": seconds,
            }
        )
    json.dump({"answers": answers}, sys.stdout)


if __name__ == "__main__":
    main()
