"""The journeys that one RSU follows: opened at entry or at first sight, closed at exit. Pure.

A journey belongs to a terminal, so it outlives its tracks, and goes with the vehicle to the next RSU. Each
vehicle is looked at once a second, a tenth of them at each tick.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from core.arrays import Bools
from core.times import TICK_NS
from fusion.tracks import TrackBatch
from geofence.config import RulesConfig, VehicleConfig
from geofence.journeys.config import JourneysConfig
from geofence.journeys.contact import Blind, cause_of, contact_of
from geofence.journeys.following import Look, follow
from geofence.journeys.gates import Crossing, Gates, Line
from geofence.journeys.journey import (
    OPEN_MAX,
    Journey,
    JourneysState,
    Reason,
    Seen,
    copied,
    encoded,
)
from geofence.journeys.timing import expect, progress
from geofence.located import NO_LANE, OFFSET, Located
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap
from geofence.violation import GRADES, Violation, ViolationVehicle
from geofence.writing import episode_id, number

NS = 1_000_000_000
GROUPS = 10  # a vehicle is looked at each GROUPS ticks
PUBLISH_NS = 10 * NS  # an open journey gets a new version at least so often
BESIDE_M = 60.0  # further from the axis a vehicle is off the road, as for the gateway's routing
# so long after its exit a vehicle is no new journey, unless it enters by a gate: it drives on before the gate
LEAVING_NS = 120 * NS
UNSEEN_NS = 10 * NS  # a track that was not looked at for so long has ended or left
ENTERED_MPS = 1.0  # who stands at a gate crosses its line by the noise of the position alone
WARNING = GRADES.index("warning")


class Journeys:
    """All journeys of one RSU."""

    def __init__(
        self, config: JourneysConfig, rules: RulesConfig, road: RoadMap, frame: SiteFrame,
        vehicles: Sequence[VehicleConfig], *, esn: str, journeys_max: int, count: Callable[[str], None],
    ) -> None:  # fmt: skip
        """journeys_max : that are open here; beyond, none opens.  count(reason) : counts it"""
        self._config, self._rules, self._frame, self._esn = config, rules, frame, esn
        self._axis, self._max, self._count = road.axis, journeys_max, count
        self.gates = Gates(road.gates, road.axis)
        self._roads = [lane.road for lane in road.lanes]
        self._vehicles = {vehicle.terminal: vehicle for vehicle in vehicles}
        self._report_ns = int(rules.dark_report_s * NS)
        self.open: dict[str, Journey] = {}  # by terminal
        self._seen: dict[int, Seen] = {}  # by track
        self._left_ns: dict[str, int] = {}  # when terminals left, for LEAVING_NS
        self._published_ns: dict[str, int] = {}  # of the open ones, by terminal

    # ---- each tick

    def step(
        self, t_ns: int, tracks: TrackBatch, located: Located, owned: Bools, blind: Iterable[Blind], *,
        gateway_present: bool,
    ) -> list[Journey]:  # fmt: skip
        """Look at a tenth of the vehicles; return the new versions of their journeys.

        owned : (n,) the track is judged here
        blind : stretches where no radar can judge now.  gateway_present : whether any terminal could report
        """
        group = t_ns // TICK_NS % GROUPS
        picked = np.flatnonzero(owned & tracks.confirmed & (tracks.track % GROUPS == group)).tolist()
        versions = self._look_at(t_ns, picked, tracks, located) if picked else []
        if group == 0:
            versions += self._miss(t_ns, blind, gateway_present=gateway_present)
            self._forget(t_ns)
        return versions

    def _look_at(
        self, t_ns: int, picked: Sequence[int], tracks: TrackBatch, located: Located
    ) -> list[Journey]:
        crossed = self._crossings(t_ns, picked, tracks)
        lon, lat = self._frame.lonlat_from_site(tracks.x[picked, 0], tracks.x[picked, 1])
        versions = []
        for k, i in enumerate(picked):
            terminal = int(tracks.terminal[i])
            if terminal < 0 or tracks.presumed[i]:
                continue
            v_east, v_north = float(tracks.x[i, 2]), float(tracks.x[i, 3])
            look = Look(
                t_ns, max(int(tracks.radar_ns[i]), int(tracks.gnss_ns[i])), number(float(located.s_m[i]), 1),
                round(float(lon[k]), 7), round(float(lat[k]), 7), round((v_east**2 + v_north**2) ** 0.5, 2),
            )  # fmt: skip
            versions += self._follow(
                i, located.terminal_ids[terminal], look, crossed.get(i, ()), tracks, located
            )
        return versions

    def _crossings(
        self, t_ns: int, picked: Sequence[int], tracks: TrackBatch
    ) -> dict[int, list[tuple[Crossing, int]]]:
        """Return the gates that tracks crossed since their last look, with the stamps; remember entries."""
        seen, places = self._seen, tracks.x[picked, :2]
        known = [seen.get(int(tracks.track[i])) for i in picked]
        before = np.array([
            (place.east_m, place.north_m) if place is not None else now
            for place, now in zip(known, places.tolist(), strict=True)
        ])  # fmt: skip
        found: dict[int, list[tuple[Crossing, int]]] = {}
        for crossing in self.gates.crossed(before, places):
            i, last = picked[crossing.i], known[crossing.i]
            if last is None or np.hypot(*tracks.x[i, 2:4]) < ENTERED_MPS:
                continue
            at_ns = last.t_ns + round(crossing.share * (t_ns - last.t_ns))
            found.setdefault(i, []).append((crossing, at_ns))
        for k, i in enumerate(picked):
            east, north = places[k].tolist()
            entry = seen.setdefault(
                int(tracks.track[i]), Seen(track=int(tracks.track[i]), t_ns=t_ns, east_m=east, north_m=north)
            )
            entry.t_ns, entry.east_m, entry.north_m = t_ns, east, north
            for crossing, at_ns in found.get(i, ()):
                is_entry = crossing.line.role == "entry"
                entry.gate, entry.gate_ns = (crossing.line.gate, at_ns) if is_entry else (None, 0)
        return found

    def _follow(
        self, i: int, terminal: str, look: Look, crossed: Iterable[tuple[Crossing, int]],
        tracks: TrackBatch, located: Located,
    ) -> list[Journey]:  # fmt: skip
        """Advance the journey of a terminal's vehicle, open or close one; return its new versions."""
        versions, journey = [], self.open.get(terminal)
        for crossing, at_ns in crossed:
            if crossing.line.role == "exit" and journey is not None:
                follow(journey, look, self._rules.stop_speed_mps)
                journey.exit, journey.exit_s_m = crossing.line.gate, number(crossing.line.s_m, 1)
                versions.append(self._close(journey, max(at_ns, journey.start_ns), "exit"))
                journey = None
            elif crossing.line.role == "entry":
                if journey is not None and journey.entry is not None and journey.began == "gate":
                    versions.append(self._close(journey, max(journey.seen_ns, journey.start_ns), "again"))
                    journey = None
                if journey is None:
                    journey = self._open(i, terminal, look, tracks, located, (crossing.line, at_ns))
        if journey is None and not crossed:
            journey = self._open_on_road(i, terminal, look, tracks, located)
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
        changed = follow(journey, look, self._rules.stop_speed_mps)
        lane = int(located.lane[i])
        if lane != NO_LANE:
            journey.road = self._roads[lane]
        is_off = lane == NO_LANE and not abs(float(located.found[i, OFFSET])) <= BESIDE_M
        journey.off_road_since_ns = (journey.off_road_since_ns or look.t_ns) if is_off else 0
        before = (journey.contact, journey.overdue, journey.track, journey.version > 0)
        journey.contact = contact_of(
            look.t_ns, int(tracks.radar_ns[i]), int(tracks.gnss_ns[i]), self._report_ns
        )
        journey.cause = "terminal_silent" if journey.contact == "radar" else None
        journey.track = int(tracks.track[i])
        if journey.exit is None:
            self._expect_exit(journey, i, look, tracks)
        progress(journey, look.t_ns, self._road_mps(journey))
        return changed or before != (journey.contact, journey.overdue, journey.track, True)

    # ---- begin and end

    def _open_on_road(
        self, i: int, terminal: str, look: Look, tracks: TrackBatch, located: Located
    ) -> Journey | None:
        """Open the journey of a vehicle that is on the road: since its gate if its track crossed one."""
        entry = self._seen[int(tracks.track[i])]
        line = None if entry.gate is None else self.gates.named(entry.gate)
        if line is not None:
            return self._open(i, terminal, look, tracks, located, (line, entry.gate_ns))
        left_ns = self._left_ns.get(terminal)
        is_leaving = left_ns is not None and look.t_ns - left_ns < LEAVING_NS
        on_road = located.lane[i] != NO_LANE and look.s_m is not None and self.gates.is_between(look.s_m)
        if is_leaving or not on_road or look.speed_mps < ENTERED_MPS:
            return None
        return self._open(i, terminal, look, tracks, located, None)

    def _open(
        self, i: int, terminal: str, look: Look, tracks: TrackBatch, located: Located,
        entered: tuple[Line, int] | None,
    ) -> Journey | None:  # fmt: skip
        if len(self.open) >= self._max:
            self._count("journeys.full")
            return None
        start_ns = look.t_ns if entered is None else entered[1]
        lane = int(located.lane[i])
        journey = Journey(
            id=episode_id(self._esn, 0, "journey", terminal, start_ns),
            esn=self._esn,
            terminal=terminal,
            vehicle=self._vehicle(terminal),
            road=self._roads[lane] if lane != NO_LANE else None,
            began="seen" if entered is None else "gate",
            start_ns=start_ns,
            entry=None if entered is None else entered[0].gate,
            entry_s_m=look.s_m if entered is None else number(entered[0].s_m, 1),
            seen_ns=max(look.seen_ns, start_ns),
        )
        if entered is not None and journey.road is None:
            journey.road = entered[0].road
        self.open[terminal] = journey
        self._left_ns.pop(terminal, None)
        self._seen[int(tracks.track[i])].gate = None
        self._count("journeys.opened")
        return journey

    def _expect_exit(self, journey: Journey, i: int, look: Look, tracks: TrackBatch) -> None:
        """Set the exit that lies ahead, once the vehicle's direction along the axis is certain."""
        if look.s_m is None or self._axis is None or look.speed_mps < ENTERED_MPS:
            return
        ahead = tracks.x[i, :2] + tracks.x[i, 2:4]  # where it will be in a second
        way = self._axis.station_at(float(ahead[0]), float(ahead[1]))[0] - look.s_m
        line = self.gates.exit_ahead(look.s_m, way, journey.road)
        if line is not None:
            journey.exit, journey.exit_s_m = line.gate, number(line.s_m, 1)
            expect(journey, self._road_mps(journey), self._config)

    def _road_mps(self, journey: Journey) -> float:
        """Return the speed that the road allows the lorries whose journeys these are."""
        on_expressway = journey.road in self._rules.expressways
        return self._rules.hazmat_limit_expressway_mps if on_expressway else self._rules.hazmat_limit_mps

    def _vehicle(self, terminal: str) -> ViolationVehicle:
        known = self._vehicles.get(terminal)
        if known is None:
            return ViolationVehicle(terminal=terminal)
        return ViolationVehicle(
            plate=known.plate, terminal=terminal, hazmat_class=known.hazmat_class, un=known.un,
            carrier=known.carrier,
        )  # fmt: skip

    def _close(self, journey: Journey, end_ns: int, reason: Reason) -> Journey:
        """Return the last version of a journey, and forget it."""
        journey.end_ns, journey.reason, journey.eta_ns = end_ns, reason, None
        if reason == "exit":
            journey.share = 1.0
        version = self._version(journey, end_ns)
        self._drop(journey.terminal)
        self._left_ns[journey.terminal] = max(journey.stamp_ns, end_ns)
        self._count(f"journeys.closed.{reason}")
        return version

    def _drop(self, terminal: str) -> None:
        self.open.pop(terminal, None)
        self._published_ns.pop(terminal, None)

    def _version(self, journey: Journey, t_ns: int) -> Journey:
        """Return the next version, quantised, as a copy."""
        journey.version += 1
        journey.esn = self._esn
        journey.way_m, journey.moving_s = round(journey.way_m, 1), round(journey.moving_s, 1)
        journey.standing_s = round(journey.standing_s, 1)
        self._published_ns[journey.terminal] = t_ns
        return copied(journey)

    def _miss(self, t_ns: int, blind: Iterable[Blind], *, gateway_present: bool) -> list[Journey]:
        """Return versions of the journeys whose vehicles nobody sees any longer, or that are overdue now."""
        versions, rows = [], tuple(blind)
        for journey in list(self.open.values()):
            silent_s = (t_ns - journey.seen_ns) / NS
            if silent_s > self._config.give_up_s:
                versions.append(self._close(journey, max(journey.seen_ns, journey.start_ns), "lost"))
                continue
            overdue = journey.due_ns is not None and t_ns > journey.due_ns
            is_lost = journey.contact != "lost" and silent_s > self._config.lost_s
            if is_lost:
                journey.contact = "lost"
                journey.cause = cause_of(journey, rows, gateway_present=gateway_present)
                self._count(f"journeys.lost.{journey.cause}")
            due = t_ns - self._published_ns.get(journey.terminal, 0) >= 3 * PUBLISH_NS
            if is_lost or (overdue and not journey.overdue) or (journey.contact == "lost" and due):
                journey.overdue = overdue
                versions.append(self._version(journey, t_ns))
        return versions

    def _forget(self, t_ns: int) -> None:
        """Forget tracks that were not looked at for a while, and terminals that left long ago."""
        for key in [key for key, entry in self._seen.items() if t_ns - entry.t_ns > UNSEEN_NS]:
            del self._seen[key]
        for terminal in [name for name, left_ns in self._left_ns.items() if t_ns - left_ns > LEAVING_NS]:
            del self._left_ns[terminal]

    # ---- violations of its vehicle

    def count_violation(self, violation: Violation) -> None:
        """Count an episode once it reaches `warning`, by rule, for the vehicle's journey."""
        terminal = None if violation.vehicle is None else violation.vehicle.terminal
        journey = None if terminal is None else self.open.get(terminal)
        if journey is None:
            return
        is_counted = violation.id in journey.counted
        if not is_counted and GRADES.index(violation.grade) >= WARNING:
            journey.violations[violation.rule] = journey.violations.get(violation.rule, 0) + 1
            journey.counted = [*journey.counted, violation.id][-OPEN_MAX:]
        if violation.phase == "close" and violation.id in journey.counted:
            journey.counted.remove(violation.id)

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
            self._drop(journey.terminal)
        return [journey.id for journey in given]

    def adopt(self, t_ns: int, journey: Journey) -> tuple[Journey | None, list[str]]:
        """Continue a neighbour's journey; return its next version, and the ids of ours that it replaces.

        Ours began when the vehicle came in sight here without its journey: the older of both is the journey.
        """
        ours, replaced = self.open.get(journey.terminal), []
        if ours is None and len(self.open) >= self._max:
            self._count("journeys.full")
            return None, []
        if ours is not None and ours.id != journey.id:
            replaced.append(ours.id)
        self.open[journey.terminal] = journey
        journey.hop += 1
        return self._version(journey, t_ns), replaced

    def resume(self, journey: Journey) -> None:
        """Continue an open journey of the run before: nobody saw its vehicle while this RSU was off."""
        if len(self.open) < self._max:
            journey.contact, journey.cause, journey.track = "lost", "rsu_off", 0
            self.open[journey.terminal] = journey

    # ---- the whole state

    def state(self) -> JourneysState:
        """Return what the next step depends on."""
        return JourneysState(
            open=[copied(journey) for journey in self.open.values()],
            seen=[msgspec.structs.replace(entry) for entry in self._seen.values()],
            left_ns=dict(self._left_ns),
            published_ns=dict(self._published_ns),
        )

    def restore(self, state: JourneysState | None) -> None:
        """Continue exactly where `state` was taken; None: of a version without journeys."""
        state = JourneysState() if state is None else state
        self.open = {journey.terminal: copied(journey) for journey in state.open}
        self._seen = {entry.track: msgspec.structs.replace(entry) for entry in state.seen}
        self._left_ns, self._published_ns = dict(state.left_ns), dict(state.published_ns)

    def clear(self) -> None:
        """Keep the journeys, and forget what stamps of another time would be compared with."""
        self._seen.clear()
        self._left_ns.clear()
        self._published_ns.clear()
