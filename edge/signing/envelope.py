"""A signature as the last field of a MessagePack map, so that readers that don't know it ignore it. Pure.

What is signed is the topic, the signer's stamp and all other fields as bytes: nothing is decoded or encoded
anew to check it. docs/design.md section 7, "Signatures".
"""

import struct
from typing import NamedTuple

FIELD = b"\xa9signature"  # MessagePack: a text of nine bytes
DOMAIN = b"petroroad signature 1\x00"  # a signature of another protocol by the same key is none of ours
_HEAD = struct.Struct(">B8sQ")  # suite, key id, stamp in ns
SIGNATURE_BYTES = 64
_VALUE_BYTES = _HEAD.size + SIGNATURE_BYTES
_TAIL = FIELD + bytes((0xC4, _VALUE_BYTES))  # and the form of a binary of that length
ADDED_BYTES = len(_TAIL) + _VALUE_BYTES
RUN_BYTES = 8
_RUN_TAIL = b"\xaasigned_run" + bytes((0xC4, RUN_BYTES))  # a field before it
_RUN_ADDED_BYTES = len(_RUN_TAIL) + RUN_BYTES
FIELDS_MAX = 0xFFFF


class Seal(NamedTuple):
    """The value of the field: who signed when, and the signature.

    suite : how it was signed.  key_id : of the signer's public key.  stamp_ns : UTC, by the signer's clock
    """

    suite: int
    key_id: bytes
    stamp_ns: int
    signature: bytes = b""


class Signed(NamedTuple):
    """A message whose signature is still to be checked: the seal, and the bytes that were signed."""

    seal: Seal
    signed: bytes


class NoMapError(ValueError):
    """The message is no MessagePack map with room for one more field."""


def to_sign(topic: str, payload: bytes, seal: Seal) -> bytes:
    """Return the bytes to be signed for a message that has no signature yet; raises NoMapError."""
    n_fields, start = _fields(payload)
    return _bound(topic, n_fields, payload[start:], seal)


def sealed(payload: bytes, seal: Seal) -> bytes:
    """Return the message with the seal as its last field; raises NoMapError."""
    n_fields, start = _fields(payload)
    if n_fields >= FIELDS_MAX:
        raise NoMapError("a map of too many fields")
    assert len(seal.signature) == SIGNATURE_BYTES, "both suites have signatures of 64 bytes"
    head = _HEAD.pack(seal.suite, seal.key_id, seal.stamp_ns)
    return b"".join((_map_of(n_fields + 1), payload[start:], _TAIL, head, seal.signature))


def with_run(payload: bytes, run: bytes) -> bytes:
    """Return the message with the run of its signer as one more field; raises NoMapError."""
    n_fields, start = _fields(payload)
    if n_fields >= FIELDS_MAX:
        raise NoMapError("a map of too many fields")
    return b"".join((_map_of(n_fields + 1), payload[start:], _RUN_TAIL, run))


def read_run(payload: bytes) -> bytes | None:
    """Return the run that a sealed message names; None: none, as of an earlier release."""
    at = len(payload) - ADDED_BYTES - _RUN_ADDED_BYTES
    if at < 1 or payload[at : at + len(_RUN_TAIL)] != _RUN_TAIL:
        return None
    return payload[at + len(_RUN_TAIL) : at + _RUN_ADDED_BYTES]


def read_seal(payload: bytes) -> Seal | None:
    """Return the seal of a message, whatever it signs; None where it has none. The message isn't copied."""
    at = len(payload) - ADDED_BYTES
    if at < 1 or payload[at : at + len(_TAIL)] != _TAIL:
        return None
    value = payload[at + len(_TAIL) :]
    suite, key_id, stamp_ns = _HEAD.unpack_from(value)
    return Seal(suite, key_id, stamp_ns, value[_HEAD.size :])


def unseal(topic: str, payload: bytes) -> Signed | None:
    """Return the seal of a message and what it signs; None where it has none."""
    at = len(payload) - ADDED_BYTES
    seal = read_seal(payload)
    if seal is None:
        return None
    try:
        n_fields, start = _fields(payload)
    except NoMapError:
        return None
    if n_fields < 1 or start > at:
        return None
    return Signed(seal, _bound(topic, n_fields - 1, payload[start:at], seal))


def _bound(topic: str, n_fields: int, fields: bytes, seal: Seal) -> bytes:
    """Return seal, topic and fields in one, with their lengths: no two messages have the same bytes."""
    name = topic.encode()
    head = _HEAD.pack(seal.suite, seal.key_id, seal.stamp_ns)
    return b"".join((DOMAIN, head, struct.pack(">HI", len(name), n_fields), name, fields))


def _fields(payload: bytes) -> tuple[int, int]:
    """Return how many fields a map has, and where the first begins."""
    first = payload[0] if payload else 0
    if first & 0xF0 == 0x80:
        return first & 0x0F, 1
    if first == 0xDE and len(payload) >= 3:
        return int.from_bytes(payload[1:3]), 3
    raise NoMapError("no map of at most 65535 fields")


def _map_of(n_fields: int) -> bytes:
    return bytes((0x80 | n_fields,)) if n_fields < 16 else b"\xde" + n_fields.to_bytes(2)
