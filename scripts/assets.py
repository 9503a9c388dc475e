"""Copy the built front-end files named in package.json into static/vendor/, with licences and checksums.

The result is committed, so the program runs without Node; only this chore needs npm, which fetches and verifies the
packages. The strict content policy of the pages allows no `data:` image, so images inside a style sheet are written out
as files beside it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import unquote_to_bytes

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "static" / "vendor"

WANTED: dict[str, dict[str, str]] = {
    "htmx.org": {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "LICENSE"},
    "uplot": {
        "dist/uPlot.esm.js": "uPlot.esm.js",
        "dist/uPlot.min.css": "uPlot.min.css",
        "LICENSE": "LICENSE",
    },
    "swagger-ui-dist": {
        "swagger-ui-bundle.js": "swagger-ui-bundle.js",
        "swagger-ui.css": "swagger-ui.css",
        "LICENSE": "LICENSE",
        "NOTICE": "NOTICE",
        "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
    },
}
"""File inside the package and its name under `static/vendor/<folder>/`."""

FOLDERS = {"htmx.org": "htmx", "uplot": "uplot", "swagger-ui-dist": "swagger-ui"}

_DATA_IMAGE = re.compile(
    r"""url\((?P<quote>["']?)data:image/(?P<kind>[a-z]+)[^,]*?(?P<base64>;base64)?,(?P<body>.*?)(?P=quote)\)"""
)
_SOURCE_MAP = re.compile(r"\s*(//|/\*)# sourceMappingURL=\S+(\s*\*/)?\s*$")


def without_data_images(css: str, folder: Path) -> str:
    """Write the images inside a style sheet to `folder` and return the sheet that refers to them."""

    def write(found: re.Match[str]) -> str:
        unescaped = re.sub(r"\\(.)", r"\1", found["body"]) if found["quote"] else found["body"]
        body = unquote_to_bytes(unescaped)
        image = base64.b64decode(body) if found["base64"] else body
        name = f"{hashlib.sha256(image).hexdigest()[:12]}.{found['kind']}"
        (folder / name).write_bytes(image)
        return f'url("{name}")'

    return _DATA_IMAGE.sub(write, css)


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
            text = _SOURCE_MAP.sub("\n", content.decode())
            content = (
                without_data_images(text, target) if name.endswith(".css") else text
            ).encode()
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
