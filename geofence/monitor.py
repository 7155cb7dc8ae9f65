"""The geofence's front: tracks in, violations out. Pure; time comes from stamps and from the tick alone."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from core.kernel import F64, I64, Bools
from fusion.config import RadarPose
from fusion.terminal_clocks import LooseReports
from fusion.tracks import TrackBatch
from geofence.book import Book, Facts, same_vehicle, slot_of
from geofence.carried import is_sound
from geofence.config import RulesConfig, VehicleConfig
from geofence.coverage import Coverage, Unjudged
from geofence.detectors import limits_of, remember, start_of, step
from geofence.episodes import CarriedJudgement, MonitorState, OpenEpisode, decoded
from geofence.facts import Teller
from geofence.locate import Locator
from geofence.located import Located
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap
from geofence.measures import Measures, measure
from geofence.resume import Resume
from geofence.state import (
    CLEAR_S,
    DARK,
    ENOUGH,
    EXCUSED,
    HINT,
    ILLEGAL_STOP,
    MOVED,
    MOVED_MPS,
    N_RULES,
    R_VALUE,
    RING,
    RULES,
    STANDING,
    WRONG_WAY,
    State,
)  # fmt: skip
from geofence.surroundings import Surroundings
from geofence.ticking import Ticking
from geofence.violation import GRADES, Stamps, Violation
from geofence.writing import probability

GOES_SIGMAS = 2.0  # of its speed, by which one that stands must be faster to be going again
SAME_M, SAME_NS = 12.0, 1_000_000_000  # less than from truck to truck
SAME_WRONG_WAY_M = 30.0  # nobody follows there, and a fix taken off its whole second lies far along the road
Episodes = Sequence[tuple[int, OpenEpisode]]
ADOPTED = -1  # a row's track until it is known which row goes on
EVIDENCE_RULES = 4  # of the rules that weigh errors; the others count seconds


class Monitor:
    """Judges the tracks of one RSU."""

    def __init__(
        self, rules: RulesConfig, road: RoadMap, frame: SiteFrame, vehicles: Sequence[VehicleConfig], *,
        esn: str, stretch_m: tuple[float, float] | None, radars: Sequence[RadarPose],
    ) -> None:  # fmt: skip
        self.gateway_present = True
        self.sensor_states: Mapping[str, str] = {}
        self.loose_reports: LooseReports | None = None  # of terminals whose stamps don't say where they are
        self.counts: dict[str, int] = {}
        self._rules, self._road, self._frame = rules, road, frame
        self._rate = rules.false_alarms_per_vehicle_hour / EVIDENCE_RULES
        self._state = State()
        self._book = Book(rules, frame, self._state, esn, road.version)
        self._locator = Locator(rules, road, vehicles, self._state, self._rate)
        self._around = Surroundings(rules, road, frame)
        self._teller = Teller(road, frame, vehicles)
        self._ticking = Ticking(rules, self._state, self._book, self._around, self._teller, stretch_m)
        self._resume = Resume(rules, frame, self._book)
        self._coverage = Coverage(road.axis, stretch_m, radars)
        self._limits = limits_of(rules)
        self._clear_below = np.zeros(N_RULES)
        self._clear_below[1:3] = rules.off_dedicated_road.notice[0].over / 2, 0.5
        self._followed: dict[int, int] = {}  # merged in this step
        self._superseded: list[tuple[int, OpenEpisode]] = []  # of merged tracks, to be closed

    def locate(self, tracks: TrackBatch, terminal_ids: Sequence[str]) -> Located:
        """Return where each track is; remembers its lane, so that the next look-up is continuous."""
        return self._locator.locate(tracks, terminal_ids)

    def judge(
        self,
        now_ns: int,
        tracks: TrackBatch,
        located: Located,
        owned: Bools,
        tick: bool,
        may_open: Bools | None = None,
    ) -> list[Violation]:
        """Judge one observation's tracks, or at a tick (`now_ns` = T) run the time-outs of all of them.

        may_open : (n,) of which something new may be told; None: of all.  Evidence grows either way
        """
        if may_open is None:
            may_open = np.ones(len(tracks), dtype=np.bool_)
        self._followed.clear()
        out = self._close_superseded(now_ns)
        mine = np.flatnonzero(owned & tracks.confirmed & (tracks.track != 0))
        rows = self._state.rows(tracks.track)
        if tick:
            self._ticking.gateway_present = self.gateway_present
            self._ticking.loose_reports = self.loose_reports
            out += self._resume.overdue(now_ns)
            return out + self._ticking.step(now_ns, tracks, located, mine, rows, may_open)
        if len(mine) == 0 or self._road.axis is None:
            return out
        measures = measure(
            self._rules, tracks, located, self._standing_s(tracks, rows, mine),
            self._around.off_road_m(tracks, located), self._around.expressway,
        )  # fmt: skip
        mine_rows, stamps = rows[mine], tracks.stamp_ns[mine]
        grade = np.empty((len(mine), N_RULES), dtype=np.int64)
        before = self._state.stamps[mine_rows, 0]
        step(
            mine_rows, stamps, measures.value[mine], measures.sigma[mine], measures.judged[mine],
            measures.tau_s[mine], self._limits, self._clear_below, self._rate, self._state.evidence,
            self._state.evidence_ns, self._state.stamps, self._rules.clear_s, grade,
        )  # fmt: skip
        stale = int((before >= stamps).sum())
        if stale:
            self.counts["judge.stale"] = self.counts.get("judge.stale", 0) + stale
        columns = _columns(tracks, located, measures)[mine]
        remember(mine_rows, stamps, columns, self._state.stamps, self._state.ring, self._state.ring_ns)
        self._resume.seen(tracks, located, mine)
        active = (grade > 0).any(axis=1) | self._state.open[mine_rows, :N_RULES].any(axis=1)
        for k in np.flatnonzero(active).tolist():
            i = int(mine[k])
            out += self._decide(i, int(mine_rows[k]), grade[k], tracks, located, measures, bool(may_open[i]))
        return out

    def _decide(
        self,
        i: int,
        row: int,
        grade: I64,
        tracks: TrackBatch,
        located: Located,
        measures: Measures,
        may_open: bool,
    ) -> list[Violation]:
        """Open, tell again or close the episodes of one track after an observation of it."""
        out: list[Violation] = []
        track, stamp_ns = int(tracks.track[i]), int(tracks.stamp_ns[i])
        stamps = Stamps(measured_ns=stamp_ns, arrived_ns=int(tracks.arrived_ns[i]))
        vehicle = self._teller.vehicle(i, tracks, located)
        for r in range(DARK):
            episode = self._book.find(track, r)
            if grade[r] < 0 or (episode is None and (grade[r] == 0 or not may_open)):
                continue
            if episode is None:
                if self._is_told(i, r, tracks, located):
                    continue
                facts = self._facts(i, r, tracks, located, measures)
                episode = self._resume.same_place(r, facts, stamp_ns)
                self._state.evidence[row, r, CLEAR_S] = 0.0
                if episode is None:
                    start_ns = self._start_ns(row, r, stamp_ns)
                    out.append(self._book.open(track, r, int(grade[r]), start_ns, facts, stamps))
                    self._count(f"opened.{RULES[r]}")
                    continue
                self._book.put(track, r, episode)
            if self._state.evidence[row, r, CLEAR_S] >= self._rules.clear_s:
                facts = self._facts(i, r, tracks, located, measures)
                out.append(self._book.close(track, r, stamps, facts=facts))
            elif (
                GRADES.index(episode.grade) < grade[r]
                or not same_vehicle(episode.vehicle, vehicle)
                or self._book.due(episode, stamp_ns)
            ):
                facts = self._facts(i, r, tracks, located, measures)
                out.append(self._book.tell(episode, r, "update", GRADES[grade[r]], facts, stamps))
            else:
                episode.seen_ns = stamp_ns
        return out

    def _facts(self, i: int, r: int, tracks: TrackBatch, located: Located, measures: Measures) -> Facts:
        """Return the facts of track i under rule r, for a version: most observations make none."""
        p_violation = probability(float(measures.value[i, r]), float(measures.sigma[i, r]))
        return self._teller.facts(i, tracks, located, float(measures.limit_mps[i]), p_violation)

    def _is_told(self, i: int, rule: int, tracks: TrackBatch, located: Located) -> bool:
        """Say whether the same is open of a track at the same place that is identified where this one isn't.

        Until fusion knows that a radar track and a terminal's are one vehicle, it must not be told twice.
        """
        reach_m = SAME_WRONG_WAY_M if rule == WRONG_WAY else SAME_M
        for track, slot, episode in self._book.all():
            if slot != rule or (episode.vehicle is None) == (tracks.terminal[i] < 0):
                continue
            place = self._state.newest_place(track, int(tracks.stamp_ns[i]) - SAME_NS)
            if place is not None and np.hypot(*(tracks.x[i, :2] - place)) <= reach_m:
                return True
        return False

    def _start_ns(self, row: int, rule: int, stamp_ns: int) -> int:
        if rule == ILLEGAL_STOP:
            return int(self._state.stamps[row, STANDING])
        return min(
            stamp_ns, start_of(self._state.evidence[row, rule], self._state.evidence_ns[row, rule], stamp_ns)
        )

    def _standing_s(self, tracks: TrackBatch, rows: I64, mine: I64) -> F64:
        """Advance since when each vehicle stands; return for how long without excuse (n,)."""
        state, at = self._state, rows[mine]
        speed = np.hypot(tracks.x[mine, 2], tracks.x[mine, 3])
        moving = speed > MOVED_MPS
        state.flags[at[moving], MOVED] = 1.0
        since = state.stamps[at, STANDING]
        sigma = np.sqrt(np.maximum(tracks.P[mine, 2, 2] + tracks.P[mine, 3, 3], 0.0) / 2)
        surely = np.where(since > 0, speed - GOES_SIGMAS * sigma, speed)  # one noisy speed is no going on
        stands = (surely < self._rules.stop_speed_mps) & (state.flags[at, MOVED] > 0.0)
        since = np.where(stands, np.where(since == 0, tracks.stamp_ns[mine], since), 0)
        state.stamps[at, STANDING] = since
        held = np.where(since > 0, np.maximum(tracks.stamp_ns[mine] - since, 0) * 1e-9, 0.0)
        out = np.full(len(tracks), np.nan)
        out[mine] = np.where(state.flags[at, EXCUSED] > 0.0, 0.0, held)
        return out

    def ended(self, t_ns: int, ids: Sequence[int]) -> list[Violation]:
        """Forget tracks that are gone; return the closes of what was open."""
        return self._end(t_ns, ids, "lost")

    def close_handover_lost(self, t_ns: int, ids: Sequence[int]) -> list[Violation]:
        """Close what was to be handed over and never answered."""
        return self._end(t_ns, ids, "handover_lost")

    def close_left_behind(self, t_ns: int, ids: Sequence[int], carried: Sequence[str]) -> list[Violation]:
        """Close what is open of tracks that a neighbour took, but for the episodes that it was given."""
        return [each for track in ids for each in self._book.close_all(track, t_ns, "handover_lost", carried)]

    def _end(self, t_ns: int, ids: Sequence[int], reason: str) -> list[Violation]:
        out = []
        for track in ids:
            out += self._book.close_all(track, t_ns, reason)
            self._state.drop(track)
        return out

    def merged(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Let what hung on tracks that are gone hang on their survivors; of two alike the older goes on."""
        for gone, survivor in pairs:
            self._followed[gone] = survivor  # for what is to be adopted as `gone` in the same step
            self._followed.pop(survivor, None)  # never a circle
            if self._state.find(gone) is None:
                continue
            ours, theirs = self._book.of(survivor), self._book.of(gone)
            self._state.doubt(gone, survivor)
            for track, episodes in ((survivor, ours), (gone, theirs)):
                for slot, _ in episodes:
                    self._book.take(track, slot)
            self._keep_one_row(gone, survivor, theirs, ours)
            self._hang(survivor, sorted(ours + theirs, key=lambda pair: (pair[1].start_ns, pair[1].id)))

    def _keep_one_row(self, gone: int, survivor: int, theirs: Episodes, ours: Episodes) -> None:
        """Let the survivor have the row that says more: whose episode is open, or else by evidence."""
        state = self._state
        mine, other = state.find(survivor), state.find(gone)
        assert other is not None, "a track that is gone has a row"
        judged, judged_other = (any(slot < N_RULES for slot, _ in rows) for rows in (ours, theirs))
        more = mine is None or judged_other
        if mine is not None and judged == judged_other:
            more = bool(state.evidence[other, :, :ENOUGH].sum() > state.evidence[mine, :, :ENOUGH].sum())
        if mine is not None:  # either saw it move: it is no post
            state.flags[[mine, other], MOVED] = state.flags[[mine, other], MOVED].max()
        if more:
            state.rename(gone, survivor)
        else:
            state.drop(gone)
        state.open[state.row(survivor)] = False

    def _hang(self, track: int, episodes: Sequence[tuple[int, OpenEpisode]]) -> None:
        for slot, episode in episodes:
            first = self._book.find(track, slot)
            if first is not None and first.id != episode.id:
                episode.track = track
                self._superseded.append((slot, episode))
            elif first is None or (episode.hop, episode.version) > (first.hop, first.version):
                self._book.put(track, slot, episode)  # handed over twice it lives once, as it was told last

    def _close_superseded(self, now_ns: int) -> list[Violation]:
        stamps = Stamps(measured_ns=now_ns, arrived_ns=now_ns, by="tick")
        out = [self._book.finish(episode, slot, stamps, "merged") for slot, episode in self._superseded]
        self._superseded.clear()
        return out

    def carry(self, ids: Sequence[int] | None) -> list[CarriedJudgement]:
        """Return what is known of the tracks (None: all), to be handed over or kept."""
        out = []
        for track in self._state.tracks() if ids is None else ids:
            row = self._state.find(track)
            if row is None:
                continue
            numbers, stamps, ring, ring_ns = self._state.packed(row)
            out.append(
                CarriedJudgement(
                    track=track,
                    state=numbers,
                    stamps=stamps,
                    ring=ring,
                    ring_ns=tuple(ring_ns),
                    episodes=tuple(episode for _, episode in self._book.of(track)),
                )
            )
        return out

    def adopt(self, now_ns: int, carried: Sequence[CarriedJudgement]) -> None:
        """Go on with what a neighbour judged so far; each episode's next version tells the new owner."""
        for judgement in carried:
            track = judgement.track
            while track in self._followed:
                track = self._followed[track]
            own = [(slot, self._book.take(track, slot)) for slot, _ in self._book.of(track)]
            theirs = []
            for episode in judgement.episodes:
                theirs.append(
                    (slot_of(episode), msgspec.structs.replace(episode, hop=episode.hop + 1, told_ns=0))
                )
                own += self._resume.take_known(episode.id)
            try:
                row = self._state.unpack(
                    ADOPTED, judgement.state, judgement.stamps, judgement.ring, judgement.ring_ns
                )
                if not 0.0 <= self._state.flags[row, HINT] <= len(self._road.lanes):
                    self._state.flags[row, HINT] = 0.0  # a lane of another map: no kernel checks it
            except (ValueError, OverflowError):  # its episodes go on, its windows start anew
                self._count("handover.state")
                self._state.drop(ADOPTED)
            else:
                self._keep_one_row(ADOPTED, track, theirs, own)
            self._hang(track, theirs + own)
        self._followed.clear()

    def drop(self, ids: Sequence[int]) -> list[str]:
        """Forget tracks that a neighbour goes on with; return the ids of their open episodes."""
        dropped = []
        for track in ids:
            dropped += [self._book.take(track, slot).id for slot, _ in self._book.of(track)]
            self._state.drop(track)
        return dropped

    def start(self, now_ns: int, episodes: Sequence[bytes]) -> None:
        """Let what a restart found open wait 30 s for its vehicle; its close comes at a later tick."""
        for body in episodes:
            episode = decoded(body)
            if episode is not None and is_sound(episode, self._frame):
                self._resume.wait(now_ns, episode)
            else:  # a damaged row, or one of another version
                self._count("start.episode")

    def open_episode(self, episode: str) -> bytes | None:
        """Return an open episode as a restart would need it; None when it is not open."""
        return self._book.packed(episode)

    def state(self) -> MonitorState:
        """Return everything that the next step depends on."""
        return MonitorState(
            judgements=tuple(self.carry(None)),
            waiting=self._resume.packed(),
            superseded=tuple(self._superseded),
            unjudged_since=self._coverage.packed(),
            counts=dict(self.counts),
        )

    def restore(self, state: MonitorState) -> None:
        """Go on exactly where `state` was taken, under the same rules and map."""
        for judgement in state.judgements:
            self._state.unpack(
                judgement.track, judgement.state, judgement.stamps, judgement.ring, judgement.ring_ns
            )
            for episode in judgement.episodes:
                self._book.put(judgement.track, slot_of(episode), episode)
        self._resume.unpack(state.waiting)
        self._superseded = list(state.superseded)
        self._coverage.unpack(state.unjudged_since)
        self.counts = dict(state.counts)

    def unjudged(self, t_ns: int) -> list[Unjudged]:
        """Return where and since when nothing can be judged."""
        return self._coverage.unjudged(t_ns, self.sensor_states)

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1


def _columns(tracks: TrackBatch, located: Located, measures: Measures) -> F64:
    """Return what the ring keeps of each track, (n, RING)."""
    columns = np.empty((len(tracks), RING))
    columns[:, 0:2] = tracks.x[:, 0:2]
    columns[:, 2], columns[:, 3], columns[:, 4] = located.s_m, located.d_m, located.sigma_d_m
    columns[:, 5] = measures.speed_mps
    columns[:, R_VALUE : R_VALUE + N_RULES] = measures.value
    columns[:, R_VALUE + N_RULES :] = measures.sigma
    return columns
