"""Run the stand-in: `python -m tests.standin --port 8100 --now 2023-03-20T10:00:00Z`."""

from __future__ import annotations

import argparse
import threading

from models.domain.time import format_utc, parse_rfc3339
from tests.standin.server import DEFAULT_NOW, StandIn
from tests.standin.state import FAULTS


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument(
        "--now", default=format_utc(DEFAULT_NOW), help="RFC 3339 start of its clock"
    )
    parser.add_argument(
        "--rate", type=float, default=1.0, help="its seconds per second; 0 stands still"
    )
    parser.add_argument("--data", choices=["auto", "recorded", "simulated"], default="auto")
    parser.add_argument("--fault", action="append", default=[], choices=sorted(FAULTS))
    wanted = parser.parse_args()
    running = StandIn(
        parse_rfc3339(wanted.now),
        port=wanted.port,
        rate=wanted.rate,
        which=wanted.data,
        faults=dict.fromkeys(wanted.fault, True),
    )
    print(f"stand-in over {running.world.name} data, clock {format_utc(running.now())}")
    print(f"HALFHOUR_CARBON_INTENSITY_URL={running.carbon_url}")
    print(f"HALFHOUR_OCTOPUS_URL={running.octopus_url}", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        running.close()


if __name__ == "__main__":
    main()
