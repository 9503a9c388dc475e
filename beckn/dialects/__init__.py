"""One codec per dialect."""

from __future__ import annotations

from beckn.dialects.base import Codec
from beckn.dialects.lts import LtsCodec
from beckn.dialects.rc1 import Rc1Codec
from beckn.dialects.v1 import V1Codec
from beckn.model import Dialect

CODECS: dict[Dialect, Codec] = {
    Dialect.LTS: LtsCodec(),
    Dialect.RC1: Rc1Codec(),
    Dialect.V1: V1Codec(),
}
"""Codec by dialect."""
