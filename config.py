"""Every setting of the program, read once from the environment.

Nothing else reads the environment. `Settings.from_env()` builds the one frozen object that is handed to whoever needs
it; `python -m config` explains every setting. A setting is one field below: its environment name is `HALFHOUR_` and
the field's name in capitals, its unit stands in square brackets at the end of its docstring.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, get_args

from dotenv import dotenv_values
from pydantic import (
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from config_checks import (
    bind_problem,
    executor_problems,
    is_loopback,
    market_problems,
)
from config_groups import (
    Executors,
    Grid,
    Keeping,
    Market,
    Money,
    Notices,
    Planning,
    Serving,
)
from config_values import (
    PROJECT_DIR,
    ConfiguredKey,
)
from models.domain.carbon_value import kappa_of_weights
from models.domain.errors import HalfhourError

__all__ = [
    "ConfiguredKey",
    "InvalidSettings",
    "Settings",
    "bind_problem",
    "command_env",
    "is_loopback",
    "passed_secret",
]

PREFIX = "HALFHOUR_"
"""First letters of every environment name that is ours."""

PLAIN_NAMES = frozenset(
    {
        "CACHE_TTL_SECONDS",
        "ENABLED_REGIONS",
        "DEFAULT_REGION",
        "ELEXON_API_KEY",
        "SHEFFIELD_SOLAR_API_KEY",
    }
)
"""Settings that are also accepted without our prefix; the prefixed name wins."""

NOT_SETTINGS = re.compile(r"HALFHOUR_(SHARED_DIR|TEST_[A-Z0-9_]+)")
"""Names with our prefix that only the test suite reads."""

HIGHEST_INTENSITY_KG_PER_KWH = 0.650
"""Carbon intensity no half-hour of the GB grid reaches; used by the start-up check. [kg/kWh]"""


class InvalidSettings(HalfhourError):
    """The environment cannot be used; the text names every bad setting, its range and its cure."""

    def __init__(self, problems: list[str]) -> None:
        """Store one sentence a problem."""
        super().__init__("the settings cannot be used:\n" + "\n".join(f"  - {p}" for p in problems))
        self.problems = problems


class Given(NamedTuple):
    """What the environment says about one setting."""

    name: str
    """Environment name as it was written."""
    text: str
    origin: str
    """`environment` or `.env`."""


class Settings(Market, Money, Notices, Executors, Planning, Grid, Keeping, Serving):
    """Every setting, checked and frozen. Build it with `from_env`, or by keyword in a test."""

    @classmethod
    def from_env(cls, mapping: Mapping[str, str] | None = None) -> Self:
        """Read the settings.

        Args:
            mapping: Names and texts; without it the process environment over the `.env` file beside this module.

        Raises:
            InvalidSettings: If a name with our prefix is unknown or a value cannot be used.
        """
        given = read(mapping)
        try:
            return cls.model_validate({field: found.text.strip() for field, found in given.items()})
        except ValidationError as error:
            raise InvalidSettings(_problems(error, given)) from None

    @property
    def kappa_gbp_per_kg(self) -> float:
        """Return κ, the value of carbon, at most 10. [£/kg]

        Source: docs/architecture.md, "Objective".
        """
        if self.carbon_price_override_gbp_per_tonne is not None:
            return self.carbon_price_override_gbp_per_tonne / 1000
        return kappa_of_weights(self.weight_carbon, self.weight_cost)

    @property
    def carbon_price_gbp_per_tonne(self) -> float:
        """Return the value of carbon as pages print it. [£/t]"""
        return self.kappa_gbp_per_kg * 1000

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        """Refuse values that are fine alone and wrong together."""
        worst = self.price_cap_gbp_per_kwh + self.kappa_gbp_per_kg * HIGHEST_INTENSITY_KG_PER_KWH
        wrong = {
            f"HALFHOUR_UNSERVED_GBP_PER_KWH={self.unserved_gbp_per_kwh:g} is not above the worst price of energy, "
            f"{worst:.2f} £/kWh (price cap plus the value of carbon at 650 g/kWh), so jobs would be refused for cost; "
            "raise it": self.unserved_gbp_per_kwh <= worst,
            "HALFHOUR_GRID_SOURCE=replay needs HALFHOUR_REPLAY_DIR, the folder with signals.parquet or signals.csv": (
                self.grid_source == "replay" and self.replay_dir is None
            ),
            f"HALFHOUR_REPLAY_DIR={self.replay_dir} is not a folder; name an existing one": (
                self.replay_dir is not None and not self.replay_dir.is_dir()
            ),
            f"HALFHOUR_CLOCK_RATE={self.clock_rate:g} has no effect without HALFHOUR_CLOCK; set that too": (
                self.clock is None and self.clock_rate != 1
            ),
            f"DEFAULT_REGION={self.default_region} is not among ENABLED_REGIONS; add it there or choose another": (
                self.default_region not in self.enabled_regions
            ),
            "HALFHOUR_WEIGHT_CARBON and HALFHOUR_WEIGHT_COST are both 0, which says nothing; raise one of them": (
                self.weight_carbon == self.weight_cost == 0
            ),
            f"HALFHOUR_LEASE_SECONDS={self.lease_seconds:g} must be at least twice HALFHOUR_LOOP_SECONDS="
            f"{self.loop_seconds:g}; raise it, or the lease runs out between rounds": (
                self.lease_seconds < 2 * self.loop_seconds
            ),
        }
        found = [sentence for sentence, is_wrong in wrong.items() if is_wrong]
        found += [*market_problems(self), *executor_problems(self)]
        if found:
            raise ValueError("\n".join(found))
        return self


def passed_secret(entries: tuple[str, ...], owner: str, name: str) -> str | None:
    """Return the value of a variable that an owner's work may be given; None where it may not or is not set.

    Args:
        entries: What may be passed on, as in `executor_secrets`.
        owner: Whose work it is.
        name: Name of the variable.
    """
    allowed = {name, f"{owner}:{name}"} & set(entries)
    return os.environ.get(name) if allowed else None


def command_env() -> dict[str, str]:
    """Return the few variables of this process that commands of executors need."""
    kept = ("PATH", "HOME", "USER", "LOGNAME", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ}


# ------------------------------------------------------------------ reading
def env_name(name: str) -> str:
    """Return the environment name of a field."""
    return PREFIX + (Settings.model_fields[name].alias or name).upper()


def is_secret(name: str) -> bool:
    """Return whether a field's value must not be printed."""
    field = Settings.model_fields[name]
    return "SecretStr" in str(field.annotation) or bool(field_notes(field).get("secret"))


