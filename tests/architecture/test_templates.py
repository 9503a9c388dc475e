"""Templates: each parses, none needs an inline script or style, none trusts what a user typed."""

from __future__ import annotations

import re

import pytest
from jinja2 import Environment

from tests.support.shared import REPOSITORY
from tests.support.tree import project_files, relative

TEMPLATES = [relative(p) for p in project_files() if relative(p).startswith("templates/")]


def source(path: str) -> str:
    """Return the text of a template."""
    return (REPOSITORY / path).read_text(encoding="utf-8")


def test_there_are_templates() -> None:
    assert TEMPLATES


@pytest.mark.parametrize("path", TEMPLATES)
def test_a_template_parses(path: str) -> None:
    Environment(autoescape=True, extensions=["jinja2.ext.do"]).parse(source(path))


@pytest.mark.parametrize("path", TEMPLATES)
def test_a_template_fits_the_strict_content_policy(path: str) -> None:
    text = re.sub(r"\{#.*?#\}", "", source(path), flags=re.DOTALL)
    assert not re.search(r"\sstyle\s*=", text), "no style attribute"
    assert not re.search(r"<style\b", text), "no inline style sheet"
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text), "no inline event handler"
    assert not re.search(r"javascript:", text), "no script address"
    for attributes in re.findall(r"<script\b([^>]*)>", text):
        assert "src=" in attributes, "no inline script"


@pytest.mark.parametrize("path", TEMPLATES)
def test_a_template_escapes_everything(path: str) -> None:
    assert not re.search(r"\|\s*safe\b|autoescape\s+false", source(path))


@pytest.mark.parametrize("path", TEMPLATES)
def test_a_template_names_only_files_of_this_site(path: str) -> None:
    loaded = re.findall(
        r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']([^\"']+)", source(path)
    )
    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []
