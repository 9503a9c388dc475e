"""Copy the built front-end files named in package.json into static/vendor/, with licences and checksums.

The result is committed, so the program runs without Node; only this chore needs npm, which fetches and verifies the
packages.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "static" / "vendor"

WANTED: dict[str, dict[str, str]] = {
    "htmx.org": {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "LICENSE"},
}
"""File inside the package and its name under `static/vendor/<folder>/`."""

FOLDERS = {"htmx.org": "htmx"}

_SOURCE_MAP = re.compile(r"\s*(//|/\*)# sourceMappingURL=\S+(\s*\*/)?\s*$")


def fetch(package: str, version: str, into: Path) -> Path:
    """Download and unpack a package with npm; return the folder of its files."""
    command = ["npm", "pack", "--silent", "--pack-destination", str(into), f"{package}@{version}"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    with tarfile.open(into / done.stdout.split()[-1]) as archive:
        archive.extractall(into / package, filter="data")
    return into / package / "package"


def copy(package: str, version: str, scratch: Path) -> None:
    """Put the wanted files of one package in place."""
    source, target = fetch(package, version, scratch), VENDOR / FOLDERS[package]
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for inside, name in WANTED[package].items():
        content = (source / inside).read_bytes()
        if name.endswith((".js", ".css")):
            content = _SOURCE_MAP.sub("\n", content.decode()).encode()
        (target / name).write_bytes(content)
    (target / "VERSION").write_text(f"{package} {version}\n")


def checksums() -> str:
    """Return the checksum list in the format of `sha256sum`, sorted by path."""
    files = sorted(p for p in VENDOR.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    sums = ((hashlib.sha256(p.read_bytes()).hexdigest(), p.relative_to(VENDOR)) for p in files)
    return "".join(f"{digest}  {path}\n" for digest, path in sums)


def main() -> int:
    """Rebuild static/vendor/; return the exit status."""
    if shutil.which("npm") is None:
        print(
            "`make assets` needs npm; the files it makes are already in static/vendor/",
            file=sys.stderr,
        )
        return 1
    versions: dict[str, str] = json.loads((ROOT / "package.json").read_text())["dependencies"]
    if set(versions) != set(WANTED):
        print(
            f"package.json names {sorted(versions)}, this script {sorted(WANTED)}", file=sys.stderr
        )
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        for package, version in sorted(versions.items()):
            copy(package, version, Path(scratch))
            print(f"{package} {version} -> static/vendor/{FOLDERS[package]}/")
    (VENDOR / "SHA256SUMS").write_text(checksums())
    return 0


if __name__ == "__main__":
    sys.exit(main())
