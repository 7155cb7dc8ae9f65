"""What only time decides, on the 100 ms grid: silence, blindness, excuses to stand, and what froze."""

import numpy as np

from core.classes import HAZMAT
from core.kernel import F64, I64, Bools
from core.times import TICK_NS
from fusion.terminal_clocks import LooseReports
from fusion.tracks import TrackBatch
from geofence.book import Book
from geofence.config import RulesConfig
from geofence.detectors import hold, limits_of, weigh
from geofence.facts import Teller
from geofence.kernels import OUT_ANY, OUT_PERMITTED
from geofence.located import Located
from geofence.state import (
    BLIND,
    CLEAR_S,
    DARK,
    DEDICATED,
    ELSEWHERE,
    EXCUSED,
    JUDGED,
    LANE_DEPARTURE,
    MOVED,
    MOVED_MPS,
    PRESUMED,
    SEEING,
    SILENT,
    STANDING,
    UNDECIDABLE,
    State,
)  # fmt: skip
from geofence.surroundings import Surroundings
from geofence.violation import GRADES, Stamps, Violation

TICK_S = TICK_NS * 1e-9
PRESUME_NS = 3_000_000_000  # this long in a dedicated lane: it drives there as one of those it is for
UNPRESUME_NS = 10_000_000_000  # this long elsewhere: it was another's
PRESUME_P = 0.9
BEYOND_M = 20.0  # past the end of the stretch a track is still ours, until a neighbour takes it


