"""Region slugs in sentences of the program, shown by their names."""

from __future__ import annotations

import re

from models.domain.regions import REGIONS

_SLUG = re.compile(rf"(?<![\w-])({'|'.join(sorted(REGIONS, key=len, reverse=True))})(?![\w-])")


def with_region_names(text: str) -> str:
    """Return a text with region slugs replaced by names; slugs inside other words or ids stay."""
    return _SLUG.sub(lambda found: REGIONS[found[1]].name, text)
