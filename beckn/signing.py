"""Signatures over raw bodies: Ed25519 over a few lines of text that hold a BLAKE2b-512 digest of the body.

Source: BECKN-006 (three lines) and protocol version 2.0.0, Authentication and Trust (the fourth line,
`request-signature`, which chains an answer to the request it answers).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from beckn.faults import Refused

ALGORITHM = "ed25519"

PLAIN = "(created) (expires) digest"
CHAINED = "(created) (expires) digest request-signature"
"""The two lists of signed lines there are."""

SKEW_SECONDS = 5
"""How far ahead of ours a signer's clock may be. [s]"""

MOST_LIFE_SECONDS = 600
"""Longest a signature may be valid, whatever it says itself. [s]"""

LIFE_SECONDS = 300
"""How long ours are valid. [s]"""

MOST_HEADER = 2048
"""Longest header looked at. [characters]"""

_PARAMETER = re.compile(r'\s*([a-zA-Z]+)="([^"\\\x00-\x1f]*)"\s*(,|$)')


@dataclass(frozen=True)
class Header:
    """A parsed signature header."""

    subscriber_id: str
    key_id: str
    created: int
    expires: int
    is_chained: bool
    signature: str
    """Base64 as written: what an answer is chained to."""


def digest(body: bytes) -> str:
    """Return the BLAKE2b-512 digest of a body in base64."""
    return base64.b64encode(hashlib.blake2b(body, digest_size=64).digest()).decode()


class Begun:
    """Bytes that many bodies begin with, hashed once for all of them."""

    def __init__(self, head: bytes) -> None:
        """Hash the common beginning."""
        self._head = head
        self._hash = hashlib.blake2b(head, digest_size=64)

    def with_end(self, tail: bytes) -> tuple[bytes, str]:
        """Return a whole body and its digest, as `digest` returns it."""
        whole = self._hash.copy()
        whole.update(tail)
        return self._head + tail, base64.b64encode(whole.digest()).decode()


def signing_string(
    body: bytes,
    created: int,
    expires: int,
    request_signature: str | None = None,
    *,
    digested: str | None = None,
) -> str:
    """Return the text that is signed: lines joined by one LF, none behind the last.

    Args:
        body: The exact bytes.
        created: Since when the signature is valid. [s since 1970]
        expires: Until when. [s since 1970]
        request_signature: What the body answers, where it is chained to that.
        digested: The body's digest, where it is known already.
    """
    known = digested or digest(body)
    lines = [f"(created): {created}", f"(expires): {expires}", f"digest: BLAKE-512={known}"]
    if request_signature is not None:
        lines.append(f"request-signature: {request_signature}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Signer:
    """Who we are and what we sign with."""

    subscriber_id: str
    key_id: str
    key: Ed25519PrivateKey

    def header(
        self,
        body: bytes,
        now: int,
        *,
        life_seconds: int = LIFE_SECONDS,
        request_signature: str | None = None,
        digested: str | None = None,
    ) -> str:
        """Return the header for a body.

        Args:
            body: The exact bytes that are sent.
            now: System time. [s since 1970]
            life_seconds: How long it is valid. [s]
            request_signature: Base64 signature of the request that the body answers; chains the two.
            digested: The body's digest, where it is known already.
        """
        expires = now + life_seconds
        text = signing_string(body, now, expires, request_signature, digested=digested)
        signature = base64.b64encode(self.key.sign(text.encode())).decode()
        lines = PLAIN if request_signature is None else CHAINED
        return (
            f'Signature keyId="{self.subscriber_id}|{self.key_id}|{ALGORITHM}",algorithm="{ALGORITHM}",'
            f'created="{now}",expires="{expires}",headers="{lines}",signature="{signature}"'
        )


def parse_header(text: str) -> Header:
    """Parse a signature header, with or without the word `Signature` before it.

    Raises:
        Refused: If anything in it is missing, doubled, unknown or of another algorithm.
    """
    if len(text) > MOST_HEADER:
        raise Refused("AUT_SIGNATURE_INVALID", "the signature header is too long")
    found = _parameters(text)
    expected = {"keyId", "algorithm", "created", "expires", "headers", "signature"}
    if set(found) != expected:
        wrong = ", ".join(sorted(expected ^ set(found)))
        raise Refused("AUT_SIGNATURE_INVALID", f"the signature header lacks or invents: {wrong}")
    parts = found["keyId"].split("|")
    if len(parts) != 3 or not all(parts):
        raise Refused("AUT_SIGNATURE_INVALID", "keyId is not subscriber|key|algorithm")
    if parts[2] != ALGORITHM or found["algorithm"] != ALGORITHM:
        raise Refused("AUT_SIGNATURE_INVALID", f"only {ALGORITHM} is understood, in both places")
    if found["headers"] not in {PLAIN, CHAINED}:
        raise Refused("AUT_SIGNATURE_INVALID", "the list of signed headers is unknown")
    if not re.fullmatch(r"\d{1,12}", found["created"]) or not re.fullmatch(
        r"\d{1,12}", found["expires"]
    ):
        raise Refused("AUT_SIGNATURE_INVALID", "created and expires are seconds since 1970")
    return Header(
        parts[0],
        parts[1],
        int(found["created"]),
        int(found["expires"]),
        found["headers"] == CHAINED,
        found["signature"],
    )


def _parameters(text: str) -> dict[str, str]:
    rest = text.strip()
    if rest.lower().startswith("signature "):
        rest = rest[len("signature ") :]
    found: dict[str, str] = {}
    while rest:
        match = _PARAMETER.match(rest)
        if match is None or match[1] in found:
            raise Refused("AUT_SIGNATURE_INVALID", "the signature header cannot be read")
        found[match[1]] = match[2]
        rest = rest[match.end() :]
        if match[3] == "," and not rest:
            raise Refused("AUT_SIGNATURE_INVALID", "the signature header ends in a comma")
    return found


def check_times(header: Header, now: int, *, skew_seconds: int = SKEW_SECONDS) -> None:
    """Refuse a signature that is not valid yet, no longer, or for too long.

    Raises:
        Refused: With the reason.
    """
    if header.created > now + skew_seconds:
        raise Refused(
            "AUT_SIGNATURE_INVALID", "the signature was created in the future; check the clocks"
        )
    if header.expires < now:
        raise Refused("AUT_SIGNATURE_INVALID", "the signature has expired")
    if header.expires <= header.created or header.created < now - MOST_LIFE_SECONDS:
        raise Refused(
            "AUT_SIGNATURE_INVALID", f"a signature is taken for at most {MOST_LIFE_SECONDS} s"
        )


def verify(
    header: Header, body: bytes, key: Ed25519PublicKey, *, request_signature: str | None = None
) -> None:
    """Check the signature over raw bytes.

    Args:
        header: As parsed; its times are checked apart.
        body: The bytes as received.
        key: The signer's public key, from the registry.
        request_signature: What we sent and this answers, from our own store; needed where the header is chained.

    Raises:
        Refused: If it does not fit.
    """
    if header.is_chained and request_signature is None:
        raise Refused("AUT_SIGNATURE_INVALID", "it answers a request that was not made from here")
    chain = request_signature if header.is_chained else None
    text = signing_string(body, header.created, header.expires, chain)
    try:
        signature = base64.b64decode(header.signature, validate=True)
        key.verify(signature, text.encode())
    except (binascii.Error, ValueError, InvalidSignature):
        raise Refused(
            "AUT_SIGNATURE_INVALID", "the signature does not fit the body as received"
        ) from None
