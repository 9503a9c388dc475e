"""Ed25519 keys as participants write them: base64 of raw bytes, of seed and public key, or of a DER structure."""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from models.domain.errors import InvalidRequest
from models.domain.published_keys import is_published

SEED_BYTES = 32
LIBSODIUM_BYTES = 64
"""Seed and public key behind each other, as libsodium and BECKN-006 write a private key. [B]"""


def private_key(text: str) -> Ed25519PrivateKey:
    """Return the private key in base64 of the 32-byte seed, or of seed and public key.

    Raises:
        InvalidRequest: If it is neither, or the public half does not belong to it, or it is a published example.
    """
    raw = _decoded(text, "private key")
    if len(raw) not in {SEED_BYTES, LIBSODIUM_BYTES}:
        raise InvalidRequest(f"a private key has 32 or 64 bytes, not {len(raw)}")
    if is_published(raw):
        raise InvalidRequest("this private key was published as an example; make one with keygen")
    key = Ed25519PrivateKey.from_private_bytes(raw[:SEED_BYTES])
    if len(raw) == LIBSODIUM_BYTES and raw_public(key) != raw[SEED_BYTES:]:
        raise InvalidRequest("the two halves of the private key do not belong together")
    return key


@lru_cache(maxsize=1024)
def public_key(text: str) -> Ed25519PublicKey:
    """Return the public key in base64 of its 32 bytes, or of the DER structure around them.

    Raises:
        InvalidRequest: If it is neither, or a published example.
    """
    raw = _decoded(text, "public key")
    if len(raw) != SEED_BYTES:
        try:
            found = load_der_public_key(raw)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidRequest("a public key is 32 bytes, or DER") from error
        if not isinstance(found, Ed25519PublicKey):
            raise InvalidRequest("the public key is not an Ed25519 key")
        raw = found.public_bytes(Encoding.Raw, PublicFormat.Raw)
    if is_published(raw):
        raise InvalidRequest("this key was published as an example, so it proves nothing")
    return Ed25519PublicKey.from_public_bytes(raw)


def raw_public(key: Ed25519PrivateKey) -> bytes:
    """Return the 32 bytes of the public half."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half as a registry record has it."""
    return base64.b64encode(raw_public(key)).decode()


def generate() -> tuple[str, str]:
    """Return a new pair: the seed and the public key, both in base64."""
    key = Ed25519PrivateKey.generate()
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return base64.b64encode(seed).decode(), public_text(key)


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"the {what} is not base64") from error
