"""Messages as a conversation."""

from __future__ import annotations

from tests.unit.web.views.samples import NOW
from web.views.conversation import conversation, speaker

AWARD = {
    "kind": "awarded",
    "sender": "chair",
    "round": 1,
    "job_id": "job-a",
    "asset_id": "rack",
    "start": "2026-11-21T17:00:00Z",
    "why": "It is clean.",
}


def test_speakers_have_names() -> None:
    assert speaker("energy") == ("Energy Agent", False)
    assert speaker("jobs:local") == ("Job Agent", False)
    assert speaker("jobs:ada") == ("Job Agent of ada", False)
    assert speaker("chair") == ("Scheduler, in the chair", True)


def test_what_was_said_about_other_jobs_is_left_out() -> None:
    messages = [AWARD, {**AWARD, "job_id": "job-b"}]
    (line,) = conversation(messages, NOW, "job-a")
    assert line.text == "job-a gets rack from today 17:00. It is clean."


def test_awards_can_be_summed_up() -> None:
    lines = conversation([AWARD, {**AWARD, "job_id": "job-b"}], NOW, awards=False)
    assert [line.text for line in lines] == ["2 jobs get their window, as listed."]


def test_the_policy_prints_the_value_of_carbon() -> None:
    message = {
        "kind": "policy_published",
        "sender": "policy",
        "carbon_price_gbp_per_tonne": 2666.7,
        "min_saving_percent": 5.0,
    }
    assert "counts as £2,667/t" in conversation([message], NOW)[0].text


def test_sources_are_named_once() -> None:
    message = {
        "kind": "signals_published",
        "sender": "energy",
        "slots": 96,
        "assets": ["a"],
        "known_share": 0.12,
        "sources": [
            "own estimate · estimate · live · retrieved 2026-11-21T10:00:00Z; n = 3",
            "own estimate · estimate · live · retrieved 2026-11-21T10:00:00Z; n = 4",
        ],
    }
    text = conversation([message], NOW)[0].text
    assert text.count("own estimate (estimate, live)") == 1
    assert "12 % of them published" in text


def test_every_kind_of_message_the_agents_have_is_told_in_words() -> None:
    import typing

    from agents.messages import AnyMessage
    from web.views.conversation import _SAYINGS

    union = typing.get_args(AnyMessage)[0]
    kinds = {t.model_fields["kind"].default for t in typing.get_args(union)}
    assert kinds == set(_SAYINGS)
