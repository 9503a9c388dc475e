"""Filters that strangers send: a small part of JSONPath, compiled once and evaluated without eval.

Two ways of writing occur: `$[?(@.a.b >= 1 && @.c in ['x'])]` (names with a colon unquoted, as the samples have them)
and `$.catalogs[*] ? (@.provider.id == 'x' && exists(@.resources))`. Understood are `&& || !`, parentheses,
comparisons, `in`, `exists(…)`, and `=~ /word|word/` with plain words only: no regular expression is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from beckn.faults import Refused

MOST_CHARACTERS = 2000
MOST_TOKENS = 300
MOST_DEPTH = 20

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<op>&&|\|\||==|!=|<=|>=|=~|[<>!()\[\],])
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<text>'[^'\\]*'|"[^"\\]*")
    |(?P<words>/[\w |:.-]*/)
    |(?P<path>@(?:\.[A-Za-z_@][\w:@]*|\['[^'\\]*'\]|\["[^"\\]*"\]|\[\*\]|\[\d+\])*)
    |(?P<name>[A-Za-z]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"""\.([A-Za-z_@][\w:@]*)|\['([^']*)'\]|\["([^"]*)"\]|(\[\*\])|\[(\d+)\]""")
_WRAPPED = re.compile(r"(\$[^?]*?)\s*\[\s*\?(.*)\]\s*", re.DOTALL)
_POSTGRES = re.compile(r"(\$[^?]*?)\s*\?\s*\((.*)\)\s*", re.DOTALL)

Test = Callable[[Mapping[str, Any]], bool]
Value = Callable[[Mapping[str, Any]], list[Any]]


@dataclass(frozen=True)
class Filter:
    """A compiled filter and what it is to be applied to."""

    of_catalog: bool
    """True: to whole catalogues; False: to single items."""
    test: Test


def _unsupported(what: str) -> Refused:
    return Refused(
        "SCH_INVALID_JSONPATH", f"the filter cannot be used: {what}", "$.message.intent.filters"
    )


@lru_cache(maxsize=256)
def compiled(expression: str) -> Filter:
    """Return a filter.

    Raises:
        Refused: If it goes beyond what is understood.
    """
    if len(expression) > MOST_CHARACTERS:
        raise _unsupported(f"it is longer than {MOST_CHARACTERS} characters")
    stripped = expression.strip()
    match = _WRAPPED.fullmatch(stripped) or _POSTGRES.fullmatch(stripped)
    if match is None:
        raise _unsupported("it is not of the form $…[?(…)] or $… ? (…)")
    root = match[1].replace(" ", "")
    of_catalog = root.endswith(("catalogs[*]", "catalogs")) or root == "$.catalogs"
    parser = _Parser(match[2])
    return Filter(of_catalog, parser.whole())