def field_notes(field: FieldInfo) -> dict[str, Any]:
    """Return what a field says about itself beyond its type: `allowed`, `shown`, `secret`."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def allowed_text(name: str) -> str:
    """Return the range or set of a field's values in words."""
    field = Settings.model_fields[name]
    notes = field_notes(field)
    if "allowed" in notes:
        return str(notes["allowed"])
    kinds = [k for k in (get_args(field.annotation) or (field.annotation,)) if k is not type(None)]
    if all(isinstance(kind, str) for kind in kinds):
        return " | ".join(str(kind) for kind in kinds)
    words = {bool: "0 or 1", int: "a whole number", float: "a number", Path: "a folder"}
    word = next((words[kind] for kind in kinds if kind in words), "text")
    signs = {
        "gt": "above",
        "ge": "from",
        "le": "up to",
        "min_length": "at least",
        "pattern": "like",
    }
    parts = [word]
    for limit in field.metadata:
        for sign, sign_word in signs.items():
            bound = getattr(limit, sign, None)
            if bound is not None:
                unit = " characters" if sign == "min_length" else ""
                parts.append(
                    f"{sign_word} {bound if isinstance(bound, str) else f'{bound:,}'}{unit}"
                )
    return " ".join(parts)


def read(mapping: Mapping[str, str] | None = None) -> dict[str, Given]:
    """Return by field what the environment says; blank text means not set.

    Args:
        mapping: As for `Settings.from_env`.

    Raises:
        InvalidSettings: If a name with our prefix is not a setting; each sentence names the nearest one.
    """
    if mapping is None:
        file = {k: v or "" for k, v in dotenv_values(PROJECT_DIR / ".env").items()}
        layers = [(".env", file), ("environment", dict(os.environ))]
    else:
        layers = [("environment", dict(mapping))]
    fields = {env_name(name): name for name in Settings.model_fields}
    found: dict[str, Given] = {}
    unknown: list[str] = []
    for origin, names in layers:
        for plain in sorted(PLAIN_NAMES & names.keys()):
            found[fields[PREFIX + plain]] = Given(plain, names[plain], origin)
        for full in sorted(n for n in names if n.startswith(PREFIX)):
            if full in fields:
                found[fields[full]] = Given(full, names[full], origin)
            elif not NOT_SETTINGS.fullmatch(full):
                near = difflib.get_close_matches(full, fields, 1, cutoff=0)
                unknown.append(f"{full} is not a setting; did you mean {near[0]}?")
    if unknown:
        raise InvalidSettings(unknown)
    return {field: given for field, given in found.items() if given.text.strip()}


def _problems(error: ValidationError, given: dict[str, Given]) -> list[str]:
    """Turn pydantic's report into sentences with name, value, allowed range and cure."""
    problems: list[str] = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        if item["type"] == "default_factory_not_called":
            continue
        message = item["msg"].removeprefix("Value error, ")
        if not item["loc"]:
            problems.extend(message.split("\n"))
            continue
        first = item["loc"][0]
        name = next(n for n, f in Settings.model_fields.items() if first in (n, f.alias))
        text = "***" if is_secret(name) else given[name].text
        problems.append(
            f"{given[name].name}={text}: {message[0].lower()}{message[1:]}; "
            f"allowed: {allowed_text(name)}; change it, or remove it to use the default"
        )
    return list(dict.fromkeys(problems))


if __name__ == "__main__":
    from scripts.explain_settings import main

    sys.exit(main(sys.argv[1:]))
