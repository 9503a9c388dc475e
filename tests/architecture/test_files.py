"""What the files of the project must not contain, and what the vendored ones must be."""

from __future__ import annotations

import hashlib
import json
import re

from tests.support.shared import REPOSITORY
from tests.support.tree import project_files, relative

TEXT = {
    ".cfg", ".css", ".csv", ".html", ".in", ".ini", ".jinja", ".js", ".json", ".mako", ".md", ".py",
    ".sh", ".sql", ".svg", ".toml", ".txt", ".xml", ".yaml", ".yml", "",
}  # fmt: skip
VENDOR = REPOSITORY / "static" / "vendor"

MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|root|home|Users)/\w")
REGISTRIES = re.compile(r"pypi\.|pythonhosted\.|npmjs\.|deb\.debian\.|artifactory|/simple/")


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """Return `file:line` of every match in the project's text files."""
    found = []
    for path in project_files():
        if path.suffix not in TEXT or relative(path) == "tests/architecture/test_files.py":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{relative(path)}:{number}: {line.strip()[:100]}")
    return found


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert lines_with(MACHINE_PATHS) == []


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(REGISTRIES) == []


def test_files_that_the_program_writes_are_not_part_of_the_project() -> None:
    written = [relative(p) for p in project_files() if relative(p).startswith(("logs/", "data/"))]
    assert written == ["data/.gitkeep", "logs/.gitkeep"]


def test_vendored_files_are_the_ones_that_were_copied() -> None:
    lines = (VENDOR / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    wanted = dict(reversed(line.split("  ", 1)) for line in lines)
    files = [p for p in VENDOR.rglob("*") if p.is_file() and p.name != "SHA256SUMS"]
    found = {
        p.relative_to(VENDOR).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }
    assert found == wanted


def test_vendored_versions_are_those_of_package_json() -> None:
    wanted = json.loads((REPOSITORY / "package.json").read_text(encoding="utf-8"))["dependencies"]
    found = dict(p.read_text(encoding="utf-8").split() for p in VENDOR.glob("*/VERSION"))
    assert found == wanted
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())


def test_every_vendored_package_carries_its_licence() -> None:
    packages = [folder for folder in VENDOR.iterdir() if folder.is_dir()]
    assert packages
    assert [p.name for p in packages if (p / "LICENSE").stat().st_size <= 100] == []
