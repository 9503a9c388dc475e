"""The kinds of problem that answers can have, each with a short page of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem: `type` of a problem document is `/api/problems/<slug>`."""

    slug: str
    status: int
    title: str
    meaning: str
    cure: str


_ALL = (
    ProblemType(
        "invalid-request",
        422,
        "Invalid request",
        "at least one field has a value that cannot be used",
        "Every wrong field stands in `errors` with the value sent, what is allowed and what to do.",
    ),
    ProblemType(
        "infeasible",
        422,
        "Impossible request",
        "no plan could ever serve this request, whatever else is planned",
        "Where a nearest change is known it stands in `nearest`; send the request again with it.",
    ),
    ProblemType(
        "malformed-request",
        400,
        "Malformed request",
        "the request could not be read",
        "Send one JSON object in UTF-8, without repeated names, NaN or Infinity, nested at most 32 deep.",
    ),
    ProblemType(
        "unauthenticated",
        401,
        "Key needed",
        "no valid key or session came with the request",
        "Send a key as `Authorization: Bearer …` or `X-API-Key: …`, or sign in at /sign-in.",
    ),
    ProblemType(
        "forbidden",
        403,
        "Not allowed",
        "the caller is known, and a rule forbids this",
        "The sentence in `detail` names the rule and who can change it.",
    ),
    ProblemType(
        "not-found",
        404,
        "Not found",
        "there is nothing here",
        "Look at the list beside it; what belongs to another owner is not shown either.",
    ),
    ProblemType(
        "method-not-allowed",
        405,
        "Method not possible here",
        "this path does not take that method",
        "The header `Allow` lists the methods it takes.",
    ),
    ProblemType(
        "conflict",
        409,
        "Conflict",
        "the request collides with the present state",
        "Read the thing again, then decide.",
    ),
    ProblemType(
        "stale-plan",
        409,
        "Plan has moved on",
        "another planner committed first, and nothing of this request was written",
        "Send the request again.",
    ),
    ProblemType(
        "body-too-large",
        413,
        "Body too large",
        "the body is larger than this server takes",
        "Send less at once.",
    ),
    ProblemType(
        "unsupported-media-type",
        415,
        "Wrong content type",
        "the body is not of a type this path takes",
        "Send JSON with `Content-Type: application/json`.",
    ),
    ProblemType(
        "too-many-requests",
        429,
        "Too many requests",
        "the caller sent more requests than allowed",
        "Wait for as long as the header `Retry-After` says.",
    ),
    ProblemType(
        "internal-error",
        500,
        "Mistake of the program",
        "the program failed",
        "Report it with the request id; the log holds the rest.",
    ),
    ProblemType(
        "executor-failed",
        502,
        "Cluster failed",
        "a cluster did not accept or run what it was given",
        "Ask the operator of the cluster.",
    ),
    ProblemType(
        "source-unavailable",
        503,
        "Source unavailable",
        "something the program needs gave no usable answer",
        "Try again after the time in `Retry-After`; planned work keeps its deadlines meanwhile.",
    ),
    ProblemType(
        "audit-broken",
        503,
        "Decision log broken",
        "the decision log on disk differs from what was committed, so nothing more is decided",
        "Keep the file as it is and ask the operator; `flask audit verify` names the first fault.",
    ),
)

TYPES: Mapping[str, ProblemType] = {kind.slug: kind for kind in _ALL}
"""Every kind by slug."""

BY_STATUS: Mapping[int, ProblemType] = {
    400: TYPES["malformed-request"],
    401: TYPES["unauthenticated"],
    403: TYPES["forbidden"],
    404: TYPES["not-found"],
    405: TYPES["method-not-allowed"],
    409: TYPES["conflict"],
    413: TYPES["body-too-large"],
    415: TYPES["unsupported-media-type"],
    422: TYPES["invalid-request"],
    429: TYPES["too-many-requests"],
    500: TYPES["internal-error"],
    503: TYPES["source-unavailable"],
}
"""The kind that an error of the web framework becomes."""
