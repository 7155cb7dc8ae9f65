"""The wire against an independent MessagePack codec, and against bytes that are none."""

import math

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from edge import schemas, wire
from edge.clock_probe import clock_offset_ns
from edge.wire import (
    GnssColumns,
    GnssDown,
    GnssFix,
    Handover,
    Status,
    TrackNames,
    UnjudgedStretch,
    ViolationAck,
    ViolationBatch,
    ViolationItem,
)
from tests.support.outbox_end import read_batch

NS = 1_790_000_000_000_000_000
STAMPS = st.integers(10**18, 4 * 10**18)
FIXES = st.builds(
    GnssFix,
    terminal=st.text(min_size=1, max_size=20),
    stamp_ns=STAMPS,
    lon_deg=st.floats(-180.0, 180.0),
    lat_deg=st.floats(-90.0, 90.0),
    plate=st.none() | st.text(max_size=10),
    arrived_ns=st.none() | STAMPS,
    source_seq=st.none() | st.integers(0, 65_535),
    speed_mps=st.none() | st.floats(0.0, 100.0),
    course_deg=st.none() | st.floats(0.0, 360.0),
    quality=st.none() | st.sampled_from(["none", "single", "fixed"]),
)


def unpacked(payload):
    """What a codec that we did not write makes of our bytes."""
    return msgpack.unpackb(wire.encode(payload), strict_map_key=True)


def test_batch_is_what_design_says():
    item = ViolationItem(seq=1, detected_ns=NS, sent_ns=NS + 1, violation=b"\x80")
    void = ViolationItem(seq=2, void="damaged")
    batch = ViolationBatch(epoch=7, items=(item, void))
    assert unpacked(batch) == {
        "epoch": 7,
        "items": [
            {"seq": 1, "detected_ns": NS, "sent_ns": NS + 1, "violation": b"\x80"},
            {"seq": 2, "void": "damaged"},
        ],
    }
    assert read_batch(wire.encode(batch)) == batch


def test_status_carries_every_field_even_when_empty():
    status = Status(
        state="online",
        epoch=1,
        connection=2,
        last_seq=0,
        pending=((1, 5),),
        outbox_depth=0,
        config="1",
        map="m",
        version="0",
        clock_offset_ms=None,
        sensors={},
        counts={},
        unjudged=(UnjudgedStretch(road="G", from_m=0.0, to_m=9.5, reason="no radar", since_ns=NS),),
    )
    plain = unpacked(status)
    assert set(plain) == {
        "state", "epoch", "connection", "last_seq", "pending", "outbox_depth", "config", "map", "version",
        "clock_offset_ms", "sensors", "counts", "unjudged",
    }  # fmt: skip
    assert plain["pending"] == [[1, 5]]
    assert wire.decode_status(wire.encode(status)) == status


def test_handover_hands_rows_on_unread():
    row = msgpack.packb({"track": {"x": [1.0, 2.0]}})
    body = wire.encode(Handover(epoch=1, seq=1, tracks=(msgspec.Raw(row),)))
    assert msgpack.unpackb(body) == {"epoch": 1, "seq": 1, "tracks": [{"track": {"x": [1.0, 2.0]}}]}
    assert bytes(wire.decode_handover(body).tracks[0]) == row


@given(st.lists(FIXES, max_size=5))
def test_columns_and_fixes_are_inverse(fixes):
    down = GnssDown(gateway="GW1", epoch=1, seq=1, fixes=wire.columns_of(fixes))
    assert wire.fixes_of(wire.decode_down(wire.encode(down)).fixes) == fixes
    columns = unpacked(down)["fixes"]
    assert {len(column) for column in columns.values()} == {len(fixes)}
    assert [fix.lon_deg for fix in fixes] == columns["lon_deg"]


def test_columns_schema_and_fix_have_the_same_fields():
    """A field that one of them lacked would be lost on its way."""
    fix, columns = (msgspec.structs.fields(kind) for kind in (GnssFix, GnssColumns))
    assert [field.name for field in fix] == [field.name for field in columns]
    assert {field.name for field in fix} == set(schemas.GNSS)
    may_be_nil = {
        name
        for name, schema in schemas.GNSS.items()
        if None in schema.get("enum", ()) or "null" in schema.get("type", ())
    }
    assert {field.name for field in fix if not field.required} == may_be_nil


def test_absent_columns_are_none():
    body = msgpack.packb(
        {
            "gateway": "G",
            "epoch": 1,
            "seq": 1,
            "fixes": {"terminal": ["1"], "stamp_ns": [NS], "lon_deg": [1.0], "lat_deg": [2.0]},
        }
    )
    assert wire.decode_down(body).fixes.quality == (None,)


