"""From a postcode to a region: the carbon service first, supply points where it does not know."""

from __future__ import annotations

import pytest

from api_clients.carbon_intensity import CarbonIntensityClient
from api_clients.octopus import OctopusAgileClient
from api_clients.postcode import PostcodeLookup, outward_code
from models.domain.errors import InvalidRequest, NotFound, SourceUnavailable
from tests.standin.bridge import CARBON_URL, OCTOPUS_URL, Bridge, make_http


@pytest.fixture
def bridge(mock, clock) -> Bridge:
    return Bridge(mock, clock.now())


@pytest.fixture
def lookup(tmp_path, clock, bridge) -> PostcodeLookup:
    http = make_http(tmp_path, clock)
    return PostcodeLookup(
        CarbonIntensityClient(http, CARBON_URL), OctopusAgileClient(http, OCTOPUS_URL)
    )


@pytest.mark.parametrize(
    ("postcode", "outward"),
    [("SW1A 1AA", "SW1A"), ("sw1a1aa", "SW1A"), (" rg10 ", "RG10"), ("M1 1AE", "M1"), ("M1", "M1")],
)
def test_the_inward_part_is_cut_off(postcode: str, outward: str) -> None:
    assert outward_code(postcode) == outward


@pytest.mark.parametrize("postcode", ["", "12345", "SW1A/../x", "LONDON", "SW1A 1A"])
def test_what_is_not_a_postcode_is_refused(postcode: str) -> None:
    with pytest.raises(InvalidRequest, match="not a postcode"):
        outward_code(postcode)


@pytest.mark.parametrize(
    ("postcode", "slug"),
    [
        ("SW1A 1AA", "london"),
        ("ec1v", "london"),
        ("BH1 1AA", "south_england"),
        ("IV1 1AA", "north_scotland"),
    ],
)
def test_a_known_postcode_gives_its_region(lookup, postcode, slug) -> None:
    assert lookup.region(postcode) == slug


def test_a_valid_code_the_carbon_service_does_not_know_is_found_by_its_supply_point(
    lookup, bridge
) -> None:
    assert lookup.region("W1 1AA") == "london"
    assert "/octopus/v1/industry/grid-supply-points/" in bridge.state.counts()


def test_with_the_carbon_service_down_supply_points_answer(lookup, bridge) -> None:
    bridge.state.set_fault("carbon_empty_object")
    assert lookup.region("SW1A 1AA") == "london"


def test_a_postcode_in_two_regions_asks_to_choose(lookup) -> None:
    with pytest.raises(InvalidRequest, match="north_wales_and_merseyside, west_midlands"):
        lookup.region("SY10 1AA")


def test_an_unknown_postcode_is_not_found_and_an_outage_is_an_outage(lookup, bridge) -> None:
    with pytest.raises(NotFound):
        lookup.region("ZZ9 9ZZ")
    bridge.state.set_fault("octopus_500")
    bridge.state.set_fault("carbon_500")
    with pytest.raises(SourceUnavailable):
        lookup.region("ZZ8 9ZZ")
