"""`python -m audit verify LOGS_DIR`: check a log without the application or its database."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from audit.export_check import describe, verify_export
from audit.report import exit_status, summary
from audit.verifier import verify_folder


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status: 0 whole, 1 fault, 2 unreadable."""
    parser = argparse.ArgumentParser(prog="python -m audit", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser(
        "verify", help="check a folder of log files, or an unpacked export"
    )
    verify.add_argument("folder", type=Path, metavar="LOGS_DIR")
    folder: Path = parser.parse_args(arguments).folder
    if (folder / "manifest.json").exists():
        found = verify_export(folder)
        sys.stdout.write(describe(found))
        return 1 if found.fault else 0
    report = verify_folder(folder, now=datetime.now(UTC))
    sys.stdout.write(summary(report))
    return exit_status(report)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
