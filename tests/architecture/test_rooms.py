"""Who may import whom, and who may read the environment (docs/architecture.md, "Rooms")."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shared import REPOSITORY
from tests.support.tree import imports, parsed, product_files, python_files, text

ADAPTERS = {"api_clients", "storage", "executors", "audit"}


def importers_of(names: set[str], files: tuple[str, ...]) -> list[str]:
    """Return the files that import one of these top-level packages; only those that mention one are parsed."""
    return [
        f
        for f in files
        if any(name in text(f) for name in names)
        and names & {name.split(".")[0] for name in imports(parsed(f))}
    ]


def test_the_import_contracts_are_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_of_the_single_modules_only_wiring_imports_adapters() -> None:
    singles = tuple(f for f in product_files() if "/" not in f)
    found = importers_of(ADAPTERS, singles)
    assert [f for f in found if not f.startswith("wiring")] == []


def test_config_knows_only_the_words_of_the_field() -> None:
    ours = {
        "agents",
        "services",
        "web",
        "beckn",
        "wiring",
        "wiring_edges",
        "wiring_sources",
        "app",
        "cli",
    } | ADAPTERS
    assert (
        importers_of(
            ours, ("config.py", "config_checks.py", "config_groups.py", "config_values.py")
        )
        == []
    )
    models = {n for n in imports(parsed("config.py")) if n.startswith("models")}
    assert all(name.startswith("models.domain") for name in models)


def test_only_config_and_the_client_read_the_environment() -> None:
    readers = [
        path
        for path in product_files()
        if any(word in text(path) for word in ("environ", "getenv", "dotenv"))
        if any(_reads_environment(node) for node in ast.walk(parsed(path)))
        or {"os.environ", "os.getenv", "dotenv"} & set(imports(parsed(path)))
    ]
    assert readers == ["client/__main__.py", "config.py"]


def _reads_environment(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr in {"environ", "environb", "getenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    )


def test_nobody_imports_ortools() -> None:
    assert importers_of({"ortools"}, python_files()) == []


def test_the_predictors_libraries_are_imported_lazily_and_only_by_the_predictors() -> None:
    heavy = {"torch", "xgboost"}
    elsewhere = [
        f for f in importers_of(heavy, product_files()) if not f.startswith("models/forecast/")
    ]
    assert elsewhere == []
    eager = [
        f
        for f in importers_of(heavy, product_files())
        for node in parsed(f).body
        if heavy & {name.split(".")[0] for name in imports(node) if _is_import(node)}
    ]
    assert eager == []


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


@pytest.mark.parametrize("path", [f for f in product_files() if not f.endswith("__init__.py")])
def test_every_product_module_says_what_it_is(path: str) -> None:
    assert ast.get_docstring(parsed(path)), f"{path} has no docstring"
