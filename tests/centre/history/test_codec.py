"""A block gives back exactly the rows that went in, and refuses bytes that are none of its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centre.history.codec import BlockError, Shot, decode, encode
from edge import wire
from tests.support.examples import examples
from tests.support.history_made import T0_NS, rows_at


@st.composite
def _shots(draw: st.DrawFn) -> list[Shot]:
    """Snapshots of any bytes: what a hostile sender sends is kept as it is, too."""
    dtype = draw(st.sampled_from([wire.TRACK_DTYPE, wire.SIGNED_DTYPE]))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    shots = []
    for i in range(draw(st.integers(1, 6))):
        n = draw(st.integers(0, 20))
        rows = np.frombuffer(chance.bytes(n * dtype.itemsize), dtype).copy()
        shots.append(Shot(T0_NS + i * 10**8, draw(st.integers(0, 2**63 - 1)), rows))
    return shots


@given(shots=_shots())
@settings(max_examples=examples(30), deadline=None)
def test_a_block_gives_back_its_rows_by_ascending_track(shots: list[Shot]) -> None:
    found = decode(encode(shots))
    assert [(shot.stamp_ns, shot.seq) for shot in found] == [(shot.stamp_ns, shot.seq) for shot in shots]
    for before, after in zip(shots, found, strict=True):
        assert after.rows.dtype == before.rows.dtype
        in_order = before.rows[np.argsort(before.rows["track"], kind="stable")]
        assert after.rows.tobytes() == in_order.tobytes()


def _block() -> bytes:
    return encode([Shot(T0_NS + i * 10**8, i, rows_at(30, i / 10)) for i in range(50)])


def test_a_driving_vehicle_takes_a_fraction_of_its_bytes() -> None:
    assert len(_block()) < 50 * 31 * wire.TRACK_DTYPE.itemsize / 10


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (lambda block: block[:-1], "torn"),  # the end did not reach the disk
        (lambda block: block[:40], "torn"),
        (lambda block: block[:10], "shorter"),
        (lambda block: b"", "shorter"),
        (lambda block: block[:2] + b"\x02" + block[3:], "version"),  # of a later version
        (lambda block: b"XX" + block[2:], "version"),
        (lambda block: block[:60] + bytes([block[60] ^ 1]) + block[61:], "torn"),  # a bit flipped
        (lambda block: block[:6] + b"\xff\xff\xff\x00" + block[10:], "torn"),  # rows without end
        (lambda block: block[:6] + b"\x01\x00\x00\x00" + block[10:], "not as long"),
    ],
)  # fmt: skip
def test_other_bytes_are_refused(changed, what: str) -> None:
    with pytest.raises(BlockError, match=what):
        decode(changed(_block()))
