"""Fences of JT/T 808: frames of others, a second encoder by hand, and zones there and back."""

import json
import struct
from collections import Counter
from contextlib import suppress

import msgspec
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DeviceError
from geofence.map.frames import SiteFrame
from geofence.map.reading import Zone
from geofence.map.windows import windows_of
from petroroad.__main__ import main
from roadside.devices.jt808 import fences
from roadside.devices.jt808.fences import (
    Fence,
    Limit,
    Turn,
    decode_delete,
    decode_set,
    encode_delete,
    encode_set,
)
from roadside.gateway.commands import Commands
from roadside.zone_fences import POINTS_MAX, features_of, fences_of
from tests.roadside.test_devices_jt808 import FRAMES, one_frame
from tests.support.roadside_drive import EXAMPLE

FRAME = SiteFrame(122.0, 41.0)
OTHERS = [row for row in FRAMES if int(row["hex"][2:6], 16) in fences.KINDS]
U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
POINT = st.tuples(st.integers(0, 180_000_000), st.integers(0, 90_000_000))


LIMIT = Limit(max_kmh=123, hold_s=60, night_kmh=40)
EXPECTED = {  # what the frames' own project reads in them
    0x8602: [
        Fence(
            kind="rectangle", id=1, points=((112_312, 123_123), (112_312, 123_123)),
            window=("200726000000", "200726232359"), limit=Limit(max_kmh=200, hold_s=30),
        )
    ],
    0x8604: [
        Fence(
            kind="polygon", id=3, points=((345, 123),) * 5, window=("200726000000", "200726232359"),
            limit=LIMIT, name="测试围栏",
        )
    ],
    0x8606: [
        Fence(
            kind="route", id=59_397, window=("200726000000", "200726232359"), name="测试区域",
            turns=tuple(
                Turn(
                    id=k, segment=1, point=(121_234_567, 31_234_567), width_m=9, passage_s=(1, 2),
                    limit=Limit(max_kmh=3, hold_s=4, night_kmh=5),
                )
                for k in range(1, 5)
            ),
        )
    ],
}  # fmt: skip


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row["hex"][:20])
def test_a_frame_of_others_is_read_and_written_alike(row):
    """Frames of another implementation, both editions: its fields, and its bytes again."""
    frame = one_frame(bytes.fromhex(row["hex"]))
    found = decode_set(frame.msg_id, frame.body, frame.version)
    assert found[:1] == EXPECTED[frame.msg_id]
    bodies = [encode_set(fence, frame.version) for fence in found]
    if found[0].kind == "rectangle":  # each by itself has the bytes of its item
        assert b"".join(body[2:] for body in bodies) == frame.body[2:]
    else:
        assert bodies == [frame.body]


def test_a_circle_has_the_bytes_of_the_table():
    """By hand: append, one, id, attributes (window, limit, entering), place, radius, times, speeds, name."""
    body = bytes.fromhex(
        "01 01 00000005 000f 0271993f 0746c0bb 000003e8 000000083000 000000120000 0050 0a 003c 0002 c7f8"
    )
    fence = Fence(
        kind="circle", id=5, attributes=fences.ENTRY_ALARMS, points=((122_077_371, 40_999_231),),
        radius_m=1_000, window=("000000083000", "000000120000"),
        limit=Limit(max_kmh=80, hold_s=10, night_kmh=60), name="区",
    )  # fmt: skip
    assert decode_set(0x8600, body, 1) == [fence]
    assert encode_set(fence, 1) == body
    assert encode_set(fence, None) == body[:-6]  # before 2019: no speed at night, no name
    assert len(OTHERS) >= 3


def by_hand(fence, dated):
    """A second encoder, written from the tables: polygons only."""
    attributes = fence.attributes | (fence.window is not None) | (fence.limit is not None) << 1
    body = struct.pack(">IH", fence.id, attributes)
    if fence.window:
        body += bytes.fromhex(fence.window[0] + fence.window[1])
    if fence.limit:
        body += struct.pack(">HB", fence.limit.max_kmh, fence.limit.hold_s)
    body += struct.pack(">H", len(fence.points))
    for lon, lat in fence.points:
        body += struct.pack(">II", lat, lon)
    if dated and fence.limit:
        body += struct.pack(">H", fence.limit.night_kmh)
    if dated:
        raw = fence.name.encode("gbk")
        body += struct.pack(">H", len(raw)) + raw
    return body


