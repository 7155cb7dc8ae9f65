"""The journeys that one RSU follows: opened at entry or at first sight, closed at exit. Pure.

A journey belongs to a terminal, so it outlives its tracks, and goes with the vehicle to the next RSU. Each
vehicle is looked at once a second, a tenth of them at each tick.
"""

from collections.abc import Callable, Container, Iterable, Sequence

import numpy as np

from core.arrays import Bools
from core.classes import HAZMAT
from core.times import TICK_NS
from fusion.tracks import TrackBatch
from geofence.breaches import Breach
from geofence.config import RulesConfig, VehicleConfig
from geofence.journeys.breaking import Breaking, breaches_of
from geofence.journeys.config import JourneysConfig
from geofence.journeys.contact import Blind, cause_of, contact_of
from geofence.journeys.counting import count
from geofence.journeys.driving import Driving
from geofence.journeys.driving import copied as copied_driving
from geofence.journeys.following import BRIDGED_S, FASTEST_MPS, Look, follow, quantise
from geofence.journeys.gates import Gates, Line
from geofence.journeys.journey import Journey, JourneysState, Reason, copied, encoded, vehicle_of
from geofence.journeys.looking import looks_at
from geofence.journeys.passing import ENTERED_MPS, Passing
from geofence.journeys.past import Past
from geofence.journeys.sight import sight_of
from geofence.journeys.timing import expect, progress
from geofence.located import NO_LANE, Located
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap
from geofence.permits import PermitConfig
from geofence.violation import Violation
from geofence.writing import episode_id, number

NS = 1_000_000_000
GROUPS = 10  # a vehicle is looked at each GROUPS ticks
PUBLISH_NS = 10 * NS  # an open journey gets a new version at least so often
SPREAD = PUBLISH_NS // NS  # those that begin at once are published over so many seconds
# so long after its exit a vehicle is no new journey, unless it enters by a gate: it drives on before the gate
LEAVING_NS = 120 * NS


