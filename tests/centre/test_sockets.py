"""Many messages of a WebSocket in one write are the frames that the library would send one by one."""

import pytest
from websockets.frames import Frame, Opcode

from centre.sockets import BINARY, PART_BYTES, TEXT, framed, head_of, parts_of
from centre.streams import Cut


@pytest.mark.parametrize("n_bytes", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_is_that_of_the_library(n_bytes: int) -> None:
    for kind, opcode in ((TEXT, Opcode.TEXT), (BINARY, Opcode.BINARY)):
        body = b"x" * n_bytes
        assert head_of(kind, n_bytes) + body == Frame(opcode, body).serialize(mask=False)


def test_a_write_has_a_limit_and_keeps_the_order() -> None:
    sizes = (1, PART_BYTES, 2, 3, PART_BYTES - 5, 1, 2 * PART_BYTES, 4)
    payloads = [bytes([i]) * size for i, size in enumerate(sizes)]
    parts = list(parts_of(payloads))
    assert [payload for part in parts for payload in part] == payloads
    assert [sum(map(len, part)) for part in parts] == [1, PART_BYTES, PART_BYTES, 1, 2 * PART_BYTES, 4]
    assert list(parts_of(())) == []


def test_pages_equally_far_share_the_bytes_of_each_write() -> None:
    joined: list[list[bytes]] = []

    def join(part: list[bytes]) -> bytes:
        joined.append(part)
        return framed(TEXT, part)

    cut = Cut(join)
    some, other = (b"a" * PART_BYTES, b"b"), (b"c",)
    assert cut.parts(some) is cut.parts(some)
    assert b"".join(cut.parts(some)) == b"".join(head_of(TEXT, len(one)) + one for one in some)
    assert len(joined) == 2, "two writes, each joined once"
    assert cut.parts(other) == [framed(TEXT, other)]
    assert cut.parts((b"a" * PART_BYTES, b"b")) is not cut.parts(other)


def test_states_of_each_page_between_committed_events_cut_those_no_second_time() -> None:
    made: list[bytes] = []

    def join(part: list[bytes]) -> bytes:
        made.append(b"".join(part))
        return made[-1]

    cut, committed = Cut(join), (b"id: 1\n\n",)
    for n in range(5):
        assert cut.parts(committed) == [b"id: 1\n\n"]
        cut.parts((b"data: state of page %d\n\n" % n,))
    assert made.count(b"id: 1\n\n") == 1
    assert len(made) == 6
