"""Problems as pages: the same sentence as in the API, in the layout."""

from __future__ import annotations

from flask import g, render_template

from web.context import request_id
from web.pages.forms import full_sentence, sentence
from web.problems import Problem


def problem_page(problem: Problem) -> str:
    """Return a problem as HTML."""
    g.after_own_mistake = problem.status == 500
    return render_template(
        "error.html",
        title=problem.kind.title,
        status=problem.status,
        detail=sentence(problem.detail),
        cure=problem.kind.cure if problem.status in {403, 404, 405, 413, 429, 502, 503} else "",
        wrong=[full_sentence(error) for error in problem.errors],
        needs_sign_in=problem.status == 401,
        can_retry=problem.status in {409, 429, 502, 503},
        request_id=request_id(),
    )
