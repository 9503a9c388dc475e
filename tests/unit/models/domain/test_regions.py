"""The regions: ids, letters, aggregates and who is admitted where."""

from __future__ import annotations

import csv

import pytest

from models.domain.errors import InvalidRequest
from models.domain.regions import (
    DNO_REGIONS,
    PRICE_LETTERS,
    REGIONS,
    admits,
    region,
    region_of_carbon_id,
    region_of_letter,
)
from tests.support.shared import shared_path


def test_ids_and_letters_agree_with_the_reference_table() -> None:
    text = shared_path("domain/regions.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert [int(row["region_id"]) for row in rows] == list(range(1, 19))
    for row in rows:
        ours = region_of_carbon_id(int(row["region_id"]))
        if row["is_aggregate"] == "true":
            assert ours.is_aggregate
            assert ours.gsp_group is None
        else:
            assert ours.price_letters == (row["octopus_letter"],)
            assert ours.gsp_group == row["gsp_group"]
            assert ours.name == row["api_shortname"]


def test_the_letters_that_are_often_confused_are_right() -> None:
    # H is Southern England, P is Northern Scotland, M Yorkshire, K South Wales, L South West.
    assert region_of_letter("H").slug == "south_england"
    assert region_of_letter("P").slug == "north_scotland"
    assert region_of_letter("M").slug == "yorkshire"
    assert region_of_letter("K").slug == "south_wales"
    assert region_of_letter("L").slug == "south_west_england"


def test_there_are_fourteen_letters_without_i_and_o() -> None:
    assert "".join(PRICE_LETTERS) == "ABCDEFGHJKLMNP"
    with pytest.raises(InvalidRequest):
        region_of_letter("O")


def test_aggregates_hold_the_regions_of_their_nation() -> None:
    # By region id: England is 3–5 and 8–14, Scotland 1 and 2, Wales 6 and 7, GB all.
    def ids(slug: str) -> list[int]:
        return [REGIONS[member].carbon_intensity_id for member in REGIONS[slug].members]

    assert ids("england") == [3, 4, 5, 8, 9, 10, 11, 12, 13, 14]
    assert ids("scotland") == [1, 2]
    assert ids("wales") == [6, 7]
    assert ids("gb") == list(range(1, 15))


def test_an_aggregate_has_a_documented_price_letter() -> None:
    assert REGIONS["scotland"].price_letters == ("N",)
    assert REGIONS["wales"].price_letters == ("K",)
    assert len(REGIONS["england"].price_letters) == 10
    assert REGIONS["gb"].price_letters == PRICE_LETTERS


@pytest.mark.parametrize(
    ("allowed", "place", "answer"),
    [
        (("london",), "london", True),
        (("london",), "yorkshire", False),
        (("england",), "london", True),
        (("england",), "england", True),
        (("england",), "south_wales", False),
        (("gb",), "scotland", True),
        (("gb",), "gb", True),
        (("london",), "england", False),  # an asset somewhere in England need not be in London
        (("wales", "scotland"), "north_scotland", True),
        ((), "london", False),
    ],
)
def test_an_aggregate_admits_what_is_on_it_or_inside_it(
    allowed: tuple[str, ...], place: str, answer: bool
) -> None:
    assert admits(allowed, place) is answer


def test_an_unknown_region_lists_the_slugs() -> None:
    with pytest.raises(InvalidRequest) as caught:
        region("atlantis", field="allowed_regions.0")
    (error,) = caught.value.fields
    assert error.field == "allowed_regions.0"
    assert error.allowed is not None
    assert "north_wales_and_merseyside" in error.allowed


def test_an_unknown_carbon_id_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        region_of_carbon_id(19)


def test_no_two_tiles_of_the_map_share_a_place() -> None:
    places = {(r.tile_column, r.tile_row) for r in DNO_REGIONS}
    assert len(places) == 14