class _Parser:
    """Recursive descent over the tokens of one predicate."""

    def __init__(self, text: str) -> None:
        self._tokens = self._split(text)
        self._at = 0
        self._depth = 0

    def _split(self, text: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None or match.end() == place:
                raise _unsupported(f"at {text[place : place + 20]!r}")
            assert match.lastgroup is not None
            found.append((match.lastgroup, match[match.lastgroup]))
            if len(found) > MOST_TOKENS:
                raise _unsupported("it has too many parts")
            place = match.end()
        return found

    def whole(self) -> Test:
        test = self._any()
        if self._at != len(self._tokens):
            raise _unsupported(f"at {self._tokens[self._at][1][:20]!r}")
        return test

    def _next(self, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("op", text):
            self._at += 1
            return True
        return False

    def _take(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise _unsupported("it ends too soon")
        self._at += 1
        return self._tokens[self._at - 1]

    def _any(self) -> Test:
        parts = [self._all()]
        while self._next("||"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda doc: any(part(doc) for part in parts)

    def _all(self) -> Test:
        parts = [self._not()]
        while self._next("&&"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda doc: all(part(doc) for part in parts)

    def _not(self) -> Test:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _unsupported("it nests too deep")
        try:
            if self._next("!"):
                inner = self._not()
                return lambda doc: not inner(doc)
            if self._next("("):
                inside = self._any()
                if not self._next(")"):
                    raise _unsupported("a parenthesis is not closed")
                return inside
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Test:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("name", "exists"):
            self._at += 1
            if not self._next("("):
                raise _unsupported("exists needs a path in parentheses")
            path = self._value()
            if not self._next(")"):
                raise _unsupported("a parenthesis is not closed")
            return lambda doc: bool(path(doc))
        left = self._value()
        if self._at >= len(self._tokens) or self._tokens[self._at] in {
            ("op", "&&"),
            ("op", "||"),
            ("op", ")"),
        }:
            return lambda doc: any(one not in (None, False) for one in left(doc))
        kind, sign = self._take()
        if (kind, sign) == ("name", "in"):
            allowed = self._list()
            return lambda doc: any(_same(one, other) for one in left(doc) for other in allowed)
        if (kind, sign) == ("op", "=~"):
            words = self._words()
            return lambda doc: any(_matches(one, words) for one in left(doc))
        if kind != "op" or sign not in _COMPARE:
            raise _unsupported(f"at {sign[:20]!r}")
        right = self._value()
        compare = _COMPARE[sign]
        return lambda doc: any(compare(a, b) for a in left(doc) for b in right(doc))

    def _list(self) -> list[Any]:
        if not self._next("["):
            raise _unsupported("in needs a list")
        found: list[Any] = []
        while not self._next("]"):
            if found and not self._next(","):
                raise _unsupported("a list needs commas")
            found.append(self._literal(*self._take()))
        return found

    def _words(self) -> tuple[str, ...]:
        kind, written = self._take()
        if kind != "words":
            raise _unsupported("=~ takes plain words like /a|b/ only")
        return tuple(word.casefold() for word in written.strip("/").split("|") if word)

    def _value(self) -> Value:
        kind, written = self._take()
        if kind == "path":
            steps = _steps(written)
            return lambda doc: _walk(doc, steps)
        literal = self._literal(kind, written)
        return lambda _: [literal]

    def _literal(self, kind: str, written: str) -> Any:
        if kind == "number":
            return float(written)
        if kind == "text":
            return written[1:-1]
        constants = {"true": True, "false": False, "null": None}
        if kind == "name" and written in constants:
            return constants[written]
        raise _unsupported(f"at {written[:20]!r}")


def _steps(path: str) -> tuple[str | int | None, ...]:
    """Return the steps of a path: a name, a number, or None for every element."""
    found: list[str | int | None] = []
    for match in _STEP.finditer(path[1:]):
        if match[4]:
            found.append(None)
        elif match[5]:
            found.append(int(match[5]))
        else:
            found.append(match[1] or match[2] or match[3] or "")
    return tuple(found)


def _walk(doc: Any, steps: tuple[str | int | None, ...]) -> list[Any]:
    """Return what lies at the end of a path; a name on a list looks into each element."""
    value: Any = doc
    for step in steps:
        if type(value) is not dict or type(step) is not str:
            break
        if step not in value:
            return []
        value = value[step]
    else:
        return value if isinstance(value, list) else [value]
    level = [doc]
    for step in steps:
        below: list[Any] = []
        for value in level:
            if isinstance(step, str):
                inner = value if isinstance(value, list) else [value]
                below += [one[step] for one in inner if isinstance(one, Mapping) and step in one]
            elif step is None:
                below += value if isinstance(value, list) else [value]
            elif isinstance(value, list) and step < len(value):
                below.append(value[step])
        level = below
    flat: list[Any] = []
    for value in level:
        flat += value if isinstance(value, list) else [value]
    return flat


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return float(left) == float(right)
    return type(left) is type(right) and bool(left == right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(left: Any, right: Any) -> bool:
        if isinstance(left, bool) or isinstance(right, bool):
            return False
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        texts = isinstance(left, str) and isinstance(right, str)
        return (numbers or texts) and compare(left, right)

    return test


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": _same,
    "!=": lambda left, right: not _same(left, right),
    "<": _ordered(lambda left, right: bool(left < right)),
    "<=": _ordered(lambda left, right: bool(left <= right)),
    ">": _ordered(lambda left, right: bool(left > right)),
    ">=": _ordered(lambda left, right: bool(left >= right)),
}


def _matches(value: Any, words: tuple[str, ...]) -> bool:
    return isinstance(value, str) and any(word in value.casefold() for word in words)
