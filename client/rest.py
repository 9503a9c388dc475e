"""Talks to the REST API over HTTP, and turns its problems into sentences."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

TIMEOUT_SECONDS = 60.0
"""Longest a request may take; planning answers within half of it. [s]"""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Refused(Exception):
    """The server said no, or said nothing; the text is for the user."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key is for the named server only."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return no request, so that the redirect is an error."""


class Rest:
    """One server and the key to it."""

    def __init__(self, url: str, key: str | None) -> None:
        """Keep where the server is.

        Args:
            url: Its address without a path.
            key: An API key; None on the server's own machine.

        Raises:
            Refused: If the address is none, or a key would travel over it in clear.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Refused(f"{url} is not an http(s) address; set HH_URL or say --url")
        if key and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise Refused(f"a key is not sent in clear to {parts.hostname}; use an https address")
        self._url = url.rstrip("/")
        self._key = key
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if parts.hostname in LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, *path: str, **query: Any) -> Any:
        """Return the JSON at a path of the API."""
        return self._json(self.text(*path, **query))

    def text(self, *path: str, **query: Any) -> str:
        """Return the text at a path of the API."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", path, None, given)

    def post(self, *path: str, body: Any = None) -> Any:
        """Send JSON under a key of its own, so that a repeated request has one effect; return the answer."""
        sent = json.dumps({} if body is None else body).encode()
        return self._json(self._ask("POST", path, sent, {}))

    def post_table(self, *path: str, text: str) -> Any:
        """Send CSV, as `post` does JSON; return the answer."""
        return self._json(self._ask("POST", path, text.encode(), {}, "text/csv"))

    def delete(self, *path: str) -> Any:
        """End what stands at a path; return the answer."""
        return self._json(self._ask("DELETE", path, None, {}))

    def _json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise Refused(
                f"{self._url} answered something else than Halfhour does; is the address right?"
            ) from error

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        data: bytes | None,
        query: Mapping[str, Any],
        media_type: str = "application/json",
    ) -> str:
        url = f"{self._url}/api/" + "/".join(quote(part, safe="") for part in path)
        if query:
            url += "?" + urlencode(query)
        headers = {"Accept": "application/json", "User-Agent": "halfhour-client"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if data is not None:
            headers |= {"Content-Type": media_type, "Idempotency-Key": str(uuid.uuid4())}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - checked above
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return str(answer.read().decode("utf-8", errors="replace"))
        except urllib.error.HTTPError as error:
            raise Refused(_problem(error.read(), error.code)) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise Refused(
                f"{self._url} does not answer ({reason}); set HH_URL or say --url"
            ) from error


def _problem(raw: bytes, status: int) -> str:
    """Return a problem document as lines: the sentence, then each field with its cure."""
    try:
        told = json.loads(raw)
    except ValueError:
        return f"the server answered {status}"
    if not isinstance(told, dict):
        return f"the server answered {status}"
    lines = [str(told.get("detail") or told.get("title") or f"the server answered {status}")]
    for one in told.get("errors") or ():
        said = f"  {one.get('field')}: {one.get('message')}"
        said += f"; allowed: {one['allowed']}" if one.get("allowed") else ""
        lines.append(said + (f"; {one['cure']}" if one.get("cure") else ""))
    return "\n".join(lines)
