"""Explain every setting: name, unit, default, current value and where that came from.

`python -m config` prints a table for people, `python -m config --markdown` the page `docs/configuration.md`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

import config
from config import PLAIN_NAMES, PREFIX, Settings
from config_groups import GROUPS
from config_values import PROJECT_DIR
from models.domain.time import format_utc

HEAD = """# Configuration

<!-- Made by `python -m config --markdown`; a test checks that it is current. -->

Every setting is an environment variable. None is required. A `.env` file beside `config.py` is read
too; the environment wins over it. An unknown name that starts with `HALFHOUR_` stops the start, because
it is a typo. A blank value counts as not set. Relative paths start at the folder of `config.py`.
{plain} are also accepted without the prefix.

`python -m config` prints this table with the values in force and where each came from; secrets are masked.
"""


def unit_of(name: str) -> str:
    """Return the unit of a field, from the square brackets at the end of its text."""
    found = re.search(r"\[([^\]]+)\]$", help_of(name))
    return found[1] if found else ""


def help_of(name: str) -> str:
    """Return what a field is for, on one line."""
    return " ".join((Settings.model_fields[name].description or "").split())


def default_of(name: str) -> str:
    """Return a field's default as text, without any path of this machine."""
    field = Settings.model_fields[name]
    shown = config.field_notes(field).get("shown")
    if shown is not None:
        return str(shown)
    return "" if field.default is PydanticUndefined else value_text(name, field.default)


def value_text(name: str, value: object) -> str:
    """Return a value as it would be written in the environment, secrets masked."""
    if value is None or value in ((), ""):
        return ""
    if name == "database_url" and isinstance(value, SecretStr):
        address = re.sub(r"://([^:@/]*):[^@]*@", r"://\1:***@", value.get_secret_value())
        return re.sub(r"([?&]password=)[^&]*", r"\1***", address)
    if config.is_secret(name):
        return "***"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime):
        return format_utc(value)
    if isinstance(value, Path):
        inside = value.is_absolute() and value.is_relative_to(PROJECT_DIR)
        return str(value.relative_to(PROJECT_DIR) if inside else value)
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def grouped() -> Iterator[tuple[str, list[str]]]:
    """Yield each group's sentence and its fields, in the order of `config.py`."""
    for group in GROUPS:
        names = [name for name in Settings.model_fields if name in group.__annotations__]
        yield (group.__doc__ or "").strip(), names


def markdown() -> str:
    """Return the configuration page."""
    plain = ", ".join(f"`{name}`" for name in sorted(PLAIN_NAMES))
    lines = [HEAD.format(plain=plain)]
    for sentence, names in grouped():
        title, _, rest = sentence.partition(": ")
        lines += [f"## {title}", "", rest[0].upper() + rest[1:], ""]
        lines += ["| setting | meaning | allowed | default |", "| --- | --- | --- | --- |"]
        for name in names:
            allowed = config.allowed_text(name).replace("|", "\\|")
            default = f"`{default_of(name)}`" if default_of(name) else "not set"
            lines.append(f"| `{config.env_name(name)}` | {help_of(name)} | {allowed} | {default} |")
        lines.append("")
    return "\n".join(lines)


def report() -> str:
    """Return every setting with its value in force and origin, for a terminal.

    Raises:
        config.InvalidSettings: If the environment cannot be used.
    """
    settings, origins = Settings.from_env(), config.read()
    lines = []
    for sentence, names in grouped():
        lines += ["", sentence]
        for name in names:
            value = value_text(name, getattr(settings, name)) or "not set"
            if name == "enabled_regions" and name not in origins:
                value = "all"
            origin = origins[name].origin if name in origins else "default"
            if name in origins:
                origin += f"; default {default_of(name) or 'not set'}"
            lines += [
                f"  {config.env_name(name)} = {value}   ({origin})",
                f"      {help_of(name)}",
            ]
    lines += [
        "",
        f"Value of carbon in force: £{settings.carbon_price_gbp_per_tonne:,.0f}/t",
        f"Names may also be written without {PREFIX}: {', '.join(sorted(PLAIN_NAMES))}",
    ]
    return "\n".join(lines).lstrip("\n")


def main(arguments: Sequence[str]) -> int:
    """Print the table or, with `--markdown`, the page; return the exit status."""
    if list(arguments) not in ([], ["--markdown"]):
        print("usage: python -m config [--markdown]", file=sys.stderr)
        return 2
    try:
        print(markdown() if arguments else report())
    except config.InvalidSettings as error:
        print(error, file=sys.stderr)
        return 1
    return 0
