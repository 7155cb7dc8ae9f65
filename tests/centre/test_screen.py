"""What can't be true in a snapshot or a status costs itself only, is counted, and never reaches the page."""

import asyncio
import math
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from centre.own_clock import NO_TIME_NS
from centre.screen import screened_status
from centre.track_hub import TrackHub
from centre.unit_registry import STALE_NS, UnitRegistry
from centre.views import units
from edge import stations, wire
from edge.radar_errors import RegistrationReported
from geofence.plausible import DAY_NS, is_plain
from tests.support.centre_samples import T0_NS, status

NAN = math.nan


def _records(n: int = 3) -> wire.Records:
    records = np.zeros(n, wire.TRACK_DTYPE)
    records["track"] = np.arange(1, n + 1)
    records["lon_e7"], records["lat_e7"] = 1_220_000_000, 410_000_000
    records["lane"], records["flags"] = 0, wire.FLAG_OWNED
    return records


def _passed(
    found: wire.TrackSnapshot | bytes, now_ns: int = T0_NS
) -> tuple[wire.TrackSnapshot | None, TrackHub]:
    tracks = TrackHub()
    viewer = tracks.join()
    assert viewer is not None
    tracks.receive_snapshot("RSU001", found if isinstance(found, bytes) else wire.encode(found), now_ns)
    if not viewer.ready.is_set():
        return None, tracks
    return wire.decode_snapshot(asyncio.run(viewer.next_frame())), tracks


def _snapshot(records: wire.Records, **more: Any) -> wire.TrackSnapshot:
    return wire.snapshot_of(records, esn="RSU001", seq=1, stamp_ns=T0_NS, **more)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lon_e7", 1_800_000_001), ("lon_e7", -(2**31)), ("lat_e7", 900_000_001), ("speed_cmps", 65_535),
        ("course_cdeg", 36_001), ("s_dm", 4_294_967_294), ("lane", 7),
    ],
)  # fmt: skip
def test_an_impossible_vehicle_is_removed_alone(name: str, value: int) -> None:
    records = _records()
    records[name][1] = value
    found, tracks = _passed(_snapshot(records, lanes=("a", "b")))
    assert found is not None
    assert wire.records_of(found)["track"].tolist() == [1, 3]
    assert tracks.counts["track.implausible"] == 1
    assert tracks.vehicles(T0_NS) == (2, 0)


def test_impossible_signed_stations_are_removed_alone() -> None:
    records = np.zeros(4, wire.SIGNED_DTYPE)
    for name in wire.TRACK_DTYPE.names or ():
        records[name] = _records(4)[name]
    records["s_signed_dm"] = [-5_000, -(10**8) - 1, 10**8 + 1, stations.NONE_SIGNED_DM]
    found, tracks = _passed(_snapshot(records))
    assert found is not None
    assert wire.records_of(found)["track"].tolist() == [1, 4]
    assert tracks.counts["track.implausible"] == 2


def test_names_and_lanes_are_plain_text() -> None:
    names = wire.TrackNames(
        track=(1, 2),
        terminal=("139\x00", "13900000002"),
        plate=("\u202e", "辽L·A0002"),
        identity_p=(1.0, 0.5),
    )
    found, tracks = _passed(_snapshot(_records(), lanes=("good", "b\u2066ad"), names=names))
    assert found is not None
    assert found.names is not None
    assert found.names.terminal == (None, "13900000002")
    assert found.names.plate == (None, "辽L·A0002")
    assert found.lanes == ("good", "b<U+2066>ad")  # it keeps its place: records point at it
    assert (tracks.counts["track.name_refused"], tracks.counts["track.lane_refused"]) == (1, 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"stamp_ns": T0_NS + DAY_NS + 1},
        {"stamp_ns": 10**18},
        {"dtype": [["track", "|O"], *wire.TRACK_DESCR[1:]]},
        {"dtype": [*wire.TRACK_DESCR, ["x", "<u99"]]},
        {"dtype": [*wire.TRACK_DESCR, *([f"f{i}", "|u1"] for i in range(200))]},
        {"n": 2},
        {"names": {"track": [1], "terminal": ["a"], "plate": ["b"], "identity_p": [NAN]}},
    ],
)
def test_a_snapshot_that_can_t_be_read_is_counted_and_dropped(changed: dict[str, Any]) -> None:
    fields = msgspec.msgpack.decode(wire.encode(_snapshot(_records())))
    found, tracks = _passed(msgspec.msgpack.encode(fields | changed))
    assert found is None
    assert tracks.counts["track.unreadable"] == 1


