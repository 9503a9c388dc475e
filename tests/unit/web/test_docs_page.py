"""The API page and the pages of problems, in the layout of the other pages."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from tests.support.edge import whole_app
from tests.support.fake_services import filled
from web.docs_view import groups_of, models_of
from web.problem_types import TYPES

VOID = {"meta", "link", "input", "br", "hr", "img", "circle", "path"}


class Outline(HTMLParser):
    """Checks that tags are balanced, ids unique, and collects links into the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if (given.get("href") or "").startswith("#"):
            self.targets.append(str(given["href"])[1:])
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "script" and "src" not in given:
            self.inline.append("script")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return whole_app(filled()).test_client()


def test_the_api_page_is_whole_and_has_nothing_inline(client: FlaskClient) -> None:
    answer = client.get("/api/docs")
    assert answer.status_code == 200
    outline = Outline()
    outline.feed(answer.text)
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert set(outline.targets) <= set(outline.ids)
    assert outline.inline == []


def test_every_operation_and_model_is_on_the_page(client: FlaskClient) -> None:
    document = client.get("/api/openapi.json").json
    page = client.get("/api/docs").text
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in page
    for view in models_of(document):
        assert f'id="model-{view.name}"' in page
    assert "0.0167 to 336" in page


def test_operations_are_grouped_with_an_example_and_their_failures(client: FlaskClient) -> None:
    groups = {group.name: group for group in groups_of(client.get("/api/openapi.json").json)}
    submit = next(call for call in groups["Jobs"].calls if call.anchor == "submit-job")
    assert submit.body == "JobSubmission"
    assert submit.curl.startswith("curl -X POST http://localhost:5000/api/jobs")
    assert "422" in submit.failures
    assert [answer.status for answer in submit.answers] == ["201"]


@pytest.mark.parametrize("slug", sorted(TYPES))
def test_the_type_of_a_problem_leads_to_a_page(client: FlaskClient, slug: str) -> None:
    answer = client.get(f"/api/problems/{slug}")
    assert answer.status_code == 200
    assert TYPES[slug].title in answer.text


def test_a_browser_gets_a_page_and_a_program_gets_json(client: FlaskClient) -> None:
    page = client.get("/nothing", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.mimetype == "text/html"
    assert re.search(r"<h1[^>]*>", page.text)
    assert client.get("/nothing").mimetype == "application/problem+json"
    inside = client.get("/api/nothing", headers={"Accept": "text/html"})
    assert inside.mimetype == "application/problem+json"
