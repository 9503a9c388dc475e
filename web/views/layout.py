"""The frame of every page: data line, banner, navigation, theme."""

from __future__ import annotations

from dataclasses import dataclass

from models.domain.access import Caller
from models.domain.signal import Quality
from services.types import DataLine

NAVIGATION: tuple[tuple[str, str, str], ...] = (
    ("schedule", "Schedule", "pages.schedule"),
    ("jobs", "Jobs", "pages.jobs"),
    ("clusters", "Clusters", "pages.clusters"),
    ("grid", "Grid", "pages.grid"),
    ("market", "Market", "pages.market"),
    ("records", "Records", "pages.records"),
)
"""(key, label, endpoint) of the main navigation, in order."""

THEMES: tuple[tuple[str, str], ...] = (
    ("system", "System"),
    ("light", "Light"),
    ("dark", "Dark"),
)
"""(value, label) of the theme switch."""


@dataclass(frozen=True, slots=True)
class NavItem:
    """One link of the main navigation."""

    label: str
    endpoint: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """What the base template needs on every page."""

    data_text: str
    data_css: str
    """Class of the dot: the worst quality among what is shown."""
    banner: str | None
    is_simulated: bool
    navigation: tuple[NavItem, ...]
    theme: str
    """`system | light | dark`."""
    themes: tuple[tuple[str, str], ...]
    signed_in_as: str | None
    """Owner and role where a key is in use; None in the open mode and for visitors."""
    may_submit: bool
    may_operate: bool
    is_visitor: bool
    """True where keys exist and nobody signed in."""
    price_note: str


def layout(
    *,
    data: DataLine | None,
    caller: Caller | None,
    uses_key: bool,
    section: str,
    theme: str | None,
) -> Layout:
    """Return the frame of a page.

    Args:
        data: How fresh the signals are; None where that could not be read.
        caller: Who is asking; None for a visitor.
        uses_key: Whether the caller showed a key or has a session (not the open mode).
        section: Key of the navigation entry the page belongs to; empty for none.
        theme: What the theme cookie says; anything unknown means `system`.
    """
    quality = data.quality if data is not None else Quality.NONE
    signed = f"{caller.owner} ({caller.role})" if caller is not None and uses_key else None
    return Layout(
        data_text=data.text if data is not None else "Grid data: state unknown",
        data_css=str(quality),
        banner=data.banner if data is not None else None,
        is_simulated=data.is_simulated if data is not None else False,
        navigation=tuple(
            NavItem(label, endpoint, key == section) for key, label, endpoint in NAVIGATION
        ),
        theme=theme if theme in dict(THEMES) else "system",
        themes=THEMES,
        signed_in_as=signed,
        may_submit=caller is not None and caller.may_submit,
        may_operate=caller is not None and caller.may_operate,
        is_visitor=caller is None,
        price_note="household proxy, price shape",
    )
