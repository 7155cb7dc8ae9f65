"""Fences of JT/T 808: frames of others, a second encoder by hand, and zones there and back."""

import json
import struct
from collections import Counter
from contextlib import suppress
from datetime import datetime

import msgspec
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DeviceError
from edge.gateway_command import CommandOutcome
from edge.topics import gateway_command_up
from geofence.calendar import Exemption
from geofence.config import RulesConfig, VehicleConfig
from geofence.map.frames import SiteFrame
from geofence.map.reading import Zone
from geofence.map.windows import day_of, in_force, windows_of
from geofence.permits import PermitConfig
from geofence.rules.time_window import TimeWindow
from petroroad.__main__ import main
from petroroad.fences_sending import Sending
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
from roadside.fence_exemptions import opened_zones
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


def zone(name, shape, role="no_entry", times=None, dates=("", ""), limit_mps=None):
    windows = in_force(windows_of(times) if times else (), *dates)
    return Zone(zone=name, role=role, polygon=shape, windows=windows, speed_limit_mps=limit_mps)


SQUARE = shapely.box(0.0, 0.0, 100.0, 50.0)
TODAY = day_of("2026-12-01")
MORNINGS = [("261207070000", "261207090000"), ("261208070000", "261208090000")]
WEEK = "2026-12-07", "2026-12-13"
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
    found = fences_of(ZONES, FRAME, TODAY)
    assert [fence.name for fence in found.fences] == ["always", "night", "night", "two", "two"]
    assert [name for name, _ in found.left_out] == ["weekdays", "hole", "round", "rest"]
    assert all(reason for _, reason in found.left_out)
    assert len({fence.id for fence in found.fences}) == 5
    rows = features_of(decode_all(found.fences)).features
    roles = [row["properties"]["role"] for row in rows]
    assert roles == ["no_entry", "no_exit", "no_exit", "no_entry", "no_entry"]
    assert [row["properties"].get("time_window") for row in rows[:3]] == [None, "22:00-24:00", "00:00-06:00"]
    back = shapely.geometry.shape(rows[0]["geometry"])
    east, north = FRAME.site_from_lonlat(*np.array(back.exterior.coords).T)
    assert shapely.Polygon(np.column_stack([east, north])).hausdorff_distance(SQUARE) < 0.1


@pytest.mark.parametrize(
    ("times", "dates", "want"),
    [
        (None, WEEK, [("261207000000", "261213235959")]),
        ("07:00-09:00", ("2026-12-07", "2026-12-08"), MORNINGS),
        ("22:00-06:00", ("2026-12-07", "2026-12-07"), [("261207220000", "261208060000")]),
        ("Mo-Fr 07:00-09:00", ("2026-12-05", "2026-12-08"), MORNINGS),
        ("22:00-06:00", ("", "2026-11-30"), "over"),
        (None, ("2020-01-01", "2020-01-07"), "over"),
        ("07:00-09:00", ("2020-01-01", ""), [("000000070000", "000000090000")]),  # each day from now on
        ("07:00-09:00", ("2027-01-01", ""), "dates"),  # each day, but not yet
        ("07:00-09:00", ("", "2027-06-01"), "dates"),  # too many for a fence each
        (None, ("", "2027-06-01"), [("000101000000", "270601235959")]),
        ("07:00-09:00; PH off", ("", ""), "holidays"),
    ],
)  # fmt: skip
def test_a_zone_of_some_dates_is_a_fence_of_these_dates(times, dates, want):
    """A ban of a week must not become one of each day."""
    found = fences_of([zone("Z", SQUARE, times=times, dates=dates)], FRAME, TODAY)
    if isinstance(want, str):
        assert found.fences == []
        assert want in found.left_out[0][1]
    else:
        assert [fence.window for fence in found.fences] == want


def test_a_zones_limit_is_a_fence_and_a_limit_again():
    slow = [zone("slow", SQUARE, "village", limit_mps=40 / 3.6), zone("both", SQUARE, limit_mps=60 / 3.6)]
    found = fences_of(slow, FRAME, TODAY)
    assert [fence.limit for fence in found.fences] == [
        Limit(max_kmh=v, hold_s=10, night_kmh=v) for v in (40, 60)
    ]
    assert found.fences[0].attributes == 0
    rows = features_of(decode_all(found.fences)).features
    assert [row["properties"]["speed_limit_mps"] for row in rows] == [11.111, 16.667]


TANKER = VehicleConfig(terminal="T1", hazmat_class="3", un="1203")
OTHER = VehicleConfig(terminal="T2", hazmat_class="8")


