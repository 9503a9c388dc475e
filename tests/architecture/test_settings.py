"""Every setting is documented, real wherever it is named, and used."""

from __future__ import annotations

import ast
import re

import pytest

from config import PLAIN_NAMES, Settings, env_name
from scripts.explain_settings import help_of, markdown
from tests.support.shared import REPOSITORY
from tests.support.tree import parsed, product_files, project_files, relative

RESERVED = {"elexon_api_key", "sheffield_solar_api_key"}
"""Settings that are accepted for clients that come later; their text says so."""

CHECKED_AT_START = {
    "carbon_price_override_gbp_per_tonne",
    "weight_carbon",
    "weight_cost",
    "price_cap_gbp_per_kwh",
}
"""Settings that `config.py` itself turns into the value of carbon or a start-up check."""

TEST_NAMES = ("CROWD_SECONDS", "EXCHANGE_TABLE", "FAULT_TABLE", "KILLS", "REFUSALS")
"""What the suite itself reads from the environment, after `HALFHOUR_TEST_`."""

NAMES = {env_name(name) for name in Settings.model_fields}


def test_the_settings_page_is_current() -> None:
    page = (REPOSITORY / "docs/configuration.md").read_text(encoding="utf-8")
    assert page.strip() == markdown().strip(), (
        "run: python -m config --markdown > docs/configuration.md"
    )


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_says_what_it_is_for(name: str) -> None:
    assert help_of(name).rstrip("]").split("[")[0].strip().endswith(".")


def test_a_setting_with_a_unit_in_its_name_states_it() -> None:
    units = {"seconds": "s", "minutes": "min", "hours": "h", "percent": "%", "bytes": "B"}
    for name in Settings.model_fields:
        unit = units.get(name.rsplit("_", 1)[-1])
        if unit:
            assert help_of(name).endswith(f"[{unit}]"), name


@pytest.mark.parametrize(
    "path", [".env.example", "compose.yaml", "Dockerfile", "README.md", "Makefile"]
)
def test_files_name_only_settings_that_exist(path: str) -> None:
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    assert set(re.findall(r"HALFHOUR_[A-Z0-9_]+", text)) - NAMES == set()


def test_documents_name_only_settings_that_exist() -> None:
    unknown = set()
    for path in project_files():
        if path.suffix == ".md":
            found = re.findall(r"HALFHOUR_[A-Z0-9_]*[A-Z0-9]\b", path.read_text(encoding="utf-8"))
            unknown |= {(relative(path), n) for n in found if n not in NAMES}
    allowed = {"HALFHOUR_SHARED_DIR"} | {f"HALFHOUR_TEST_{name}" for name in TEST_NAMES}
    allowed |= {"HALFHOUR_JOB_ID", "HALFHOUR_RUN_ID"}  # what a run sees
    assert {pair for pair in unknown if pair[1] not in allowed} == set()


def test_every_setting_is_used_by_the_product() -> None:
    read = {
        node.attr
        for path in product_files()
        if path not in {"config.py", "config_checks.py", "config_values.py"}
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    assert set(Settings.model_fields) - RESERVED - CHECKED_AT_START - read == set()


def test_reserved_settings_say_so() -> None:
    assert all(help_of(name).startswith("Reserved") for name in RESERVED)
    assert {"ELEXON_API_KEY", "SHEFFIELD_SOLAR_API_KEY"} <= PLAIN_NAMES
