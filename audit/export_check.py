"""Check an unpacked export against its manifest, its chain and its anchors, without the application.

Together with `audit/chain.py` this becomes the `verify.py` of every export (see `audit/bundle.py`), so it uses
the standard library only.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.chain import (
    Chain,
    FaultError,
    Line,
    can_check_signatures,
    check_anchor,
    read_keys,
    signature_fault,
)


@dataclass
class ExportReport:
    """What the check of an export found."""

    chain: Chain = field(default_factory=Chain)
    anchors: int = 0
    key_ids: tuple[str, ...] = ()
    signed: bool = False
    """Whether the manifest carries a signature."""
    fault: FaultError | None = None


def verify_export(folder: Path) -> ExportReport:
    """Check an unpacked export against its manifest, its chain and its anchors."""
    report = ExportReport()
    try:
        _check_export(folder, report)
    except FaultError as fault:
        report.fault = fault
    return report


class _Manifest:
    """The parts of a manifest that are needed to check it."""

    def __init__(self, data: Any) -> None:
        self.digests = [(str(entry["name"]), str(entry["sha256"])) for entry in data["files"]]
        self.digests.append((str(data["csv"]["name"]), str(data["csv"]["sha256"])))
        self.names = [str(entry["name"]) for entry in data["files"]]
        self.ranges = [(int(first), int(last)) for first, last in data["seq_ranges"]]
        self.whole = data["selection"]["kind"] == "all"
        self.keys = read_keys(data["public_keys"])
        self.anchors = list(data["anchors"])
        self.signature = None if data["signature"] is None else dict(data["signature"])
        self.signed_part = {key: value for key, value in data.items() if key != "signature"}

    def expected(self) -> Iterator[int]:
        """Yield the sequence numbers the export must hold, in order."""
        return itertools.chain.from_iterable(range(a, b + 1) for a, b in self.ranges)


def _check_export(folder: Path, report: ExportReport) -> None:
    try:
        manifest = _Manifest(json.loads((folder / "manifest.json").read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FaultError("unreadable", f"manifest.json ({error!r})") from error
    report.key_ids = tuple(manifest.keys)
    for name in sorted(path.name for path in folder.glob("*.jsonl")):
        if name not in manifest.names:
            raise FaultError("appended", "this file is not in the manifest", file=name)
    expected = manifest.expected()
    for line, record in report.chain.walk(_lines(folder, manifest.names), expected):
        if record.get("event_type") == "anchor":
            place = {"seq": record["seq"], "file": line.file, "line": line.number}
            check_anchor(record, report.chain, manifest.keys, **place)
    left = next(expected, None)
    if left is not None:
        raise FaultError("truncated", "the files end before this record of the manifest", seq=left)
    _check_manifest(folder, manifest, report)


def _check_manifest(folder: Path, manifest: _Manifest, report: ExportReport) -> None:
    last_seq = report.chain.last_seq
    if manifest.signature is not None:
        value, key_id = str(manifest.signature.get("value")), str(manifest.signature.get("key_id"))
        wrong = signature_fault(manifest.signed_part, value, key_id, manifest.keys)
        if wrong:
            raise FaultError("changed", wrong, file="manifest.json")
        report.signed = True
    for body in manifest.anchors:
        anchor = check_anchor(body, report.chain, manifest.keys, file="manifest.json")
        report.anchors += 1
        if manifest.whole and anchor.head_seq > last_seq:
            detail = f"the anchor of {anchor.date} signed seq {anchor.head_seq}"
            raise FaultError("truncated", detail, seq=last_seq + 1)
    for name, digest in manifest.digests:
        _check_digest(folder / Path(name).name, digest)


def _check_digest(path: Path, digest: str) -> None:
    found = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                found.update(block)
    except OSError as error:
        raise FaultError("missing", f"cannot be read ({error.strerror})", file=path.name) from error
    if found.hexdigest() != digest:
        raise FaultError("changed", "the manifest says another SHA-256", file=path.name)


def _lines(folder: Path, names: Iterable[str]) -> Iterator[Line]:
    for name in names:
        try:
            with (folder / Path(name).name).open("rb") as handle:
                for number, raw in enumerate(handle, start=1):
                    yield Line(name, number, raw)
        except OSError as error:
            raise FaultError("missing", f"cannot be read ({error.strerror})", file=name) from error


def describe(report: ExportReport) -> str:
    """Return the report as lines of text."""
    chain = report.chain
    alone = chain.records - chain.links
    said = [
        f"FAULT {report.fault}" if report.fault else "OK: nothing is wrong with this export",
        f"{chain.records} records match their own hash, seq {chain.first_seq} to {chain.last_seq}",
        f"{chain.links} links to the record before were compared; {alone} records stand here without it",
    ]
    if can_check_signatures():
        unsigned = "" if report.signed else " (the manifest itself is not signed)"
        said.append(f"Signatures were checked: {report.anchors} anchors{unsigned}")
    else:
        said.append(
            "Signatures were NOT checked: the Python package `cryptography` is not installed."
        )
    said += [f"Key id, compare it with the one published outside: {key}" for key in report.key_ids]
    said.append("An export that was cut or thinned out shows it only by its manifest and anchors.")
    return "\n".join(said) + "\n"


def main(arguments: list[str]) -> int:
    """Check the export in the given folder, or in the folder of this file; return the exit status."""
    folder = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    report = verify_export(folder)
    sys.stdout.write(describe(report))
    return 1 if report.fault else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
