"""A mismatch of a replay names the first violation and field."""

import hashlib

import msgspec
import pytest

from roadside.compare import digest, first_difference


def body(**fields):
    return msgspec.msgpack.encode({"rule": "overspeed", "id": "a", "version": 1} | fields)


@pytest.mark.parametrize(
    ("recorded", "replayed", "want"),
    [
        ([body()], [body()], None),
        (
            [body(d_m=1.0)],
            [body(d_m=2.0)],
            "violation 1 (overspeed a version 1), field d_m: recorded 1.0, replayed 2.0",
        ),
        (
            [body(), body(evidence={"d_m": [1, 2]})],
            [body(), body(evidence={"d_m": [1, 3]})],
            "violation 2 (overspeed a version 1), field evidence.d_m[1]: recorded 2, replayed 3",
        ),
        ([body()], [], "violation 1 (overspeed a version 1) is missing among the replayed"),
        ([], [body()], "violation 1 (overspeed a version 1) is missing among the recorded"),
        ([body(x=1)], [body()], "violation 1 (overspeed a version 1), field x: recorded 1, replayed None"),
        # unreadable bytes are shown as they are
        ([b"\xc1"], [body()], "violation 1 is no map: b'\\xc1' and"),
    ],
)
def test_first_difference(recorded, replayed, want):
    found = first_difference(recorded, replayed)
    assert found == want or (want is not None and found is not None and found.startswith(want))


def test_digest_is_of_all_bytes_in_order():
    assert digest([b"a", b"bc"]) == hashlib.sha256(b"abc").hexdigest() != digest([b"bc", b"a"])
