"""Recordings of runs: equal bytes for equal seeds, inputs in a total order, what the codecs leave."""

import itertools
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from edge.recording.recorder import read_messages
from edge.wire import SiteRecord
from roadside.inputs import decode
from sim.record import T0_NS, Tape, record
from tests.support.sim_world import panjin, world


def recorded(path: Path, seconds: int = 2, **setting: object) -> bytes:
    for _ in record(world(**setting), [Tape(path)], 20 * seconds, Counter()):
        pass
    return path.read_bytes()


def test_equal_settings_give_equal_bytes(tmp_path: Path) -> None:
    first = recorded(tmp_path / "a.mcap", seed=31)
    assert recorded(tmp_path / "b.mcap", seed=31) == first
    assert recorded(tmp_path / "c.mcap", seed=32) != first
    assert recorded(tmp_path / "d.mcap", seed=31, noise=1.5) != first


def test_inputs_are_in_a_total_order_and_decode(tmp_path: Path) -> None:
    path = tmp_path / "r.mcap"
    recorded(path, seed=33)
    messages = list(read_messages(path))
    assert [m.topic for m in messages[:2]] == ["/site", "/input"]
    assert msgspec.msgpack.decode(messages[0].body, type=SiteRecord).esn is None
    assert all(a.log_ns < b.log_ns for a, b in itertools.pairwise(messages))
    inputs = [m for m in messages if m.topic.startswith(("/gnss", "/radar", "/input"))]
    assert all(decode(m.topic, m.body, m.log_ns, panjin().frame) is not None for m in inputs)
    assert msgspec.msgpack.decode(messages[-1].body) == {"type": "stop"}
    n = Counter(m.topic.split("/")[1] for m in messages)
    assert n["radar"] == 8 * 20 * 2
    assert n["truth"] == 20
    assert n["gnss"] > 100
    for message in messages:
        if message.topic.startswith(("/gnss", "/radar")):
            body = msgspec.msgpack.decode(message.body)
            assert body["stamp_ns"] == message.publish_ns >= T0_NS
            assert body["arrived_ns"] <= message.log_ns


def test_the_truth_alone_is_the_same_truth(tmp_path: Path) -> None:
    whole, alone = tmp_path / "w.mcap", tmp_path / "t.mcap"
    for _ in record(world(seed=34), [Tape(whole), Tape(alone, truth_only=True)], 200, Counter()):
        pass
    bodies = [
        [(m.topic, m.body) for m in read_messages(p) if m.topic.startswith("/truth")] for p in (whole, alone)
    ]
    assert bodies[0] == bodies[1]
    assert {m.topic for m in read_messages(alone)} == {"/site", "/truth", "/truth/violation"}


def test_a_run_that_is_broken_off_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "r.mcap"
    run = record(world(seed=35), [Tape(path)], 1_000, Counter())
    for _ in range(30):
        next(run)
    run.close()
    assert sum(m.topic == "/truth" for m in read_messages(path)) == pytest.approx(15, abs=1)
