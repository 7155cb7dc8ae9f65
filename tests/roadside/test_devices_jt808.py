"""The JT/T 808 codec against frames of three other projects, and against garbage."""

import json
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DeviceError
from roadside.devices.jt808 import batch as batches
from roadside.devices.jt808 import frame as framing
from roadside.devices.jt808 import location as locations
from roadside.devices.jt808 import messages
from roadside.devices.jt808.frame import ESCAPED_BYTES_MAX, Frame, Splitter

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "jt808.jsonl").read_text(encoding="utf-8").splitlines()
]
# Two "frames" of unit tests bear the delimiter inside: nobody could send them.
NO_STREAM = {
    "7e02000026123456789012007e000000010000000200ba7f0e07e4f11c0028003c00001810151010100104000000640202007d137e",
    "7e00000000007e7e00000000007e",
}
UNESCAPED_CHECK_BYTE = "7e0002000000000000067900007d7e"  # read for the sake of old terminals, never written
FRAMES = [r for r in VECTORS if r["kind"] == "frame" and r["usable"] and r["hex"] not in NO_STREAM]
BROKEN = [r for r in VECTORS if not r["usable"]]
BODIES = [r for r in VECTORS if r["kind"] == "body"]


def one_frame(data: bytes) -> Frame:
    counts: Counter[str] = Counter()
    (frame,) = Splitter(counts).feed(data)
    assert not counts
    return frame


def test_vectors_are_there():
    assert (len(FRAMES), len(BROKEN), len(BODIES)) == (174, 41, 23)


@pytest.mark.parametrize("row", FRAMES, ids=lambda r: r["hex"][:34])
def test_frame_of_others_is_read_and_written_alike(row):
    data = bytes.fromhex(row["hex"])
    frame = one_frame(data)
    norm = row["norm"]
    assert frame.msg_id == norm.get("msg_id", frame.msg_id)
    assert frame.seq == norm.get("seq", frame.seq)
    assert frame.terminal == norm.get("phone", frame.phone).lstrip("0")
    if row["hex"] != UNESCAPED_CHECK_BYTE:
        assert framing.encode(frame) == data
    if frame.msg_id == 0x0200 and "lat_raw" in norm:
        agree(locations.decode(frame.body), norm)
        assert locations.encode(locations.decode(frame.body)) == frame.body
    if frame.msg_id == 0x0704:
        kind, reports = batches.decode_batch(frame.body, Counter())
        assert batches.encode_batch(reports, kind) == frame.body
        if "lat_raw" in norm:
            agree(reports[0], norm)


@pytest.mark.parametrize("row", BODIES, ids=lambda r: r["hex"][:60])
def test_location_of_others_is_read_and_written_alike(row):
    body = bytes.fromhex(row["hex"])
    location = locations.decode(body)
    agree(location, row["norm"])
    assert locations.encode(location) == body


def agree(location: locations.Location, norm: dict) -> None:
    seconds = location.stamp_ns // 10**9 + 8 * 3_600  # the vectors state local time
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    found = {
        "alarm": location.alarm, "status": location.status, "lat_raw": location.lat_e6,
        "lon_raw": location.lon_e6, "alt": location.alt_m, "speed_raw": location.speed_dkmh,
        "course": location.course_deg, "time": f"{moment:%Y-%m-%d %H:%M:%S}",
    }  # fmt: skip
    stated = {key: str(value).replace("T", " ") for key, value in norm.items() if key in found}
    assert stated == {key: str(found[key]) for key in stated}


@pytest.mark.parametrize("row", BROKEN, ids=lambda r: r["hex"][:34])
def test_broken_frame_of_others_is_refused(row):
    counts: Counter[str] = Counter()
    splitter = Splitter(counts)
    assert splitter.feed(bytes.fromhex(row["hex"])) == []
    assert counts or splitter.held_bytes  # counted, or its end is still awaited


@pytest.mark.parametrize(
    ("status", "lat_e6", "lon_e6", "lat_deg", "lon_deg"),
    [
        (0x2, 41_100_000, 122_000_000, 41.1, 122.0),
        (0x6, 41_100_000, 122_000_000, -41.1, 122.0),  # south by its bit
        (0xA, 41_100_000, 122_000_000, 41.1, -122.0),  # west by its bit
        (0xE, -41_100_000, -122_000_000, -41.1, -122.0),  # bit and sign: some send both
        (0x2, -41_100_000, -122_000_000, -41.1, -122.0),  # sign only
    ],
)
def test_hemisphere(status, lat_e6, lon_e6, lat_deg, lon_deg):
    location = locations.Location(status=status, lat_e6=lat_e6, lon_e6=lon_e6, stamp_ns=10**18)
    assert (location.lat_deg, location.lon_deg) == (lat_deg, lon_deg)


