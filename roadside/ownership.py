"""The RSU that judges a track, by stretch, hysteresis and acknowledged handovers (docs/design.md section 9).

Pure: a table of small state machines, one per track, stepped on the 100 ms grid.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.arrays import F64, U64, Bools
from roadside.gateway.routing import FEED_MARGIN_M
from roadside.pipeline_state import HoldingState, Phase

HYSTERESIS_M = 20.0  # beyond the end of the stretch before a track is given away
TAKE_AFTER_NS = 1_000_000_000  # a track without an owner becomes ours after this long inside the stretch
# So near a neighbour's stretch it may have the vehicle yet: it offers at HYSTERESIS_M beyond its end,
# and until the offer must have come (TAKE_AFTER_NS) the vehicle drives 40 m at 144 km/h
NEIGHBOUR_M = HYSTERESIS_M + 40.0
# A neighbour judges on while a vehicle crosses its margin and the offer travels (300 ms at 40 m/s): what
# begins there, hidden before, may be its own under another id. What stands there longer is nobody's
MAY_BE_OFFERED_M, STANDS_AFTER_NS = HYSTERESIS_M + 12.0, 5_000_000_000
APPROACHES_M = 2.0  # so much nearer to a neighbour than it began, a track does not come from there
RETAKE_AFTER_NS = 10_000_000_000  # the same for one that a neighbour adopted: it turned round
OPENS_AFTER_NS = 1_000_000_000  # an offer without an acknowledgement for so long has no receiver
# The flag of a given track passes this long after its offer, on both sides at the same tick: message, answer
# and one repetition of each fit in
PASSES_AFTER_NS = 300_000_000
OURS: tuple[Phase, ...] = ("owned", "giving")  # judged here


@dataclass(slots=True)
class Holding:
    """One track's phase, and the times that decide the next one."""

    phase: Phase = "free"
    inside_since_ns: int | None = None  # inside the stretch, while it is not ours
    from_outside: bool = False  # first seen outside: a neighbour most likely owns it
    giving_since_ns: int | None = None  # under way to a neighbour
    flag_passes_ns: int | None = None  # owned: from then on it is flagged here; given: until then
    began_m: float | None = None  # station at first sight; None: not known, or no longer needed