def test_a_snapshot_from_a_clock_ahead_does_not_stay_fresh_for_ever() -> None:
    snapshot = msgspec.structs.replace(_snapshot(_records()), stamp_ns=T0_NS + DAY_NS)
    _, tracks = _passed(snapshot)
    assert tracks.vehicles(T0_NS) == (3, 0)
    assert tracks.vehicles(T0_NS + 3_000_000_000) == (0, 0)


@pytest.mark.parametrize(
    ("field", "changed", "left"),
    [
        ("clock_offset_ms", {"clock_offset_ms": NAN}, {"clock_offset_ms": None}),
        ("clock_offset_ms", {"clock_offset_ms": -math.inf}, {"clock_offset_ms": None}),
        ("outbox_depth", {"outbox_depth": 2**63 - 1}, {"outbox_depth": 0}),
        ("last_seq", {"last_seq": 2**63 - 1}, {"last_seq": 0}),
        ("pending", {"pending": ((1, 2), (2, 2**63 - 1))}, {"pending": ((1, 2),)}),
        ("version", {"version": "1\u202e"}, {"version": "1<U+202E>"}),
        ("counts", {"counts": {"a": 1, "\x1b[0m": 2}}, {"counts": {"a": 1}}),
        ("sensors", {"sensors": {"R1": "online", "\u200b": "x"}}, {"sensors": {"R1": "online"}}),
        ("degraded", {"degraded": ("disk_low", "\n")}, {"degraded": ("disk_low",)}),
    ],
)
def test_one_bad_field_of_a_status_is_left_out_alone(
    field: str, changed: dict[str, Any], left: dict[str, Any]
) -> None:
    reporters = UnitRegistry("rsu", ["RSU001"], T0_NS)
    body = wire.encode(status(**changed))
    assert reporters.receive_status("RSU001", body, retained=False, now_ns=T0_NS) is not None
    assert reporters.state("RSU001", T0_NS) == ("online", False)  # it is alive
    assert reporters.counts[f"status.implausible.{field}"] == 1
    assert reporters.rows()["RSU001"].status == status(**left)


def _stretch(**changed: Any) -> wire.UnjudgedStretch:
    fields = {"road": "G1", "from_m": 0.0, "to_m": 10.0, "reason": "blind", "since_ns": T0_NS}
    return wire.UnjudgedStretch(**(fields | changed))


def test_an_unjudged_stretch_needs_a_place_and_one_of_no_age_begins_now() -> None:
    rows = (
        _stretch(from_m=NAN),
        _stretch(to_m=math.inf),
        _stretch(road="\u202e"),
        _stretch(since_ns=-(2**63)),
    )
    counts: Counter[str] = Counter()
    found = screened_status(status(unjudged=rows), T0_NS + 5, counts)
    assert isinstance(found, wire.Status)
    assert found.unjudged == (_stretch(since_ns=T0_NS + 5),)
    assert counts == {"status.implausible.unjudged": 3, "status.implausible.unjudged.since_ns": 1}


@pytest.mark.parametrize("by_ns", [-3 * 366 * DAY_NS, 6 * 366 * DAY_NS])
def test_where_our_own_clock_says_nothing_what_honest_rsus_send_is_shown(by_ns: int) -> None:
    """A centre that was set by years must not show an empty road."""
    wrong_ns = T0_NS + by_ns
    tracks, counts = TrackHub(lambda now_ns: NO_TIME_NS), Counter[str]()
    tracks.receive_snapshot("RSU001", wire.encode(_snapshot(_records())), wrong_ns)
    assert tracks.counts["track.unreadable"] == 0
    reporters = UnitRegistry("rsu", ["RSU001"], wrong_ns, lambda now_ns: NO_TIME_NS)
    body = wire.encode(status(unjudged=(_stretch(),)))
    reporters.receive_status("RSU001", body, retained=False, now_ns=wrong_ns)
    shown = reporters.rows()["RSU001"].status
    assert isinstance(shown, wire.Status)
    assert shown.unjudged == (_stretch(),)
    # one that no clock can have begins now, whatever ours shows
    found = screened_status(status(unjudged=(_stretch(since_ns=5),)), wrong_ns, counts, NO_TIME_NS)
    assert isinstance(found, wire.Status)
    assert found.unjudged == (_stretch(since_ns=wrong_ns),)


def test_a_nan_does_not_announce_each_heartbeat() -> None:
    """NaN differs from itself, so a stretch with one would fill the feed."""
    reporters = UnitRegistry("rsu", ["RSU001"], T0_NS)
    body = wire.encode(status(unjudged=(_stretch(from_m=NAN), _stretch(since_ns=1))))
    first = reporters.receive_status("RSU001", body, retained=False, now_ns=T0_NS)
    assert first is not None
    assert reporters.receive_status("RSU001", body, retained=False, now_ns=T0_NS + 1) is None


