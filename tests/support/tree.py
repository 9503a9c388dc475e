"""Read the source tree: its files, its modules and what they import."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.shared import REPOSITORY

ROOMS = (
    "agents",
    "api_clients",
    "audit",
    "beckn",
    "client",
    "executors",
    "models",
    "services",
    "storage",
    "web",
)
"""Packages of the product."""

SINGLES = (
    "app",
    "cli",
    "cli_work",
    "config",
    "config_checks",
    "config_groups",
    "config_values",
    "gunicorn.conf",
    "log_lines",
    "wiring",
    "wiring_edges",
    "wiring_sources",
)
"""Modules of the product that stand alone at the top."""


@cache
def project_files() -> tuple[Path, ...]:
    """Return every file of the project: known to git or new, never an ignored one; vendored files left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip(
            "needs a git checkout to know which files belong to the project",
            allow_module_level=True,
        )
    paths = (REPOSITORY / name for name in sorted(set(listed.stdout.split("\0"))) if name)
    return tuple(p for p in paths if p.is_file() and "static/vendor/" not in p.as_posix())


def relative(path: Path) -> str:
    """Return a path as it is written in the project."""
    return path.relative_to(REPOSITORY).as_posix()


@cache
def python_files() -> tuple[str, ...]:
    """Return every Python file of the project, by its path from the root."""
    return tuple(relative(p) for p in project_files() if p.suffix == ".py")


@cache
def product_files() -> tuple[str, ...]:
    """Return the Python files that make up the running product."""
    singles = {f"{name}.py" for name in SINGLES}
    return tuple(p for p in python_files() if p.split("/")[0] in ROOMS or p in singles)


@cache
def text(path: str) -> str:
    """Return what is written in a file."""
    return (REPOSITORY / path).read_text(encoding="utf-8")


@cache
def parsed(path: str) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(text(path), filename=path)


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of everything a syntax tree imports, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
