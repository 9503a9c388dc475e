"""The documentation check finds links that lead nowhere and examples that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import check_docs
from scripts.check_docs import Example, broken_links, failure, heading_anchors


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a page in a project of its own."""
    monkeypatch.setattr(check_docs, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# A page, with `code`\n```\n# not a heading\n```\n")
    return page


def test_anchors_come_from_headings_outside_code(page: Path) -> None:
    assert heading_anchors(page.read_text()) == {"a-page-with-code"}


def test_a_link_to_a_missing_page_or_heading_is_found(page: Path) -> None:
    links = "[a](gone.md) [b](page.md#nowhere) [c](#a-page-with-code) [d](https://example.org)\n"
    page.write_text(page.read_text() + links)
    assert broken_links(page) == [
        "page.md: gone.md does not exist",
        "page.md: page.md#nowhere has no such heading",
    ]


def test_only_marked_blocks_are_examples(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page.write_text(
        "```console\n$ rm -rf x\n```\n"
        "<!-- run -->\n```console\n$ true \\\n    --quiet\noutput\n$ false\n```\n"
        "<!-- run: with the app -->\n```console\n$ curl -s x\n```\n"
    )
    monkeypatch.setattr(check_docs, "pages", lambda: [page])
    found = [(e.script.splitlines()[0], e.needs_app) for e in check_docs.examples()]
    assert found == [("true \\", False), ("curl -s x", True)]


def test_a_failing_example_is_reported_with_what_it_said(page: Path) -> None:
    sentence = failure(Example(page, "echo oh dear\nfalse\n", needs_app=False), None)
    assert sentence is not None
    assert "page.md" in sentence
    assert "oh dear" in sentence
    assert failure(Example(page, "true\n", needs_app=False), None) is None


def test_an_example_is_pointed_at_the_started_app(page: Path) -> None:
    script = "test http://127.0.0.1:5000/x = http://127.0.0.1:7/x\n"
    assert failure(Example(page, script, needs_app=True), "http://127.0.0.1:7") is None
    assert failure(Example(page, script, needs_app=True), "http://127.0.0.1:8") is not None
