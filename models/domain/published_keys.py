"""Signing keys that were published as examples: anybody can sign with them, so none of them is ever trusted.

Only digests are kept: SHA-256 of the 32-byte seeds and of the 32-byte public keys.
Source: BECKN-006 (participant and gateway examples) and the test vectors in circulation for protocol version 2.
"""

from __future__ import annotations

import hashlib

_DIGESTS = frozenset(
    {
        "42d0a431ffeb5304790922f9d77a51fbb0b9bcac77a19cd97be07cc7afd0f98a",
        "6a8ed5620f1a002bdfbde7d029ee06eb5652a7b7980f6488287aa0af9db3b92d",
        "0805236b1d1679e48df07424b6466fe0ef323c8cbd54bc3a0d1b2dbd1536787b",
        "eb1257b47de7278ef56d17594ca5f2eccea22fc77a5996a2e95178dc6101399a",
        "b98f4a2c31083bff7253fd821e36ceba1859943ac05f96c23b2ba4d4e634e290",
        "376d4ef3f8438b27157a920070d977d45868e6801f1c381fc9fb62663345dff1",
        "1129a00fd1a3408bd3a9aaa2534444cae1fc3050aea0785083c89cc2acb4f445",
        "ea88de686211e7146f7191dcaa8e38cacc1c9a24e64ae4a176fc70125bdeea38",
    }
)


def is_published(key: bytes) -> bool:
    """Return whether a seed (32 bytes, or 64 with the public key behind it) or a public key is a known example."""
    return hashlib.sha256(key[:32]).hexdigest() in _DIGESTS
