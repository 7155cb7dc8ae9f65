"""Passes the RSUs' snapshots on to the pages: the newest of each RSU, in its own bytes."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from centre.screen import screened_snapshot
from centre.track_frames import Frame
from centre.track_viewer import FAR_BYTES_S, FAR_S, Viewer
from core.classes import HAZMAT
from edge import wire
from edge.sections import RSUS_MAX

VIEWERS_MAX = 64
TURN_S = 0.01  # between two looks at what has come: a centre that is behind reads on meanwhile
ARRIVED_BYTES_MAX = 32_000_000  # that wait for a turn; with more it comes at once
NAMES, LANES = b"\xa5names", b"\xa5lanes"  # as MessagePack has them: a snapshot without them carries neither
FAR_RECORD_BYTES, FAR_HEAD_BYTES = 40, 300  # of what pages receive apart, with the share of the names
FRESH_NS = 2_000_000_000


@dataclass(slots=True)
class Latest:
    """The newest snapshot of one RSU, and its newest one that carries names or lanes."""

    newest: Frame
    stamp_ns: int  # of the snapshot; its arrival where the RSU's clock is ahead of ours
    named: Frame | None = None


@dataclass(slots=True)
class _Arrived:
    """What came of one RSU and was not looked at yet: payloads with their arrivals."""

    newest: tuple[bytes, int]
    named: tuple[bytes, int] | None = None  # that may carry names or lanes, where it is not the newest


class TrackHub:
    """Receives the snapshots of all RSUs and offers them to all viewers."""

    def __init__(self, judged_ns: Callable[[int], int] = lambda now_ns: now_ns) -> None:
        """`judged_ns(now_ns)`: the time that stamps are held against, by an arrival: `OwnClock.believed`."""
        self._judged_ns = judged_ns
        self.counts: Counter[str] = Counter()
        self._latest: dict[str, Latest] = {}
        self._viewers: set[Viewer] = set()
        self._n_vehicles = 0  # records in the newest snapshots
        self._arrived: dict[str, _Arrived] = {}
        self._arrived_bytes = 0
        self._has_arrived = asyncio.Event()
        # gets the RSU, the stamp and the arrival of each snapshot
        self.on_snapshot: Callable[[str, int, int], None] = lambda esn, stamp_ns, now_ns: None
        # gets each screened snapshot and its arrival: the history keeps it
        self.on_screened: Callable[[wire.TrackSnapshot, int], None] = lambda snapshot, now_ns: None
        # gets each sound snapshot
        self.on_tracks: Callable[[wire.TrackSnapshot], None] = lambda snapshot: None

    @property
    def n_viewers(self) -> int:
        return len(self._viewers)

    def queue(self, esn: str, payload: bytes, now_ns: int) -> None:
        """Keep a `track/up` for the next turn, in place of the RSU's older one; names and lanes stay.

        So a centre that is behind skips what is old before it costs anything, and pages are shown the newest.
        """
        arrived, before = _Arrived((payload, now_ns)), self._arrived.get(esn)
        if before is not None:
            self.counts["track.overtaken"] += 1
            if not _is_named(payload):
                arrived.named = before.newest if _is_named(before.newest[0]) else before.named
        self._arrived[esn] = arrived
        self._arrived_bytes += len(payload)
        self._has_arrived.set()
        if self._arrived_bytes > ARRIVED_BYTES_MAX:
            self.take_turn()

    async def run(self) -> None:
        """Look at what has come, until cancelled."""
        while True:
            await self._has_arrived.wait()
            self._has_arrived.clear()
            self.take_turn()
            await asyncio.sleep(TURN_S)

    def take_turn(self) -> None:
        """Offer to the viewers what has come since the last turn."""
        found, self._arrived, self._arrived_bytes = self._arrived, {}, 0
        for esn, arrived in found.items():
            for payload, arrived_ns in (*(() if arrived.named is None else (arrived.named,)), arrived.newest):
                self.receive_snapshot(esn, payload, arrived_ns)

    def receive_snapshot(self, esn: str, payload: bytes, now_ns: int = 0) -> None:
        """Offer a `track/up` to all viewers, without the parts that can't be true; both are counted.

        now_ns : its arrival; 0 where that is unknown
        """
        try:
            snapshot, payload = screened_snapshot(payload, self._judged_ns(now_ns), self.counts)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            self.counts["track.unreadable"] += 1
            return
        if snapshot.esn != esn or (esn not in self._latest and len(self._latest) >= RSUS_MAX):
            self.counts["track.refused"] += 1
            return
        if now_ns:
            self.on_snapshot(esn, snapshot.stamp_ns, now_ns)
            self.on_screened(snapshot, now_ns)
            self.on_tracks(snapshot)
        before = self._latest.get(esn)
        self._n_vehicles += snapshot.n - (0 if before is None else before.newest.n)
        frame = Frame(payload, snapshot, self._far_every_ms())
        kept = frame if frame.named else before.named if before is not None else None
        self._latest[esn] = Latest(frame, min(snapshot.stamp_ns, now_ns or snapshot.stamp_ns), kept)
        for viewer in self._viewers:
            viewer.receive(esn, frame)

    def _far_every_ms(self) -> int:
        """Return how often a page receives what it does not look at closely."""
        n_bytes = self._n_vehicles * FAR_RECORD_BYTES + len(self._latest) * FAR_HEAD_BYTES
        return int(1e3 * max(FAR_S, n_bytes / FAR_BYTES_S))

    def join(self) -> Viewer | None:
        """Return a new viewer with all names and newest snapshots waiting; None where there are too many."""
        if len(self._viewers) >= VIEWERS_MAX:
            self.counts["track.viewers_refused"] += 1
            return None
        viewer = Viewer()
        for esn, latest in self._latest.items():
            if latest.named is not None:
                viewer.receive(esn, latest.named)
            if latest.newest is not latest.named:
                viewer.receive(esn, latest.newest)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        self._viewers.discard(viewer)
        self.counts["track.skipped"] += viewer.skipped

    def vehicles(self, now_ns: int) -> tuple[int, int]:
        """Return the number of owned tracks in snapshots of the last 2 s, and of hazmat trucks among them."""
        total, hazmat = 0, 0
        for latest in self._latest.values():
            if now_ns - latest.stamp_ns > FRESH_NS:
                continue
            records = latest.newest.records
            owned = records[(records["flags"] & wire.FLAG_OWNED) != 0]
            total += len(owned)
            hazmat += int((owned["class"] == HAZMAT).sum())
        return total, hazmat


def _is_named(payload: bytes) -> bool:
    """Say whether a snapshot may carry names or lanes, without decoding it."""
    return NAMES in payload or LANES in payload
