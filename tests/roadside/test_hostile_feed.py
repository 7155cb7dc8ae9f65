"""What gateways, radars, the centre and a damaged outbox may send: each fault costs itself only."""

import asyncio
import math
import struct
import time
import zlib
from functools import partial

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.classes import HAZMAT
from edge import topics, wire
from edge.clock import Clock
from edge.clock_probe import ClockProbe
from edge.gnss_down import FIELDS, read_down
from edge.outbox.outbox import Outbox
from edge.signing.envelope import Seal, sealed
from edge.signing.guard import Guard, Known
from edge.signing.policy import Signer
from fusion.layout import AXIS, HEADING, LANE_BEND
from roadside.devices import radar_udp
from roadside.down_gate import GATEWAYS_MAX, MESSAGES_BURST
from roadside.inputs import (
    DetectionColumns,
    GatewayFixes,
    ObjectColumns,
    RadarPayload,
    Start,
    decode,
    scan_of,
)
from roadside.outputs import Raised, Snapshot
from roadside.pipeline import Pipeline
from tests.roadside.test_agent import drain_inbox, made
from tests.support.examples import examples
from tests.support.hostile import POISON, changed, floats
from tests.support.outbox_end import read_batch
from tests.support.roadside_drive import NS, T0_NS, drive, leave, run

N_FIXES = 64
WIDE = (math.nan, math.inf, -math.inf, 1e308, -1e308, 1e9, -1e9, 1e38, 1e-300, -1.0, 0.0)


def fix_of(i, t_ns=T0_NS):
    """A truck's fix on the example road, 5 m behind the one before."""
    return wire.GnssFix(
        terminal=f"1391{i:07d}", plate=f"辽L·A{i:04d}", stamp_ns=t_ns, arrived_ns=t_ns + 1_000, source_seq=i,
        lon_deg=122.001 + i * 6e-5, lat_deg=41.0, alt_m=3.0, speed_mps=16.0, course_deg=90.0, sigma_m=1.0,
        tau_s=5.0, quality="single", satellites=9, alarm=0, status=3,
    )  # fmt: skip


def down(t_ns=T0_NS, n=N_FIXES):
    fixes = wire.columns_of([fix_of(i, t_ns) for i in range(n)])
    return wire.encode(wire.GnssDown(gateway="GW1", epoch=1, seq=1, fixes=fixes))


def finite(outputs):
    """Whether every number of what is raised is one."""
    bodies = [o.body for o in outputs if isinstance(o, Raised)]
    return all(math.isfinite(number) for body in bodies for number in floats(msgpack.unpackb(body)))


def sound_state(pipeline):
    store = pipeline.tracker.store
    rows = store.ints[:, 0] != 0
    assert np.isfinite(np.delete(store.X[rows], [HEADING, AXIS, LANE_BEND], axis=1)).all(), (
        "no NaN enters the tracker"
    )
    assert np.isfinite(store.P[rows]).all()
    assert (np.abs(store.X[rows][:, :4]) < 1e6).all()


# ---- a gateway's message