class Journeys:
    """All journeys of one RSU."""

    def __init__(
        self, config: JourneysConfig, rules: RulesConfig, road: RoadMap, frame: SiteFrame,
        vehicles: Sequence[VehicleConfig], permits: Sequence[PermitConfig] = (), *, esn: str,
        journeys_max: int, count: Callable[[str], None], stretch_m: tuple[float, float] | None = None,
        neighbours: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """journeys_max : that are open here; beyond, none opens.  count(reason) : counts it"""
        self._config, self._rules, self._frame, self._esn = config, rules, frame, esn
        self._max, self._count, self._stretch_m = journeys_max, count, stretch_m
        self.past = Past(permits, neighbours)
        self._passing, self._breaking = Passing(), Breaking(permits, rules, self.past)
        self._drivers = {vehicle.terminal for vehicle in vehicles if vehicle.kind == HAZMAT}
        self._vehicles = {vehicle.terminal: vehicle for vehicle in vehicles}
        self._report_ns = int(rules.dark_report_s * NS)
        self.open: dict[str, Journey] = {}  # by terminal
        self._left_ns: dict[str, int] = {}  # when terminals left, for LEAVING_NS
        self._published_ns: dict[str, int] = {}  # of the open ones, by terminal
        self.change_map(road)

    # ---- each tick

    def configure(self, rules: RulesConfig, now_ns: int) -> None:
        """Follow by other rules from now on."""
        self._rules, self._report_ns = rules, int(rules.dark_report_s * NS)
        self._breaking.configure(rules, self.open.values(), now_ns)

    def change_map(self, road: RoadMap) -> None:
        """Follow on another map from now on; a gate that it lacks is no exit to come."""
        self._axis, self._roads = road.axis, [lane.road for lane in road.lanes]
        self.gates = Gates(road.gates, road.axis)
        self._passing.gates = self.gates
        self._breaking.change_map(self.gates, road.zones)
        self.gates.renew_exits(self.open.values())

    def step(
        self, t_ns: int, tracks: TrackBatch, located: Located, owned: Bools, blind: Iterable[Blind], *,
        gateway_present: bool, reporting: Container[int] = (),
    ) -> list[Journey]:  # fmt: skip
        """Look at a tenth of the vehicles; return the new versions of their journeys.

        owned : (n,) the track is judged here
        blind : stretches where no radar can judge now.  gateway_present : whether any terminal could report
        reporting : rows of terminals that report, though with stamps that nobody can use
        """
        group = t_ns // TICK_NS % GROUPS
        picked = np.flatnonzero(owned & tracks.confirmed & (tracks.track % GROUPS == group)).tolist()
        versions = self._look_at(t_ns, picked, tracks, located, reporting) if picked else []
        mine = list(self.open.values())[group::GROUPS]
        versions += self._miss(mine, t_ns, blind, gateway_present=gateway_present)
        if group == 0:
            self._forget(t_ns)
        return versions

    def look(self, t_ns: int, tracks: TrackBatch, located: Located) -> None:
        """Look at all confirmed tracks at once, as stored fixes are judged; nobody gets the versions."""
        self._look_at(t_ns, np.flatnonzero(tracks.confirmed).tolist(), tracks, located, ())

    def _look_at(
        self, t_ns: int, picked: Sequence[int], tracks: TrackBatch, located: Located,
        reporting: Container[int],
    ) -> list[Journey]:  # fmt: skip
        crossed = self._passing.look(t_ns, picked, tracks)
        looks = looks_at(t_ns, picked, tracks, located, self._frame)
        presumed, terminals = tracks.presumed[picked].tolist(), tracks.terminal[picked].tolist()
        versions = []
        for i, look, terminal, is_presumed in zip(picked, looks, terminals, presumed, strict=True):
            if terminal < 0 or is_presumed:
                continue
            if terminal in reporting:  # its clock is wrong, but it is not silent
                look = look._replace(gnss_ns=t_ns)
            name = located.terminal_ids[terminal]
            versions += self._follow(i, name, look, crossed.get(i, ()), tracks, located)
        return versions

    def _follow(
        self, i: int, terminal: str, look: Look, crossed: Iterable[tuple[Line, int]],
        tracks: TrackBatch, located: Located,
    ) -> list[Journey]:  # fmt: skip
        """Advance the journey of a terminal's vehicle, open or close one; return its new versions."""
        versions, journey = [], self.open.get(terminal)
        for line, at_ns in crossed:
            if line.role == "exit" and journey is not None:
                follow(journey, look, self._rules.stop_speed_mps)
                journey.exit, journey.exit_s_m = line.gate, number(line.s_m, 1)
                versions.append(self._close(journey, max(at_ns, journey.start_ns), "exit"))
                journey = None
            elif line.role == "entry":
                if journey is not None and journey.entry is not None and journey.began == "gate":
                    versions.append(self._close(journey, max(journey.seen_ns, journey.start_ns), "again"))
                    journey = None
                if journey is None:
                    journey = self._open(terminal, look, (line, at_ns))
        if journey is None and not crossed:
            journey = self._open_on_road(terminal, look)
        if journey is None:
            return versions
        changed = self._advance(journey, i, look, tracks, located)
        if journey.off_road_since_ns and look.t_ns - journey.off_road_since_ns > self._config.off_road_s * NS:
            versions.append(self._close(journey, journey.off_road_since_ns, "left_road"))
        elif changed or look.t_ns - self._published_ns.get(terminal, 0) >= PUBLISH_NS:
            versions.append(self._version(journey, look.t_ns))
        return versions

    def _advance(self, journey: Journey, i: int, look: Look, tracks: TrackBatch, located: Located) -> bool:
        """Advance an open journey to a look; return whether something changed that is published at once."""
        before = (journey.moving_s, journey.standing_s, journey.way_m, journey.stamp_ns)
        changed = follow(journey, look, self._rules.stop_speed_mps)
        moving_s, standing_s = journey.moving_s - before[0], journey.standing_s - before[1]
        if look.t_ns - before[3] > BRIDGED_S * NS:
            moving_s = min(moving_s, (journey.way_m - before[2]) / FASTEST_MPS)
        changed |= self._breaking.drive(journey, look.t_ns, moving_s, standing_s)
        if look.lane != NO_LANE:
            journey.road = self._roads[look.lane]
        if journey.permit is not None:
            road = journey.road if look.lane != NO_LANE else None
            came_from = self._passing.ways.get(i)
            sight = sight_of(i, look, tracks, located, road, came_from, before[3])
            changed |= self._breaking.look(journey, look, sight)
        journey.off_road_since_ns = (journey.off_road_since_ns or look.t_ns) if look.is_off_road else 0
        contact = contact_of(look.t_ns, look.radar_ns, look.gnss_ns, self._report_ns)
        if journey.exit is None:
            self._expect_exit(journey, i, look, tracks)
        overdue = journey.due_ns is not None and look.t_ns > journey.due_ns
        changed |= contact != journey.contact or overdue != journey.overdue
        changed |= look.track != journey.track or not journey.version
        journey.contact, journey.overdue, journey.track = contact, overdue, look.track
        journey.cause = "terminal_silent" if contact == "radar" else None
        return changed

    # ---- begin and end

    def _open_on_road(self, terminal: str, look: Look) -> Journey | None:
        """Open the journey of a vehicle that is on the road: since its gate if its track crossed one."""
        entered = self._passing.pop_entry(look.track)
        if entered is not None:
            return self._open(terminal, look, entered)
        left_ns = self._left_ns.get(terminal)
        is_leaving = left_ns is not None and look.t_ns - left_ns < LEAVING_NS
        on_road = look.lane != NO_LANE and look.s_m is not None and self.gates.is_between(look.s_m)
        if is_leaving or not on_road or look.speed_mps < ENTERED_MPS:
            return None
        return self._open(terminal, look, None)

    def _open(self, terminal: str, look: Look, entered: tuple[Line, int] | None) -> Journey | None:
        if len(self.open) >= self._max:
            self._count("journeys.full")
            return None
        start_ns = look.t_ns if entered is None else entered[1]
        journey = Journey(
            id=episode_id(self._esn, 0, "journey", terminal, start_ns),
            esn=self._esn,
            terminal=terminal,
            vehicle=vehicle_of(terminal, self._vehicles.get(terminal)),
            road=self._roads[look.lane] if look.lane != NO_LANE else None,
            began="seen" if entered is None else "gate",
            start_ns=start_ns,
            entry=None if entered is None else entered[0].gate,
            entry_s_m=look.s_m if entered is None else number(entered[0].s_m, 1),
            seen_ns=max(look.seen_ns, start_ns),
        )
        if entered is not None and journey.road is None:
            journey.road = entered[0].road
        self._breaking.enter(journey)
        if terminal in self._drivers:
            journey.driving = self.past.take(terminal) or Driving()
        self.open[terminal] = journey
        self._left_ns.pop(terminal, None)
        self._passing.pop_entry(look.track)
        self._count("journeys.opened")
        return journey

    def _expect_exit(self, journey: Journey, i: int, look: Look, tracks: TrackBatch) -> None:
        """Set the exit that lies ahead, once the vehicle's direction along the axis is certain."""
        if look.s_m is None or self._axis is None or look.speed_mps < ENTERED_MPS:
            return
        ahead = tracks.x[i, :2] + tracks.x[i, 2:4]  # where it will be in a second
        way = self._axis.station_at(float(ahead[0]), float(ahead[1]))[0] - look.s_m
        permit = self._breaking.permit_of(journey)
        named = None if permit is None or permit.exit is None else self.gates.named(permit.exit)
        line = named or self.gates.exit_ahead(look.s_m, way, journey.road)
        if line is not None:
            journey.exit, journey.exit_s_m = line.gate, number(line.s_m, 1)
            expect(journey, self._road_mps(journey), self._config)
        if permit is not None and permit.end_ns > journey.start_ns:  # by then it must be out
            journey.due_ns = min(journey.due_ns or permit.end_ns, permit.end_ns)

    def _road_mps(self, journey: Journey) -> float:
        """Return the speed that the road allows the lorries whose journeys these are."""
        on_expressway = journey.road in self._rules.expressways
        return self._rules.hazmat_limit_expressway_mps if on_expressway else self._rules.hazmat_limit_mps

    def _close(self, journey: Journey, end_ns: int, reason: Reason) -> Journey:
        """Return the last version of a journey, and forget it."""
        journey.end_ns, journey.reason, journey.eta_ns = end_ns, reason, None
        if reason == "exit":
            journey.share = 1.0
            self._breaking.leave(journey)
        version = self._version(journey, end_ns)
        self._drop(journey.terminal)
        self.past.spread(journey.terminal)
        self._left_ns[journey.terminal] = max(journey.stamp_ns, end_ns)
        self._count(f"journeys.closed.{reason}")
        return version

    def _drop(self, terminal: str) -> None:
        journey = self.open.pop(terminal, None)
        if journey is not None:
            self.past.leave(terminal, journey.driving)
        self._published_ns.pop(terminal, None)

    def _version(self, journey: Journey, t_ns: int) -> Journey:
        """Return the next version, quantised, as a copy."""
        journey.version += 1
        journey.esn = self._esn
        quantise(journey)
        if journey.is_open:
            progress(journey, journey.stamp_ns or t_ns, self._road_mps(journey))
        # those that began at once are not all published in one tick
        ago_s = journey.track // GROUPS % SPREAD if journey.version == 1 else 0
        self._published_ns[journey.terminal] = t_ns - ago_s * NS
        return copied(journey)

    def _miss(
        self, journeys: Iterable[Journey], t_ns: int, blind: Iterable[Blind], *, gateway_present: bool
    ) -> list[Journey]:
        """Return versions of those whose vehicles nobody sees any longer, or that are overdue now."""
        versions, rows = [], tuple(blind)
        for journey in journeys:
            silent_s = (t_ns - journey.seen_ns) / NS
            if silent_s > self._config.give_up_s:
                versions.append(self._close(journey, max(journey.seen_ns, journey.start_ns), "lost"))
                continue
            overdue = journey.due_ns is not None and t_ns > journey.due_ns
            is_lost = journey.contact != "lost" and silent_s > self._config.lost_s
            if is_lost:
                journey.contact = "lost"
                journey.cause = cause_of(journey, rows, self._stretch_m, gateway_present=gateway_present)
                self._count(f"journeys.lost.{journey.cause}")
            due = t_ns - self._published_ns.get(journey.terminal, 0) >= 3 * PUBLISH_NS
            if is_lost or (overdue and not journey.overdue) or (journey.contact == "lost" and due):
                journey.overdue = overdue
                versions.append(self._version(journey, t_ns))
        return versions

    def _forget(self, t_ns: int) -> None:
        """Forget tracks that were not looked at for a while, and terminals that left long ago."""
        self._passing.forget(t_ns)
        for terminal in [name for name, left_ns in self._left_ns.items() if t_ns - left_ns > LEAVING_NS]:
            del self._left_ns[terminal]
        self.past.forget(t_ns)

    def note_fatigue(self, t_ns: int, terminal: str, *, reported: bool) -> None:
        """Note whether a terminal reports fatigue or a day's driving time that is used up."""
        journey = self.open.get(terminal)
        if journey is not None:
            self._breaking.note_fatigue(journey, t_ns, reported=reported)

    def breaches(self, rule: str) -> dict[int, dict[str, Breach]]:
        """Return what the vehicles' journeys break of a rule: by track, then by scope."""
        return breaches_of(self.open, rule)

    def awaits(self, terminal: str, track: int) -> bool:
        """Say whether a terminal's journey has not been looked at since its vehicle is this track."""
        journey = self.open.get(terminal)
        return journey is not None and journey.track != track

    def is_between_gates(self, terminal: str) -> bool:
        """Say whether a terminal's vehicle has passed its entry gate and not yet its exit gate."""
        journey = self.open.get(terminal)
        return journey is not None and journey.entry is not None

    # ---- violations of its vehicle

    def count_violation(self, violation: Violation) -> None:
        """Count an episode once it reaches `warning`, by rule, for the vehicle's journey."""
        terminal = None if violation.vehicle is None else violation.vehicle.terminal
        journey = None if terminal is None else self.open.get(terminal)
        if journey is not None:
            count(journey, violation)

    # ---- with its vehicle to the next RSU, and over a restart

    def carry(self, tracks: Sequence[int]) -> dict[int, bytes]:
        """Return the journeys of tracks by track, as a handover carries them."""
        wanted = set(tracks)
        return {journey.track: encoded(journey) for journey in self.open.values() if journey.track in wanted}

    def release(self, tracks: Sequence[int]) -> list[str]:
        """Forget the journeys of tracks that a neighbour has adopted; return their ids."""
        wanted = set(tracks)
        given = [journey for journey in self.open.values() if journey.track in wanted]
        for journey in given:
            self._breaking.leave(journey)
            self._drop(journey.terminal)
        return [journey.id for journey in given]

    def adopt(self, t_ns: int, journey: Journey) -> tuple[Journey | None, list[str]]:
        """Continue a neighbour's journey; return its next version, and the ids of ours that it replaces.

        Ours began when the vehicle came in sight here without its journey: the older of both is the journey.
        """
        ours = self.open.get(journey.terminal)
        if ours is None and len(self.open) >= self._max:
            self._count("journeys.full")
            return None, []
        replaced = [] if ours is None or ours.id == journey.id else [ours.id]
        self.open[journey.terminal], journey.hop = journey, journey.hop + 1
        self.gates.renew_exits([journey])  # the neighbour may not have this map yet
        return self._version(journey, t_ns), replaced

    def resume(self, journey: Journey) -> None:
        """Continue an open journey of the run before: nobody saw its vehicle while this RSU was off."""
        if len(self.open) < self._max:
            journey.contact, journey.cause, journey.track = "lost", "rsu_off", 0
            self.gates.renew_exits([journey])  # the map may be another one since
            self.open[journey.terminal] = journey

    # ---- the whole state

    def state(self) -> JourneysState:
        """Return what the next step depends on."""
        return JourneysState(
            open=[copied(journey) for journey in self.open.values()],
            seen=self._passing.state(),
            left_ns=dict(self._left_ns),
            published_ns=dict(self._published_ns),
            used=dict(self.past.used),
            driving={name: copied_driving(driving) for name, driving in self.past.driving.items()},
            unsaved=list(self.past.unsaved),
            unsent={esn: list(waiting) for esn, waiting in self.past.unsent.items()},
            sent=self.past.sent(),
        )

    def restore(self, state: JourneysState | None) -> None:
        """Continue exactly where `state` was taken; None: of a version without journeys."""
        state = JourneysState() if state is None else state
        self.open = {journey.terminal: copied(journey) for journey in state.open}
        self._passing.restore(state.seen)
        self._left_ns, self._published_ns = dict(state.left_ns), dict(state.published_ns)
        self.past.restore(state.used, state.driving, state.unsaved, state.unsent, state.sent)

    def clear(self, to_ns: int) -> None:
        """Keep the journeys over a step of the clock, and forget what its stamps would be compared with.

        What lies in the future of the new clock, to_ns, is put to it: nothing can have begun later.
        """
        for journey in self.open.values():
            journey.start_ns, journey.seen_ns = min(journey.start_ns, to_ns), min(journey.seen_ns, to_ns)
            journey.stamp_ns, journey.standing_since_ns = 0, 0
        self._passing.restore(())
        self._left_ns.clear()
        self._published_ns.clear()
