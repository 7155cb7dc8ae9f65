"""Snapshots on their way to the pages: the newest of each RSU, and no name is lost on the way."""

import asyncio

import msgspec
import numpy as np
import pytest

from centre import track_hub, track_viewer
from centre.track_hub import TrackHub
from centre.track_viewer import Viewer, stretches_of
from edge import wire
from tests.support.centre_samples import T0_NS

pytestmark = pytest.mark.anyio


def _snapshot(seq: int, esn: str = "RSU001", *, named: bool = False) -> bytes:
    records = np.zeros(1, wire.TRACK_DTYPE)
    records["track"], records["lane"] = 1, wire.NONE_LANE
    names = wire.TrackNames(track=(1,), terminal=("t",), plate=(None,), identity_p=(0.9,)) if named else None
    return wire.encode(wire.snapshot_of(records, esn=esn, seq=seq, stamp_ns=T0_NS + seq, names=names))


def _seqs(viewer: Viewer) -> list[tuple[str, int]]:
    found = []
    while viewer.waiting:
        frame = wire.decode_snapshot(asyncio.run(viewer.next_frame()))
        found.append((frame.esn, frame.seq))
    return found


def _hub() -> tuple[TrackHub, Viewer]:
    hub = TrackHub()
    viewer = hub.join()
    assert viewer is not None
    return hub, viewer


def test_a_turn_offers_the_newest_of_each_rsu_only() -> None:
    """A centre that was behind decoded each old snapshot, and showed all of them, ever later."""
    hub, viewer = _hub()
    for seq in range(5):
        hub.queue("RSU001", _snapshot(seq), T0_NS)
    hub.queue("RSU002", _snapshot(9, "RSU002"), T0_NS)
    assert not viewer.waiting, "not before the turn"
    hub.take_turn()
    assert _seqs(viewer) == [("RSU001", 4), ("RSU002", 9)]
    assert hub.counts["track.overtaken"] == 4
    hub.take_turn()
    assert not viewer.waiting


def test_a_snapshot_with_names_is_overtaken_by_none_without() -> None:
    hub, viewer = _hub()
    for seq, named in ((1, True), (2, False), (3, True), (4, False), (5, False)):
        hub.queue("RSU001", _snapshot(seq, named=named), T0_NS)
    hub.take_turn()
    assert _seqs(viewer) == [("RSU001", 3), ("RSU001", 5)]


def test_what_waits_for_a_turn_is_limited_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, viewer = _hub()
    monkeypatch.setattr(track_hub, "ARRIVED_BYTES_MAX", 2 * len(_snapshot(1)))
    for seq in range(3):
        hub.queue("RSU001", _snapshot(seq), T0_NS)
    assert _seqs(viewer) == [("RSU001", 2)], "at once: the third was too much"


async def test_a_turn_comes_by_itself() -> None:
    hub, viewer = _hub()
    running = asyncio.create_task(hub.run())
    for seq in (1, 2):
        hub.queue("RSU001", _snapshot(seq), T0_NS)
        async with asyncio.timeout(30.0):
            assert wire.decode_snapshot(await viewer.next_frame()).seq == seq
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _road(esn: str, from_m: float, n: int, *, seq: int = 1, owned: float = 1.0) -> bytes:
    """Return a snapshot of n vehicles on a kilometre, of which a share is owned."""
    records = np.zeros(n, wire.TRACK_DTYPE)
    records["track"], records["lane"] = np.arange(n) + 1, wire.NONE_LANE
    records["s_dm"] = (from_m + np.linspace(0.0, 999.0, n)) * 10
    records["flags"][: int(n * owned)] = wire.FLAG_OWNED
    return wire.encode(wire.snapshot_of(records, esn=esn, seq=seq, stamp_ns=T0_NS + seq))


class _Seconds:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _drain(viewer: Viewer) -> list[bytes]:
    """Return the frames that may leave now."""
    return list(iter(viewer.take, None))


def _looking(hub: TrackHub, *stretches: tuple[float, float]) -> tuple[Viewer, _Seconds]:
    viewer = hub.join()
    assert viewer is not None
    seconds = viewer.now_s = _Seconds()
    viewer.look_at(stretches)
    return viewer, seconds