@dataclass(slots=True)
class Ownership:
    """The ownership of the tracks that this RSU sees."""

    stretch_m: tuple[float, float] | None  # None: a recording without a road; everything is ours
    neighbours: Sequence[tuple[str, float, float]]  # esn and stretch of each neighbour
    holdings: dict[int, Holding] = field(default_factory=dict)

    def advance(self, t_ns: int, track: U64, s_m: F64) -> dict[str, list[int]]:
        """Advance every track to tick `t_ns`; return the tracks to give away now, by neighbour.

        track, s_m : (n,) id and station along the axis, NaN off the road (a track keeps its phase there).
        """
        leaving: dict[str, list[int]] = {}
        low, high = self.stretch_m or (-math.inf, math.inf)
        low, high = low - HYSTERESIS_M, high + HYSTERESIS_M
        keys = track.tolist()
        for key, station, holding in zip(keys, s_m.tolist(), map(self.holdings.get, keys), strict=True):
            if holding is not None and holding.phase == "owned" and low <= station < high:
                continue  # as `_advance` does of most
            if holding is None:
                holding = self.holdings[key] = Holding(
                    from_outside=not self._within(station, 0.0), began_m=_known(station)
                )
            to = self._advance(holding, t_ns, station)
            if to is not None:
                leaving.setdefault(to, []).append(key)
        return leaving

    def _advance(self, holding: Holding, t_ns: int, station: float) -> str | None:
        """Step one track; return the neighbour that it now leaves to, if any."""
        if holding.phase == "owned":
            return None if self._within(station, HYSTERESIS_M) else self._neighbour_at(station)
        if holding.phase == "giving":
            return None
        # A track that came from outside must be well inside before it becomes ours: its owner offers it only
        # beyond the same margin, so the handover comes first.
        margin = -HYSTERESIS_M if holding.from_outside else 0.0
        if not self._within(station, margin):
            holding.inside_since_ns = None
            return None
        if holding.inside_since_ns is None:
            holding.inside_since_ns = t_ns
        if t_ns - holding.inside_since_ns >= self._wait_ns(holding, station):
            holding.phase = "owned"
        return None

    def _wait_ns(self, holding: Holding, station: float) -> int:
        """Return how long a track inside the stretch waits for an owner that may speak yet."""
        if holding.phase == "given":
            return RETAKE_AFTER_NS
        if self._may_be_offered(station, holding.began_m):
            return STANDS_AFTER_NS
        if holding.from_outside or self._may_be_anothers(station):
            return TAKE_AFTER_NS
        return 0

    def _may_be_anothers(self, station: float) -> bool:
        """Whether a neighbour may own what is at this station; off the road any may."""
        if math.isnan(station):
            return bool(self.neighbours)
        return self._is_near(station, NEIGHBOUR_M)

    def _may_be_offered(self, station: float, began_m: float | None) -> bool:
        """Whether a neighbour that a track comes from may own it until it is further inside."""
        return any(
            (off_m := _outside_m(station, from_m, to_m)) < MAY_BE_OFFERED_M
            and (began_m is None or _outside_m(began_m, from_m, to_m) - off_m < APPROACHES_M)
            for _, from_m, to_m in self.neighbours
        )

    def _is_near(self, station: float, margin_m: float) -> bool:
        """Whether a station lies within margin_m of a neighbour's stretch; NaN does not."""
        return any(from_m - margin_m <= station < to_m + margin_m for _, from_m, to_m in self.neighbours)

    def _within(self, station: float, margin_m: float) -> bool:
        if self.stretch_m is None or math.isnan(station):
            return True
        return self.stretch_m[0] - margin_m <= station < self.stretch_m[1] + margin_m

    def _neighbour_at(self, station: float) -> str | None:
        for esn, from_m, to_m in self.neighbours:
            if from_m <= station < to_m:
                return esn
        return None

    def owned(self, track: U64) -> Bools:
        """Return the mask (n,) of the tracks that this RSU judges: its own, also while an offer waits."""
        held = map(self.holdings.get, track.tolist())
        return np.array([each is not None and each.phase in OURS for each in held], dtype=np.bool_)

    def unknown(self, track: U64) -> Bools:
        """Return the mask (n,) of the tracks that this RSU has not seen at a tick yet."""
        return np.array([key not in self.holdings for key in track.tolist()], dtype=np.bool_)

    def on_stretch(self, track: U64, s_m: F64) -> Bools:
        """Return the mask (n,) of the tracks on our stretch, at stations s_m, that we own or may own soon."""
        ours = [self.phase(key) in ("free", "owned") for key in track.tolist()]
        low, high = self.stretch_m or (-math.inf, math.inf)
        return np.array(ours, dtype=np.bool_) & (s_m >= low) & (s_m < high)

    def flagged(self, track: U64, t_ns: int) -> Bools:
        """Return the mask (n,) of the tracks that snapshots of `t_ns` show as ours.

        Judging passes with a message and its answer, which take their time; the flag passes at a time that
        giver and receiver know both, so that a track is never shown by two, nor by none. Only an answer that
        is later than that leaves it with both: one of them must show it.
        """
        ours = [
            held is not None
            and ((held.phase == "owned" and held.flag_passes_ns is None) or self._is_flagged(held, t_ns))
            for held in map(self.holdings.get, track.tolist())
        ]
        return np.array(ours, dtype=np.bool_)

    @staticmethod
    def _is_flagged(holding: Holding, t_ns: int) -> bool:
        passes_ns = holding.flag_passes_ns
        if holding.phase == "given":
            return passes_ns is not None and t_ns < passes_ns
        return holding.phase in OURS and (passes_ns is None or t_ns >= passes_ns)

    def may_open(self, track: U64, t_ns: int) -> Bools:
        """Return the mask (n,) of tracks that may open a new episode at `t_ns`.

        A track that has just been offered may not: its evidence travels, so both RSUs would open the same.
        """
        given = [
            holding is not None
            and holding.phase == "giving"
            and t_ns - (holding.giving_since_ns or 0) < OPENS_AFTER_NS
            for holding in map(self.holdings.get, track.tolist())
        ]
        return ~np.array(given, dtype=np.bool_)

    def give(self, key: int, t_ns: int) -> None:
        """Mark a track as offered to a neighbour."""
        self.holdings[key] = Holding("giving", giving_since_ns=t_ns)

    def given(self, key: int) -> None:
        """Mark an offered track as its receiver's; the flag passes a moment after the offer."""
        offered_ns = self.holdings[key].giving_since_ns
        passes_ns = None if offered_ns is None else offered_ns + PASSES_AFTER_NS
        self.holdings[key] = Holding("given", flag_passes_ns=passes_ns)

    def adopt(self, key: int, offered_ns: int | None, now_ns: int) -> None:
        """Mark a track that was offered at `offered_ns` (None: not known) as ours.

        The giver shows it until the flag passes; a stamp ahead of our clock counts as now.
        """
        passes_ns = None if offered_ns is None else min(offered_ns, now_ns) + PASSES_AFTER_NS
        self.holdings[key] = Holding("owned", flag_passes_ns=passes_ns)

    def departed(self, track: U64, s_m: F64, unseen: Bools) -> list[int]:
        """Return the tracks of a neighbour: not ours, beyond the margin of our feed, and unseen here.

        unseen : (n,) neither a radar nor a fix has measured it for a while
        """
        found = []
        for i in np.flatnonzero(unseen).tolist():
            key = int(track[i])
            if self.phase(key) in ("free", "given") and not self._within(float(s_m[i]), FEED_MARGIN_M):
                found.append(key)
        return found

    def set(self, key: int, phase: Phase) -> None:
        """Set the phase of a track, as a message decided it."""
        holding = self.holdings.setdefault(key, Holding())
        holding.phase, holding.inside_since_ns, holding.giving_since_ns = phase, None, None

    def phase(self, key: int) -> Phase:
        """Return a track's phase."""
        holding = self.holdings.get(key)
        return "free" if holding is None else holding.phase

    def state(self) -> tuple[HoldingState, ...]:
        """Return all holdings as `/state` keeps them."""
        return tuple(
            HoldingState(
                track=key,
                phase=holding.phase,
                inside_since_ns=holding.inside_since_ns,
                from_outside=holding.from_outside,
                giving_since_ns=holding.giving_since_ns,
                flag_passes_ns=holding.flag_passes_ns,
                began_m=holding.began_m,
            )
            for key, holding in self.holdings.items()
        )

    def restore(self, rows: Sequence[HoldingState]) -> None:
        """Continue from the holdings of a `/state`."""
        self.holdings = {
            row.track: Holding(
                row.phase,
                row.inside_since_ns,
                row.from_outside,
                row.giving_since_ns,
                row.flag_passes_ns,
                row.began_m,
            )
            for row in rows
        }

    def forget(self, key: int) -> None:
        """Drop a track that ended."""
        self.holdings.pop(key, None)

    def merge(self, gone: int, survivor: int) -> None:
        """Merge two tracks: the survivor is ours if either was, and on its way if only one was ours.

        Where both were ours, no message on its way carries the whole: the survivor is offered anew.
        """
        old = self.holdings.pop(gone, None)
        if old is None or old.phase not in OURS:
            return
        if self.phase(survivor) not in OURS:
            self.holdings[survivor] = old
        else:
            self.set(survivor, "owned")


def _known(station: float) -> float | None:
    return None if math.isnan(station) else station


def _outside_m(station: float, from_m: float, to_m: float) -> float:
    """Return how far a station lies outside a stretch; 0 inside, NaN for NaN."""
    return max(from_m - station, station - to_m, 0.0) if not math.isnan(station) else math.nan
