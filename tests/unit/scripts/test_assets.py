"""Images inside a style sheet become files beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scripts.assets import without_data_images


def name_of(image: bytes, kind: str) -> str:
    """Return the file name an image gets: the first 12 hex digits of its SHA-256."""
    return f"{hashlib.sha256(image).hexdigest()[:12]}.{kind}"


def test_an_escaped_svg_is_written_as_it_was_meant(tmp_path: Path) -> None:
    css = 'a{background:url("data:image/svg+xml;charset=utf-8,<svg fill=\\"%23fff\\"/>") 0 0}'
    image = b'<svg fill="#fff"/>'
    changed = without_data_images(css, tmp_path)
    assert changed == f'a{{background:url("{name_of(image, "svg")}") 0 0}}'
    assert (tmp_path / name_of(image, "svg")).read_bytes() == image


def test_a_base64_image_without_quotes_is_decoded(tmp_path: Path) -> None:
    # "iVBORw==" is base64 for the first four bytes of a PNG file.
    changed = without_data_images("a{b:url(data:image/png;base64,iVBORw==)}", tmp_path)
    assert changed == f'a{{b:url("{name_of(bytes([137, 80, 78, 71]), "png")}")}}'


def test_other_addresses_stay(tmp_path: Path) -> None:
    css = 'a{b:url("x.png")} c{d:url(data:font/woff,xx)}'
    assert without_data_images(css, tmp_path) == css
    assert list(tmp_path.iterdir()) == []
