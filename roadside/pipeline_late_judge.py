"""Judges one terminal's stored fixes: a tracker and a monitor of their own, without radar. Pure.

Each fix is replayed as if it arrived when it was measured, so the stamps alone decide, those of zones' time
windows included. An episode is raised once it is over: the version at its highest grade, and its close.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from core.times import TICK_NS
from fusion.config import Terminal
from fusion.observations import N_FIX, GnssFixes
from fusion.tracker import Tracker, TrackerUpdate
from fusion.tracks import TrackBatch
from geofence.episode_book import Judged
from geofence.located import Located
from geofence.monitor import Monitor
from geofence.violation import GRADES, Phase, Stamps, Violation
from roadside.pipeline_late_trip import NO_TRIP, RULES, LateTrip
from roadside.pipeline_setup import Setup

ROWS = 16  # tracks of one terminal: a new one after each gap, and they end


class StoredFix(NamedTuple):
    """A fix that came too late, as the tracker reads it; the stamp is corrected."""

    stamp_ns: int
    arrived_ns: int
    source_seq: int
    east_m: float
    north_m: float
    heading_rad: float
    speed_mps: float
    sigma_m: float
    tau_s: float

    @staticmethod
    def of(seen: GnssFixes, j: int, stamp_ns: int) -> "StoredFix":
        """Return fix j of a message."""
        return StoredFix(
            stamp_ns, int(seen.arrived_ns[j]), int(seen.source_seq[j]), float(seen.east_m[j]),
            float(seen.north_m[j]), float(seen.heading_rad[j]), float(seen.speed_mps[j]),
            float(seen.sigma_m[j]), float(seen.tau_s[j]),
        )  # fmt: skip

    def replayed(self, terminal: str) -> GnssFixes:
        """Return the message that it would have been, had it come at once."""
        ints = np.array([[self.stamp_ns], [self.stamp_ns], [self.source_seq]], dtype=np.int64)
        floats = np.array([
            self.east_m, self.north_m, self.heading_rad, 1.0, self.speed_mps, self.sigma_m, self.tau_s,
        ]).reshape(N_FIX, 1)  # fmt: skip
        return GnssFixes.of((terminal,), ints, floats)


class LateJudge:
    """The replay of one terminal's stored fixes, in order of their stamps."""

    def __init__(
        self, setup: Setup, monitor: Monitor, terminal: str, fixes: Sequence[StoredFix], id_base: int,
        trip: bytes = NO_TRIP,
    ) -> None:  # fmt: skip
        """monitor : one that judges late; it keeps nothing of this terminal once the replay has ended.

        id_base : the tracks' ids follow it.  trip : of its journey, as of pipeline_late_trip
        """
        about = next(
            (one for one in setup.terminals if one.terminal == terminal), Terminal(terminal=terminal)
        )
        about = msgspec.structs.replace(about, clock_offset_s=0.0)  # stamps are corrected already
        config = msgspec.structs.replace(setup.fusion, tracks_max=ROWS)
        self.tracker = Tracker(config, (), (about,), id_base=id_base)
        self._monitor, self._stretch_m, self._terminal = monitor, setup.stretch_m, terminal
        self._fixes, self.n_done = fixes, 0
        self._trip = LateTrip.of(setup, trip)
        self._first: dict[str, Violation] = {}  # the first version at the highest grade so far, by id
        self._closed: list[Violation] = []

    @property
    def is_done(self) -> bool:
        """Whether all fixes are judged."""
        return self.n_done == len(self._fixes)

    def step(self, n_fixes: int) -> None:
        """Judge up to so many further fixes."""
        for fix in self._fixes[self.n_done : self.n_done + n_fixes]:
            self._settle(fix.stamp_ns, self.tracker.tick(fix.stamp_ns // TICK_NS * TICK_NS))
            update = self.tracker.step(fix.stamp_ns, fix.replayed(self._terminal))
            self._settle(fix.stamp_ns, update)
            if len(update.touched):
                self._judge(fix.stamp_ns, update.touched)
            self.n_done += 1

    def finish(self) -> list[tuple[Violation, Violation]]:
        """End the replay; return the first version at its highest grade and the close of each episode."""
        last_ns = self._fixes[-1].stamp_ns
        self._note(self._monitor.end(last_ns, self.tracker.at(last_ns).track.tolist()))
        arrived_ns = max(fix.arrived_ns for fix in self._fixes)
        return [
            (_stated(self._first[close.id], 1, "open", arrived_ns), _stated(close, 2, "close", arrived_ns))
            for close in self._closed
            if self._trip is None or close.rule not in RULES or close.rule not in self._trip.known
        ]

    def _judge(self, now_ns: int, touched: TrackBatch) -> None:
        located = self._monitor.locate(touched, self.tracker.terminal_ids)
        ours = self._is_ours(located)
        self._note(self._monitor.observe(now_ns, touched, located, ours))
        trips = None if self._trip is None else self._trip.look(now_ns, touched, located)
        if trips is not None:
            self._note(self._monitor.judge_trips(now_ns, touched, located, ours, trips))

    def _is_ours(self, located: Located) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return the mask (n,) of what this RSU judges: on its stretch, or beside the road."""
        if self._stretch_m is None:
            return np.ones(len(located.s_m), dtype=np.bool_)
        return np.isnan(located.s_m) | (
            (located.s_m >= self._stretch_m[0]) & (located.s_m < self._stretch_m[1])
        )

    def _settle(self, now_ns: int, update: TrackerUpdate) -> None:
        self._note(self._monitor.end(now_ns, update.ended))

    def _note(self, found: Sequence[Judged]) -> None:
        for violation, _ in found:
            first = self._first.get(violation.id)
            if first is None or GRADES.index(violation.grade) > GRADES.index(first.grade):
                self._first[violation.id] = violation
            if violation.phase == "close":
                self._closed.append(violation)


def _stated(found: Violation, version: int, phase: Phase, arrived_ns: int) -> Violation:
    """Return a version as it is raised: measured then, but known only since `arrived_ns`."""
    stamps = Stamps(measured_ns=found.stamps.measured_ns, arrived_ns=arrived_ns)
    return msgspec.structs.replace(found, version=version, phase=phase, stamps=stamps)
