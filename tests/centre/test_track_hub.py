"""Snapshots on their way to the pages: the newest of each RSU, and no name is lost on the way."""

import asyncio

import numpy as np
import pytest

from centre import track_hub
from centre.track_hub import TrackHub, Viewer
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
        async with asyncio.timeout(5.0):
            assert wire.decode_snapshot(await viewer.next_frame()).seq == seq
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
