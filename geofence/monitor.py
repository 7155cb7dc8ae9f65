"""The geofence's entry point: tracks in, violations out. Pure; stamps and the tick are its only time."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from core.arrays import I64, U8, Bools
from fusion.config import RadarPose
from fusion.timekeeping import LooseReports
from fusion.tracks import TrackBatch
from geofence.breaches import Trips
from geofence.calendar import Cargo
from geofence.carried_checks import is_sound
from geofence.carry import CarriedJudgement, MonitorState
from geofence.config import RulesConfig, VehicleConfig, section_of
from geofence.context import Context, TickContext
from geofence.coverage import Coverage, Unjudged
from geofence.describe import Describer
from geofence.episode_book import EpisodeBook, Judged
from geofence.episodes import OpenEpisode, decoded
from geofence.evidence import Evidence
from geofence.grading import Grading
from geofence.judging import Judging, stamps_of_observation, stamps_of_tick
from geofence.limits import lowest_speeds
from geofence.lineage import Lineage
from geofence.locate import Locator
from geofence.located import Located
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap
from geofence.map_changes import CLOSED as MAP_CHANGED
from geofence.map_changes import MapChanges, lane_of
from geofence.observing import Found
from geofence.permits import PermitConfig, openings_of
from geofence.resume import Resume
from geofence.rule_changes import CLOSED
from geofence.rules import BY_NAME, GRADED, MEASURED, OWN_STAMPS, REGISTRY
from geofence.rules.base import Rule
from geofence.rules.trips import TripRule
from geofence.state import AWAY, LAST, State
from geofence.surroundings import Surroundings
from geofence.widths import widths_of


class Monitor:
    """Judges the tracks of one RSU by the rule book."""

    def __init__(
        self, rules: RulesConfig, road: RoadMap, frame: SiteFrame, vehicles: Sequence[VehicleConfig], *,
        esn: str, stretch_m: tuple[float, float] | None, radars: Sequence[RadarPose], late: bool = False,
        permits: Sequence[PermitConfig] = (),
    ) -> None:  # fmt: skip
        """late : it judges stored fixes of one terminal at a time; rules that need more are mute.

        permits : whose zones are open to their vehicles
        """
        self.counts: dict[str, int] = {}
        self._settings, self._road, self._frame, self._stretch_m = rules, road, frame, stretch_m
        roles = {role for zone in road.zones for role in zone.roles}
        book = [rule(rules, section_of(rules, rule.name), roles) for rule in REGISTRY]
        self._rules = [rule for rule in book if rule.active and (rule.alone or not late)]
        self._of_trips = [rule for rule in book if late and isinstance(rule, TripRule)]
        # those of ticks alone judge no observation, for which each of them would cost a context
        self._events = [rule for rule in self._rules if rule.judges_observations()]
        self._measured = [rule for rule in book if rule.name in MEASURED]
        self._mute = [k for k, rule in enumerate(self._measured) if late and not rule.alone]
        self._observed = [rule for rule in book if rule.decided_by == "observation"]
        gradings: dict[str, Grading] = {name: section_of(rules, name) for name in GRADED}
        self._state = State([rule.name for rule in REGISTRY], MEASURED, GRADED, OWN_STAMPS)
        self._evidence = Evidence(rules, self._measured, gradings, self._state)
        self._book = EpisodeBook(rules, frame, self._state, esn, road.version, late=late)
        self._locator = Locator(rules, road, vehicles, self._state)
        widths = widths_of([(v.kind, v.width_m) for v in vehicles], rules.width_unknown_m)
        cargoes = [Cargo(v.class_, v.hazmat_class, v.un, v.terminal) for v in vehicles]
        lowest_mps = lowest_speeds(
            road.lanes, rules.expressways, section_of(rules, "too_slow").expressway_mps
        )
        openings = openings_of(permits)
        self._around = Surroundings(rules, road, frame, radars, widths, lowest_mps, cargoes, openings)
        self._resume = Resume(rules, frame, self._book)
        self._judging = Judging(
            self._state, self._book, self._evidence, Describer(road, frame, vehicles), self._resume,
            self._count,
        )  # fmt: skip
        self._lineage = Lineage(
            self._state, self._book, self._evidence, self._resume, [lane.lane for lane in road.lanes],
            self._count,
        )  # fmt: skip
        self._coverage = Coverage(road.axis, stretch_m, radars)
        self._has_axis = road.axis is not None
        asks = self._events, self._around.has_area, self._around.speed_limits.has_zones, not self._has_axis
        self._needs_places = any(asks)

    def locate(self, tracks: TrackBatch, terminal_ids: Sequence[str]) -> Located:
        """Return the places of n tracks on the map; remember each one's lane for the next look-up."""
        return self._locator.locate(tracks, terminal_ids)

    def judge(
        self, now_ns: int, tracks: TrackBatch, terminal_ids: Sequence[str], owned: Bools,
        may_open: Callable[[], Bools | None] = lambda: None,
    ) -> list[Judged]:  # fmt: skip
        """Locate the n > 0 tracks of one observation and judge them; as of `locate` and `observe`.

        Both are one compiled step, unless something in between needs the places.
        """
        if self._needs_places or self._resume.is_waiting or self._state.flags[:, AWAY].any():
            return self.observe(now_ns, tracks, self.locate(tracks, terminal_ids), owned, may_open)
        out, to_locate = self._lineage.begin_step(now_ns), self._locator.ask(tracks, terminal_ids)
        found = self._evidence.locate_and_observe(tracks, to_locate, owned, self._around)
        if found.stale:
            self._count("judge.stale", found.stale)
        if found.is_active:
            fields = self._context_fields(now_ns, tracks, to_locate.located, owned, may_open())
            out += self._apply_grades(Context(**fields), found)
        return out

    def observe(
        self, now_ns: int, tracks: TrackBatch, located: Located, owned: Bools,
        may_open: Callable[[], Bools | None] = lambda: None,
    ) -> list[Judged]:  # fmt: skip
        """Judge the tracks of one observation.

        owned : (n,) the track is judged here
        may_open : returns the mask (n,) of tracks of which a new episode may open; None: all may. It is asked
            only where an episode might. Evidence grows either way
        """
        out = self._lineage.begin_step(now_ns)
        if not self._has_axis:
            return out
        ctx, events = None, []
        if self._events or self._resume.is_waiting:
            ctx = Context(**self._context_fields(now_ns, tracks, located, owned, may_open()))
            events = [(rule, verdict) for rule in self._events for verdict in rule.judge(ctx)]
            self._resume_seen(ctx)
            self._resume.vouch(self._state, tracks, located.rows, ctx.mine)
        found = self._evidence.observe(tracks, located, owned, self._around)
        self._count("judge.stale", found.stale)
        if not (found.is_active or events):  # the usual case
            return out
        if ctx is None:
            ctx = Context(**self._context_fields(now_ns, tracks, located, owned, may_open()))
        out += self._apply_grades(ctx, found)
        for rule, verdict in events:
            judged = self._judging.apply(rule, verdict, ctx, stamps_of_observation(ctx, verdict.i))
            if judged is not None:
                out.append(judged)
        return out

    def _apply_grades(self, ctx: Context, found: Found) -> list[Judged]:
        """Apply what was found of an observation's tracks; return the versions."""
        values, out = self._evidence.values, []
        if self._mute:
            values.found.grade[:, self._mute] = -1
        for k in np.flatnonzero(values.found.active[: found.mine]).tolist():
            out += self._judging.apply_grades(self._measured, values.found.grade[k], k, ctx, values)
        return out

    def _resume_seen(self, ctx: Context) -> None:
        """Give the owned vehicles their episodes that have waited since a restart."""
        for track, episode in self._resume.pop_seen(ctx.tracks, ctx.located, ctx.mine):
            self._lineage.resume(track, episode)

    def tick(
        self, t_ns: int, tracks: TrackBatch, located: Located, owned: Bools, may_open: Bools | None = None,
        *, gateway_present: bool = True, loose_reports: LooseReports | None = None, doubt: U8 | None = None,
        trips: Trips | None = None,
    ) -> list[Judged]:  # fmt: skip
        """Judge all tracks at tick `t_ns` by the rules that only time decides.

        gateway_present : whether any terminal could report
        loose_reports : reports without a usable stamp, of which only the arrival is known
        doubt : (n,) bits of doubt in the tracks' terminals; None: there is none
        trips : the journeys of the vehicles
        """
        out = self._lineage.begin_step(t_ns) + self._resume.close_overdue(t_ns)
        if not len(tracks) and not self._book.all():  # most RSUs of a site at night
            return out
        ctx = TickContext(
            **self._context_fields(t_ns, tracks, located, owned, may_open),
            evidence=self._evidence,
            stretch_m=self._stretch_m,
            gateway_present=gateway_present,
            loose_reports=loose_reports,
            doubt=np.zeros(len(tracks), dtype=np.uint8) if doubt is None else doubt,
            trips=trips,
        )
        ctx.presume()
        self._resume_seen(ctx)  # a rule of ticks would open a second one before the next observation
        out += self._apply_rules(self._rules, ctx)
        return out + self._judging.close_frozen(ctx, self._observed, int(self._settings.resume_s * 1e9))

    def judge_trips(
        self, t_ns: int, tracks: TrackBatch, located: Located, owned: Bools, trips: Trips
    ) -> list[Judged]:
        """Judge a stored fix by what its vehicle's journey breaks; after `observe`."""
        ctx = TickContext(
            **self._context_fields(t_ns, tracks, located, owned, None), evidence=self._evidence, trips=trips,
            stretch_m=self._stretch_m, gateway_present=True, loose_reports=None,
            doubt=np.zeros(len(tracks), dtype=np.uint8),
        )  # fmt: skip
        return self._apply_rules(self._of_trips, ctx)

    def _apply_rules(self, rules: Sequence[Rule], ctx: TickContext) -> list[Judged]:
        """Return what rules say at a tick."""
        stamps = stamps_of_tick(ctx.now_ns)
        judged = (self._judging.apply(rule, one, ctx, stamps) for rule in rules for one in rule.tick(ctx))
        return [version for version in judged if version is not None]

    def _context_fields(
        self, now_ns: int, tracks: TrackBatch, located: Located, owned: Bools, may_open: Bools | None
    ) -> dict[str, Any]:
        """Return the fields of a Context."""
        return {
            "now_ns": now_ns,
            "tracks": tracks,
            "located": located,
            "rows": located.rows,
            "mine": np.flatnonzero(owned & tracks.confirmed & (tracks.track != 0)),
            "may_open": np.ones(len(tracks), dtype=np.bool_) if may_open is None else may_open,
            "settings": self._settings,
            "state": self._state,
            "around": self._around,
            "open_of": self._book.of,
        }

    def end(self, t_ns: int, ids: Sequence[int]) -> list[Judged]:
        """Forget tracks that ended; return the closes of their open episodes."""
        return self._lineage.end(t_ns, ids, "lost")

    def close_handover_lost(self, t_ns: int, ids: Sequence[int]) -> list[Judged]:
        """Forget tracks whose handover was never answered; return the closes of their open episodes."""
        return self._lineage.end(t_ns, ids, "handover_lost")

    def close_left_behind(self, t_ns: int, ids: Sequence[int], carried: Sequence[str]) -> list[Judged]:
        """Close the open episodes of tracks that a neighbour adopted, except those that it was given."""
        return self._lineage.close_all(t_ns, ids, "handover_lost", but=carried)

    def merge(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Move the judgements of tracks to those into which they were merged (gone, survivor)."""
        self._lineage.merge(pairs)

    def drop(self, ids: Sequence[int]) -> list[str]:
        """Forget tracks that a neighbour judges from now on; return the ids of their open episodes."""
        return self._lineage.drop(ids)

    def carry(self, ids: Sequence[int] | None) -> list[CarriedJudgement]:
        """Return the judgements of the tracks (None: all), for a handover or `/state`."""
        return self._lineage.carry(ids)

    def adopt(self, carried: Sequence[CarriedJudgement]) -> None:
        """Continue a neighbour's judgements; each episode's next version names the new owner."""
        self._lineage.adopt(carried)

    def restate(self, now_ns: int, adopted: Sequence[CarriedJudgement]) -> list[Judged]:
        """Return a version of each adopted episode with the facts of its last, now that we own it.

        It does not wait for an observation: an episode must be on this RSU's disk before the neighbour
        knows that it may forget it.
        """
        episodes = (episode for judgement in adopted for episode in judgement.episodes)
        return self._restate(now_ns, [self._book.find_id(episode.id) for episode in episodes])

    def _restate(self, now_ns: int, episodes: Sequence[OpenEpisode | None]) -> list[Judged]:
        return [self._book.restate(one, stamps_of_tick(now_ns)) for one in episodes if one is not None]

    def waiting(self) -> list[OpenEpisode]:
        """Return the episodes of identified vehicles that have not been seen since a restart."""
        return self._resume.named()

    def drop_waiting(self, ids: Sequence[str]) -> list[str]:
        """Forget waiting episodes that a neighbour continues; return the ids of those that waited."""
        return self._resume.drop(ids)

    def drop_ended(self, ended_ns: Mapping[str, int]) -> list[str]:
        """Forget waiting episodes that ended at these times, after they were last seen; return their ids."""
        waiting = (episode for episode, _ in self._resume.carried())
        return self._resume.drop([each.id for each in waiting if each.seen_ns <= ended_ns.get(each.id, -1)])

    def take_over(self, now_ns: int, episode: OpenEpisode, *, is_here: bool) -> list[Judged] | None:
        """Continue an episode that waits at a neighbour; None: it is not ours.

        Of two RSUs where it waits the one that had it last keeps it: each hop counts.
        is_here : its vehicle is on our stretch
        """
        ours, is_open = self._resume.find(episode.id)
        if ours is None:
            if self._resume.has_ended(episode):  # the neighbour asked before it had our answer
                return []
            if not is_here:
                return None
            ours = msgspec.structs.replace(episode)
            self._resume.wait(now_ns, ours)
        elif ours.hop > episode.hop:
            return []
        elif not (is_open or is_here):
            return None
        ours.hop = episode.hop + 1
        self._resume.take(ours)
        return self._restate(now_ns, [ours])

    def start(self, now_ns: int, episodes: Sequence[bytes]) -> list[Judged]:
        """Let episodes that a restart found open wait 30 s; return closes of those of an unset clock."""
        closes: list[Judged] = []
        for body in episodes:
            episode = decoded(body)
            if episode is not None and is_sound(episode, self._frame):
                closes += self._resume.wait_or_close(now_ns, episode)
            else:  # a damaged row, or one of another version
                self._count("start.episode")
        return closes

    def close_changed(self, t_ns: int, rules: Collection[str]) -> list[Judged]:
        """Close the open and the waiting episodes of rules whose settings change."""
        stamps = stamps_of_tick(t_ns)
        changed = [episode for episode in self._book.in_order() if episode.rule_name in rules]
        closes = [self._book.close(episode, stamps, CLOSED) for episode in changed]
        waiting = [episode for episode, _ in self._resume.carried() if episode.rule_name in rules]
        self._resume.drop([episode.id for episode in waiting])
        return closes + [self._book.finish(episode, stamps, CLOSED) for episode in waiting]

    def continue_from(self, other: "Monitor", anew: Collection[str], changed: Collection[str] = ()) -> None:
        """Continue what another monitor, not used any more, judged by other rules; nothing is copied.

        anew : rules whose evidence starts anew.  changed : and what they count, since their settings differ
        """
        self._state.continue_from(other._state, anew)
        self._state.restart_counts((BY_NAME[k].stamps, BY_NAME[k].counts_standing) for k in changed)
        for episode in other._book.all():
            self._book.attach(episode.track, episode)
        self._resume.restore(other._resume.carried())
        self._resume.taken = other._resume.taken
        self._lineage.superseded = other._lineage.superseded
        self._coverage.restore(other._coverage.since())
        self.counts.clear()
        self.counts.update(other.counts)

    def close_on_map(self, t_ns: int, changes: MapChanges) -> list[Judged]:
        """Close the open and the waiting episodes of what the next map has not, or has otherwise."""
        stamps = stamps_of_tick(t_ns)
        changed = [episode for episode in self._book.in_order() if self._is_of(episode, changes)]
        closes = [self._book.close(episode, stamps, MAP_CHANGED) for episode in changed]
        waiting = [episode for episode, _ in self._resume.carried() if self._is_of(episode, changes)]
        self._resume.drop([episode.id for episode in waiting])
        return closes + [self._book.finish(episode, stamps, MAP_CHANGED) for episode in waiting]

    def _is_of(self, episode: OpenEpisode, changes: MapChanges) -> bool:
        """Return whether an episode is about a zone or a lane that changes."""
        if BY_NAME[episode.rule_name].scope == "zone":
            return episode.scope in changes.zones
        if episode.rule_name not in MEASURED:
            return False
        lane = self._state.held_lane(episode.track)
        if lane < 0:  # it waits since a restart, which forgot what its vehicle held
            lane = lane_of(self._road.lanes, episode.lane, self._place_of(episode))
        return lane >= 0 and bool(changes.changed[lane])

    def _place_of(self, episode: OpenEpisode) -> tuple[float, float]:
        """Return where an episode's vehicle was seen last, in site metres."""
        east, north = self._frame.site_from_lonlat([episode.lon_deg], [episode.lat_deg])
        return float(east[0]), float(north[0])

    def continue_on(self, other: "Monitor", changes: MapChanges) -> None:
        """Continue what another monitor judged on another map; it must not be used any more."""
        self.continue_from(other, ())
        self._state.change_lanes(changes)

    def judged_ns(self, rows: I64) -> I64:
        """Return the stamp of the last judged observation of each row (n,); 0: none, or no row."""
        return np.where(rows >= 0, self._state.stamps[rows, LAST], 0)

    def state(self) -> MonitorState:
        """Return everything that the next step depends on."""
        return MonitorState(
            judgements=tuple(self.carry(None)),
            waiting=self._resume.carried(),
            taken=dict(self._resume.taken),
            to_close=tuple(self._lineage.superseded),
            unjudged_since=self._coverage.since(),
            counts=dict(self.counts),
        )

    def restore(self, state: MonitorState) -> None:
        """Continue exactly where `state` was taken, under the same rules and map."""
        self._lineage.restore(state.judgements)
        self._resume.restore(state.waiting)
        self._resume.taken = dict(state.taken)
        self._lineage.superseded = list(state.to_close)
        self._coverage.restore(state.unjudged_since)
        self.counts.clear()
        self.counts.update(state.counts)

    def unjudged(self, t_ns: int, sensor_states: Mapping[str, str]) -> list[Unjudged]:
        """Return the stretches that can't be judged at t_ns; sensor_states : of the radars, by name."""
        return self._coverage.unjudged(t_ns, sensor_states)

    def _count(self, reason: str, times: int = 1) -> None:
        if times:
            self.counts[reason] = self.counts.get(reason, 0) + times
