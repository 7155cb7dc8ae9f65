"""A real pole radar's log with its dirt, and more dirt of the same kind."""

import json
import math
import struct
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import parse_site
from edge.recording.recorder import read_messages
from edge.wire import decode_site
from importers.openv2x.recording import import_openv2x_radar
from importers.openv2x.records import Record, Target, read
from importers.openv2x.scans import scans_of

LOG = Path(__file__).parents[1] / "data" / "openv2x_radar.json"
RECORDS = json.loads(LOG.read_text(encoding="utf-8-sig"))
MOVER = 6972


def target(name: int = 1, **changes) -> dict:
    row = {
        "targetId": name, "latitude": 39.07, "longitude": 115.93, "speed": -36.0, "headingAngle": 90.0,
        "rcs": 1.5, "targetLength": 4.5, "targetWidth": 1.8,
    }  # fmt: skip
    return row | changes


def record(field_ms: int, *targets: dict) -> dict:
    return {"timeStamp": str(field_ms), "number": len(targets), "targets": list(targets), "deviceId": "D"}


def dumped(*records: object) -> bytes:
    return json.dumps(records).encode()


def scans(path: Path) -> list[dict]:
    return [msgspec.msgpack.decode(m.body) for m in read_messages(path) if m.topic.startswith("/radar/")]


def test_real_log_is_read_whole_and_each_fault_counted(tmp_path):
    shown = import_openv2x_radar(LOG, tmp_path / "r.mcap")
    assert (shown["records"], shown["scans"], shown["targets"]) == (26, 13, 156)
    faults = shown["faults"]
    assert (faults["bom"], faults["split_scan"]) == (1, 13)
    rows = [row for entry in RECORDS for row in entry["targets"]]
    assert faults["zero_length"] == sum(row["targetLength"] == 0 for row in rows)
    assert faults["rcs_bits"] == sum(row["rcs"] > 1000 for row in rows) > 0
    stamps = [scan["stamp_ns"] for scan in scans(tmp_path / "r.mcap")]
    assert set(np.diff(stamps)) == {100_000_000}
    assert faults["stamp_order"] == 2  # where the field falls by 899 s, the second is full


def test_objects_in_the_estimated_frame_are_where_the_radar_said(tmp_path):
    import_openv2x_radar(LOG, tmp_path / "r.mcap")
    first, *_ = read_messages(tmp_path / "r.mcap")
    record_ = decode_site(first.body)
    site = parse_site(record_.config, record_.map, record_.registry, "test")
    (pose,) = site.radar_poses("IMPORT")
    assert "ESTIMATED" in record_.config
    assert not pose.accepted
    objects = scans(tmp_path / "r.mcap")[0]["objects"]
    x, y = np.array(objects["x_m"]), np.array(objects["y_m"])
    assert (x > 0).all()  # all before the pole
    cos, sin = math.cos(pose.boresight_rad), math.sin(pose.boresight_rad)
    lon, lat = site.frame.lonlat_from_site(pose.east_m + x * cos - y * sin, pose.north_m + x * sin + y * cos)
    said = {row["targetId"]: row for entry in RECORDS[:2] for row in entry["targets"]}
    for name, lon_deg, lat_deg in zip(objects["id"], lon, lat, strict=True):
        assert (lon_deg, lat_deg) == pytest.approx(
            (said[name]["longitude"], said[name]["latitude"]), abs=1e-8
        )


def test_velocity_of_the_mover_is_what_its_positions_say(tmp_path):
    import_openv2x_radar(LOG, tmp_path / "r.mcap")
    rows = []
    for scan in scans(tmp_path / "r.mcap"):
        objects = scan["objects"]
        i = objects["id"].index(MOVER)
        rows.append([scan["stamp_ns"] / 1e9] + [objects[k][i] for k in ("x_m", "y_m", "vx_mps", "vy_mps")])
    t, x, y, vx, vy = np.array(rows).T
    assert np.polyfit(t - t[0], x, 1)[0] == pytest.approx(vx.mean(), abs=0.3)
    assert np.polyfit(t - t[0], y, 1)[0] == pytest.approx(vy.mean(), abs=0.3)
    assert vx.mean() < -3.0  # towards the pole