LIMITS = st.builds(Limit, max_kmh=U16, hold_s=st.integers(0, 255), night_kmh=U16)
WINDOWS = st.just(("000000083000", "000000120000"))


@given(
    number=U32, points=st.lists(POINT, min_size=1, max_size=20), limit=st.none() | LIMITS,
    window=st.none() | WINDOWS, dated=st.booleans(),
)  # fmt: skip
def test_a_polygon_has_the_bytes_of_a_second_encoder_and_is_read_again(number, points, limit, window, dated):
    version = 1 if dated else None
    if limit is not None and not dated:
        limit = Limit(max_kmh=limit.max_kmh, hold_s=limit.hold_s)
    fence = Fence(
        kind="polygon", id=number, attributes=fences.ENTRY_ALARMS, points=tuple(points), limit=limit,
        window=window, name="禁区" if dated else "",
    )  # fmt: skip
    body = encode_set(fence, version)
    assert body == by_hand(fence, dated)
    assert decode_set(0x8604, body, version) == [fence]


@given(
    point=st.tuples(st.integers(-180_000_000, 180_000_000), st.integers(-90_000_000, 90_000_000)),
    radius=U32, passage=st.none() | st.tuples(U16, U16), width=st.integers(0, 255), dated=st.booleans(),
)  # fmt: skip
def test_circles_and_routes_of_both_hemispheres_are_read_again(point, radius, passage, width, dated):
    version = 1 if dated else None
    circle = Fence(kind="circle", id=7, points=(point,), radius_m=radius)
    assert decode_set(0x8600, encode_set(circle, version), version) == [circle]
    turn = Turn(id=1, segment=2, point=point, width_m=width, passage_s=passage)
    route = Fence(kind="route", id=8, turns=(turn, turn))
    assert decode_set(0x8606, encode_set(route, version), version) == [route]


@given(body=st.binary(max_size=80), number=st.sampled_from([*fences.KINDS, 0x8601]), dated=st.booleans())
def test_any_bytes_are_fences_or_a_named_fault(body, number, dated):
    with suppress(DeviceError):
        for fence in decode_set(number, body, 1 if dated else None):
            assert fence.kind == fences.KINDS[number]


def test_deletions_are_read_again():
    assert decode_delete(encode_delete([])) == []
    assert decode_delete(encode_delete([1, 2**32 - 1])) == [1, 2**32 - 1]
    with pytest.raises(DeviceError):
        decode_delete(b"\x02\x00\x00\x00\x01")


def zone(name, shape, role="no_entry", times=None):
    return Zone(zone=name, role=role, polygon=shape, windows=windows_of(times) if times else ())


SQUARE = shapely.box(0.0, 0.0, 100.0, 50.0)
ZONES = [
    zone("always", SQUARE),
    zone("night", SQUARE, "no_exit", "22:00-06:00"),
    zone("two", shapely.MultiPolygon([SQUARE, shapely.box(500.0, 0.0, 600.0, 10.0)])),
    zone("weekdays", SQUARE, times="Mo-Fr 07:00-09:00"),
    zone("hole", shapely.box(0, 0, 9, 9).difference(shapely.box(3, 3, 6, 6))),
    zone("round", shapely.Point(0, 0).buffer(50.0, quad_segs=POINTS_MAX)),
    zone("rest", SQUARE, "parking"),
]


