"""One page that follows the vehicles: what it has still to receive, and how fast it may.

Without a view a page receives each snapshot as it came. With one, the snapshots near its view come at their
full rate and the others apart, twice a second; both are paced, so that a page costs the same however many
vehicles drive.
"""

import asyncio
import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from centre.track_frames import Frame, Stretch

NEAR_BYTES_S = 262_144  # per page: 600 vehicles in view, ten times a second; more come less often
FAR_BYTES_S = 131_072  # per page: 1 600 vehicles twice a second; more come less often
FAR_S = 0.5
EARLY_S = 0.02  # snapshots come on a grid of 0.1 s, and not exactly
TURN_S = 0.04  # between two looks at what a pace allows: frames leave together, which costs less
BURST_S = 0.5  # of bytes that a page did not use before
TEXT_MAX = 2_000
STRETCHES_MAX = 8
STATION_M_MAX = 1e7
T = TypeVar("T")


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page says about itself."""

    view: tuple[Stretch, ...]


_decode = msgspec.json.Decoder(View).decode


def stretches_of(text: str) -> tuple[Stretch, ...]:
    """Return the stretches of `{"view": [[from_m, to_m], …]}`; ValueError where it is no view."""
    if len(text) > TEXT_MAX:
        raise ValueError("too long")
    view = _decode(text).view  # msgspec.ValidationError is a ValueError
    if len(view) > STRETCHES_MAX:
        raise ValueError(f"more than {STRETCHES_MAX} stretches")
    for from_m, to_m in view:
        if not -STATION_M_MAX <= from_m <= to_m <= STATION_M_MAX:  # false for NaN
            raise ValueError("a stretch is [from_m, to_m], ascending")
    return view


class _Pace:
    """Lets so many bytes leave in a second, with a burst for what was not used."""

    __slots__ = ("_bytes_s", "ready_s")

    def __init__(self, bytes_s: float) -> None:
        self._bytes_s, self.ready_s = bytes_s, -math.inf

    def spend(self, n_bytes: int, now_s: float) -> None:
        self.ready_s = max(self.ready_s, now_s - BURST_S) + n_bytes / self._bytes_s


@dataclass(slots=True, eq=False)
class Viewer:
    """One page: the frames that it has still to receive, at most two for each RSU near and two apart."""

    # by RSU, the longest waiting first: the newest frame with names or lanes, and the newest frame after that
    waiting: OrderedDict[str, tuple[bytes | None, bytes | None]] = field(default_factory=OrderedDict)
    apart: OrderedDict[str, tuple[Frame | None, Frame | None]] = field(default_factory=OrderedDict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    skipped: int = 0
    view: tuple[Stretch, ...] | None = None
    now_s: Callable[[], float] = time.monotonic
    _near: _Pace = field(default_factory=lambda: _Pace(NEAR_BYTES_S))
    _far: _Pace = field(default_factory=lambda: _Pace(FAR_BYTES_S))
    _far_at_s: dict[str, float] = field(default_factory=dict)  # when an RSU's last frame left apart

    def look_at(self, view: tuple[Stretch, ...]) -> None:
        """Receive from now on what is near these stretches in full, the rest apart."""
        self.view = view
        self.ready.set()

    def receive(self, esn: str, frame: Frame) -> None:
        """Queue a snapshot, near or apart."""
        if self.view is None or frame.meets(self.view):
            self.offer(esn, frame.near, named=frame.named)
            return
        names, newest = self.apart.get(esn, (None, None))
        due_s = self._far_at_s.get(esn, -math.inf) + FAR_S - EARLY_S
        if esn not in self.apart and not frame.named and self.now_s() < due_s:
            return
        self.skipped += newest is not None
        self.apart[esn] = (frame, None) if frame.named else (names, frame)
        self.ready.set()

    def offer(self, esn: str, frame: bytes, *, named: bool) -> None:
        """Queue a frame in place of the RSU's older one; only a frame with names replaces one with names."""
        names, newest = self.waiting.get(esn, (None, None))
        self.skipped += newest is not None
        self.waiting[esn] = (frame, None) if named else (names, frame)
        self.ready.set()

    async def next_frame(self) -> bytes:
        """Wait for a frame and return it; an RSU's frame with names comes before its newest one.

        While a slow page receives some, newer ones replace the others.
        """
        while (frame := self.take()) is None:
            self.ready.clear()
            now_s = self.now_s()
            waits_s = [pace.ready_s - now_s for queue, pace in self._queues() if queue]
            with contextlib.suppress(TimeoutError):  # then a pace allows the next frames
                async with asyncio.timeout(max(TURN_S, min(waits_s)) if waits_s else None):
                    await self.ready.wait()
        return frame

    async def next_frames(self, n_bytes: int) -> list[bytes]:
        """Wait for a frame; return it with all others that may leave now, up to some bytes."""
        frames = [await self.next_frame()]
        n_taken = len(frames[0])
        while n_taken < n_bytes and (frame := self.take()) is not None:
            frames.append(frame)
            n_taken += len(frame)
        return frames

    def take(self) -> bytes | None:
        """Return the frame that may leave now, None where there is none."""
        now_s = self.now_s()
        if self.waiting and (self.view is None or self._near.ready_s <= now_s):
            near = _pop(self.waiting)[1]
            self._near.spend(len(near), now_s)
            return near
        if self.apart and self._far.ready_s <= now_s:
            esn, frame = _pop(self.apart)
            self._far.spend(len(frame.far), now_s)
            self._far_at_s[esn] = now_s
            return frame.far
        return None

    def _queues(self) -> tuple[tuple[object, _Pace], ...]:
        return (self.waiting, self._near), (self.apart, self._far)


def _pop(queue: OrderedDict[str, tuple[T | None, T | None]]) -> tuple[str, T]:
    """Take the next frame of the RSU that waits longest: first the one with names, else its newest."""
    esn, (names, newest) = next(iter(queue.items()))
    if names is not None and newest is not None:
        queue[esn] = (None, newest)
        return esn, names
    del queue[esn]
    frame = names if names is not None else newest
    assert frame is not None, "an RSU waits with a frame"
    return esn, frame