@pytest.mark.parametrize(
    ("terminal", "exempt", "permitted", "left_out"),
    [
        ("T1", {"hazmat_classes": ("3",)}, False, {"night": "exempt"}),
        ("T2", {"hazmat_classes": ("3",)}, False, {}),
        (None, {"hazmat_classes": ("3",)}, False, {"night": "name a terminal"}),
        ("T1", {"hazmat_classes": ("3",), "zones": ("always",)}, False, {}),  # it has no times
        ("T1", {"hazmat_classes": ("3",), "last": "2026-11-30"}, False, {}),  # it is over
        ("T1", {"hazmat_classes": ("3",), "first": "2027-01-01"}, False, {"night": "exempt"}),  # it comes
        ("T1", None, True, {"always": "a permit opens it"}),
        ("T2", None, True, {}),
        (None, None, True, {"always": "name a terminal"}),
    ],
)  # fmt: skip
def test_no_terminal_alarms_a_driver_where_his_vehicle_may_be(terminal, exempt, permitted, left_out):
    zones = [zone("always", SQUARE), zone("night", SQUARE, times="22:00-06:00")]
    rows = () if exempt is None else (Exemption(**exempt),)
    rules = RulesConfig(time_window=TimeWindow.Config(exempt=rows))
    start, end = (datetime.fromisoformat(f"2026-12-0{day}T00:00:00+08:00") for day in (3, 5))
    permit = PermitConfig(permit="P", terminal="T1", start=start, end=end, zones=("always",))
    now_ns = TODAY * 86_400 * 10**9
    opened = opened_zones(zones, rules, [TANKER, OTHER], [permit] if permitted else [], terminal, now_ns)
    found = dict(fences_of(zones, FRAME, TODAY, opened).left_out)
    assert found.keys() == left_out.keys()
    assert all(left_out[name] in reason for name, reason in found.items())


def test_what_zones_can_not_state_of_a_terminals_fences_is_counted_and_the_rest_is_read():
    box = ((122_000_000, 41_001_000), (122_001_000, 41_000_000))

    def area(number, **more):
        return Fence(kind="rectangle", id=number, points=box, **more)

    turns = tuple(
        Turn(
            id=k, segment=k, point=(122_000_000 + 1_000 * k, 41_000_000), width_m=20, passage_s=(60, 9),
            limit=limit,
        )
        for k, limit in enumerate((Limit(max_kmh=40, hold_s=5), Limit(max_kmh=60, hold_s=5)))
    )  # fmt: skip
    found = features_of([
        area(1, window=("261207000000", "261213235959")),
        area(2, window=("261207080000", "261207120000")),
        area(3, window=("261207080000", "261209120000")),  # from one morning to another noon
        area(4, window=("261399000000", "261213235959")),
        area(5, window=("000000080000", "261209120000")),
        area(6, limit=Limit(max_kmh=60, hold_s=5, night_kmh=40)),
        area(7, limit=Limit(max_kmh=250, hold_s=5)),
        area(8, attributes=fences.ENTRY_ALARMS | fences.EXIT_ALARMS),
        Fence(kind="route", id=9, turns=turns),
    ])  # fmt: skip
    assert [name for name, _ in found.left_out] == [f"rectangle {k}" for k in (3, 4, 5)]
    by_name = {row["properties"]["zone"]: row["properties"] for row in found.features}
    assert by_name["rectangle 1"]["valid_from"] == "2026-12-07"
    assert by_name["rectangle 1"]["valid_to"] == "2026-12-13"
    assert by_name["rectangle 2"]["time_window"] == "08:00-12:00"
    assert by_name["rectangle 6"]["speed_limit_mps"] == 16.667
    assert (by_name["rectangle 8"]["role"], by_name["rectangle 8"]["rules"]) == ("no_entry", ["no_exit"])
    want = {"passage times": 2, "speed limits": 3, "speeds at night": 1}
    assert {kind: n for kind, n in found.dropped.items() if n} == want


@pytest.mark.parametrize(("topic", "n_left"), [("GW", 1), ("other", 2)])
def test_a_sender_waits_for_the_outcome_of_each_of_its_commands(topic, n_left):
    outcomes = {}
    sending = Sending("GW", outcomes)
    first, second = sending.begin(["T1", "T2"])
    assert (first.kind, first.terminal) == ("fences", "T1")

    def answer(command, outcome):
        body = CommandOutcome(id=command.id, terminal=command.terminal, outcome=outcome, stamp_ns=1)
        sending.receive(gateway_command_up(topic), msgspec.msgpack.encode(body), False)

    answer(first, "delivered")
    answer(first, "refused")  # again: the first one counts
    sending.receive(gateway_command_up("GW"), b"\xc1", False)
    assert len(outcomes) == 2 - n_left
    assert not sending.answered.is_set()
    answer(second, "not_connected")
    assert sending.answered.is_set() == (topic == "GW")
    assert outcomes == ({"T1": "delivered", "T2": "not_connected"} if topic == "GW" else {})


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
        ).features
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
