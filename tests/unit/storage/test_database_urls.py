"""Which database URLs are understood."""

from __future__ import annotations

import pytest

from models.domain.errors import InvalidRequest
from storage.database import normal_url


@pytest.mark.parametrize(
    "url",
    ["postgres://u:p@h:5432/d", "postgresql://u:p@h:5432/d", "postgresql+psycopg://u:p@h:5432/d"],
)
def test_every_spelling_of_postgresql_means_one_driver(url: str) -> None:
    normal = normal_url(url)
    assert normal.render_as_string(hide_password=False) == "postgresql+psycopg://u:p@h:5432/d"


def test_a_sqlite_url_names_a_file() -> None:
    assert normal_url("sqlite:///data/x.sqlite3").database == "data/x.sqlite3"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://h/d", "not supported"),
        ("not a url", "cannot be read"),
    ],
)
def test_other_urls_are_refused_without_repeating_a_password(url: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        normal_url(url)