class Ticking:
    """Steps the states that need no observation."""

    def __init__(
        self,
        rules: RulesConfig,
        state: State,
        book: Book,
        around: Surroundings,
        teller: Teller,
        stretch_m: tuple[float, float] | None,
    ) -> None:
        self.gateway_present = True
        self.loose_reports: LooseReports | None = None
        self._stretch_m = stretch_m
        self._rules, self._state, self._book = rules, state, book
        self._around, self._teller = around, teller
        self._limits = limits_of(rules)

    def step(
        self, t_ns: int, tracks: TrackBatch, located: Located, mine: I64, rows: I64, may_open: Bools
    ) -> list[Violation]:
        """Return what tick `t_ns` opens, tells and closes of the owned tracks (indices `mine`)."""
        lane_rows = self._around.lane_rows(located)
        known = np.flatnonzero(tracks.confirmed & (rows >= 0))
        self._presume(t_ns, located, lane_rows, known, rows)
        self._excuse(t_ns, tracks, located, mine, rows)
        waits = self._listen(t_ns, tracks, located, lane_rows, known, rows)
        out = self._dark(t_ns, tracks, located, mine, rows, waits, may_open)
        out += self._blind(t_ns, tracks, located, mine, rows, may_open)
        return out + self._frozen(t_ns, tracks, located, mine, rows)

    def _presume(self, t_ns: int, located: Located, lane_rows: I64, mine: I64, rows: I64) -> None:
        """Take an unknown vehicle that drives in a dedicated lane for one of those the lane is for.

        Of every track (indices `mine`), owned or not: it may leave the lane as soon as it is ours.
        """
        state, at = self._state, rows[mine]
        unknown = located.kind[mine] == 0
        dedicated, changing = self._around.dedicated[lane_rows[mine]], self._around.changing[lane_rows[mine]]
        steady = unknown & dedicated & ~changing & (located.p_lane[mine] >= PRESUME_P)
        since = _since(state.stamps[at, DEDICATED], steady, t_ns)
        away = _since(state.stamps[at, ELSEWHERE], ~dedicated, t_ns)
        state.stamps[at, DEDICATED], state.stamps[at, ELSEWHERE] = since, away
        presumed = (state.flags[at, PRESUMED] > 0.0) | ((since > 0) & (t_ns - since >= PRESUME_NS))
        presumed &= unknown & ~(dedicated & changing) & ~((away > 0) & (t_ns - away >= UNPRESUME_NS))
        state.flags[at, PRESUMED] = presumed

    def _excuse(self, t_ns: int, tracks: TrackBatch, located: Located, mine: I64, rows: I64) -> None:
        state, at = self._state, rows[mine]
        patience_ns = int(self._rules.illegal_stop.notice[0].over * 5e8)  # half of it: asked in good time
        since = state.stamps[at, STANDING]
        long = (since > 0) & (t_ns - since >= patience_ns)
        state.flags[at, EXCUSED] = 0.0
        if long.any():
            excused = np.array(self._around.excused(tracks, located, mine[long]), dtype=np.bool_)
            state.flags[at[long], EXCUSED] = excused
            state.stamps[at[long][excused], STANDING] = t_ns  # what it waited for is not counted afterwards

    def _listen(
        self, t_ns: int, tracks: TrackBatch, located: Located, lane_rows: I64, mine: I64, rows: I64
    ) -> Bools:
        """Count since when radar tracks in a dedicated lane go without report, owned or not.

        Return of which tracks (n,) that can't be told now.
        """
        rules, state, at = self._rules, self._state, rows[mine]
        fast = np.hypot(tracks.x[mine, 2], tracks.x[mine, 3]) > MOVED_MPS
        state.flags[at[fast], MOVED] = 1.0
        enforced = t_ns - tracks.enforcing_ns[mine] <= int(rules.fresh_s * 1e9)
        unheard = (tracks.terminal[mine] < 0) | (t_ns - tracks.gnss_ns[mine] > int(rules.dark_report_s * 1e9))
        there = self._around.dedicated[lane_rows[mine]] & (located.p_lane[mine] >= 0.5)
        silent = enforced & unheard & there & (state.flags[at, MOVED] > 0.0)
        since = _since(state.stamps[at, SILENT], silent, t_ns)
        wanted = np.zeros(len(tracks), dtype=np.bool_)
        wanted[mine[silent]] = True
        sure = (located.p_lane[mine] >= rules.dark_lane_p) & self.gateway_present
        near = self._around.reporter_near(t_ns, tracks, wanted)
        if self.loose_reports is not None and len(self.loose_reports):
            near |= self._around.may_have_reported(t_ns, tracks, wanted, self.loose_reports)
        waits = silent & (~sure | near[mine])
        since = np.where(waits, np.minimum(since + TICK_NS, t_ns), since)
        state.stamps[at, SILENT] = since
        unsure = np.zeros(len(tracks), dtype=np.bool_)
        unsure[mine] = waits
        return unsure

    def _dark(
        self,
        t_ns: int,
        tracks: TrackBatch,
        located: Located,
        mine: I64,
        rows: I64,
        waits: Bools,
        may_open: Bools,
    ) -> list[Violation]:
        """Open, tell and close what has been silent for too long."""
        rules, state, at = self._rules, self._state, rows[mine]
        since = state.stamps[at, SILENT]
        held_s = np.where(since > 0, (t_ns - since) * 1e-9, 0.0)
        due = ((held_s > rules.dark_vehicle.notice[0].over) & may_open[mine]) | state.open[at, DARK]
        out: list[Violation] = []
        for k in np.flatnonzero(due).tolist():
            if not (waits[mine[k]] and state.open[at[k], DARK]):  # what can't be told goes on as it is
                out += self._dark_one(t_ns, int(mine[k]), int(at[k]), float(held_s[k]), tracks, located)
        return out

    def _dark_one(
        self, t_ns: int, i: int, row: int, held_s: float, tracks: TrackBatch, located: Located
    ) -> list[Violation]:
        state, track = self._state, int(tracks.track[i])
        evidence, evidence_ns = state.evidence[row, DARK], state.evidence_ns[row, DARK]
        weigh(held_s, 0.0, 1.0, TICK_S, 1.0, t_ns, evidence, evidence_ns)
        grade = hold(
            held_s, 0.0, TICK_S, 0.0, self._rules.clear_s, t_ns, self._limits[DARK], evidence, evidence_ns
        )
        stamps = Stamps(measured_ns=t_ns, arrived_ns=t_ns, by="tick")
        facts = self._teller.facts(i, tracks, located, np.nan, round(float(located.p_lane[i]), 6))
        episode = self._book.find(track, DARK)
        if episode is None:
            if grade == 0:
                return []
            evidence[CLEAR_S] = 0.0
            return [self._book.open(track, DARK, grade, int(state.stamps[row, SILENT]), facts, stamps)]
        if evidence[CLEAR_S] >= self._rules.clear_s:
            return [self._book.close(track, DARK, stamps, facts=facts)]
        if GRADES.index(episode.grade) < grade or self._book.due(episode, t_ns):
            return [self._book.tell(episode, DARK, "update", GRADES[grade], facts, stamps)]
        episode.seen_ns = t_ns
        return []

    def _blind(
        self, t_ns: int, tracks: TrackBatch, located: Located, mine: I64, rows: I64, may_open: Bools
    ) -> list[Violation]:
        """Record where a departure of a hazmat vehicle could not have been judged."""
        rules, state, at = self._rules, self._state, rows[mine]
        matters = (located.kind[mine] == HAZMAT) & np.isfinite(located.found[mine, OUT_PERMITTED])
        blind = located.undecidable[mine] & matters & self._answers_for(located.s_m[mine])
        since = _since(state.stamps[at, BLIND], blind | state.open[at, UNDECIDABLE], t_ns)
        seeing = _since(state.stamps[at, SEEING], ~blind, t_ns)
        state.stamps[at, BLIND], state.stamps[at, SEEING] = since, seeing
        is_open = state.open[at, UNDECIDABLE]
        opens = ~is_open & may_open[mine] & blind & (t_ns - since >= int(rules.undecidable_s * 1e9))
        closes = is_open & (seeing > 0) & (t_ns - seeing >= int(rules.clear_s * 1e9))
        out: list[Violation] = []
        stamps = Stamps(measured_ns=t_ns, arrived_ns=t_ns, by="tick")
        for k in np.flatnonzero(opens | is_open).tolist():
            i, track = int(mine[k]), int(tracks.track[mine[k]])
            episode = self._book.find(track, UNDECIDABLE)
            facts = None
            if episode is None or closes[k]:
                facts = self._teller.facts(i, tracks, located, np.nan, 0.5)
            if episode is None:
                assert facts is not None, "made just now"
                out.append(self._book.open(track, UNDECIDABLE, 0, int(since[k]), facts, stamps))
            elif closes[k]:
                state.stamps[at[k], BLIND] = 0
                out.append(self._book.close(track, UNDECIDABLE, stamps, facts=facts))
            elif blind[k]:
                episode.seen_ns = t_ns
        return out

    def _answers_for(self, s_m: F64) -> Bools:
        """Return which stations (n,) are ours: what left and nobody took is not on our record."""
        if self._stretch_m is None:
            return np.ones(len(s_m), dtype=np.bool_)
        left: Bools = (s_m < self._stretch_m[0] - BEYOND_M) | (s_m > self._stretch_m[1] + BEYOND_M)
        return ~left

    def _frozen(
        self, t_ns: int, tracks: TrackBatch, located: Located, mine: I64, rows: I64
    ) -> list[Violation]:
        """Close what could not be judged for too long: nobody knows whether it still holds.

        How far out of its lane a vehicle is can't be told where no lane is near; that it is out can.
        """
        state, at = self._state, rows[mine]
        patience_ns = int(self._rules.resume_s * 1e9)
        stamps = Stamps(measured_ns=t_ns, arrived_ns=t_ns, by="tick")
        out = []
        for k, slot in np.argwhere(state.open[at, :DARK]).tolist():
            track = int(tracks.track[mine[k]])
            episode = self._book.find(track, slot)
            assert episode is not None, "open says so"
            if slot == LANE_DEPARTURE and np.isnan(located.found[mine[k], OUT_ANY]):
                episode.seen_ns = t_ns
            if t_ns - max(episode.seen_ns, int(state.evidence_ns[at[k], slot, JUDGED])) > patience_ns:
                out.append(self._book.close(track, slot, stamps, "lost"))
        alive = dict.fromkeys(tracks.track.tolist())
        for track, slot, episode in self._book.all():
            if track not in alive and t_ns - episode.seen_ns > patience_ns:
                out.append(self._book.close(track, slot, stamps, "lost"))
        return out


def _since(before: I64, holds: Bools, t_ns: int) -> I64:
    """Return since when it has held (n,), 0 where it does not."""
    return np.where(holds, np.where(before == 0, t_ns, before), 0)