@pytest.mark.parametrize(
    ("decode", "payload"),
    [
        (read_batch, {"epoch": 1, "items": []}),  # no item
        (read_batch, {"epoch": 1, "items": [{"seq": 1, "void": "x"}] * 33}),  # too many
        (read_batch, {"epoch": 1, "items": [{"seq": 0, "void": "x"}]}),  # seq counts from 1
        (read_batch, {"epoch": 1, "items": [{"seq": 1}]}),  # neither
        (read_batch, {"epoch": 1, "items": [{"seq": 1, "violation": b""}]}),  # no stamps
        (read_batch, {"epoch": 2**63, "items": [{"seq": 1, "void": "x"}]}),  # no database holds it
        (wire.decode_ack, {"centre": "", "epoch": 1, "stored": [1]}),
        (wire.decode_ack, {"centre": "c", "epoch": 1, "stored": [-1]}),
        (wire.decode_fix, {"terminal": "1", "stamp_ns": NS, "lon_deg": math.nan, "lat_deg": 0.0}),
        (wire.decode_fix, {"terminal": "1", "stamp_ns": NS, "lon_deg": 0.0, "lat_deg": math.inf}),
        (wire.decode_fix, {"terminal": "1", "stamp_ns": -5, "lon_deg": 0.0, "lat_deg": 0.0}),
        (wire.decode_fix, {"terminal": "1", "stamp_ns": 5 * NS, "lon_deg": 0.0, "lat_deg": 0.0}),
        (wire.decode_fix, {"terminal": "1", "stamp_ns": NS, "lon_deg": 0.0, "lat_deg": 0.0, "sigma_m": -1.0}),
        (
            wire.decode_fix,
            {"terminal": "1", "stamp_ns": NS, "lon_deg": 0.0, "lat_deg": 0.0, "quality": "rtk"},
        ),
        (wire.decode_down, {"gateway": "G", "epoch": 1, "seq": 1, "fixes": {"terminal": ["1"]}}),  # lengths
    ],
)
def test_what_breaks_a_bound_is_refused(decode, payload):
    with pytest.raises(msgspec.ValidationError):
        decode(msgpack.packb(payload))


@pytest.mark.parametrize(
    "decode",
    [
        read_batch, wire.decode_ack, wire.decode_snapshot,
        wire.decode_handover, wire.decode_status, wire.decode_fix, wire.decode_down, wire.decode_site,
    ],
)  # fmt: skip
@given(body=st.binary(max_size=200))
def test_garbage_is_a_decode_error(decode, body):
    with pytest.raises(msgspec.DecodeError):  # no map of ours is that short and random
        decode(body)


DECODERS = [getattr(wire, name) for name in sorted(vars(wire)) if name.startswith("decode_")]


@pytest.mark.parametrize(
    "body",
    [
        b"\x81\xa5extra" + b"\x91" * 100_000 + b"\xc0",  # a nesting bomb where a newer version's field may be
        b"\x91" * 100_000 + b"\xc0",
        b"\x81\xa2\xff\xfe\x01",  # a key that is no UTF-8
        b"\x83\xa3esn\xa1\xff\xa8terminal\xa1\xff\xa5state\xa1\xff",
        b"\x81\x80\x01",  # a map as a key
    ],
)
@pytest.mark.parametrize("decode", DECODERS)
def test_whatever_is_wrong_with_bytes_is_one_error(decode, body):
    """What escapes another way ends the process that reads it."""
    with pytest.raises(msgspec.DecodeError):
        decode(body)


@given(cut=st.integers(0, 200), flip=st.integers(0, 255))
def test_a_damaged_batch_is_refused_or_still_a_batch(cut, flip):
    body = bytearray(
        wire.encode(
            ViolationBatch(
                epoch=7, items=(ViolationItem(seq=1, detected_ns=NS, sent_ns=NS, violation=b"x" * 99),)
            )
        )
    )
    body[cut % len(body)] ^= flip
    try:
        batch = read_batch(bytes(body))
    except msgspec.DecodeError:
        return
    assert 1 <= len(batch.items) <= 32


def records(n):
    rows = np.zeros(n, wire.TRACK_DTYPE)
    rows["track"] = np.arange(n) + (1 << 40)
    rows["lane"] = wire.NONE_LANE
    rows["d_cm"] = -7
    return rows


def test_records_are_packed_as_the_browser_reads_them():
    offsets = [wire.TRACK_DTYPE.fields[name][1] for name, _ in wire.TRACK_DESCR]
    assert offsets == [0, 8, 12, 16, 18, 20, 22, 24, 26, 30, 32, 33, 34, 35]
    assert wire.TRACK_DTYPE.itemsize == 36