@pytest.mark.parametrize("epoch", [2**32, 2**63 - 1])
def test_an_epoch_beyond_its_32_bits_does_not_silence_an_rsu(epoch: int) -> None:
    reporters = UnitRegistry("rsu", ["RSU001"], T0_NS)
    hostile = wire.encode(status(epoch=epoch))
    assert reporters.receive_status("RSU001", hostile, retained=False, now_ns=T0_NS) is None
    assert reporters.receive_status("RSU001", wire.encode(status()), retained=False, now_ns=T0_NS) is not None


def test_an_rsu_whose_epoch_went_back_is_seen_again_when_the_newer_one_is_silent() -> None:
    """Its outbox was replaced while its clock was behind: else the centre would not see it for years."""
    reporters = UnitRegistry("rsu", ["RSU001"], T0_NS)
    reporters.receive_status("RSU001", wire.encode(status(epoch=4_000_000_000)), retained=False, now_ns=T0_NS)
    back = wire.encode(status(epoch=10, outbox_depth=3))
    assert reporters.receive_status("RSU001", back, retained=False, now_ns=T0_NS + STALE_NS) is None
    assert reporters.counts["status.outdated"] == 1
    later_ns = T0_NS + STALE_NS + 1
    assert (
        reporters.receive_status("RSU001", back, retained=True, now_ns=later_ns) is None
    )  # kept by a broker
    assert reporters.receive_status("RSU001", back, retained=False, now_ns=later_ns) is not None
    assert reporters.counts["status.epoch_back"] == 1
    assert reporters.state("RSU001", later_ns) == ("online", False)


def test_sums_of_absurd_figures_are_still_json() -> None:
    reporters = UnitRegistry("rsu", ["A", "B", "C"], T0_NS)
    for esn in "ABC":
        body = wire.encode(status(outbox_depth=2**63 - 1, counts={"x": 2**63 - 1, "y": -(2**63)}))
        reporters.receive_status(esn, body, retained=False, now_ns=T0_NS)
    rows = [units.rsu_row(esn, None, reporters, T0_NS, (0, 0), []) for esn in "ABC"]
    total = sum(row["outbox_depth"] for row in rows)
    assert msgspec.json.decode(msgspec.json.encode([total, rows])) == [0, rows]


FIGURES = st.integers(-(2**63), 2**64 - 1) | st.floats()


@given(
    offset=st.none() | st.floats(),
    counts=st.dictionaries(st.text(), st.integers(-(2**63), 2**64 - 1)),
    sensors=st.dictionaries(st.text(), st.text()),
    degraded=st.lists(st.text()),
    stretch=st.tuples(st.text(), st.floats(), st.floats(), st.text(), st.integers(-(2**63), 2**64 - 1)),
)
def test_whatever_a_status_holds_the_table_is_json_and_plain(
    offset: float | None, counts: dict[str, int], sensors: dict[str, str], degraded: list[str], stretch: Any
) -> None:
    row = dict(zip(("road", "from_m", "to_m", "reason", "since_ns"), stretch, strict=True))
    fields = msgspec.to_builtins(status()) | {
        "clock_offset_ms": offset, "counts": counts, "sensors": sensors, "degraded": degraded,
        "unjudged": [row],
    }  # fmt: skip
    reporters = UnitRegistry("rsu", ["RSU001"], T0_NS)
    reporters.receive_status("RSU001", msgspec.msgpack.encode(fields), retained=False, now_ns=T0_NS)
    shown = units.rsu_row("RSU001", None, reporters, T0_NS, (0, 0), [])
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown  # a NaN would come back as null
    for text in (*shown["counts"], *shown["sensors"], *shown["sensors"].values(), *shown["degraded"]):
        assert is_plain(text)


@pytest.mark.parametrize("numbers", ["estimate", "sigma", "applied"])
@pytest.mark.parametrize("value", [NAN, math.inf, 1e9])
def test_a_radars_pose_that_can_t_be_true_is_left_out(numbers: str, value: float) -> None:
    whole = RegistrationReported(
        state="fits", estimate=(0.0,) * 5, sigma=(0.1,) * 5, applied=(0.0,) * 5, n_trucks=20, n_pairs=0
    )
    odd = msgspec.structs.replace(whole, **{numbers: (0.0, 0.0, value, 0.0, 0.0)})
    poses = {"R1": whole, "R2": odd, "\u202e": whole, "R3": msgspec.structs.replace(whole, state="\u202e")}
    counts: Counter[str] = Counter()
    found = screened_status(status(registration=poses), T0_NS, counts)
    assert isinstance(found, wire.Status)
    assert found.registration == {"R1": whole}
    assert counts == {"status.implausible.registration": 3}
