"""Follow a chain of decision records: canonical form, own hash, order, links, signed anchors.

Standard library only, because every export carries this file inside its `verify.py`. `cryptography` is used
where it is installed; without it signatures are not checked, and the callers say so.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

VERSION = "1"
"""Version of this checker, written into every manifest."""

SCHEMA = "decision-log/1"
"""Schema name every record carries."""

ANCHOR_SCHEMA = "audit-anchor/1"
"""Schema name of what an anchor signs."""

GENESIS_HASH = "0" * 64
"""`prev_hash` of record 1."""

KEYS_SCHEMA = "audit-public-keys/1"
"""Schema name of the list of public keys."""

KEYS_FILE = "audit-public-key.json"
"""Name of the list of public keys, beside the records."""

_HASH_BYTES = 32
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_FILE_DATE = re.compile(r"decisions-(\d{4}-\d\d-\d\d)\.jsonl")


class Line(NamedTuple):
    """One line of a log file."""

    file: str
    number: int
    """Counted from 1."""
    raw: bytes
    """As read, newline included."""


class FaultError(Exception):
    """The first thing found wrong, with its sort and place."""

    def __init__(
        self,
        sort: str,
        detail: str,
        *,
        seq: int | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        """Keep sort, place and sentence.

        Args:
            sort: `changed | missing | reordered | appended | truncated | unreadable | anchor`.
            detail: What is wrong, in words.
            seq: Record at which it shows.
            file: File at which it shows.
            line: Line of that file, counted from 1.
        """
        parts = [
            f"seq {seq}" if seq is not None else "",
            file or "",
            f"line {line}" if line else "",
        ]
        place = ", ".join(part for part in parts if part)
        detail = f"{place}: {detail}" if place else detail
        super().__init__(f"{sort}: {detail}")
        self.sort, self.seq, self.file, self.line = sort, seq, file, line


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not an integer")


_decode = json.JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number).decode
_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode


def canonical(value: Any) -> str:
    """Return the canonical JSON of a parsed value: keys sorted, no spaces, unescaped."""
    return _encode(value)


def checked_record(line: Line, seq: int, *, strictly: bool = False) -> dict[str, Any]:
    """Parse one line and check it by itself: own hash, exact form, field shapes.

    The text without its hash is what was hashed, so one SHA-256 proves content and form together. Writing the
    record anew to compare the canonical form doubles the time; the writer does so once, before a line exists.

    Args:
        line: The line, newline included.
        seq: Sequence number expected here; only names the place in a fault.
        strictly: Also write the record anew and compare.

    Raises:
        FaultError: `truncated` without newline, `unreadable` if not a JSON object, else `changed`.
    """
    place: dict[str, Any] = {"seq": seq, "file": line.file, "line": line.number}
    if not line.raw.endswith(b"\n"):
        raise FaultError("truncated", "the line ends without a newline", **place)
    try:
        text = line.raw[:-1].decode("utf-8")
        record = _decode(text)
    except (ValueError, RecursionError) as error:
        raise FaultError("unreadable", "the line is not a JSON record", **place) from error
    if not isinstance(record, dict):
        raise FaultError("unreadable", "the line is not a JSON object", **place)
    bare = _without_hash(text, record)
    if bare is None or hashlib.sha256(bare.encode()).hexdigest() != record.get("hash"):
        raise FaultError("changed", "the record does not match its own hash", **place)
    if strictly and _encode(record) != text:
        raise FaultError("changed", "the record is not in canonical form", **place)
    if (
        record.get("schema") != SCHEMA
        or type(record.get("seq")) is not int
        or record["seq"] < 1
        or not isinstance(record.get("prev_hash"), str)
        or not _INSTANT.fullmatch(str(record.get("ts_utc")))
    ):
        raise FaultError("changed", f"schema, seq, prev_hash or ts_utc is not of {SCHEMA}", **place)
    return record


def _without_hash(text: str, record: Mapping[str, Any]) -> str | None:
    """Return the text that was hashed, or None if the hash does not stand in its sorted place."""
    fragment = f'"hash":"{record.get("hash")}",'
    if text.count(fragment) != 1:
        # The same pair stands deeper in the record too, or not at all in this form.
        if _encode(record) != text:
            return None
        return _encode({key: value for key, value in record.items() if key != "hash"})
    before, after = text.split(fragment)
    following = min((key for key in record if key > "hash"), default=None)
    return before + after if following and after.startswith(f'"{following}":') else None


class Chain:
    """Follows records in order and remembers their hashes (40 bytes a record)."""

    def __init__(self) -> None:
        """Start before record 1."""
        self.links = 0
        """Records whose `prev_hash` was compared with the record before."""
        self.last_seq = 0
        self.last_hash = GENESIS_HASH
        self._seqs = array("Q")
        self._hashes = bytearray()
        self._last_line = Line("", 0, b"")
        self._last_ts = ""

    @property
    def records(self) -> int:
        """Return how many records were followed."""
        return len(self._seqs)

    @property
    def first_seq(self) -> int:
        """Return the first sequence number, 0 when empty."""
        return self._seqs[0] if self._seqs else 0

    def hash_of(self, seq: int) -> str | None:
        """Return the hash of a record already followed, or None."""
        place = bisect_left(self._seqs, seq)
        if place == len(self._seqs) or self._seqs[place] != seq:
            return None
        return self._hashes[place * _HASH_BYTES : (place + 1) * _HASH_BYTES].hex()

    def walk(
        self, lines: Iterator[Line], expected: Iterator[int]
    ) -> Iterator[tuple[Line, dict[str, Any]]]:
        """Yield every line with its checked record.

        Args:
            lines: All lines, in file order.
            expected: Sequence numbers in the order in which they must stand.

        Raises:
            FaultError: At the first thing wrong.
        """
        for line in lines:
            wanted = next(expected, None)
            if wanted is None:
                raise FaultError(
                    "appended",
                    "a line beyond the last known record",
                    seq=self.last_seq + 1,
                    file=line.file,
                    line=line.number,
                )
            record = checked_record(line, wanted)
            if record["seq"] != wanted:
                raise self._out_of_place(record["seq"], wanted, line, lines)
            self._link(line, record)
            yield line, record

    def _out_of_place(self, seq: int, wanted: int, line: Line, rest: Iterable[Line]) -> FaultError:
        place: dict[str, Any] = {"file": line.file, "line": line.number}
        if self.hash_of(seq) is not None:
            return FaultError(
                "reordered", f"this seq stands here a second time, not {wanted}", seq=seq, **place
            )
        for later in rest:
            if _loose_seq(later) == wanted:
                where = (
                    f"seq {seq} stands in its place; it comes in {later.file}, line {later.number}"
                )
                return FaultError("reordered", where, seq=wanted, **place)
        return FaultError("missing", f"seq {seq} stands in its place", seq=wanted, **place)

    def _link(self, line: Line, record: dict[str, Any]) -> None:
        seq, ts_utc = record["seq"], record["ts_utc"]
        place: dict[str, Any] = {"seq": seq, "file": line.file, "line": line.number}
        if seq == self.last_seq + 1:
            self._check_previous(record["prev_hash"], line, seq)
            self.links += 1
        if line.file == self._last_line.file and ts_utc < self._last_ts:
            raise FaultError(
                "changed", f"ts_utc goes back from {self._last_ts} to {ts_utc}", **place
            )
        dated = _FILE_DATE.fullmatch(line.file)
        if dated and dated[1] != ts_utc[:10]:
            raise FaultError(
                "reordered", f"a record of {ts_utc[:10]} is in the wrong file", **place
            )
        self._seqs.append(seq)
        self._hashes += bytes.fromhex(record["hash"])
        self.last_seq, self.last_hash = seq, record["hash"]
        self._last_line, self._last_ts = line, ts_utc

    def _check_previous(self, prev_hash: str, line: Line, seq: int) -> None:
        if prev_hash == self.last_hash:
            return
        if seq == 1:
            detail = "prev_hash of record 1 is not 64 zeros"
            raise FaultError("changed", detail, seq=1, file=line.file, line=line.number)
        before = self._last_line
        raise FaultError(
            "changed",
            f"seq {seq} ({line.file}, line {line.number}) was sealed onto a record with another hash, "
            "so one of the two was rewritten",
            seq=seq - 1,
            file=before.file,
            line=before.number,
        )


def _loose_seq(line: Line) -> int | None:
    try:
        record = json.loads(line.raw)
    except (ValueError, RecursionError):
        return None
    seq = record.get("seq") if isinstance(record, dict) else None
    return seq if isinstance(seq, int) else None


# --- keys and anchors --------------------------------------------------------------------------


def can_check_signatures() -> bool:
    """Return whether the package that knows Ed25519 is installed."""
    return importlib.util.find_spec("cryptography") is not None


def _from_hex(text: str) -> bytes:
    """Return the bytes of lower-case hex; anything else, spaces included, is a ValueError."""
    data = bytes.fromhex(text)
    if data.hex() != text:
        raise ValueError("not lower-case hex")
    return data


def read_keys(listing: Any) -> dict[str, str]:
    """Return public keys (hex) by key id, from a parsed `audit-public-key.json`.

    Raises:
        FaultError: `anchor`, if it has another shape or an id is not the SHA-256 of its key.
    """
    keys: dict[str, str] = {}
    try:
        if listing["schema"] != KEYS_SCHEMA:
            raise FaultError("anchor", f"{KEYS_FILE} is not of {KEYS_SCHEMA}")
        for entry in listing["keys"]:
            key_id, public_key = str(entry["key_id"]), str(entry["public_key"])
            if hashlib.sha256(_from_hex(public_key)).hexdigest() != key_id:
                raise FaultError("anchor", f"{KEYS_FILE}: {key_id} is not the SHA-256 of its key")
            keys[key_id] = public_key
    except (TypeError, KeyError, ValueError) as error:
        raise FaultError("anchor", f"{KEYS_FILE} is not a list of public keys") from error
    return keys


def signature_fault(
    signed: Mapping[str, Any], signature: str, key_id: str, keys: Mapping[str, str]
) -> str | None:
    """Return what is wrong with an Ed25519 signature over canonical JSON, or None.

    Without `cryptography` only the presence of the key is checked.
    """
    if key_id not in keys:
        return f"signed with key {key_id[:16]}…, which is not in {KEYS_FILE}"
    if not can_check_signatures():
        return None
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(_from_hex(keys[key_id]))
        public.verify(_from_hex(signature), canonical(signed).encode())
    except (InvalidSignature, ValueError):
        return f"the signature does not fit key {key_id[:16]}…"
    return None


class Anchor(NamedTuple):
    """A signed statement that the chain had a certain head."""

    statement: Mapping[str, Any]
    signature: str
    key_id: str
    date: str
    head_seq: int
    head_hash: str


def read_anchor(body: Any) -> Anchor:
    """Read the fields `anchor` and `signature` of an anchor record or file.

    Raises:
        ValueError: If they have another shape.
    """
    try:
        said, signature = body["anchor"], body["signature"]
        read = Anchor(
            said, signature, said["key_id"], said["date"], said["head_seq"], said["head_hash"]
        )
        shaped = said["schema"] == ANCHOR_SCHEMA and type(read.head_seq) is int
        texts = (read.signature, read.key_id, read.date, read.head_hash)
        if not shaped or not all(isinstance(text, str) for text in texts):
            raise ValueError("the anchor's fields have other types")
    except (TypeError, KeyError) as error:
        raise ValueError(f"the anchor lacks {error}") from error
    return read


def check_anchor(body: Any, chain: Chain, keys: Mapping[str, str], **place: Any) -> Anchor:
    """Check an anchor's signature, and its head against the records followed so far.

    A head outside the followed records is the caller's business.

    Raises:
        FaultError: `anchor`.
    """
    try:
        anchor = read_anchor(body)
    except ValueError as error:
        raise FaultError("anchor", str(error), **place) from error
    wrong = signature_fault(anchor.statement, anchor.signature, anchor.key_id, keys)
    if wrong:
        raise FaultError("anchor", wrong, **place)
    found = chain.hash_of(anchor.head_seq)
    if found is not None and found != anchor.head_hash:
        at = {**place, "seq": anchor.head_seq}
        detail = (
            f"the anchor of {anchor.date} signed another hash: the chain was rewritten up to here"
        )
        raise FaultError("anchor", detail, **at)
    return anchor
