"""Signed anchors and the key that signs them."""

from __future__ import annotations

import hashlib
import json
import stat
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.anchors import (
    AnchorSigner,
    anchor_date,
    is_due,
    load_keys,
    write_anchor_file,
)
from models.domain.decision import EventType, seal
from models.domain.errors import AuditBroken

NOW = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)


def test_the_key_is_made_on_first_use_readable_by_its_owner_only_and_kept(tmp_path: Path) -> None:
    signer = AnchorSigner(tmp_path / "data")
    assert not (tmp_path / "data").exists()
    key_id = signer.key_id
    path = tmp_path / "data" / "audit-signing-key.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert AnchorSigner(tmp_path / "data").key_id == key_id
    assert key_id == hashlib.sha256(bytes.fromhex(signer.public_key)).hexdigest()


def test_an_anchor_signs_head_date_and_key_over_canonical_json(tmp_path: Path) -> None:
    signer = AnchorSigner(tmp_path)
    draft = signer.draft_anchor(41, "ab" * 32, NOW)
    assert draft.event_type is EventType.ANCHOR
    # Written out by hand: keys sorted, no spaces.
    signed = (
        f'{{"date":"2026-11-21","head_hash":"{"ab" * 32}","head_seq":41,'
        f'"key_id":"{signer.key_id}","schema":"audit-anchor/1"}}'
    )
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer.public_key))
    public.verify(bytes.fromhex(draft.body["signature"]), signed.encode())
    with pytest.raises(InvalidSignature):
        public.verify(bytes.fromhex(draft.body["signature"]), signed.replace("41", "42").encode())


def test_an_anchor_can_be_sealed_and_tells_its_date(tmp_path: Path) -> None:
    draft = AnchorSigner(tmp_path).draft_anchor(1, "ab" * 32, NOW)
    sealed = seal(draft, seq=2, prev_hash="ab" * 32, now=NOW)
    assert anchor_date(sealed) == date(2026, 11, 21)


@pytest.mark.parametrize(
    ("last", "due"),
    [
        (None, True),
        (date(2026, 11, 20), True),
        (date(2026, 11, 21), False),
        (date(2026, 11, 22), False),
    ],
)
def test_one_anchor_is_due_a_utc_date(last: date | None, due: bool) -> None:
    assert is_due(last, NOW) is due


def test_the_utc_date_counts_and_not_the_london_one() -> None:
    # 00:30 BST on 1 July is 23:30 UTC on 30 June.
    summer = datetime.fromisoformat("2026-07-01T00:30:00+01:00")
    assert not is_due(date(2026, 6, 30), summer)


def test_a_new_key_joins_the_published_ones_and_old_ones_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = AnchorSigner(tmp_path / "a"), AnchorSigner(tmp_path / "b")
    for signer in (first, second, first):
        signer.publish(tmp_path)
    assert load_keys(tmp_path) == {
        first.key_id: first.public_key,
        second.key_id: second.public_key,
    }
    assert caplog.text.count("a new audit signing key") == 1


def test_a_damaged_private_key_is_named_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "audit-signing-key.pem"
    path.write_text("no key")
    with pytest.raises(AuditBroken, match=r"audit-signing-key\.pem cannot be read"):
        AnchorSigner(tmp_path).sign({})
    assert path.read_text() == "no key"


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = X25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (tmp_path / "audit-signing-key.pem").write_bytes(pem)
    with pytest.raises(AuditBroken, match="not an Ed25519 key"):
        AnchorSigner(tmp_path).sign({})


def test_a_key_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    AnchorSigner(tmp_path).sign({})
    (tmp_path / "audit-signing-key.pem").chmod(0o644)
    AnchorSigner(tmp_path).sign({})
    assert "set its mode to 0600" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        "no JSON",
        '{"keys":[],"schema":"another/1"}',
        '{"keys":[{"key_id":"00","public_key":"11"}],"schema":"audit-public-keys/1"}',
    ],
)
def test_a_spoilt_list_of_public_keys_is_not_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / "audit-public-key.json").write_text(content)
    with pytest.raises(AuditBroken, match=r"audit-public-key\.json cannot be read"):
        AnchorSigner(tmp_path / "data").publish(tmp_path)
    assert (tmp_path / "audit-public-key.json").read_text() == content


def test_a_second_anchor_of_a_date_gets_a_file_of_its_own_and_none_is_replaced(
    tmp_path: Path,
) -> None:
    signer = AnchorSigner(tmp_path / "data")
    records = []
    for seq in (2, 5):
        draft = signer.draft_anchor(seq - 1, "ab" * 32, NOW)
        records.append(json.loads(seal(draft, seq=seq, prev_hash="ab" * 32, now=NOW).line))
    names = [write_anchor_file(tmp_path, record).name for record in (*records, *records)]
    assert names == ["2026-11-21.json", "2026-11-21-5.json"] * 2
    (tmp_path / "anchors" / "2026-11-21-5.json").write_text("{}")
    with pytest.raises(AuditBroken, match=r"2026-11-21-5\.json is not the anchor of seq 5"):
        write_anchor_file(tmp_path, records[1])
