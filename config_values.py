"""How the text of one setting becomes a checked value. Used by `config.py` alone."""

from __future__ import annotations

import base64
import binascii
import difflib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from models.domain.access import Role
from models.domain.errors import InvalidRequest
from models.domain.published_keys import is_published
from models.domain.regions import REGIONS
from models.domain.time import as_utc, parse_rfc3339

PROJECT_DIR = Path(__file__).resolve().parent
"""Folder of this file; relative paths in settings start here."""


class ConfiguredKey(NamedTuple):
    """One key from `HALFHOUR_API_KEYS`."""

    owner: str
    role: Role
    secret: SecretStr


def _words(value: object) -> object:
    """Split comma-separated text; leave anything else alone."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


def _instant(value: object) -> object:
    try:
        if isinstance(value, str):
            return parse_rfc3339(value.strip())
        return as_utc(value) if isinstance(value, datetime) else value
    except InvalidRequest as error:
        raise ValueError(str(error)) from error


def key_problem(text: str) -> str | None:
    """Return `malformed` or `published` where a signing key cannot be used, else None."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return "malformed"
    if len(raw) not in {32, 64}:
        return "malformed"
    return "published" if is_published(raw) else None


def _from_project(path: Path) -> Path:
    """Return a path that starts at the project where it is relative."""
    return path if path.is_absolute() else PROJECT_DIR / path


def _base_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise ValueError("is not an http or https address without query")
    return text.rstrip("/")


def _known_region(slug: str) -> str:
    if slug not in REGIONS:
        near = difflib.get_close_matches(slug, REGIONS, 1)
        raise ValueError(
            f"{slug!r} is not a region" + (f"; did you mean {near[0]}" if near else "")
        )
    return slug


def _database(secret: SecretStr) -> SecretStr:
    """Name the driver and make a relative SQLite path start at the project."""
    url = secret.get_secret_value()
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    if not re.match(r"(sqlite|postgresql\+psycopg)://", url):
        raise ValueError("is neither a sqlite:/// nor a postgresql:// address")
    relative = re.fullmatch(r"sqlite:///(?!/|:memory:|file:)([^?]+)(.*)", url)
    if relative:
        url = f"sqlite:///{_from_project(Path(relative[1]))}{relative[2]}"
    return SecretStr(url)


def _api_keys(value: object) -> object:
    """Parse `secret` or `owner:role:secret`, comma-separated; never repeat a secret in the message."""
    if not isinstance(value, str):
        return value
    keys = []
    for number, entry in enumerate(_split(value), start=1):
        parts = entry.split(":")
        owner, role, secret = parts if len(parts) == 3 else ("local", Role.OPERATOR, entry)
        if len(parts) not in (1, 3) or role not in set(Role) or not owner:
            raise ValueError(f"entry {number} is not a key, nor owner:role:key with a known role")
        if len(secret) < 8:
            raise ValueError(f"entry {number} has a key shorter than 8 characters")
        keys.append(ConfiguredKey(owner, Role(role), SecretStr(secret)))
    return tuple(keys)


def _split(text: str) -> Iterator[str]:
    return (word.strip() for word in text.split(",") if word.strip())


def default_database(data: dict[str, Any]) -> SecretStr:
    """Return the address of a SQLite file in the data folder."""
    return SecretStr(f"sqlite:///{data['data_dir'] / 'halfhour.sqlite3'}")


def default_region(data: dict[str, Any]) -> str:
    """Return London, or the first enabled region where London is not enabled."""
    enabled: tuple[str, ...] = data["enabled_regions"]
    return "london" if "london" in enabled else enabled[0]


Slug = Annotated[str, AfterValidator(_known_region)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Url = Annotated[
    str, AfterValidator(_base_url), Field(json_schema_extra={"allowed": "an http(s) address"})
]
Folder = Annotated[Path, AfterValidator(_from_project)]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    Field(json_schema_extra={"allowed": "an RFC 3339 time such as 2026-11-21T18:00:00Z"}),
]
DatabaseUrl = Annotated[
    SecretStr,
    AfterValidator(_database),
    Field(
        json_schema_extra={
            "allowed": "sqlite:///… or postgresql://…",
            "shown": "SQLite in the data folder",
        }
    ),
]
ApiKeys = Annotated[
    tuple[ConfiguredKey, ...],
    BeforeValidator(_api_keys),
    Field(json_schema_extra={"allowed": "key or owner:role:key, comma-separated", "secret": True}),
]
Slugs = Annotated[
    tuple[Slug, ...],
    BeforeValidator(_words),
    Field(
        min_length=1, json_schema_extra={"allowed": "region slugs, comma-separated", "shown": "all"}
    ),
]