@settings(max_examples=examples(12))
@given(name=st.sampled_from(FIELDS), at=st.integers(0, N_FIXES - 1), value=st.sampled_from(POISON))
def test_one_implausible_fix_of_many_costs_itself_only(setup, name, at, value):
    body = changed(down(), ("fixes", name, at), value)
    pipeline = Pipeline(setup)
    pipeline.step(T0_NS - NS, Start(epoch=1))
    with np.errstate(over="raise", invalid="raise"):
        item = decode("/gateway/GW1", body, T0_NS + 2_000, setup.frame)
        outputs = pipeline.step(T0_NS + 2_000, item)
        outputs += pipeline.step(T0_NS + 4 * NS // 10, None)
    known = {terminal for terminal in pipeline.tracker.terminal_ids if terminal.startswith("1391")}
    others = {f"1391{i:07d}" for i in range(N_FIXES) if i != at}
    assert others <= known
    n_tracks = max(o.n_tracks for o in outputs if isinstance(o, Snapshot))
    assert n_tracks >= N_FIXES - 1
    assert len(item.fixes.terminal) == N_FIXES - item.n_refused
    assert pipeline.all_counts().get("gnss.implausible", 0) == item.n_refused
    assert finite(outputs)
    sound_state(pipeline)


def test_a_terminal_that_is_no_text_costs_itself_only():
    """Bytes that are no UTF-8 end a decoder on the whole message."""
    body = down().replace(b"1391" + b"0" * 6 + b"5", b"1391" + b"0" * 6 + b"\xff")
    message, n_refused = read_down(body)
    assert (len(message.fixes), n_refused) == (N_FIXES - 1, 1)


@pytest.mark.parametrize("name", ["plate", "alt_m", "quality", "satellites", "alarm", "status", "departure"])
def test_what_the_tracker_does_not_need_costs_no_fix(name):
    """A truck whose altimeter is broken, or whose gateway knows a newer quality, still reports."""
    message, n_refused = read_down(
        changed(down(), ("fixes", name, 3), "ppp" if name == "quality" else [1e308])
    )
    assert (len(message.fixes), n_refused) == (N_FIXES, 0)
    assert getattr(message.fixes, name)[3] is None


@pytest.mark.parametrize(
    "fixes",
    [
        {"terminal": ["1", "2"], "stamp_ns": [T0_NS], "lon_deg": [0.0], "lat_deg": [0.0]},
        {"terminal": ["1"] * 5_000, "stamp_ns": [-1] * 5_000, "lon_deg": [0] * 5_000, "lat_deg": [0] * 5_000},
        {"terminal": 1},
        [],
        None,
    ],
)
def test_columns_that_belong_to_nobody_are_refused_whole(fixes):
    with pytest.raises(msgspec.DecodeError):
        read_down(msgpack.packb({"gateway": "G", "epoch": 1, "seq": 1, "fixes": fixes}))


def test_an_agent_counts_what_a_message_lost_and_records_it_as_received(setup):
    agent = made(setup)
    body = changed(down(), ("fixes", "lat_deg", 7), math.nan)
    agent.subscriptions(("RSU002",)).receive(topics.gnss_down("RSU001"), body, False)
    drain_inbox(agent)
    assert agent.recorder.topics == ["/gateway/GW1"]
    assert agent.pipeline.all_counts()["gnss.implausible"] == 1
    assert len(agent.pipeline.tracker.terminal_ids) >= N_FIXES - 1


def test_a_flood_of_gateways_fills_no_recording_with_channels(setup):
    agent = made(setup)
    for k in range(100):
        body = changed(down(n=1), ("gateway",), f"G{k}")
        agent.subscriptions(("RSU002",)).receive(topics.gnss_down("RSU001"), body, False)
        drain_inbox(agent)
    assert len(set(agent.recorder.topics)) == GATEWAYS_MAX
    assert agent.counts() == {"gateway.too_many": 100 - GATEWAYS_MAX}


def test_a_flood_that_claims_the_gateways_key_costs_few_signatures(setup, monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    agent, verified = made(setup), []
    admits = agent.subscriptions(("RSU002",)).admits
    signer = Signer("gateway", "GW1")
    known = Known(1, lambda _signature, data: verified.append(len(data)) is not None, signer, 0, 2**62)
    guard, topic = Guard(None, {bytes(8): known}, lambda: T0_NS), topics.gnss_down("RSU001")
    body = sealed(down(n=1), Seal(1, bytes(8), T0_NS, bytes(64)))
    heard = [guard.accepts(topic, body, partial(admits, topic, body)) for _ in range(3_000)]
    assert not any(heard)
    assert len(verified) == MESSAGES_BURST, "the gate is asked before"
    assert agent.counts()["gateway.too_often"] == 3_000 - len(verified)
    assert not guard.accepts(topic, b"\xc1", partial(admits, topic, b"\xc1"))
    assert not admits(topic, b"\xc1")
    assert agent.counts()["mqtt.undecodable.gnss/down"] == 1


def test_a_fix_that_says_it_knows_no_place_or_speed_moves_no_track(setup):
    pipeline = Pipeline(setup)
    odd = [msgspec.structs.replace(fix_of(0), speed_mps=1e9), msgspec.structs.replace(fix_of(1), sigma_m=1e9)]
    body = wire.encode(wire.GnssDown(gateway="GW1", epoch=1, seq=1, fixes=wire.columns_of(odd)))
    pipeline.step(T0_NS, decode("/gateway/GW1", body, T0_NS, setup.frame))
    assert pipeline.all_counts() == {"gnss.odd_speed": 1, "gnss.unusable": 1}
    sound_state(pipeline)


# ---- radars


@settings(max_examples=examples(12))
@given(data=st.data())
def test_absurd_targets_cost_themselves_only(setup, data):
    """Beside a sound car: its track is the same as without them."""
    sound = {"range_m": 80.0, "azimuth_rad": 0.01, "range_rate_mps": 16.0, "rcs_dbsm": 10.0}
    odd = [
        {name: data.draw(st.sampled_from((*WIDE, value))) for name, value in sound.items()}
        for _ in range(data.draw(st.integers(0, 4)))
    ]
    found = []
    for targets in ([sound], [*odd, sound]):
        pipeline = Pipeline(setup)
        for k in range(30):
            here = [t | {"range_m": t["range_m"] + 0.8 * k} if t is sound else t for t in targets]
            seen = DetectionColumns(**{name: tuple(t[name] for t in here) for name in sound})
            stamp_ns = T0_NS + k * NS // 20
            payload = RadarPayload(sensor=setup.radars[0].sensor, stamp_ns=stamp_ns, scan=k, detections=seen)
            with np.errstate(over="raise", invalid="raise"):
                pipeline.step(stamp_ns, scan_of(payload, stamp_ns))
        sound_state(pipeline)
        found.append(pipeline)
    assert len(found[0].tracker.at(T0_NS + 2 * NS)) == 1
    assert len(found[1].tracker.at(T0_NS + 2 * NS)) >= 1


@settings(max_examples=examples(12))
@given(data=st.data())
def test_absurd_objects_cost_themselves_only(setup, data):
    names = ("x_m", "y_m", "vx_mps", "vy_mps", "length_m", "width_m")
    sound = {"x_m": 80.0, "y_m": 0.0, "vx_mps": 16.0, "vy_mps": 0.0, "length_m": 12.0, "width_m": 2.5}
    odd = {name: data.draw(st.sampled_from((*WIDE, sound[name]))) for name in names}
    number = data.draw(st.sampled_from((0, -1, 2**63, 2**64 - 1)))
    kind = data.draw(st.sampled_from((None, 6, 200, -1, 2**63)))
    pipeline = Pipeline(setup)
    for k in range(30):
        here = [odd, sound | {"x_m": 80.0 + 0.8 * k}]
        columns = {name: tuple(t[name] for t in here) for name in names}
        objects = ObjectColumns(id=(number, 1), class_=(kind, HAZMAT), **columns)
        stamp_ns = T0_NS + k * NS // 20
        payload = RadarPayload(sensor=setup.radars[0].sensor, stamp_ns=stamp_ns, scan=k, objects=objects)
        with np.errstate(over="raise", invalid="raise"):
            item = decode("/radar/x", msgspec.msgpack.encode(payload), stamp_ns, setup.frame)
            pipeline.step(stamp_ns, item)
    sound_state(pipeline)
    assert len(pipeline.tracker.at(T0_NS + 2 * NS)) >= 1
    if kind is not None:
        assert pipeline.all_counts()["radar.odd_class"] == 30


@given(payload=st.binary(min_size=16, max_size=64), n=st.integers(1, 4))
def test_any_datagram_with_a_right_checksum_is_handled_without_raising(setup, payload, n):
    column = (1.0,) * n
    seen = DetectionColumns(range_m=column, azimuth_rad=column, range_rate_mps=column, rcs_dbsm=column)
    whole = radar_udp.encode(
        RadarPayload(sensor=setup.radars[0].sensor, stamp_ns=T0_NS, scan=1, detections=seen)
    )
    targets = (payload * n)[: 16 * n].ljust(16 * n, b"\xff")
    body = whole[: -4 - 16 * n] + targets
    seen = radar_udp.decode(body + struct.pack("<I", zlib.crc32(body)), T0_NS)
    pipeline = Pipeline(setup)
    pipeline.step(T0_NS, scan_of(seen, T0_NS))
    sound_state(pipeline)


# ---- a damaged outbox


@pytest.fixture(scope="module")
def episode(setup):
    """An open episode as the outbox keeps it."""
    outputs = run(Pipeline(setup), drive(setup, leave, seconds=9.0))
    return next(o.episode for o in reversed(outputs) if isinstance(o, Raised) and o.episode)


@settings(max_examples=examples(8))
@given(data=st.data())
def test_a_damaged_row_of_open_episodes_ends_no_start(setup, episode, data):
    fields = msgpack.unpackb(episode)
    body = changed(episode, (data.draw(st.sampled_from(sorted(fields))),), data.draw(st.sampled_from(POISON)))
    pipeline = Pipeline(setup)
    outputs = pipeline.step(T0_NS + 10 * NS, Start(epoch=2, episodes=(body, episode)))
    outputs += pipeline.step(T0_NS + 45 * NS, None)
    closed = [msgpack.unpackb(o.body) for o in outputs if isinstance(o, Raised)]
    assert fields["id"] in [v["id"] for v in closed], "the sound one is closed"
    assert finite(outputs)
    for v in closed:
        assert all(
            text.isprintable()
            for text in (v["id"], v["lane"] or "", *map(str, (v["vehicle"] or {}).values()))
        )


@pytest.mark.parametrize(
    "body",
    [b"\x91" * 100_000 + b"\xc0", b"\x81\xa2id\xa2\xff\xfe", b"\x81\xa5extra" + b"\x91" * 100_000 + b"\xc0"],
)
def test_a_row_that_bombs_is_counted(setup, body):
    pipeline = Pipeline(setup)
    pipeline.step(T0_NS, Start(epoch=2, episodes=(body,)))
    assert pipeline.all_counts() == {"start.episode": 1}


# ---- the centre's answers


@pytest.mark.parametrize(
    "ack",
    [
        {"stored": list(range(1, 200_000))},  # would hold the loop for a second
        {"conflict": list(range(1, 200_000))},
        {"stored": [0]}, {"stored": [-1]}, {"stored": [2**63]}, {"stored": [math.nan]}, {"conflict": ["1"]},
        {"epoch": 2**63}, {"epoch": -1}, {"centre": "x" * 65},
    ],
)  # fmt: skip
def test_an_acknowledgement_out_of_bounds_is_counted(setup, ack):
    agent = made(setup)
    body = msgpack.packb({"centre": "c", "epoch": 1} | ack)
    agent.subscriptions(("RSU002",)).receive(topics.violation_ack("RSU001"), body, False)
    assert agent.counts() == {"mqtt.undecodable.violation/ack": 1}
    assert agent.outbox.acks == []


@pytest.mark.anyio
async def test_forged_acknowledgements_lose_nothing(tmp_path):
    """Of seqs that were never sent, of other epochs, and conflicts: what was raised is still sent."""
    outbox = await Outbox.open(tmp_path / "o.sqlite", clock=Clock.paced(T0_NS))
    outbox.start()
    first = outbox.epoch
    sent = []

    def send(body):
        sent.append(read_batch(body))
        return True

    task = asyncio.create_task(outbox.run(send))
    try:
        for k in range(5):
            outbox.put(b"violation %d" % k, T0_NS, f"e{k}", None)
        while sum(len(batch.items) for batch in sent) < 5:
            await asyncio.sleep(0)
        for k in range(20):
            forged = tuple(range(6 + k * 2**40, 506 + k * 2**40))
            outbox.acknowledge(wire.ViolationAck(centre="x", epoch=first, stored=forged, conflict=forged))
            outbox.acknowledge(wire.ViolationAck(centre="x", epoch=first - 1, stored=(1, 2), conflict=(3,)))
        assert (outbox.depth, outbox.epoch) == (5, first)
        assert outbox.counts["outbox.ack_never_sent"] == 20 * (500 + 500 + 3)
        outbox.acknowledge(wire.ViolationAck(centre="x", epoch=first, conflict=(1, 2, 3, 4, 5)))
        while outbox.epoch == first:
            await asyncio.sleep(0)
        assert outbox.depth == 5, "under a new epoch, all of them"
        while {i.violation for b in sent if b.epoch == outbox.epoch for i in b.items} != {
            b"violation %d" % k for k in range(5)
        }:
            await asyncio.sleep(0)
    finally:
        task.cancel()
        await outbox.close()


@pytest.mark.parametrize(
    "change",
    [
        {"received_ns": 2**63 - 1, "answered_ns": 2**63 - 1},
        {"received_ns": -(2**63)},
        {"received_ns": 0, "answered_ns": 0},
        {"answered_ns": T0_NS - NS},  # answered before it was received
        {"answered_ns": T0_NS + NS},  # longer on its way there than from asking to hearing
        {"received_ns": math.nan},
    ],
)
def test_an_answer_that_no_clock_gives_is_not_believed(change):
    clock = Clock.paced(T0_NS)
    probe, counted = ClockProbe(clock), []
    asked = wire.decode_clock_req(probe.ask())
    answer = {"seq": asked.seq, "sent_ns": asked.sent_ns, "received_ns": T0_NS, "answered_ns": T0_NS} | change
    probe.receive(msgpack.packb(answer), counted.append)
    assert probe.offset_ms is None
    assert counted in (["clock.undecodable"], ["clock.implausible"])


def test_what_is_published_for_another_is_not_ours(setup):
    agent = made(setup)
    for tail, body in (("handover/RSU009", wire.Handover(epoch=1, seq=1, tracks=())),
                       ("handover/RSU009/ack", wire.HandoverAck(epoch=1, seq=1))):  # fmt: skip
        agent.subscriptions(("RSU002",)).receive(topics.rsu("RSU002", tail), wire.encode(body), False)
    drain_inbox(agent)
    assert agent.counts() == {"mqtt.unexpected": 2}
    assert agent.pipeline.all_counts() == {}
    assert isinstance(decode("/gateway/GW1", down(n=1), T0_NS, setup.frame), GatewayFixes)
