"""Slugs in sentences."""

from __future__ import annotations

from web.views.region_names import with_region_names


def test_slugs_become_names_and_ids_stay() -> None:
    assert (
        with_region_names("allow london, south_scotland on demo-london-rack")
        == "allow London, South Scotland on demo-london-rack"
    )