def test_near_snapshots_come_as_they_are_and_the_others_apart() -> None:
    hub = TrackHub()
    viewer, seconds = _looking(hub, (1_500.0, 2_500.0))
    frames = {esn: _road(esn, from_m, 10, owned=0.5) for esn, from_m in (("A", 0.0), ("B", 2_000.0))}
    for esn, frame in frames.items():
        hub.receive_snapshot(esn, frame, T0_NS)
    near, far = _drain(viewer)
    assert near == frames["B"]
    body = msgspec.msgpack.decode(far)
    assert (body["esn"], body["n"], body["every_ms"]) == ("A", 5, 500)
    owned = wire.records_of(wire.decode_snapshot(far))
    whole = wire.records_of(wire.decode_snapshot(frames["A"]))
    assert owned.tobytes() == whole[:5].tobytes()
    for turn in range(1, 11):  # a second of snapshots
        seconds.now += 0.1
        for esn, from_m in (("A", 0.0), ("B", 2_000.0)):
            hub.receive_snapshot(esn, _road(esn, from_m, 10, seq=turn + 1), T0_NS)
        got = [msgspec.msgpack.decode(frame) for frame in _drain(viewer)]
        assert [body["esn"] for body in got if "every_ms" not in body] == ["B"]
        assert [body["esn"] for body in got if "every_ms" in body] == (["A"] if turn in (5, 10) else [])
    assert viewer.skipped == 0


def test_a_view_that_moves_gets_the_full_rate_at_its_new_place() -> None:
    hub = TrackHub()
    viewer, seconds = _looking(hub, (0.0, 500.0))
    hub.receive_snapshot("A", _road("A", 5_000.0, 3), T0_NS)
    assert [b"every_ms" in frame for frame in _drain(viewer)] == [True]
    viewer.look_at(((4_000.0, 6_000.0),))
    seconds.now += 0.1
    hub.receive_snapshot("A", newer := _road("A", 5_000.0, 3, seq=2), T0_NS)
    assert _drain(viewer) == [newer]


def test_names_of_what_is_apart_are_not_lost() -> None:
    hub = TrackHub()
    viewer, _ = _looking(hub, (1e6, 1e6))
    for seq, named in ((1, True), (2, False), (3, False)):
        hub.receive_snapshot("RSU001", _at_station(_snapshot(seq, named=named)), T0_NS)
    got = [wire.decode_snapshot(frame) for frame in _drain(viewer)]
    assert [(each.seq, each.names is not None) for each in got] == [(1, True), (3, False)]


def _at_station(payload: bytes) -> bytes:
    snapshot = wire.decode_snapshot(payload)
    records = wire.records_of(snapshot).copy()
    records["s_dm"] = 10
    return wire.encode(msgspec.structs.replace(snapshot, data=records.tobytes()))


@pytest.mark.parametrize("vehicles_of_each", [4, 40, 400])
def test_a_page_costs_the_same_however_many_vehicles_drive(vehicles_of_each: int) -> None:
    """49 RSUs of a kilometre, ten snapshots a second; the page looks at four of them."""
    hub = TrackHub()
    viewer, seconds = _looking(hub, (10_000.0, 14_000.0))
    sent = {"near": 0, "far": 0}
    last: dict[str, float] = {}
    gap_s = 0.0
    frames = {i: _road(f"R{i:02}", i * 1_000.0, vehicles_of_each) for i in range(49)}
    for _ in range(60):
        seconds.now += 0.1
        for i, frame in frames.items():
            hub.receive_snapshot(f"R{i:02}", frame, T0_NS)
        for frame in _drain(viewer):
            body = msgspec.msgpack.decode(frame)
            sent["far" if "every_ms" in body else "near"] += len(frame)
            gap_s = max(gap_s, seconds.now - last.get(body["esn"], seconds.now))
            last[body["esn"]] = seconds.now
    assert sent["near"] / 6 <= track_viewer.NEAR_BYTES_S * 1.15
    assert sent["far"] / 6 <= track_viewer.FAR_BYTES_S * 1.15
    assert len(last) == 49, "each RSU has its turn"
    every_s = msgspec.msgpack.decode(next(iter(hub._latest.values())).newest.far)["every_ms"] / 1e3
    assert gap_s <= 2 * every_s, "the page is told how long it may wait"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "malformed|truncated"), ("{}", "view"), ('{"view": 1}', "array"), ('{"view": [[1]]}', "length"),
        ('{"view": [[2, 1]]}', "ascending"), ('{"view": [[0, 1e9]]}', "ascending"),
        ('{"view": [], "more": 1}', "unknown field"), ('{"view": [[1, null]]}', "float"),
        ('{"view": [' + ",".join(["[0,1]"] * 9) + "]}", "more than 8"), (" " * 2_001, "too long"),
    ],
)  # fmt: skip
def test_what_is_no_view(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"(?i){why}"):
        stretches_of(text)


def test_what_is_a_view() -> None:
    assert stretches_of('{"view": [[-500, 4000.5], [1, 1]]}') == ((-500.0, 4000.5), (1.0, 1.0))
    assert stretches_of('{"view": []}') == ()