def test_zones_become_fences_and_zones_again():
    """What a fence can't state is left out with a reason; the others come back within 0.1 m."""
    found = fences_of(ZONES, FRAME)
    assert [fence.name for fence in found.fences] == ["always", "night", "night", "two", "two"]
    assert [name for name, _ in found.left_out] == ["weekdays", "hole", "round", "rest"]
    assert all(reason for _, reason in found.left_out)
    assert len({fence.id for fence in found.fences}) == 5
    rows = features_of(decode_all(found.fences))
    assert [row["properties"]["role"] for row in rows] == [
        "no_entry",
        "no_exit",
        "no_exit",
        "no_entry",
        "no_entry",
    ]
    assert [row["properties"].get("time_window") for row in rows[:3]] == [None, "22:00-24:00", "00:00-06:00"]
    back = shapely.geometry.shape(rows[0]["geometry"])
    east, north = FRAME.site_from_lonlat(*np.array(back.exterior.coords).T)
    assert shapely.Polygon(np.column_stack([east, north])).hausdorff_distance(SQUARE) < 0.1


def decode_all(found):
    return [decode_set(0x8604, encode_set(fence, 1), 1)[0] for fence in found]


def test_circles_rectangles_and_routes_become_areas():
    circle = Fence(kind="circle", id=1, points=((122_000_000, 41_000_000),), radius_m=100)
    corners = ((122_000_000, 41_001_000), (122_001_000, 41_000_000))
    turns = tuple(
        Turn(id=k, segment=k, point=(122_000_000 + 1_000 * k, 41_000_000), width_m=20) for k in range(3)
    )
    areas = [
        row["geometry"]
        for row in features_of(
            [circle, Fence(kind="rectangle", id=2, points=corners), Fence(kind="route", id=3, turns=turns)]
        )
    ]
    sizes = []
    for area in areas:
        shape = shapely.geometry.shape(area)
        site = shapely.transform(shape, lambda at: np.column_stack(FRAME.site_from_lonlat(*at.T)))
        sizes.append(site.area)
    degree_m = 84_138.0  # of longitude at 41 degrees
    assert sizes[0] == pytest.approx(np.pi * 100.0**2, rel=0.01)
    assert sizes[1] == pytest.approx(0.001 * degree_m * 111.06, rel=0.01)
    assert sizes[2] == pytest.approx(2 * 0.001 * degree_m * 20.0 + np.pi * 10.0**2, rel=0.01)
    with pytest.raises(ValueError, match="no area"):
        features_of([Fence(kind="polygon", id=9, points=((1, 1), (2, 2)))])


def test_a_terminal_must_accept_each_message_of_its_fences():
    sent = iter([[1, 2, 3], [4, 5]])
    commands = Commands(lambda *_: None, Counter(), lambda terminal: next(sent) if terminal == "T" else None)

    def execute(key, terminal="T"):
        body = {"id": key, "kind": "fences", "terminal": terminal}
        return commands.execute(msgspec.msgpack.encode(body), 0)

    assert execute("c1") == []
    assert commands.answered("T", 1, 0, 1) == commands.answered("T", 3, 0, 1) == []
    assert [row.outcome for row in commands.answered("T", 2, 0, 1)] == ["delivered"]
    assert execute("c2") == []
    assert [row.outcome for row in commands.answered("T", 4, 3, 1)] == ["refused"]
    assert commands.answered("T", 5, 0, 1) == commands.overdue(10**18) == []
    assert [row.outcome for row in execute("c3", "U")] == ["not_connected"]


def test_an_operator_writes_fences_and_reads_them_again(tmp_path, capsys):
    frames = tmp_path / "frames.txt"
    frames.write_text("".join(f"{row['hex']}\n" for row in OTHERS if row["hex"].startswith("7e8604")))
    out, zones = str(tmp_path / "out.jsonl"), str(tmp_path / "zones.geojson")
    assert main(["fences", "export", str(EXAMPLE), out, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(["fences", "import", out, zones, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["zones"] == told["fences"]
    assert main(["fences", "import", str(frames), str(tmp_path / "no.geojson")]) == 2  # their points are one
    assert "fence 3" in capsys.readouterr().err
    frames.write_text("7e00\n")
    assert main(["fences", "import", str(frames), str(tmp_path / "no.geojson")]) == 2
    assert "line 1" in capsys.readouterr().err
