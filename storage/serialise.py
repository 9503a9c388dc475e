"""Domain dataclasses as JSON text and back, exactly.

The shape is read from the type hints, so that a new field needs no code here; a field missing from older text
takes its default. Floats keep every bit (shortest repr), instants are ISO 8601 UTC, dates and wall-clock times ISO 8601,
durations microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from operator import attrgetter, itemgetter
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from models.domain.time import as_utc

T = TypeVar("T")
Convert = Callable[[Any], Any]

_MICROSECOND = timedelta(microseconds=1)
_TAG = "$"


def dumps(value: Any) -> str:
    """Return a domain dataclass as JSON text.

    Raises:
        ValueError: If a float in it is not finite; unknown is None in the domain.
    """
    encode, _ = _codec(type(value))
    return json.dumps(encode(value), separators=(",", ":"), allow_nan=False)


def loads(kind: type[T], text: str) -> T:
    """Return the dataclass of a type from the text `dumps` made of it."""
    _, decode = _codec(kind)
    decoded: T = decode(json.loads(text))
    return decoded


def dump_free(value: Any) -> str:
    """Return free-form JSON-like data (a workload, a relaxation's value) as text; times and tuples keep their type."""
    return json.dumps(_encode_free(value), separators=(",", ":"), allow_nan=False)


def load_free(text: str) -> Any:
    """Return free-form data from the text `dump_free` made of it."""
    return _decode_free(json.loads(text))


def _same(value: Any) -> Any:
    return value


def _encode_instant(value: datetime) -> str:
    return as_utc(value).isoformat()


def _encode_duration(value: timedelta) -> int:
    return value // _MICROSECOND


def _decode_duration(value: int) -> timedelta:
    return timedelta(microseconds=value)


_known: dict[Any, tuple[Convert, Convert]] = {}


def _codec(hint: Any) -> tuple[Convert, Convert]:
    """Return the functions that encode and decode values of a type hint; `_same` where nothing changes."""
    found = _known.get(hint)
    if found is None:
        found = _known[hint] = _make_codec(hint)
    return found


def _make_codec(hint: Any) -> tuple[Convert, Convert]:
    if hint in {str, int, float, bool, NoneType}:
        return _same, _same
    if hint is datetime:
        return _encode_instant, datetime.fromisoformat
    if hint is timedelta:
        return _encode_duration, _decode_duration
    if hint is date:
        return date.isoformat, date.fromisoformat
    if hint is time:
        return time.isoformat, time.fromisoformat
    if hint is Any or hint is object:
        return _encode_free, _decode_free
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass_codec(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return attrgetter("value"), _enum_decoder(hint)
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        return _optional_codec(hint)
    if origin is tuple:
        return _tuple_codec(get_args(hint))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return _encode_free, _decode_free
    raise TypeError(f"no stored form is known for {hint!r}")


def _enum_decoder(kind: type[Enum]) -> Convert:
    members = {member.value: member for member in kind}

    def decode(value: Any) -> Enum:
        return members.get(value) or kind(value)  # an unknown value raises with its name

    return decode


def _optional_codec(hint: Any) -> tuple[Convert, Convert]:
    inner = [kind for kind in get_args(hint) if kind is not NoneType]
    if len(inner) != 1:
        raise TypeError(f"no stored form is known for {hint!r}")
    encode, decode = _codec(inner[0])
    if encode is _same:
        return _same, _same
    return (
        lambda value: None if value is None else encode(value),
        lambda value: None if value is None else decode(value),
    )


def _tuple_codec(parts: tuple[Any, ...]) -> tuple[Convert, Convert]:
    if len(parts) == 2 and parts[1] is Ellipsis:
        encode, decode = _codec(parts[0])
        if encode is _same:
            return list, tuple
        return (
            lambda values: [encode(value) for value in values],
            lambda values: tuple([decode(value) for value in values]),
        )
    codecs = [_codec(part) for part in parts]
    return (
        lambda values: [pair[0](v) for pair, v in zip(codecs, values, strict=True)],
        lambda values: tuple(pair[1](v) for pair, v in zip(codecs, values, strict=True)),
    )


def _dataclass_codec(kind: type[Any]) -> tuple[Convert, Convert]:
    """Return the functions for a dataclass of two fields or more (getters of one give no tuple)."""
    hints = get_type_hints(kind)
    described = fields(kind)
    if len(described) < 2:
        raise TypeError(f"{kind.__name__} has fewer than two fields")
    names = tuple(one.name for one in described)
    codecs = [_codec(hints[name]) for name in names]
    encoders = [(k, encode) for k, (encode, _) in enumerate(codecs) if encode is not _same]
    decoders = [(k, decode) for k, (_, decode) in enumerate(codecs) if decode is not _same]
    decode_by_name = {name: decode for name, (_, decode) in zip(names, codecs, strict=True)}
    required = {one.name for one in described if _is_required(one)}
    read_fields, read_keys = attrgetter(*names), itemgetter(*names)

    def encode(value: Any) -> dict[str, Any]:
        values = list(read_fields(value))
        for place, convert in encoders:
            values[place] = convert(values[place])
        return dict(zip(names, values, strict=True))

    def decode(raw: dict[str, Any]) -> Any:
        try:
            values = list(read_keys(raw))
        except KeyError:
            return decode_older(raw)
        for place, convert in decoders:
            values[place] = convert(values[place])
        return kind(*values)

    def decode_older(raw: dict[str, Any]) -> Any:
        missing = required - raw.keys()
        if missing:
            raise ValueError(f"stored {kind.__name__} lacks {', '.join(sorted(missing))}")
        return kind(**{name: decode_by_name[name](raw[name]) for name in names if name in raw})

    return encode, decode


def _is_required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _encode_free(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return {_TAG + "instant": _encode_instant(value)}
    if isinstance(value, date):
        return {_TAG + "date": value.isoformat()}
    if isinstance(value, timedelta):
        return {_TAG + "duration": _encode_duration(value)}
    if isinstance(value, Decimal):
        return {_TAG + "decimal": str(value)}
    if isinstance(value, tuple):
        return {_TAG + "tuple": [_encode_free(inner) for inner in value]}
    if isinstance(value, list):
        return [_encode_free(inner) for inner in value]
    if isinstance(value, Mapping):
        plain = {key: _encode_free(inner) for key, inner in value.items()}
        if not all(isinstance(key, str) for key in plain):
            raise TypeError("a stored mapping has text keys only")
        return {_TAG + "map": plain} if any(key.startswith(_TAG) for key in plain) else plain
    raise TypeError(f"no stored form is known for {type(value).__name__}")


_UNTAG: dict[str, Convert] = {
    _TAG + "instant": datetime.fromisoformat,
    _TAG + "date": date.fromisoformat,
    _TAG + "duration": _decode_duration,
    _TAG + "decimal": Decimal,
    _TAG + "tuple": lambda values: tuple(_decode_free(inner) for inner in values),
    _TAG + "map": lambda values: {key: _decode_free(inner) for key, inner in values.items()},
}


def _decode_free(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode_free(inner) for inner in value]
    if isinstance(value, dict):
        if len(value) == 1:
            (key,) = value
            if key in _UNTAG:
                return _UNTAG[key](value[key])
        return {key: _decode_free(inner) for key, inner in value.items()}
    return value
