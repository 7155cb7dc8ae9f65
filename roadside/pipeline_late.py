"""The late pipeline: judges the stored fixes of blind areas, which come too late for the live one. Pure.

It keeps each terminal's fixes until no more come, makes sure that the clock that stamped them is right, and
then judges them in the order of their stamps, a few at each tick. docs/geofence.md, "Stored fixes".
"""

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from core.arrays import I64
from core.times import NS
from fusion.clocks import KIND, NO_FAULT, SOUND_AT, SOUND_NS, TIME_ZONE, UNSTORED_NS, kind_of
from fusion.observations import GnssFixes
from fusion.tracker import Tracker
from geofence.journeys.journeys import Journeys
from geofence.monitor import Monitor
from geofence.violation import Violation
from roadside.pipeline_late_judge import LateJudge, StoredFix
from roadside.pipeline_late_ledger import Ledger
from roadside.pipeline_late_state import HeldFixes, LateState, Upload, decoded, encoded, key_of
from roadside.pipeline_late_times import JudgedTimes
from roadside.pipeline_late_trip import trip_of
from roadside.pipeline_setup import Setup, monitor_of

QUIET_NS = (
    10 * NS
)  # an upload has ended when nothing of it came for so long: lost packages are asked for again
WAIT_NS = 120 * NS  # so long at most since its first fix
PROOF_NS = 120 * NS  # so long after its last fix a live one may prove the clock right
# A terminal that stores its fixes until it has a connection delivers the freshest of them no later than its
# longest period (30 s) and the transport time after its measurement
FRESH_NS = 35 * NS
FIXES_MAX = 1_800  # of one terminal: half an hour at one a second, the most that is usual
TERMINALS_MAX = 256
FIXES_PER_TICK = 4  # each costs some 0.2 ms, and the live vehicles of this tick wait
SAVE_NS = NS  # how often new fixes are put on disk
# Faster than any vehicle on a road, plus a bad receiver's error: two fixes further apart can't both be true
REACHED_MPS, ERROR_M = 60.0, 30.0
ID_BASE = 1 << 22  # ids of its tracks: the upper half of an epoch's