@pytest.mark.parametrize(
    "time", ["000000000000", "261301000000", "260230000000", "26010124000a", "260101006000"]
)
def test_location_without_a_real_time_is_refused(time):
    with pytest.raises(DeviceError, match=r"location\.time"):
        locations.decode(bytes(22) + bytes.fromhex(time))


def test_second_that_was_inserted_is_a_second():
    """2016-12-31 23:59:60 UTC was 07:59:60 in China."""
    found = [locations.decode(bytes(22) + bytes.fromhex(f"1701010759{s}")).stamp_ns for s in (59, 60)]
    assert found[1] - found[0] == 10**9
    with pytest.raises(DeviceError, match=r"location\.time"):
        locations.decode(bytes(22) + bytes.fromhex("170101075860"))


def test_text_is_urgent_in_both_editions_and_never_cut_within_a_character():
    assert messages.encode_text("偏离车道", None)[:1] == b"\x0d"
    assert messages.encode_text("偏离车道", 1)[:2] == b"\x0e\x01"
    long = messages.encode_text("a" + "道" * 1_000, 1)
    assert len(long) <= framing.BODY_BYTES_MAX
    assert messages.decode_text(Frame(msg_id=0x8300, phone="0", seq=0, body=long, version=1)).endswith("道")


frames = st.builds(
    Frame,
    msg_id=st.integers(0, 0xFFFF),
    phone=st.from_regex(r"[0-9]{12}", fullmatch=True),
    seq=st.integers(0, 0xFFFF),
    body=st.binary(max_size=300) | st.lists(st.sampled_from((0x7D, 0x7E, 1, 2)), max_size=40).map(bytes),
    package=st.none() | st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)),
    free_bits=st.sampled_from((0, 0x0400, 0x8000, 0x9C00)),
) | st.builds(
    Frame,
    msg_id=st.integers(0, 0xFFFF),
    phone=st.from_regex(r"[0-9]{20}", fullmatch=True),
    seq=st.integers(0, 0xFFFF),
    body=st.binary(max_size=1_023),
    version=st.integers(0, 255),
)


def fed(splitter: Splitter, data: bytes, cuts: list[int]) -> list[Frame]:
    found, at = [], 0
    for cut in cuts:
        found += splitter.feed(data[at : at + cut])
        at += cut
    return found + splitter.feed(data[at:])


@given(sent=st.lists(frames, max_size=5), cuts=st.lists(st.integers(0, 50), max_size=30))
def test_any_chunking_gives_the_frames_that_were_sent(sent, cuts):
    counts: Counter[str] = Counter()
    assert fed(Splitter(counts), b"".join(map(framing.encode, sent)), cuts) == sent
    assert not counts


@given(junk=st.binary(max_size=6_000), frame=frames, cuts=st.lists(st.integers(0, 3_000), max_size=5))
def test_after_any_garbage_the_next_frame_is_found_and_little_is_held(junk, frame, cuts):
    splitter = Splitter(Counter())
    found = fed(splitter, junk, cuts)
    assert splitter.held_bytes <= ESCAPED_BYTES_MAX
    # a delimiter ends whatever the garbage began
    assert splitter.feed(framing.DELIMITER + framing.encode(frame))[-1:] == [frame]
    assert all(isinstance(each, Frame) for each in found)


@given(frame=frames, i_bit=st.integers(0, 7), data=st.data())
def test_one_flipped_bit_costs_the_frame(frame, i_bit, data):
    sent = framing.encode(frame)
    at = data.draw(st.integers(1, len(sent) - 2))
    flipped = sent[:at] + bytes((sent[at] ^ (1 << i_bit),)) + sent[at + 1 :]
    assert Splitter(Counter()).feed(flipped) == []


def test_endless_bytes_without_a_delimiter_are_not_kept():
    counts: Counter[str] = Counter()
    splitter = Splitter(counts)
    for _ in range(100):
        assert splitter.feed(b"\x00" * 1_000) == []
        assert splitter.held_bytes <= ESCAPED_BYTES_MAX
    assert counts["frame.long"] >= 1


@given(body=st.binary(max_size=200), version=st.none() | st.just(1))
def test_no_body_makes_a_decoder_raise_anything_but_a_device_error(body, version):
    frame = Frame(msg_id=0, phone="1", seq=0, body=body, version=version)
    for decode in (
        lambda: locations.decode(body),
        lambda: batches.decode_batch(body, Counter()),
        lambda: messages.decode_register(frame),
        lambda: messages.decode_authenticate(frame),
        lambda: messages.decode_reply(body),
        lambda: messages.decode_register_reply(body),
        lambda: messages.decode_text(frame),
    ):
        with suppress(DeviceError):
            decode()
