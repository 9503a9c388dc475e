"""Signing and verifying over raw bytes, against the published and the generated vectors."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from beckn import keys, signing
from beckn.faults import Refused
from models.domain.errors import InvalidRequest
from models.domain.published_keys import is_published
from tests.support.shared import shared_path


def vectors() -> dict[str, Any]:
    text = shared_path("beckn/test-vectors/signing-vectors.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def private(text: str) -> Ed25519PrivateKey:
    # The vectors' keys are refused by `keys.private_key`, so they are read without it.
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text)[:32])


def public(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text))


def test_the_official_vector_is_reproduced_to_the_last_character() -> None:
    official = vectors()["official_v1"]
    body = official["body_utf8"].encode()
    assert signing.digest(body) == official["digest_base64"]
    signer = signing.Signer(
        "example-bap.com",
        "ae3ea24b-cfec-495e-81f8-044aaef164ac",
        private(official["private_key_64_base64"]),
    )
    life = official["expires"] - official["created"]
    assert signer.header(body, official["created"], life_seconds=life) == official["header_value"]


def test_the_gateway_signs_the_same_body_with_its_own_key() -> None:
    official, gateway = vectors()["official_v1"], vectors()["gateway_computed"]
    text = signing.signing_string(
        official["body_utf8"].encode(), gateway["created"], gateway["expires"]
    )
    made = private(gateway["private_key_64_base64"]).sign(text.encode())
    assert base64.b64encode(made).decode() == gateway["signature_base64"]


def test_every_generated_vector_is_reproduced_and_verified() -> None:
    generated = vectors()["generated"]
    for vector in generated["vectors"]:
        key = generated["keys"][vector["signer"]]
        signer = signing.Signer(
            key["subscriber_id"], key["unique_key_id"], private(key["seed_base64"])
        )
        body = vector["body_utf8"].encode()
        chain = vector["request_signature"]
        life = vector["expires"] - vector["created"]
        made = signer.header(body, vector["created"], life_seconds=life, request_signature=chain)
        assert made == vector["header_value"], vector["id"]
        header = signing.parse_header(vector["header_value"])
        signing.check_times(header, vector["created"] + 1)
        signing.verify(header, body, public(key["public_key_base64"]), request_signature=chain)


def judge(case: dict[str, Any], known: dict[str, Any]) -> None:
    header = signing.parse_header(case["header_value"])
    signing.check_times(header, case["verify_at"])
    signer = "bap" if header.subscriber_id == "bap.example.org" else "bpp"
    key = public(known[signer]["public_key_base64"])
    chain = case.get("expected_request_signature")
    signing.verify(header, case["body_utf8"].encode(), key, request_signature=chain)


def test_every_negative_vector_is_refused_for_its_signature_or_left_to_the_identity_check() -> None:
    generated = vectors()["generated"]
    for case in generated["negative"]:
        if case["id"] == "neg-identity-mismatch":
            header = signing.parse_header(case["header_value"])
            context = json.loads(case["body_utf8"])["context"]
            assert header.subscriber_id != context["bapId"]
            continue
        with pytest.raises(Refused) as refused:
            judge(case, generated["keys"])
        assert refused.value.status == 401, case["id"]


def test_the_word_signature_and_spaces_are_optional() -> None:
    bare = (
        'keyId="a|b|ed25519", algorithm="ed25519", created="1", expires="2", '
        'headers="(created) (expires) digest", signature="AA=="'
    )
    assert signing.parse_header(bare) == signing.parse_header(f"Signature {bare}")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Signature",
        'Signature keyId="a|b|ed25519"',
        (
            'Signature keyId="a|b|ed25519",keyId="c|d|ed25519",algorithm="ed25519",created="1",expires="2",'
            'headers="(created) (expires) digest",signature="AA=="'
        ),
        (
            'Signature keyId="a|ed25519",algorithm="ed25519",created="1",expires="2",'
            'headers="(created) (expires) digest",signature="AA=="'
        ),
        'Signature keyId="a|b|ed25519",algorithm="ed25519",created="1",expires="2",headers="digest",signature="AA=="',
        (
            'Signature keyId="a|b|ed25519",algorithm="ed25519",created="-1",expires="2",'
            'headers="(created) (expires) digest",signature="AA=="'
        ),
        "x" * 5000,
    ],
)
def test_a_header_that_is_not_exactly_one_signature_is_refused(header: str) -> None:
    with pytest.raises(Refused):
        signing.parse_header(header)


def test_a_signature_is_taken_for_ten_minutes_whatever_it_says() -> None:
    header = signing.Header("a", "b", 1000, 9_000_000, False, "")
    signing.check_times(header, 1600)
    with pytest.raises(Refused, match="at most 600 s"):
        signing.check_times(header, 1601)


def test_expiry_has_no_tolerance_and_the_future_five_seconds() -> None:
    header = signing.Header("a", "b", 1000, 1300, False, "")
    signing.check_times(header, 1300)
    signing.check_times(header, 995)
    for moment in (1301, 994):
        with pytest.raises(Refused):
            signing.check_times(header, moment)


def test_published_example_keys_are_refused_as_ours_and_as_anybodys() -> None:
    held = vectors()
    pairs = [
        (held["official_v1"]["private_key_64_base64"], held["official_v1"]["public_key_base64"]),
        *(
            (key["seed_base64"], key["public_key_base64"])
            for key in held["generated"]["keys"].values()
        ),
    ]
    for seed, public_text in pairs:
        with pytest.raises(InvalidRequest, match="published"):
            keys.private_key(seed)
        with pytest.raises(InvalidRequest, match="published"):
            keys.public_key(public_text)


def test_a_made_key_signs_what_its_public_half_verifies_in_each_encoding() -> None:
    seed, public_text = keys.generate()
    assert not is_published(base64.b64decode(seed))
    key = keys.private_key(seed)
    both = base64.b64encode(base64.b64decode(seed) + keys.raw_public(key)).decode()
    assert keys.raw_public(keys.private_key(both)) == keys.raw_public(key)
    der = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + keys.raw_public(key))
    body = b'{"context":{}}'
    header = signing.parse_header(signing.Signer("me", "k1", key).header(body, 50))
    for text in (public_text, der.decode()):
        signing.verify(header, body, keys.public_key(text))


def test_halves_that_do_not_belong_together_are_refused() -> None:
    one, other = keys.generate()[0], keys.generate()[1]
    mixed = base64.b64encode(base64.b64decode(one) + base64.b64decode(other)).decode()
    with pytest.raises(InvalidRequest, match="do not belong together"):
        keys.private_key(mixed)


def test_a_beginning_hashed_once_gives_each_body_the_digest_of_its_own_bytes() -> None:
    begun = signing.Begun(b'{"message":{"catalogs":[]},"context":')
    for tail in (b'{"messageId":"1"}}', b'{"messageId":"2"}}'):
        body, digested = begun.with_end(tail)
        assert body == b'{"message":{"catalogs":[]},"context":' + tail
        assert digested == signing.digest(body)