def test_snapshot_round_trip():
    names = TrackNames(track=(1,), terminal=("1",), plate=(None,), identity_p=(0.5,))
    snapshot = wire.snapshot_of(records(3), esn="R1", seq=4, stamp_ns=NS, lanes=("a",), names=names)
    plain = unpacked(snapshot)
    dtype = np.dtype([tuple(field) for field in plain["dtype"]])
    np.testing.assert_array_equal(np.frombuffer(plain["data"], dtype), records(3))
    back = wire.decode_snapshot(wire.encode(snapshot))
    assert back == snapshot
    np.testing.assert_array_equal(wire.records_of(back), records(3))


def test_a_snapshot_of_signed_stations_adds_one_column_at_the_end_of_each_record():
    rows = np.zeros(2, wire.SIGNED_DTYPE)
    rows["track"], rows["s_signed_dm"] = [1, 2], [-4_321, 7]
    snapshot = wire.snapshot_of(rows, esn="R1", seq=4, stamp_ns=NS)
    assert wire.decode_snapshot(wire.encode(snapshot)) == snapshot
    assert snapshot.dtype == (*wire.TRACK_DESCR, ("s_signed_dm", "<i4"))
    assert len(snapshot.data) == 2 * (wire.TRACK_DTYPE.itemsize + 4)
    np.testing.assert_array_equal(wire.records_of(snapshot), rows)
    assert wire.snapshot_of(records(2), esn="R1", seq=4, stamp_ns=NS).dtype == wire.TRACK_DESCR


def test_snapshot_omits_names_that_did_not_change():
    assert set(unpacked(wire.snapshot_of(records(0), esn="R1", seq=4, stamp_ns=NS))) == {
        "v", "esn", "seq", "stamp_ns", "n", "dtype", "data",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 4},  # fewer bytes than told
        {"dtype": (("track", "<u8"),)},  # fields lack
        {"dtype": (*wire.TRACK_DESCR, ("more", "O"))},  # would make Python objects of bytes
        {"dtype": tuple((name, ">" + form.lstrip("<|")) for name, form in wire.TRACK_DESCR)},  # other order
    ],
)
def test_records_that_are_not_as_stated_are_refused(changes):
    snapshot = wire.snapshot_of(records(3), esn="R1", seq=4, stamp_ns=NS)
    with pytest.raises(ValueError):
        wire.records_of(msgspec.structs.replace(snapshot, **changes))


def test_records_of_a_newer_peer_may_have_more_fields():
    more = np.zeros(2, np.dtype([*wire.TRACK_DESCR, ("yaw", "<f4")]))
    snapshot = msgspec.structs.replace(
        wire.snapshot_of(records(2), esn="R1", seq=1, stamp_ns=NS),
        dtype=(*wire.TRACK_DESCR, ("yaw", "<f4")),
        data=more.tobytes(),
    )
    assert wire.records_of(snapshot)["yaw"].tolist() == [0.0, 0.0]


@given(
    ahead_ns=st.integers(-(10**12), 10**12), there_ns=st.integers(0, 10**9), inside_ns=st.integers(0, 10**9)
)
def test_clock_probe_finds_the_offset_of_a_symmetric_path(ahead_ns, there_ns, inside_ns):
    response = wire.ClockRsp(
        seq=1,
        sent_ns=NS,
        received_ns=NS + there_ns + ahead_ns,
        answered_ns=NS + there_ns + inside_ns + ahead_ns,
    )
    returned_ns = NS + 2 * there_ns + inside_ns
    assert clock_offset_ns(response, returned_ns) == (ahead_ns, 2 * there_ns)


def test_ack_defaults_to_nothing():
    assert wire.decode_ack(msgpack.packb({"centre": "c", "epoch": 1})) == ViolationAck(centre="c", epoch=1)


def test_columns_know_their_length():
    assert len(GnssColumns(terminal=("1",), stamp_ns=(NS,), lon_deg=(1.0,), lat_deg=(1.0,))) == 1


@pytest.mark.parametrize("stamp_ns", [0, 5, 946_684_800 * 10**9, 41 * 10**17])  # 1970, 2000, 2099
def test_a_clock_that_was_never_set_costs_no_report(stamp_ns):
    """Others still read a stamp that they know; what the device showed travels beside it, in columns too."""
    body = msgpack.packb({"terminal": "1", "stamp_ns": stamp_ns, "lon_deg": 1.0, "lat_deg": 2.0})
    fix = wire.decode_fix(body)
    assert STAMP_NS_MIN <= fix.stamp_ns <= STAMP_NS_MAX
    assert fix.device_stamp_ns == stamp_ns
    assert wire.decode_fix(wire.encode(fix)) == fix
    down = wire.GnssDown(gateway="G", epoch=1, seq=1, fixes=wire.columns_of([fix]))
    assert wire.fixes_of(wire.decode_down(wire.encode(down)).fixes) == [fix]
