"""The 14 DNO regions of Great Britain, the four aggregates over them, and what each is called elsewhere.

Provider ids and letters are facts of the field; clients read them here so that there is one table.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from models.domain.errors import FieldError, InvalidRequest


@dataclass(frozen=True, slots=True)
class Region:
    """A place with its own carbon signal and price letters."""

    slug: str
    name: str
    short_name: str
    carbon_intensity_id: int
    """Region id of the GB Carbon Intensity API, 1–18."""
    price_letters: tuple[str, ...]
    """Octopus letters whose mean price applies; one letter for a DNO region."""
    members: tuple[str, ...]
    """Slugs of the DNO regions inside (itself for a DNO region)."""
    tile_column: int | None = None
    tile_row: int | None = None
    """Place on the 4 × 7 tile-grid map; None for an aggregate."""

    @property
    def is_aggregate(self) -> bool:
        """Return whether this is England, Scotland, Wales or GB."""
        return self.tile_column is None

    @property
    def gsp_group(self) -> str | None:
        """Return the GSP Group id (`_C`), or None for an aggregate."""
        return None if self.is_aggregate else f"_{self.price_letters[0]}"


def _dno(
    number: int, slug: str, name: str, short: str, letter: str, column: int, row: int
) -> Region:
    return Region(slug, name, short, number, (letter,), (slug,), column, row)


_DNO = (
    _dno(1, "north_scotland", "North Scotland", "N Scotland", "P", 2, 0),
    _dno(2, "south_scotland", "South Scotland", "S Scotland", "N", 2, 1),
    _dno(3, "north_west_england", "North West England", "North West", "G", 1, 2),
    _dno(4, "north_east_england", "North East England", "North East", "F", 2, 2),
    _dno(5, "yorkshire", "Yorkshire", "Yorkshire", "M", 2, 3),
    _dno(6, "north_wales_and_merseyside", "North Wales and Merseyside", "N Wales", "D", 1, 3),
    _dno(7, "south_wales", "South Wales", "S Wales", "K", 0, 5),
    _dno(8, "west_midlands", "West Midlands", "W Midlands", "E", 1, 4),
    _dno(9, "east_midlands", "East Midlands", "E Midlands", "B", 2, 4),
    _dno(10, "east_england", "East England", "East", "A", 3, 4),
    _dno(11, "south_west_england", "South West England", "South West", "L", 1, 6),
    _dno(12, "south_england", "South England", "South", "H", 1, 5),
    _dno(13, "london", "London", "London", "C", 2, 5),
    _dno(14, "south_east_england", "South East England", "South East", "J", 3, 5),
)

_SCOTLAND = ("north_scotland", "south_scotland")
_WALES = ("north_wales_and_merseyside", "south_wales")
_ENGLAND = tuple(r.slug for r in _DNO if r.slug not in _SCOTLAND + _WALES)


def _letters(slugs: Collection[str]) -> tuple[str, ...]:
    return tuple(r.price_letters[0] for r in _DNO if r.slug in slugs)


_AGGREGATES = (
    Region("england", "England", "England", 15, _letters(_ENGLAND), _ENGLAND),
    Region("scotland", "Scotland", "Scotland", 16, ("N",), _SCOTLAND),
    Region("wales", "Wales", "Wales", 17, ("K",), _WALES),
    Region(
        "gb", "Great Britain", "GB", 18, tuple(sorted(r.price_letters[0] for r in _DNO)),
        tuple(r.slug for r in _DNO),
    ),
)  # fmt: skip

REGIONS: dict[str, Region] = {r.slug: r for r in _DNO + _AGGREGATES}
"""Every region by slug: the 14 DNO regions first (ids 1–14), then England, Scotland, Wales and GB."""

DNO_REGIONS: tuple[Region, ...] = _DNO
"""The 14 regions with their own network operator, in id order."""

PRICE_LETTERS: tuple[str, ...] = tuple(sorted(r.price_letters[0] for r in _DNO))
"""The 14 Octopus region letters (A–P without I and O)."""


def region(slug: str, *, field: str = "region") -> Region:
    """Return the region of a slug.

    Raises:
        InvalidRequest: If there is no such region; the sentence lists the slugs.
    """
    found = REGIONS.get(slug)
    if found is None:
        allowed = ", ".join(REGIONS)
        raise InvalidRequest(
            f"{slug!r} is not a region",
            (
                FieldError(
                    field, f"{slug!r} is not a region", slug, allowed, "use one of the slugs"
                ),
            ),
        )
    return found


def region_of_letter(letter: str) -> Region:
    """Return the DNO region that uses an Octopus letter."""
    for found in _DNO:
        if found.price_letters == (letter,):
            return found
    raise InvalidRequest(f"{letter!r} is not a price region letter; use one of {PRICE_LETTERS}")


def region_of_carbon_id(number: int) -> Region:
    """Return the region of a Carbon Intensity API id, 1–18."""
    for found in REGIONS.values():
        if found.carbon_intensity_id == number:
            return found
    raise InvalidRequest(f"{number} is not a Carbon Intensity region id; use 1 to 18")


def admits(allowed: Collection[str], place: str) -> bool:
    """Return whether a list of allowed regions admits an asset registered in `place`.

    An aggregate admits assets registered on it or on anything inside it.
    """
    inside = set(REGIONS[place].members)
    return any(inside <= set(REGIONS[slug].members) for slug in allowed)
