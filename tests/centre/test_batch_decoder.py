"""Whatever bytes an RSU sends, the centre answers what can be answered and never raises."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centre import batch_decoder
from centre.batch_decoder import Batch, UnreadableBatch, decode_batch
from tests.support.centre_samples import T0_NS, item, payload, violation

TOPIC = "v2x/v1/rsu/RSU001/violation/up"
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)
ITEMS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("seq", "violation", "void", "detected_ns", "sent_ns"), TREES)
)


def test_a_sound_batch_is_read_whole() -> None:
    found = decode_batch(TOPIC, "RSU001", payload(7, item(1, violation()), item(2, "lost")), 5)
    assert isinstance(found, Batch)
    assert [(each.seq, each.kind) for each in found.items] == [(1, "violation"), (2, "void")]
    assert found.items[0].violation == violation()


def test_sound_violations_alone_are_never_read_item_by_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a fault of the short way would show nowhere: the long way gives the same answer, only later."""
    monkeypatch.delattr(batch_decoder, "_read_batch")
    found = decode_batch(TOPIC, "RSU001", payload(7, item(1, violation()), item(2, violation(2))), T0_NS)
    assert isinstance(found, Batch)
    assert [(each.seq, each.kind) for each in found.items] == [(1, "violation"), (2, "violation")]


def test_an_item_is_the_same_alone_and_beside_others_of_any_kind() -> None:
    alone = decode_batch(TOPIC, "RSU001", payload(7, item(1, violation())), T0_NS)
    beside = decode_batch(TOPIC, "RSU001", payload(7, item(1, violation()), item(2, "lost")), T0_NS)
    assert isinstance(alone, Batch)
    assert isinstance(beside, Batch)
    assert alone.items[0].kind == "violation"
    assert alone.items[0] == beside.items[0]
    assert alone.epoch == beside.epoch


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xc1", b"\x80", b"\x91" * 5_000, b"\x81" * 5_000, b"\xa2\xff\xff",
        payload(7, item(1, "x"))[:-1],
        msgspec.msgpack.encode({"epoch": -1, "items": [{"seq": 1, "void": "x"}]}),
        msgspec.msgpack.encode({"epoch": 1, "items": []}),
        msgspec.msgpack.encode({"epoch": True, "items": [{"seq": 1, "void": "x"}]}),
        b"\x81\x91\x01\x02",  # a map whose key is a list
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    found = decode_batch(TOPIC, "RSU001", body, 5)
    assert isinstance(found, UnreadableBatch)
    assert found.body == body


@given(st.binary(max_size=300))
def test_any_bytes_are_a_batch_or_refused(body: bytes) -> None:
    assert isinstance(decode_batch(TOPIC, "RSU001", body, 5), Batch | UnreadableBatch)


@settings(max_examples=40)
@given(st.integers(0, 2**63 - 1), st.lists(ITEMS, min_size=1, max_size=4))
def test_each_item_of_a_batch_is_answered_or_a_stray(epoch: int, rows: list[dict[str, object]]) -> None:
    found = decode_batch(TOPIC, "RSU001", msgspec.msgpack.encode({"epoch": epoch, "items": rows}), 5)
    assert isinstance(found, Batch)
    assert len(found.items) + len(found.strays) == len(rows)


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_a_damaged_byte_never_raises(at: int, value: int) -> None:
    body = bytearray(payload(7, item(1, violation()), item(2, violation(2))))
    body[at % len(body)] = value
    decode_batch(TOPIC, "RSU001", bytes(body), 5)
