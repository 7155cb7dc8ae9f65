"""The radar's UDP frame: there and back, and what broken datagrams come to."""

import math
import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DeviceError
from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from roadside.devices import radar_udp
from roadside.inputs import DetectionColumns, ObjectColumns, RadarPayload, scan_of

STAMP_NS = 1_790_000_000_123_456_789
value = st.floats(-1e6, 1e6, width=32)
maybe = st.none() | value


def columns(draw, n, element):
    return tuple(draw(st.lists(element, min_size=n, max_size=n)))


@st.composite
def payloads(draw):
    n = draw(st.integers(0, 8))
    detections, objects = None, None
    if draw(st.booleans()):
        detections = DetectionColumns(
            range_m=columns(draw, n, value),
            azimuth_rad=columns(draw, n, value),
            range_rate_mps=columns(draw, n, value),
            rcs_dbsm=columns(draw, n, maybe),
        )
    else:
        objects = ObjectColumns(
            id=columns(draw, n, st.integers(0, 2**32 - 1)),
            x_m=columns(draw, n, value),
            y_m=columns(draw, n, value),
            vx_mps=columns(draw, n, value),
            vy_mps=columns(draw, n, value),
            length_m=columns(draw, n, maybe),
            width_m=columns(draw, n, maybe),
            class_=columns(draw, n, st.none() | st.integers(0, 5)),
        )
    return RadarPayload(
        sensor=draw(st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True)),
        stamp_ns=draw(st.integers(0, 42 * 10**17)),
        arrived_ns=draw(st.none() | st.integers(10**18, 4 * 10**18)),
        scan=draw(st.integers(0, 2**32 - 1)),
        detections=detections,
        objects=objects,
    )


def sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def scan(n: int = 2) -> RadarPayload:
    column = tuple(float(i) for i in range(n))
    seen = DetectionColumns(range_m=column, azimuth_rad=column, range_rate_mps=column, rcs_dbsm=column)
    return RadarPayload(sensor="R1", stamp_ns=STAMP_NS, scan=7, detections=seen)


def test_frame_is_as_documented():
    """Written by hand from docs/devices/radar_udp.md, not by the encoder."""
    by_hand = sealed(
        b"PRAD\x01\x01\x02\x00"
        + struct.pack("<IQH", 41, STAMP_NS, 1)
        + b"R1"
        + struct.pack("<ffff", 120.5, -0.25, -20.0, math.nan)
    )
    seen = radar_udp.decode(by_hand, arrived_ns=STAMP_NS + 1)
    assert (seen.sensor, seen.scan, seen.stamp_ns, seen.arrived_ns) == ("R1", 41, STAMP_NS, STAMP_NS + 1)
    assert seen.detections == DetectionColumns(
        range_m=(120.5,), azimuth_rad=(-0.25,), range_rate_mps=(-20.0,), rcs_dbsm=(None,)
    )
    assert radar_udp.encode(seen) == by_hand


@given(payload=payloads())
def test_decode_inverts_encode(payload):
    assert radar_udp.decode(radar_udp.encode(payload), payload.arrived_ns) == payload


@given(payload=payloads())
def test_decoded_payload_passes_the_wires_own_checks(payload):
    decoded = radar_udp.decode(radar_udp.encode(payload), STAMP_NS)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(decoded), type=RadarPayload) == decoded


def test_the_largest_scan_fits_one_datagram():
    datagram = radar_udp.encode(scan(512))
    assert len(datagram) < 8_300
    assert len(radar_udp.decode(datagram).detections.range_m) == 512


GOOD = radar_udp.encode(scan())


def test_a_radar_whose_clock_was_never_set_costs_no_scan():
    """It is the tracker's to name; on the wire the stamp is one that others can read."""
    payload = radar_udp.decode(altered(12, struct.pack("<Q", 0)))
    assert payload.device_stamp_ns == 0
    assert STAMP_NS_MIN <= payload.stamp_ns <= STAMP_NS_MAX
    assert scan_of(payload, STAMP_NS).stamp_ns == 0


def altered(at: int, new: bytes) -> bytes:
    """A datagram whose sender means it: with a right checksum."""
    return sealed(GOOD[:at] + new + GOOD[at + len(new) : -4])


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "radar.length"),
        (GOOD[:20], "radar.length"),  # ends inside the header
        (GOOD[:-1], "radar.length"),  # ends inside the checksum
        (GOOD[:-20], "radar.length"),  # a whole record is missing
        (GOOD + b"\0", "radar.length"),
        (bytes(65_507), "radar.length"),  # the longest that UDP carries
        (altered(0, b"X"), "radar.magic"),
        (altered(4, b"\x02"), "radar.version"),
        (altered(5, b"\x03"), "radar.kind"),
        (altered(6, b"\x00"), "radar.length"),  # without an id two bytes are left over
        (altered(20, struct.pack("<H", 513)), "radar.targets"),
        (GOOD[:30] + bytes((GOOD[30] ^ 1,)) + GOOD[31:], "radar.crc"),
        (altered(22, b"\xff"), "radar.sensor"),  # no ASCII
        (altered(22, b"\n"), "radar.sensor"),
        (altered(12, struct.pack("<Q", 2**64 - 1)), "radar.stamp"),
    ],
)
def test_broken_datagram_names_its_fault(datagram, reason):
    with pytest.raises(DeviceError) as caught:
        radar_udp.decode(datagram)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (24, math.nan, "radar.value"),  # a range is needed
        (28, math.inf, "radar.value"),
        (32, -math.inf, "radar.value"),
        (36, math.inf, "radar.infinite"),  # unknown is NaN
    ],
)
def test_one_bad_target_costs_itself_only(at, value, reason):
    counted = []
    seen = radar_udp.decode(altered(at, struct.pack("<f", value)), STAMP_NS, counted.append).detections
    assert counted == [reason]
    whole = radar_udp.decode(GOOD).detections
    assert seen.range_m == (whole.range_m[1:] if reason == "radar.value" else whole.range_m)
    assert seen.rcs_dbsm == (whole.rcs_dbsm[1:] if reason == "radar.value" else (None, whole.rcs_dbsm[1]))


def test_one_bad_object_costs_itself_only():
    three = (1.0, 2.0, 3.0)
    objects = ObjectColumns(
        id=(1, 2, 3), x_m=three, y_m=(1.0, math.nan, 3.0), vx_mps=three, vy_mps=three,
        length_m=(math.inf, 2.0, 3.0), width_m=three, class_=(1, 200, 254),
    )  # fmt: skip
    counted = []
    datagram = radar_udp.encode(RadarPayload(sensor="R1", stamp_ns=STAMP_NS, scan=7, objects=objects))
    seen = radar_udp.decode(datagram, STAMP_NS, counted.append).objects
    assert (seen.id, seen.length_m) == ((1, 3), (None, 3.0))
    assert counted == ["radar.value", "radar.infinite"]


@given(junk=st.binary(max_size=200), at=st.integers(0, len(GOOD)), cut=st.integers(0, 60))
def test_garbage_is_refused_never_raises_anything_else(junk, at, cut):
    for datagram in (junk, GOOD[:at] + junk + GOOD[at + cut :]):
        try:
            radar_udp.decode(datagram)
        except DeviceError:
            continue
        assert datagram == GOOD
