"""A signature is the last field of a message: readers ignore it, and nothing of the message can change."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.signing.envelope import ADDED_BYTES, NoMapError, Seal, sealed, to_sign, unseal
from edge.wire import ViolationAck, decode_ack, encode

SEAL = Seal(1, b"8bytekey", 1_700_000_000_000_000_000, bytes(range(64)))
TOPIC = "v2x/v1/rsu/RSU-01/violation/ack"
maps = st.dictionaries(st.text(max_size=8), st.integers(-5, 2**40) | st.binary(max_size=40), max_size=20)


@given(maps)
def test_a_sealed_message_is_a_map_with_one_more_field(fields: dict[str, object]) -> None:
    payload = msgspec.msgpack.encode(fields)
    found = msgspec.msgpack.decode(sealed(payload, SEAL))
    assert found.pop("signature")[17:] == SEAL.signature
    assert found == {name: value for name, value in fields.items() if name != "signature"}


@given(maps)
def test_what_was_signed_is_found_again(fields: dict[str, object]) -> None:
    payload = msgspec.msgpack.encode(fields)
    message = unseal(TOPIC, sealed(payload, SEAL))
    assert message is not None
    assert message.seal == SEAL
    assert message.signed == to_sign(TOPIC, payload, SEAL)


@given(maps, st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_changes_what_was_signed_or_the_seal(
    fields: dict[str, object], at: int, change: int
) -> None:
    payload = sealed(msgspec.msgpack.encode(fields), SEAL)
    altered = bytearray(payload)
    altered[at % len(payload)] ^= change
    assert unseal(TOPIC, bytes(altered)) != unseal(TOPIC, payload)


def test_another_topic_is_another_message() -> None:
    payload = sealed(encode(ViolationAck(centre="c", epoch=1, stored=(1, 2))), SEAL)
    assert unseal(TOPIC, payload) != unseal(TOPIC.replace("01", "02"), payload)


def test_a_reader_that_does_not_know_signatures_reads_the_message() -> None:
    ack = ViolationAck(centre="c", epoch=1, stored=(1, 2))
    assert decode_ack(sealed(encode(ack), SEAL)) == ack


@pytest.mark.parametrize("n_fields", [0, 1, 14, 15, 16, 300])
def test_the_head_of_a_map_grows(n_fields: int) -> None:
    payload = msgspec.msgpack.encode({f"field {i}": i for i in range(n_fields)})
    assert len(msgspec.msgpack.decode(sealed(payload, SEAL))) == n_fields + 1
    assert len(sealed(payload, SEAL)) - len(payload) in (ADDED_BYTES, ADDED_BYTES + 2)


@pytest.mark.parametrize(
    "payload", [b"", b"\x01", b"\x93\x01\x02\x03", b"\xde\x00", b"\xdf\x00\x00\x00\x01\xa1a\x01"]
)
def test_what_is_no_map_is_refused(payload: bytes) -> None:
    with pytest.raises(NoMapError):
        sealed(payload, SEAL)
    assert unseal(TOPIC, payload) is None


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(payload: bytes) -> None:
    unseal(TOPIC, payload)
