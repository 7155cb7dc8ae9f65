"""Recorded messages in blocks: what a block says is what each message says alone."""

import pickle
from collections import Counter

import msgspec
import numpy as np
import pytest

from core.errors import CommandError
from edge.recording.recorder import Recorded
from edge.wire import GnssColumns, GnssDown, GnssFix, encode
from fusion.observations import GnssFixes, ObjectScan, RadarScan
from geofence.map.frames import SiteFrame
from roadside.arrivals import BLOCK_MESSAGES, Own, blocks_of
from roadside.inputs import (
    ENCODER,
    ClockStep,
    DetectionColumns,
    GatewayFixes,
    ObjectColumns,
    RadarPayload,
    decode,
)
from roadside.replay import arrivals_of
from tests.support.arrivals import recorded_arrivals

NS = 10**9
T0_NS = 1_800_000_000 * NS
FRAME = SiteFrame(121.8, 41.1)


def fix(k: int, rng: np.random.Generator) -> GnssFix:
    """Return a fix of which any optional number may be missing; each seventh is beyond the frame."""
    lon_deg = -60.0 if k % 7 == 0 else 121.8 + 0.01 * rng.normal()
    numbers = {
        name: float(value)
        for name, value in zip(
            ("speed_mps", "course_deg", "sigma_m", "tau_s"), 30.0 * rng.random(4), strict=True
        )
        if rng.random() < 0.7
    }
    return GnssFix(
        terminal=f"T{k % 5}", stamp_ns=T0_NS - k * NS // 3, lon_deg=lon_deg,
        lat_deg=41.1 + 0.01 * rng.normal(), quality=rng.choice([None, "none", "single", "fixed"]),
        source_seq=k if k % 3 else None,
        arrived_ns=T0_NS + k if k % 2 else None, alarm=(1 << 20) if k % 4 else None, **numbers,
    )  # fmt: skip


def messages(n: int) -> list[Recorded]:
    """Return fixes, scans, a gateway's message, a control input, an output, and one that can't be read."""
    rng = np.random.default_rng(5)
    found = [("/gnss", encode(fix(k, rng))) for k in range(n)]
    for k in range(3, n, 10):
        columns = [tuple(rng.normal(size=k % 4).tolist()) for _ in range(3)]
        seen = DetectionColumns(
            range_m=columns[0], azimuth_rad=columns[1], range_rate_mps=columns[2], rcs_dbsm=(None,) * (k % 4)
        )
        scan = RadarPayload(sensor="R", stamp_ns=T0_NS + k, scan=k, detections=seen)
        found.insert(k, ("/radar/R", ENCODER.encode(scan)))
    down = GnssDown(
        gateway="G",
        epoch=1,
        seq=1,
        fixes=GnssColumns(terminal=("A",), stamp_ns=(T0_NS,), lon_deg=(121.8,), lat_deg=(41.1,)),
    )  # fmt: skip
    zero = (0.0,)
    objects = ObjectColumns(
        id=(1,), x_m=zero, y_m=zero, vx_mps=zero, vy_mps=zero, length_m=(None,), width_m=zero, class_=(3,)
    )
    found[20:20] = [
        ("/radar/R", ENCODER.encode(RadarPayload(sensor="R", stamp_ns=T0_NS, scan=1, objects=objects))),
        ("/gateway/G", encode(down)), ("/input", ENCODER.encode(ClockStep(from_ns=T0_NS, to_ns=T0_NS))),
        ("/tracks/R", b""), ("/gnss", b"\xc1"), ("/input", b"\xc1"),
    ]  # fmt: skip
    return [Recorded(topic, body, T0_NS + k, T0_NS + k) for k, (topic, body) in enumerate(found)]


def alone(message: Recorded) -> object:
    """Return the input of one message, None where it is none."""
    try:
        return decode(message.topic, message.body, message.log_ns, FRAME)
    except (msgspec.DecodeError, ValueError):
        return None


def values(item: object) -> object:
    """Return what an input holds, to the byte."""
    if isinstance(item, GatewayFixes):
        return item.gateway, values(item.fixes), item.n_refused
    if isinstance(item, GnssFixes):
        return item.terminal, item.ints.shape, item.ints.tobytes(), item.floats.shape, item.floats.tobytes()
    if isinstance(item, RadarScan):
        columns = (item.range_m, item.azimuth_rad, item.range_rate_mps, item.rcs_dbsm)
        return (
            item.sensor,
            item.stamp_ns,
            item.arrived_ns,
            item.scan,
            [column.tobytes() for column in columns],
        )
    if isinstance(item, ObjectScan):
        columns = (getattr(item, name) for name in ObjectScan.__slots__)
        return [column.tobytes() if isinstance(column, np.ndarray) else column for column in columns]
    return item


def test_a_block_says_what_each_message_says_alone():
    recorded, unread = messages(2 * BLOCK_MESSAGES), Counter()
    arrivals = list(recorded_arrivals(recorded, FRAME, "R1", unread))
    assert [values(item) for _, _, item in arrivals] == [values(alone(message)) for message in recorded]
    assert [log_ns for log_ns, _, _ in arrivals] == [message.log_ns for message in recorded]
    assert {esns for _, esns, item in arrivals if item is not None} == {("R1",)}
    assert unread == {"input.undecodable": 2}
    for _, _, item in arrivals:  # kernels take them as they are
        if isinstance(item, GnssFixes):
            assert item.ints.flags.c_contiguous
            assert item.floats.flags.c_contiguous


def test_a_block_is_the_same_in_another_process():
    recorded = messages(100)
    (block,) = blocks_of(recorded, FRAME, Own("R1"), Counter())
    again = pickle.loads(pickle.dumps(block))
    one, other = (arrivals_of([each], ["R1"], FRAME, Counter()) for each in (block, again))
    assert [(at, esns, values(item)) for at, esns, item in one] == [
        (at, esns, values(item)) for at, esns, item in other
    ]


def test_an_error_comes_behind_the_messages_before_it():
    recorded = messages(5)

    def failing():
        yield from recorded
        raise CommandError("here")

    arrivals = recorded_arrivals(failing(), FRAME, "R1")
    assert [next(arrivals)[0] for _ in recorded] == [message.log_ns for message in recorded]
    with pytest.raises(CommandError, match="here"):
        next(arrivals)


def test_what_no_pipeline_here_wants_is_not_made():
    class Elsewhere(Own):
        def of_radar(self, _):
            return ("R2",)

    recorded = messages(30)
    arrivals = list(
        arrivals_of(blocks_of(recorded, FRAME, Elsewhere("R1"), Counter()), ["R1"], FRAME, Counter())
    )
    scans = [esns for esns, item in ((esns, item) for _, esns, item in arrivals) if esns == ("R2",)]
    assert len(scans) == 4
    assert not any(isinstance(item, RadarScan) for _, _, item in arrivals)


def test_a_fault_of_a_block_is_raised_at_once():
    asked = []

    class Faulty(Own):
        def of_fixes(self, terminals, *_):
            asked.append(terminals)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as raised:
        list(blocks_of(messages(BLOCK_MESSAGES), FRAME, Faulty("R1"), Counter()))
    assert len(asked) == 1, "a fix is routed once: the routes remember it"
    assert raised.value.__context__ is None
