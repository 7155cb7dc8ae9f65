"""The digest that chains the rows of the log of acts. Pure: whoever has a row can compute it."""

import hashlib
from collections.abc import Sequence

import msgspec

_encode = msgspec.json.Encoder(order="sorted").encode


def digest_of(before: bytes, fields: Sequence[int | str], body: bytes) -> bytes:
    """Return the digest of a row: of the row before it, its fields (n to subject) and its body."""
    return hashlib.sha256(before + _encode(list(fields)) + b"\n" + body).digest()