@given(
    start_ms=st.integers(1_600_000_000_000, 1_700_000_000_000),
    steps_ms=st.lists(st.integers(60, 900), min_size=12, max_size=60),
)
def test_true_steps_come_back_from_the_broken_field(start_ms, steps_ms):
    true_ms = np.cumsum([start_ms, *steps_ms]).tolist()
    broken = [(ms // 1_000 + ms % 1_000) * 1_000 for ms in true_ms]
    records = [Record(ms, (Target(id=i, lon_deg=0.0, lat_deg=0.0, speed_mps=0.0, heading_deg=0.0,
                                  length_m=None, width_m=None, rcs_dbsm=None),))
               for i, ms in enumerate(broken)]  # fmt: skip
    found, off_ms = scans_of(records, Counter())
    if len(found) < len(true_ms):  # two scans fell into one stamp by chance: not the radar's case
        return
    stamps = [scan.stamp_ms for scan in found]
    assert np.diff(stamps).tolist() == steps_ms
    assert abs(stamps[0] - true_ms[0]) <= off_ms
    assert [(ms // 1_000 + ms % 1_000) * 1_000 for ms in stamps] == broken  # and they explain the field


def test_sound_stamps_are_left_alone():
    data = dumped(record(1_664_423_415_012, target(1)), record(1_664_423_415_115, target(1)))
    found, off_ms = scans_of(read(data, Counter()), Counter())
    assert ([scan.stamp_ms for scan in found], off_ms) == ([1_664_423_415_012, 1_664_423_415_115], 0)


@pytest.mark.parametrize(("rows", "reason"), [
    ([target(speed=float("nan"))], "target_speed"),        # JSON of Python and of C libraries may say NaN
    ([target(latitude=None)], "target_latitude"),
    ([target(latitude=391.0)], "target_latitude"),
    ([target(), target()], "duplicate_id"),                # within one record
    ([target("seven")], "target_id"),
    ([target(targetWidth=0)], "zero_width"),               # kept, width unknown
    ([target(targetLength=-4)], "bad_length"),
    ([target(rcs="strong")], "bad_rcs"),
    (["no object"], "target_no_object"),
])  # fmt: skip
def test_broken_target_is_counted_by_reason(rows, reason):
    counts: Counter[str] = Counter()
    (found,) = read(dumped(record(1_664_423_415_000, target(99), *rows)), counts)
    assert counts[reason] == 1
    assert found.targets[0].id == 99


@pytest.mark.parametrize(("value", "reason"), [
    (record(0, target()), "record_timestamp"),
    ({"timeStamp": "soon", "targets": []}, "record_timestamp"),
    ({"timeStamp": "1664423415000"}, "record_targets"),
    (["list"], "record_broken"),  # an array is looked into: what is in it is no object
    ({"timeStamp": "1664423415000", "number": 3, "targets": []}, "number_mismatch"),
])  # fmt: skip
def test_broken_record_is_counted_by_reason(value, reason):
    counts: Counter[str] = Counter()
    data = dumped(record(1_664_423_415_000, target()), value, record(1_664_423_515_000, target()))
    if reason == "record_broken":
        data = data.replace(b'["list"]', b"[list]")
    assert len(read(data, counts)) >= 2
    assert counts[reason] == 1


@given(cut=st.integers(100, LOG.stat().st_size - 1))
def test_file_that_ends_too_early_gives_what_is_whole(cut):
    counts: Counter[str] = Counter()
    records = read(LOG.read_bytes()[:cut], counts)
    assert len(records) <= len(RECORDS)
    assert counts["record_broken"] <= 1
    assert len(records) >= cut * len(RECORDS) // LOG.stat().st_size - 1


def test_reading_resumes_behind_garbage():
    counts: Counter[str] = Counter()
    first, second = (json.dumps(record(ms, target())) for ms in (1_664_423_415_000, 1_664_423_515_000))
    data = f'[{first},{{"timeStamp":"1664423","targets":[{{"speed":oops,{second}]'.encode()
    assert [found.field_ms for found in read(data, counts)] == [1_664_423_415_000, 1_664_423_515_000]
    assert counts["record_broken"] == 1


def test_field_that_stays_the_same_or_leaps_does_not_stop_the_time():
    fields = [1_664_423_415_000] * 3 + [1_664_423_515_000, 1_664_427_115_000, 1_664_427_215_000]
    rows = [record(ms, target(1, latitude=39.07 + 1e-5 * i)) for i, ms in enumerate(fields)]
    counts: Counter[str] = Counter()
    found, off_ms = scans_of(read(dumped(*rows), Counter()), counts)
    steps_ms = np.diff([scan.stamp_ms for scan in found]).tolist()
    assert steps_ms == [100, 100, 100, 3_600_000, 100]
    assert (counts["stamp_repeated"], counts["stamp_gap"]) == (2, 1)
    assert off_ms > 400_000  # nothing tells the millisecond


def test_repeated_record_and_a_stamp_far_off_are_left_out():
    counts: Counter[str] = Counter()
    rows = [record(1_664_423_415_000 + 100_000 * i, target(1, latitude=39.07 + 1e-5 * i)) for i in range(5)]
    rows.insert(2, rows[1])
    rows.append(record(9_999_423_415_000, target()))
    found, _ = scans_of(read(dumped(*rows), Counter()), counts)
    assert len(found) == 5
    assert (counts["repeated_record"], counts["stamp_far"]) == (1, 1)


def test_rcs_is_the_bits_of_a_float():
    bits = struct.unpack("<I", struct.pack("<f", -1.25))[0]
    ((found,),) = (read(dumped(record(1_664_423_415_000, target(rcs=bits))), Counter())[0].targets,)
    assert found.rcs_dbsm == -1.25
    assert found.speed_mps == pytest.approx(-10.0)


def test_file_without_a_sound_target_is_refused_with_its_counts(tmp_path):
    (tmp_path / "log").write_bytes(b"{}")
    with pytest.raises(ValueError, match="record_timestamp"):
        import_openv2x_radar(tmp_path / "log", tmp_path / "r.mcap")


@pytest.mark.parametrize("first", [1_664_423, 90_000_000_000_000])  # January 1970, and the year 4822
def test_stamps_that_no_recording_can_bear_are_left_out_and_counted(tmp_path, first):
    rows = [record(first + 100 * i, target(1, latitude=39.07 + 1e-5 * i)) for i in range(5)]
    (tmp_path / "log").write_bytes(dumped(*rows))
    with pytest.raises(ValueError, match="'stamp_range': 5"):
        import_openv2x_radar(tmp_path / "log", tmp_path / "r.mcap")


def drive(stamps_ms, name=7, speed_kmh=72.0, step_m=20.0, shift=0) -> list[dict]:
    """Return records of a car that drives north by `step_m` from stamp to stamp."""
    return [
        record(ms, target(name, latitude=39.0 + (i + shift) * step_m / 111_320.0, speed=speed_kmh,
                          headingAngle=0.0))
        for i, ms in enumerate(stamps_ms)
    ]  # fmt: skip


@pytest.mark.parametrize(("fields", "step_m", "steps_ms"), [
    (range(T0 := 1_664_423_277_000, T0 + 30_000, 1_000), 20.0, [1_000] * 29),          # 1 Hz, true
    ([T0, T0 + 2_000, T0 + 3_000, T0 + 6_000], 20.0, [2_000, 1_000, 3_000]),             # with gaps
    ([T0 + 30_000 * i for i in range(6)], 600.0, [30_000] * 5),                          # each half minute
    ([T0 + 100_000 * i for i in range(6)], 2.0, [100] * 5),                              # the broken field
    ([T0 + 10_000 * i for i in range(6)], 0.2, [10] * 5),                                # at 100 Hz
    ([T0 + 200_000, T0 + 300_000, T0 - 599_000, T0 - 499_000], 2.0, [100, 100, 100]),    # a second is full
])  # fmt: skip
def test_the_movers_decide_how_the_stamps_are_meant(fields, step_m, steps_ms):
    found, _ = scans_of(read(dumped(*drive(fields, step_m=step_m)), Counter()), Counter())
    assert np.diff([scan.stamp_ms for scan in found]).tolist() == steps_ms


def test_a_log_at_one_hertz_lasts_as_long_as_it_says(tmp_path):
    rows = drive([T0 + 1_000 * i for i in range(30)])
    (tmp_path / "log").write_bytes(dumped(*rows))
    shown = import_openv2x_radar(tmp_path / "log", tmp_path / "r.mcap")
    assert (shown["duration_s"], shown["time_off_s_max"]) == (29.0, 0.0)
    assert shown["motion_ratio"] == pytest.approx(1.0, abs=0.01)
    assert "motion_doubtful" not in shown["faults"]


def test_standing_targets_leave_a_log_at_one_hertz_to_its_stamps():
    rows = drive([T0 + 1_000 * i for i in range(9)], speed_kmh=0.0, step_m=0.0)
    found, off_ms = scans_of(read(dumped(*rows), Counter()), Counter())
    assert set(np.diff([scan.stamp_ms for scan in found])) == {1_000}
    assert off_ms == 0


def test_stamps_that_nothing_explains_are_a_doubt():
    """Steps of ten seconds, or of ten milliseconds: nothing moves."""
    counts: Counter[str] = Counter()
    scans_of(read(dumped(*drive([T0 + 10_000 * i for i in range(9)], speed_kmh=0.0)), Counter()), counts)
    assert counts["stamp_doubtful"] == 1


def test_records_out_of_order_are_put_in_the_order_of_their_stamps():
    rows = drive([T0 + 1 + 1_000 * i for i in range(9)])
    rows[3], rows[5] = rows[5], rows[3]
    counts: Counter[str] = Counter()
    found, _ = scans_of(read(dumped(*rows), Counter()), counts)
    assert set(np.diff([scan.stamp_ms for scan in found])) == {1_000}
    assert np.all(np.diff([scan.targets[0].lat_deg for scan in found]) > 0)
    assert counts["stamp_order"] == 2


def test_one_stamp_far_ahead_costs_no_other():
    rows = drive([T0 + 1 + 1_000 * i for i in range(9)])
    rows[3]["timeStamp"] = str(T0 + 3_600_001)
    found, _ = scans_of(read(dumped(*rows), Counter()), Counter())
    assert [scan.stamp_ms - T0 - 1 for scan in found] == [0, 1_000, 2_000, 4_000, 5_000, 6_000, 7_000, 8_000,
                                                          3_600_000]  # fmt: skip


@pytest.mark.parametrize(("speed_kmh", "step_m", "reason"), [
    (20.0, 20.0, "motion_doubtful"),   # metres per second under the name of km/h
    (300.0, 120.0, "motion_too_fast"),
])  # fmt: skip
def test_a_doubt_about_units_is_reported(tmp_path, speed_kmh, step_m, reason):
    rows = drive([T0 + 1 + 1_000 * i for i in range(9)], speed_kmh=speed_kmh, step_m=step_m)
    (tmp_path / "log").write_bytes(dumped(*rows))
    assert import_openv2x_radar(tmp_path / "log", tmp_path / "r.mcap")["faults"][reason] > 0


def test_places_that_contradict_the_speeds_are_refused(tmp_path):
    """Milliseconds that are tens of microseconds: 2 km/s."""
    rows = drive([T0 + 1 + 10 * i for i in range(9)])
    (tmp_path / "log").write_bytes(dumped(*rows))
    with pytest.raises(ValueError, match="100 times as fast as it states"):
        import_openv2x_radar(tmp_path / "log", tmp_path / "r.mcap")


@pytest.mark.parametrize(("stamp", "counted"), [
    (lambda ms: ms / 1e3, "stamp_in_s"),
    (lambda ms: str(ms / 1e3), "stamp_in_s"),
    (lambda ms: ms * 1_000, "stamp_in_us"),
    (lambda ms: ms * 1_000_000, "stamp_in_ns"),
    (lambda ms: ms + 0.25, None),
    (lambda ms: datetime.fromtimestamp(ms / 1e3, timezone(timedelta(hours=8))).isoformat(), "stamp_in_text"),
])  # fmt: skip
def test_a_stamp_in_another_unit_is_read_and_counted(tmp_path, stamp, counted):
    rows = drive([T0 + 100 * i for i in range(30)], step_m=2.0)
    rows = [row | {"timeStamp": stamp(int(row["timeStamp"]))} for row in rows]
    (tmp_path / "log").write_bytes(dumped(*rows))
    shown = import_openv2x_radar(tmp_path / "log", tmp_path / "r.mcap")
    assert shown["faults"] == ({counted: 30} if counted else {})
    assert (shown["scans"], shown["duration_s"]) == (30, 2.9)
    assert scans(tmp_path / "r.mcap")[0]["stamp_ns"] == T0 * 1_000_000


def test_a_local_time_without_its_zone_is_no_time():
    counts: Counter[str] = Counter()
    assert read(dumped(record(0) | {"timeStamp": "2022-09-29 11:47:57"}), counts) == []
    assert counts["stamp_without_zone"] == 1


def test_the_broken_field_is_not_put_in_the_order_of_its_numbers():
    """Sorted, those of one millisecond are a second apart, and fit the movers as well."""
    times_ms = [T0 + 100 * i for i in range(200)]
    rows = drive([(ms // 1_000 + ms % 1_000) * 1_000 for ms in times_ms], step_m=2.0)
    found, _ = scans_of(read(dumped(*rows), Counter()), Counter())
    assert set(np.diff([scan.stamp_ms for scan in found])) == {100}


def test_numbers_that_are_written_as_text_are_numbers():
    rows = {name: str(value) for name, value in target().items()}
    counts: Counter[str] = Counter()
    assert read(dumped(record(T0, rows)), counts) == read(dumped(record(T0, target())), Counter())
    assert not +counts


@pytest.mark.parametrize("heading_deg", [math.pi, 90.0, 180.0])  # of a car that drives north
def test_a_heading_that_is_not_where_movers_drive_is_a_doubt(tmp_path, heading_deg):
    rows = drive([T0 + 100 * i for i in range(9)], step_m=2.0)
    for row in rows:
        row["targets"][0]["headingAngle"] = heading_deg
    (tmp_path / "log").write_bytes(dumped(*rows))
    found = import_openv2x_radar(tmp_path / "log", tmp_path / "r.mcap")["faults"]
    assert ("heading_doubtful" in found) == (heading_deg > 10.0)


def test_a_log_of_empty_records_says_so(tmp_path):
    (tmp_path / "log").write_bytes(dumped(*(record(T0 + 100 * i) for i in range(9))))
    with pytest.raises(ValueError, match="no record with a sound target, of 9"):
        import_openv2x_radar(tmp_path / "log", tmp_path / "r.mcap")


def test_a_target_faster_than_any_vehicle_is_left_out():
    counts: Counter[str] = Counter()
    (found,) = read(dumped(record(T0, target(1, speed=400.0), target(2))), counts)
    assert [row.id for row in found.targets] == [2]
    assert counts["target_speed"] == 1
