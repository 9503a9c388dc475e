"""Pack the command-line client into one file that any Python 3.10 or newer runs: `python scripts/pack_client.py build/halfhour`."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "client"

MAIN = "import sys\n\nfrom client.__main__ import main\n\nsys.exit(main())\n"
"""What Python runs of the archive."""

MADE = (2026, 1, 1, 0, 0, 0)
"""Date of every file in the archive: the same sources give the same bytes."""


def pack(target: Path) -> None:
    """Write the client as an executable file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo("__main__.py", MADE), MAIN)
        for source in sorted(CLIENT.glob("*.py")):
            entry = zipfile.ZipInfo(f"client/{source.name}", MADE)
            packed.writestr(entry, source.read_bytes())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"#!/usr/bin/env python3\n" + archive.getvalue())
    target.chmod(0o755)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("say where to write it: python scripts/pack_client.py build/halfhour")
    pack(Path(sys.argv[1]))
    print(f"{sys.argv[1]} is the client; copy it to where you work")
