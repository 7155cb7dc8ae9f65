"""Moving vehicles for the page: the newest snapshot of each RSU, its own bytes, newest wins."""

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

import msgspec

from centre.screen import sound_snapshot
from core.classes import HAZMAT
from edge import wire
from edge.sections import RSUS_MAX

VIEWERS_MAX = 64
FRESH_NS = 2_000_000_000


@dataclass(slots=True)
class Latest:
    """What one RSU last sent: its newest snapshot, and its newest one that carries names or lanes."""

    newest: bytes
    stamp_ns: int  # of the snapshot, or when it came where its clock is ahead of ours
    named: bytes | None = None


@dataclass(slots=True, eq=False)
class Viewer:
    """One page: what it has not been sent yet, at most two frames an RSU."""

    # by RSU, who waits longest first: its newest frame that carries names or lanes, and its newest after that
    owed: OrderedDict[str, tuple[bytes | None, bytes | None]] = field(default_factory=OrderedDict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    skipped: int = 0

    def offer(self, esn: str, frame: bytes, *, named: bool) -> None:
        """Take a frame in place of the RSU's older one; names are never skipped, only renewed."""
        names, newest = self.owed.get(esn, (None, None))
        self.skipped += newest is not None
        self.owed[esn] = (frame, None) if named else (names, frame)
        self.ready.set()

    async def next_frame(self) -> bytes:
        """Wait for something to send and return it: an RSU's names before what needs them.

        One at a time: while a slow page takes it, the others are renewed.
        """
        while not self.owed:
            self.ready.clear()
            await self.ready.wait()
        esn, (names, newest) = next(iter(self.owed.items()))
        if names is not None and newest is not None:
            self.owed[esn] = (None, newest)
            return names
        del self.owed[esn]
        frame = names or newest
        assert frame is not None, "an RSU waits with a frame"
        return frame


class TrackHub:
    """The hub between the RSUs' snapshots and the pages that watch."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._latest: dict[str, Latest] = {}
        self._viewers: set[Viewer] = set()

    def receive_snapshot(self, esn: str, payload: bytes, now_ns: int = 0) -> None:
        """Take a `track/up`; what can't be read, or can't be true, is counted and not passed on.

        now_ns : when it came, 0 unknown
        """
        try:
            snapshot, payload = sound_snapshot(payload, now_ns, self.counts)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            self.counts["track.unreadable"] += 1
            return
        if snapshot.esn != esn or (esn not in self._latest and len(self._latest) >= RSUS_MAX):
            self.counts["track.refused"] += 1
            return
        named = snapshot.names is not None or snapshot.lanes is not None
        before = self._latest.get(esn)
        kept = payload if named else before.named if before is not None else None
        self._latest[esn] = Latest(payload, min(snapshot.stamp_ns, now_ns or snapshot.stamp_ns), kept)
        for viewer in self._viewers:
            viewer.offer(esn, payload, named=named)

    def join(self) -> Viewer | None:
        """Return a new viewer, owed all names and the newest snapshots; None when there are too many."""
        if len(self._viewers) >= VIEWERS_MAX:
            self.counts["track.viewers_refused"] += 1
            return None
        viewer = Viewer()
        for esn, latest in self._latest.items():
            if latest.named is not None:
                viewer.offer(esn, latest.named, named=True)
            if latest.newest is not latest.named:
                viewer.offer(esn, latest.newest, named=False)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._viewers.discard(viewer)
        self.counts["track.skipped"] += viewer.skipped

    def vehicles(self, now_ns: int) -> tuple[int, int]:
        """Return how many owned tracks the fresh snapshots hold, and how many of them are hazmat trucks."""
        total, hazmat = 0, 0
        for latest in self._latest.values():
            if now_ns - latest.stamp_ns > FRESH_NS:
                continue
            records = wire.records_of(wire.decode_snapshot(latest.newest))
            owned = records[(records["flags"] & wire.FLAG_OWNED) != 0]
            total += len(owned)
            hazmat += int((owned["class"] == HAZMAT).sum())
        return total, hazmat