class LatePipeline:
    """Stored fixes of all terminals, and the one terminal whose fixes are being judged.

    count : counts a reason so many times.  journeys : the live ones
    """

    def __init__(self, setup: Setup, count: Callable[[str, int], None], journeys: Journeys) -> None:
        self.times = JudgedTimes()
        self._ledger = Ledger(self.times)
        self._setup, self._count, self._journeys = setup, count, journeys
        self._waiting: dict[str, Upload] = {}
        self._current: Upload | None = None
        self._judge: LateJudge | None = None
        self._n_tracks = self._began_ns = self._id_base = 0
        self._unsaved: set[str] = set()

    @cached_property
    def _monitor(self) -> Monitor:
        """The monitor of stored fixes: no radar, and only rules that these suffice for."""
        return monitor_of(self._setup, late=True)

    def start(self, now_ns: int, id_base: int, bodies: Sequence[bytes]) -> tuple[bytes, ...]:
        """Begin under an epoch with what the disk has; return the other bodies.

        id_base : of the live tracks
        """
        self.clear()
        self._began_ns, self._id_base = now_ns, id_base
        others = []
        for body in self._ledger.start(now_ns, bodies):
            held = decoded(body)
            if held is None:
                others.append(body)
            elif held.fixes:
                self._waiting[held.terminal] = held._replace(first_ns=now_ns, last_ns=now_ns)
        return tuple(others)

    def configure(self, setup: Setup) -> None:
        """Judge by other rules from now on; an upload that is being judged is judged anew by them."""
        self._setup = setup
        self.__dict__.pop("_monitor", None)  # made when it is needed
        if self._current is not None:
            self._resume(self._current, 0)

    def clear(self, to_ns: int = 0) -> None:
        """Forget everything: stamps before and after a step of the clock to to_ns don't compare."""
        self._count("late.dropped", sum(len(held.fixes) for held in self._waiting.values()))
        self.times = JudgedTimes()
        self._ledger = Ledger(self.times, to_ns)
        self._waiting, self._current, self._judge = {}, None, None
        self._unsaved = set()

    def drop(self, rows: Sequence[tuple[int, str]]) -> None:
        """Forget terminals that were never judged late, with their rows: those are others' from now on."""
        for w, terminal in rows:
            self._ledger.drop(w, terminal)

    def receive(
        self, now_ns: int, seen: GnssFixes, late: Sequence[tuple[int, int]], tracker: Tracker
    ) -> None:
        """Keep the fixes of a message that came too late: their places in it, and corrected stamps."""
        for j, stamp_ns in late:
            terminal = seen.terminal[j]
            held, w = self._waiting.get(terminal), tracker.terminals.row[terminal]
            fault = self._fault_of(now_ns, stamp_ns, held, terminal, w)
            if fault is not None:
                self._count(f"late.{fault}", 1)
                continue
            fixes = (*(() if held is None else held.fixes), StoredFix.of(seen, j, stamp_ns))
            first_ns = now_ns if held is None else held.first_ns
            proved_ns = 0 if held is None else held.sound_ns  # before a restart: the clocks' table is new
            sound_ns = max(proved_ns, int(tracker.times.terminals.clocks.ints[w, SOUND_AT]))
            self._waiting[terminal] = Upload(terminal, first_ns, now_ns, fixes, sound_ns)
            self._unsaved.add(terminal)
            self._count("late.kept", 1)

    def _fault_of(self, now_ns: int, stamp_ns: int, held: Upload | None, terminal: str, w: int) -> str | None:
        """Return why a late fix is not kept, None where it is."""
        if now_ns - stamp_ns > UNSTORED_NS:
            return "too_old"
        if self._ledger.is_unknown(stamp_ns):
            return "before_start"  # the disk does not know whether it was judged
        if self._ledger.holds(terminal, stamp_ns) or self.times.holds(w, stamp_ns):
            return "judged"
        if (len(self._waiting) >= TERMINALS_MAX) if held is None else (len(held.fixes) >= FIXES_MAX):
            return "full"
        return None

    def tick(self, t_ns: int, tracker: Tracker) -> tuple[list[Violation], list[tuple[str, bytes | None]]]:
        """Judge some fixes; return violations, and the states that the disk should keep (None: no more)."""
        states: list[tuple[str, bytes | None]] = []
        if self._judge is None:
            for terminal in list(self._waiting):
                fault = self._unfit(t_ns, self._waiting[terminal], tracker)
                if fault == "waits":
                    continue
                held = self._waiting.pop(terminal)
                if fault in (None, "by_age"):
                    self._begin(held._replace(by_age=fault is not None))
                    break
                self._count(f"late.{fault}", len(held.fixes))
                self._unsaved.discard(terminal)
                states.append((key_of(terminal), None))
        found: list[Violation] = []
        if self._judge is not None:
            self._judge.step(FIXES_PER_TICK)
            if self._judge.is_done:
                found = self._finish(tracker)
                states += self._forget_current(tracker)
        if self._unsaved and t_ns % SAVE_NS == 0:
            states += [(key_of(name), encoded(self._waiting[name])) for name in sorted(self._unsaved)]
            self._unsaved = set()
        rows = self._ledger.tick(t_ns, tracker.terminal_ids, tracker.terminals.row)
        return found, [*states, *rows]

    def _unfit(self, t_ns: int, held: Upload, tracker: Tracker) -> str | None:
        """Return why a terminal's fixes can't be judged, "waits" for not yet, None where they can.

        A clock that nothing shows to be right accuses nobody. "by_age": that of a terminal without a live
        fix is right to within FRESH_NS, since its freshest one is so young.
        """
        if t_ns - held.last_ns < QUIET_NS and t_ns - held.first_ns < WAIT_NS:
            return "waits"
        w = tracker.terminals.row.get(held.terminal)
        clocks = tracker.times.terminals.clocks.ints
        known = w is not None and w < len(clocks)
        sound_ns = max(int(clocks[w, SOUND_AT]) if known else 0, held.sound_ns)
        if known and clocks[w, KIND] != NO_FAULT:
            return "clock"
        age_ns, by_age = min(fix.arrived_ns - fix.stamp_ns for fix in held.fixes), False
        if sound_ns < held.first_ns and (not sound_ns or held.first_ns - sound_ns > SOUND_NS):
            if t_ns - held.last_ns < PROOF_NS:
                return "waits"
            by_age = not sound_ns and 0 <= age_ns <= FRESH_NS
            if not by_age:
                return "unproved"
        kind, _ = kind_of(age_ns)
        if kind == TIME_ZONE:
            return "clock"
        if known and tracker.doubts.kinds(np.array([w], dtype=np.int64))[0]:
            return "doubt"
        if not _is_possible(held.fixes):
            return "motion"
        return "by_age" if by_age else None

    def _begin(self, held: Upload) -> None:
        """Begin to judge a terminal's fixes; what comes of it from now on is another upload."""
        unique = {fix.stamp_ns: fix for fix in reversed(held.fixes)}
        fixes = tuple(unique[at] for at in sorted(unique))
        trip = trip_of(self._journeys.open.get(held.terminal), fixes[0].stamp_ns)
        self._current = held._replace(fixes=fixes, trip=trip)
        self._unsaved.discard(held.terminal)
        self._resume(self._current, 0)

    def _resume(self, held: Upload, n_done: int) -> None:
        """Judge the first fixes again, of which nothing is raised yet: so a state needs only a number."""
        id_base = self._id_base + ID_BASE + self._n_tracks
        self._judge = LateJudge(self._setup, self._monitor, held.terminal, held.fixes, id_base, held.trip)
        self._judge.step(n_done)

    def _finish(self, tracker: Tracker) -> list[Violation]:
        """Return what the fixes show, without what was raised when it happened."""
        held, judge = self._current, self._judge
        assert held is not None
        assert judge is not None
        found = judge.finish()
        self._n_tracks += judge.tracker.n_ids
        self._count("late.judged_now", len(held.fixes))
        w = tracker.terminals.row.get(held.terminal)
        if w is None:  # kept over a restart, and it has not reported since
            self._ledger.note(held.terminal, [fix.stamp_ns for fix in held.fixes])
        else:
            for fix in held.fixes:
                self.times.add(w, fix.stamp_ns, fix.stamp_ns)
        new = [pair for pair in found if not self._was_raised(held.terminal, pair[1])]
        self._count("late.raised_before", len(found) - len(new))
        if held.by_age:
            dated = [pair for pair in new if not _needs_the_time(pair[1])]
            self._count("late.undated", len(new) - len(dated))
            new = dated
        return [version for pair in new for version in pair]

    def _was_raised(self, terminal: str, found: Violation) -> bool:
        return self.times.was_raised(terminal, found) or self._ledger.was_raised(terminal, found)

    def _forget_current(self, tracker: Tracker) -> list[tuple[str, bytes | None]]:
        """Forget the upload that was judged; return what the disk keeps: that it was, not its fixes."""
        held, self._current, self._judge = self._current, None, None
        assert held is not None
        done = self._ledger.save(tracker.terminals.row.get(held.terminal), held.terminal)
        return [done, (key_of(held.terminal), None)]

    # ---- the whole state

    def state(self) -> LateState:
        """Return everything on which the next step depends."""
        return LateState(
            waiting=tuple(HeldFixes.of(held) for held in self._waiting.values()),
            current=None if self._current is None else HeldFixes.of(self._current),
            n_done=0 if self._judge is None else self._judge.n_done,
            n_tracks=self._n_tracks,
            began_ns=self._began_ns,
            unsaved=tuple(sorted(self._unsaved)),
            spans=self.times.spans(),
            raised=self.times.raised(),
            ledger=self._ledger.state(),
        )

    def restore(self, state: LateState, id_base: int) -> None:
        """Continue exactly from `state`; id_base : of the live tracks."""
        self._id_base, self._n_tracks, self._began_ns = id_base, state.n_tracks, state.began_ns
        self._waiting = {held.terminal: held.upload() for held in state.waiting}
        self._unsaved = set(state.unsaved)
        self.times.restore(state.spans, state.raised)
        self._ledger.restore(state.ledger, state.began_ns)
        self._current, self._judge = None, None
        if state.current is not None:
            self._current = state.current.upload()
            self._resume(self._current, state.n_done)


def _is_possible(fixes: Sequence[StoredFix]) -> bool:
    """Whether a vehicle can have been at all these places then: not if its clock was set in between."""
    ordered = sorted(fixes, key=lambda fix: fix.stamp_ns)
    return all(
        math.hypot(b.east_m - a.east_m, b.north_m - a.north_m)
        <= ERROR_M + REACHED_MPS * (b.stamp_ns - a.stamp_ns) / NS
        for a, b in pairwise(ordered)
    )


def _needs_the_time(found: Violation) -> bool:
    """Whether a violation is one only at its time of day: that of a clock known by age may be off."""
    layer = (found.limit_of or "").partition(":")[0]
    if found.rule in ("time_window", "permit"):
        return True
    return found.rule == "overspeed" and layer in ("time", "weather")


def judged_rows(terminal: I64, judged_ns: I64) -> tuple[I64, I64]:
    """Return rows of terminals and stamps, for `JudgedTimes.note`: (n,) tracks, -1 for no terminal."""
    known = (terminal >= 0) & (judged_ns > 0)
    return terminal[known], judged_ns[known]
