"""Which region a postcode lies in: the carbon service first, the grid supply point where it does not know."""

from __future__ import annotations

import re

from api_clients.carbon_intensity import CarbonIntensityClient
from api_clients.octopus import OctopusAgileClient
from models.domain.errors import FieldError, InvalidRequest, NotFound, SourceUnavailable
from models.domain.regions import region_of_letter

_POSTCODE = re.compile(r"^([A-Z]{1,2}[0-9][A-Z0-9]?)([0-9][A-Z]{2})?$")


def outward_code(postcode: str) -> str:
    """Return the outward part of a postcode (`SW1A` of `sw1a 1aa`).

    Raises:
        InvalidRequest: If it does not look like a postcode.
    """
    match = _POSTCODE.match("".join(postcode.split()).upper())
    if match is None:
        raise InvalidRequest(
            f"{postcode!r} is not a postcode",
            (
                FieldError(
                    "postcode", "not a postcode", postcode, "like SW1A or SW1A 1AA", "check it"
                ),
            ),
        )
    return match[1]


class PostcodeLookup:
    """Finds the region of a postcode."""

    def __init__(self, carbon: CarbonIntensityClient, octopus: OctopusAgileClient) -> None:
        """Keep the two clients that know postcodes."""
        self._carbon = carbon
        self._octopus = octopus

    def region(self, postcode: str) -> str:
        """Return the region slug of a full or outward postcode.

        Raises:
            InvalidRequest: If it is not a postcode, or lies in several regions.
            NotFound: If both services answer and neither knows it.
            SourceUnavailable: If neither answers.
        """
        outward = outward_code(postcode)
        try:
            slug = self._carbon.region_of_postcode(outward)
        except SourceUnavailable:
            # Some valid codes are refused there; the supply points know them.
            slug = None
        if slug is not None:
            return slug
        letters = self._octopus.letters_of_postcode(postcode)
        if not letters:
            raise NotFound(f"the postcode {postcode!r} is not known; choose a region instead")
        if len(letters) > 1:
            names = ", ".join(region_of_letter(letter).slug for letter in letters)
            raise InvalidRequest(
                f"the postcode {postcode!r} lies in several regions: choose one of {names}",
                (FieldError("postcode", "several regions", postcode, names, "choose a region"),),
            )
        return region_of_letter(letters[0]).slug
