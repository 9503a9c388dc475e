"""Signed anchors: once a day the head of the chain is signed, as a record and as a file to carry away.

A chain alone does not stop somebody who rewrites all of it or cuts its end off; a signature made earlier does.
The private key stays in the data folder, away from the records; its public half lies beside them.
Source: domain reference 5.4, rule 4.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from audit.chain import ANCHOR_SCHEMA, KEYS_FILE, KEYS_SCHEMA, FaultError, read_anchor, read_keys
from audit.files import ANCHORS_FOLDER, make_folder, replace_durably, sync_folder
from models.domain.decision import DecisionDraft, EventType, SealedRecord, canonical_json
from models.domain.errors import AuditBroken

PRIVATE_KEY_FILE = "audit-signing-key.pem"
"""Name of the private key in the data folder, mode 0600."""

_ACTOR = {"kind": "rule", "name": "daily-anchor", "version": "1", "model": None}

log = logging.getLogger(__name__)


class AnchorSigner:
    """Signs chain heads with the Ed25519 key of this installation, made on first use."""

    def __init__(self, data_dir: Path) -> None:
        """Name the folder of the private key; nothing is read or made yet."""
        self._path = data_dir / PRIVATE_KEY_FILE
        self._key: Ed25519PrivateKey | None = None

    @property
    def public_key(self) -> str:
        """Return the public key, 32 bytes as hex."""
        raw = self._private().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return raw.hex()

    @property
    def key_id(self) -> str:
        """Return the SHA-256 (hex) of the public key: what to publish outside the system."""
        return hashlib.sha256(bytes.fromhex(self.public_key)).hexdigest()

    def sign(self, statement: Mapping[str, Any]) -> str:
        """Return the signature (hex) over the canonical JSON of a statement."""
        return self._private().sign(canonical_json(statement).encode()).hex()

    def draft_anchor(self, head_seq: int, head_hash: str, now: datetime) -> DecisionDraft:
        """Return the anchor record to append: the signed statement that the chain has this head.

        Args:
            head_seq: Last sequence number, as `DecisionRepository.head` says in the same unit of work.
            head_hash: Its hash.
            now: System time; its UTC date is the anchor's date.
        """
        statement = {
            "schema": ANCHOR_SCHEMA,
            "date": now.astimezone(UTC).date().isoformat(),
            "head_seq": head_seq,
            "head_hash": head_hash,
            "key_id": self.key_id,
        }
        body = {"actor": _ACTOR, "anchor": statement, "signature": self.sign(statement)}
        return DecisionDraft(event_type=EventType.ANCHOR, body=body)

    def publish(self, logs_dir: Path) -> None:
        """Write the public key into the list beside the records; keys already there stay.

        Raises:
            AuditBroken: If the list there cannot be understood.
        """
        keys = load_keys(logs_dir)
        if keys.get(self.key_id) == self.public_key:
            return
        if keys:
            log.warning("a new audit signing key %s joins %d older ones", self.key_id, len(keys))
        keys[self.key_id] = self.public_key
        replace_durably(logs_dir / KEYS_FILE, f"{canonical_json(key_listing(keys))}\n".encode())

    def _private(self) -> Ed25519PrivateKey:
        if self._key is None:
            if not self._path.exists():
                self._make_key()
            self._key = self._load()
        return self._key

    def _make_key(self) -> None:
        """Make the key file; if two processes do this at once the first one's key is kept."""
        make_folder(self._path.parent)
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        replace_durably(draft, pem, mode=0o600)
        try:
            os.link(draft, self._path)
        except FileExistsError:
            log.info("another process made the audit signing key first")
        finally:
            draft.unlink()
        sync_folder(self._path.parent)

    def _load(self) -> Ed25519PrivateKey:
        try:
            key = load_pem_private_key(self._path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise AuditBroken(
                f"the audit signing key {self._path} cannot be read ({error}); restore it from a backup, "
                "or move it away so that a new one is made"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise AuditBroken(f"{self._path} is not an Ed25519 key; move it away")
        if self._path.stat().st_mode & 0o077:
            log.warning(
                "others can read the audit signing key %s; set its mode to 0600", self._path
            )
        return key


def is_due(last_anchor_date: date | None, now: datetime) -> bool:
    """Return whether no anchor has been made yet on the present UTC date."""
    return last_anchor_date is None or last_anchor_date < now.astimezone(UTC).date()


def anchor_date(record: SealedRecord) -> date:
    """Return the date an anchor record speaks of."""
    return date.fromisoformat(read_anchor(json.loads(record.line)).date)


def load_keys(folder: Path) -> dict[str, str]:
    """Return the public keys (hex) by key id that lie beside the records; none if there is no list.

    Raises:
        AuditBroken: If the list is there but cannot be understood.
    """
    path = folder / KEYS_FILE
    if not path.exists():
        return {}
    try:
        return read_keys(json.loads(path.read_bytes()))
    except (OSError, ValueError, FaultError) as error:
        raise AuditBroken(f"the public keys in {path} cannot be read: {error}") from error


def key_listing(keys: Mapping[str, str]) -> dict[str, Any]:
    """Return keys as they are listed in files."""
    entries = [{"key_id": key_id, "public_key": key} for key_id, key in sorted(keys.items())]
    return {"schema": KEYS_SCHEMA, "keys": entries}


def anchor_copy(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is carried away of an anchor record: statement, signature and its own place."""
    return {
        "anchor": record["anchor"],
        "signature": record["signature"],
        "record": {"seq": record["seq"], "hash": record["hash"]},
    }


def write_anchor_file(logs_dir: Path, record: Mapping[str, Any]) -> Path:
    """Write the copy of an anchor record that is to be carried outside; writing it again changes nothing.

    The first anchor of a date is `anchors/YYYY-MM-DD.json`, a further one `YYYY-MM-DD-<seq>.json`.

    Raises:
        AuditBroken: If a file of that name holds something else; it is never replaced.
    """
    folder = logs_dir / ANCHORS_FOLDER
    make_folder(folder)
    data = f"{canonical_json(anchor_copy(record))}\n".encode()
    day = str(record["anchor"]["date"])
    first, further = folder / f"{day}.json", folder / f"{day}-{record['seq']}.json"
    for path in (first, further):
        if path.exists() and path.read_bytes() == data:
            return path
    path = further if first.exists() else first
    if path.exists():
        raise AuditBroken(
            f"{path} is not the anchor of seq {record['seq']} that was committed; find out who changed it"
        )
    replace_durably(path, data)
    return path
