"""Bindings of terminals to tracks that radar sees: how many were wrong, and how long they took. Pure.

A binding is an unbroken run of stamps in which one track bears a terminal's name for certain and was seen by
radar within a second; a name that is only presumed, with its probability, is none. It is wrong when at more
of its stamps it was another vehicle's, or none's within reach.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.arrays import Bools
from petroroad.scoring.frames import SECOND_NS, Matches, TracksNow, TruthNow

REPORTS = 5
SEEN_NS = (
    400_000_000  # so long without a break: on a bridge a vehicle is nearer to a track below for a moment
)
BOUND_P_MIN = 0.99  # snapshots round to two decimals; fusion binds at 0.999


@dataclass(slots=True)
class _Trip:
    """One vehicle's way through the truth."""

    last_ns: int
    from_ns: int
    seen_since_ns: int | None = None  # by radar, without a break
    reported_ns: int | None = None
    both_ns: int | None = None  # radar has seen it and its terminal has reported
    bound_ns: int | None = None


@dataclass(slots=True)
class Bindings:
    """Follows names frame by frame.

    reports : by terminal, the ascending times at which its reports came in; empty: not recorded
    """

    reports: Mapping[str, Sequence[int]] = field(default_factory=dict)
    n: int = 0
    wrong: list[dict[str, Any]] = field(default_factory=list)  # those that have ended
    _first_ns: int | None = None
    _open: dict[tuple[str, int], list[int]] = field(default_factory=dict)  # stamps [right, wrong], first time
    _named: dict[str, int] = field(default_factory=dict)  # by terminal: when its name was shown last
    _trips: dict[str, _Trip] = field(default_factory=dict)
    _ended: list[tuple[str, _Trip]] = field(default_factory=list)

    def add(self, truth: TruthNow, tracks: TracksNow, matches: Matches) -> None:
        """Follow one instant."""
        if self._first_ns is None:
            self._first_ns = truth.stamp_ns
        row_of = {name: i for i, name in enumerate(truth.terminal) if name is not None}
        bound: dict[int, None] = {}
        runs: dict[tuple[str, int], list[int]] = {}
        track_ids, vehicle_of = tracks.id.tolist(), matches.vehicle_of.tolist()
        for j, name in enumerate(tracks.terminal):
            if name is None:
                continue
            self._named[name] = truth.stamp_ns
            if not tracks.radar[j] or tracks.identity_p[j] < BOUND_P_MIN:
                continue
            key = (name, track_ids[j])
            run = runs[key] = runs.get(key) or self._open.pop(key, None) or [0, 0, truth.stamp_ns]
            if name in row_of:
                i = row_of[name]
                right = bool(matches.reach[i, j]) and vehicle_of[j] in (i, -1)
                run[0 if right else 1] += 1
                if right:
                    bound[i] = None
        self.n += len(self._open)
        self.wrong += self._wrong_of(self._open)
        self._open = runs
        seen = matches.track_of >= 0
        seen[seen] = tracks.radar[matches.track_of[seen]]
        self._follow_trips(truth, seen & truth.in_field, row_of, bound)

    def _wrong_of(self, runs: Mapping[tuple[str, int], Sequence[int]]) -> list[dict[str, Any]]:
        """Return the wrong ones of these runs; seconds count from the first frame."""
        zero_ns = self._first_ns or 0
        return [
            {"terminal": name, "track": track, "at_s": (first_ns - zero_ns) / 1e9, "stamps": wrong}
            for (name, track), (right, wrong, first_ns) in runs.items()
            if wrong > right
        ]

    def _follow_trips(
        self, truth: TruthNow, seen: Bools, row_of: Mapping[str, int], bound: Mapping[int, None]
    ) -> None:
        """Note the times; seen : (n,) radar sees the vehicle.  bound : vehicles that bear their name."""
        now_ns = truth.stamp_ns
        for name, i in row_of.items():
            trip = self._trips.get(name)
            if trip is None or now_ns - trip.last_ns > SECOND_NS:
                if trip is not None:
                    self._ended.append((name, trip))
                trip = self._trips[name] = _Trip(now_ns, now_ns)
            trip.last_ns = now_ns
            if trip.bound_ns is not None:
                continue
            if trip.both_ns is None:
                self._note_sensors(name, trip, now_ns, is_seen=bool(seen[i]), is_bound=i in bound)
            if i in bound:
                trip.bound_ns = now_ns

    def _note_sensors(self, name: str, trip: _Trip, now_ns: int, *, is_seen: bool, is_bound: bool) -> None:
        """Note since when both sensors have seen a vehicle."""
        if not is_seen:
            trip.seen_since_ns = None
        elif trip.seen_since_ns is None:
            trip.seen_since_ns = now_ns
        if trip.reported_ns is None and (is_bound or self._has_reported(name, trip, now_ns)):
            trip.reported_ns = now_ns
        since_ns = now_ns if trip.seen_since_ns is None else trip.seen_since_ns
        if trip.reported_ns is not None and (is_bound or now_ns - since_ns >= SEEN_NS):
            trip.both_ns = max(since_ns, trip.reported_ns)

    def _has_reported(self, name: str, trip: _Trip, now_ns: int) -> bool:
        if self.reports:
            return self._n_reports(name, trip.from_ns, now_ns) > 0
        return self._named.get(name, -1) >= trip.from_ns

    def _n_reports(self, name: str, from_ns: int, to_ns: int) -> int:
        """Return the number of reports after from_ns, up to to_ns."""
        stamps = self.reports.get(name, ())
        return bisect_right(stamps, to_ns) - bisect_right(stamps, from_ns)

    def figures(self) -> dict[str, Any]:
        """Return the figures so far; times in seconds, None where there is nothing to measure."""
        wrong_ones = [*self.wrong, *self._wrong_of(self._open)]
        taken_s: list[float] = []
        within, of, never = 0, 0, 0
        for name, trip in (*self._ended, *self._trips.items()):
            if trip.both_ns is None:
                continue
            until_ns = trip.last_ns if trip.bound_ns is None else trip.bound_ns
            n_reports = self._n_reports(name, trip.both_ns, until_ns)
            if trip.bound_ns is not None:
                taken_s.append((trip.bound_ns - trip.both_ns) / 1e9)
            elif n_reports < REPORTS:
                continue  # it ended too soon to say
            of += 1
            within += trip.bound_ns is not None and n_reports <= REPORTS
            never += trip.bound_ns is None
        known = bool(self.reports)
        return {
            "bindings": self.n + len(self._open),
            "bindings_wrong": len(wrong_ones),
            "bound_wrongly": wrong_ones,
            "time_to_bind_s_p50": round(float(np.quantile(taken_s, 0.5)), 4) if taken_s else None,
            "time_to_bind_s_p90": round(float(np.quantile(taken_s, 0.9)), 4) if taken_s else None,
            "bound": len(taken_s),
            "bound_never": never if known else None,
            "bound_within_five_reports": round(within / of, 4) if known and of else None,
        }
