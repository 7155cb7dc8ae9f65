"""Recorded traffic (NGSIM in CommonRoad XML) to a recording: truth and the scans of simulated sensors."""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import shapely

from core.times import NS
from edge.config import Site, site_of
from edge.registry import registry_text
from edge.wire import SiteRecord, encode
from geofence.config import KINDS, VehicleConfig
from geofence.map.frames import SiteFrame
from geofence.map.importers.commonroad.convert import KIND, map_of
from geofence.map.roadmap import RoadMap, load_map
from importers.commonroad import Scene, Trajectory, read
from importers.motion import MOVER_MPS_MIN, Leg, check
from importers.poles import radars_along
from importers.recorded import RecordedTraffic, fleet_of
from importers.site import site_record
from importers.tape import InputTape
from roadside.inputs import ENCODER
from sim.record import T0_NS
from sim.sensors.gnss import Receivers, as_reported, terminal_delay_ns
from sim.sensors.radar import Radars
from sim.traffic import SIM_TICK_NS

ORIGIN = (122.0, 41.0)  # synthetic: the file's metres have no place on earth
FAR_M = 20_000.0  # metres beyond this are brought near the origin by a whole offset
FRAME_TICKS = 2  # truth at 10 Hz
NOTE = (
    "Local metres of the source placed at a SYNTHETIC origin, x east and y north: not where the road is. "
    "Radar poses are chosen beside the road, the stated errors are a model's."
)
SOURCES_PER_S = NS // SIM_TICK_NS


@dataclass(frozen=True, slots=True)
class _World:
    """One import: its scene, sensors and counts."""

    scene: Scene
    traffic: RecordedTraffic
    site: Site
    record: SiteRecord
    road: RoadMap


def import_ngsim(source: Path, out: Path, *, noise: float, seed: int, n_terminals: int) -> dict[str, Any]:
    """Write the recording; returns the counts, with the rejected parts by reason."""
    if not 0.0 <= noise <= 1e3:
        raise ValueError(f"--noise must be a factor from 0 to 1000, is {noise}")
    counts: Counter[str] = Counter()
    scene = read(source, counts)
    if not scene.vehicles:
        raise ValueError(f"holds no vehicle with a trajectory; {dict(sorted((+counts).items()))}")
    motion_ratio = check(_legs(scene), counts)
    world = _world_of(scene, n_terminals, counts)
    written: Counter[str] = Counter()
    with InputTape(out, world.record, T0_NS) as tape:
        _play(world, tape, written, noise=noise, seed=seed, n_terminals=n_terminals)
    counts += tape.counts
    return {
        "name": scene.name,
        "vehicles": len(scene.vehicles),
        "duration_s": round(world.traffic.duration_s, 3),
        "lanes": len(world.road.lanes),
        "radars": len(world.site.config.rsu[0].radar),
        "truth": written["truth"],
        "scans": written["radar"],
        "fixes": written["gnss"],
        "motion_ratio": None if motion_ratio is None else round(motion_ratio, 3),
        "rejected": dict(sorted((+counts).items())),
        "skipped": dict(sorted(scene.skipped.items())),
    }


def _legs(scene: Scene) -> list[Leg]:
    """Return the ways of all movers from state to state."""
    legs = []
    for vehicle in scene.vehicles:
        x_m, y_m = np.diff(vehicle.x_m), np.diff(vehicle.y_m)
        way = np.hypot(x_m, y_m)
        moving = np.where(vehicle.speed_mps < 0.0, vehicle.heading_rad + math.pi, vehicle.heading_rad)
        turn = np.abs(np.angle(np.exp(1j * (np.arctan2(y_m, x_m) - moving[1:]))))
        speed = (np.abs(vehicle.speed_mps[1:]) + np.abs(vehicle.speed_mps[:-1])) / 2.0
        dt_s = np.diff(vehicle.step) * scene.dt_s
        moves = np.minimum(np.abs(vehicle.speed_mps[1:]), np.abs(vehicle.speed_mps[:-1])) >= MOVER_MPS_MIN
        legs += [Leg(*row) for row in np.column_stack([dt_s, way, speed, turn])[moves].tolist()]
    return legs


def _world_of(scene: Scene, n_terminals: int, counts: Counter[str]) -> _World:
    frame = SiteFrame(*ORIGIN)
    offset_m = _offset_m(scene.vehicles)
    traffic = RecordedTraffic(scene.vehicles, scene.dt_s, offset_m)
    map_text = map_of(scene.lanelets, frame, offset_m, NOTE, counts)
    road = load_map(map_text, frame)
    note = f"Source: {scene.name}. {NOTE}"
    vehicles = [
        VehicleConfig(
            terminal=f"V{vehicle.id}",
            class_=KINDS[vehicle.kind],
            length_m=vehicle.length_m,
            width_m=vehicle.width_m,
        )
        for vehicle in scene.vehicles[:n_terminals]
    ]
    record = site_record(
        KIND,
        note,
        ORIGIN,
        radars=radars_along(road, frame, _box(scene.vehicles, offset_m)),
        map_text=map_text,
        registry=registry_text(vehicles) if vehicles else None,
    )
    site = site_of(record, "import:/site")
    return _World(scene, traffic, site, record, road)


def _box(vehicles: Sequence[Trajectory], offset_m: tuple[float, float]) -> tuple[float, float, float, float]:
    """Return west, south, east, north of all states."""
    x = np.concatenate([vehicle.x_m for vehicle in vehicles]) - offset_m[0]
    y = np.concatenate([vehicle.y_m for vehicle in vehicles]) - offset_m[1]
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _offset_m(vehicles: Sequence[Trajectory]) -> tuple[float, float]:
    """Return the offset to subtract from x and y; zero where the file's metres are small."""
    west, south, east, north = _box(vehicles, (0.0, 0.0))
    if max(abs(west), abs(south), abs(east), abs(north)) <= FAR_M:
        return 0.0, 0.0
    return float(round((west + east) / 2.0)), float(round((south + north) / 2.0))


def _play(
    world: _World, tape: InputTape, written: Counter[str], *, noise: float, seed: int, n_terminals: int
) -> None:
    """Let the sensors observe tick by tick, and write their messages in the order of arrival."""
    traffic = world.traffic
    fleet = fleet_of(world.scene.vehicles, n_terminals)
    radars = Radars(world.site.radar_poses(world.site.config.rsu[0].esn), fleet, seed, noise)
    receivers = Receivers(fleet, world.site, seed, noise, ())
    lane_of = _lanes_of(world.road)
    due: list[tuple[int, int, str, bytes, int]] = []  # when, number, topic, body, stamp
    number = count()
    n_ticks = math.floor(traffic.duration_s * 1e9 / SIM_TICK_NS + 1e-6)
    for tick in range(n_ticks + 1):
        traffic.tick, now_ns = tick, T0_NS + tick * SIM_TICK_NS
        for scan in radars.observe(traffic, now_ns):
            payload = msgspec.structs.replace(scan.payload, arrived_ns=scan.due_ns)
            body = ENCODER.encode(payload)
            heapq.heappush(
                due, (scan.due_ns, next(number), f"/radar/{payload.sensor}", body, payload.stamp_ns)
            )
        if tick % SOURCES_PER_S == 0 and n_terminals:
            second = tick // SOURCES_PER_S
            rows = traffic.active_rows()
            rows = rows[rows < n_terminals]
            delays = dict(zip(rows.tolist(), terminal_delay_ns(seed, rows, second).tolist(), strict=True))
            names = {fleet.terminal[row]: row for row in rows.tolist()}
            for fix in receivers.observe(now_ns, second, rows, traffic.poses(rows)):
                at_ns = fix.stamp_ns + delays[names[fix.terminal]]
                sent = as_reported(fix, at_ns, second & 0xFFFF)
                heapq.heappush(due, (at_ns, next(number), "/gnss", encode(sent), sent.stamp_ns))
        if tick % FRAME_TICKS == 0:
            tape.truth(ENCODER.encode(_truth(world, fleet.terminal, lane_of, now_ns)), now_ns)
            written["truth"] += 1
        _send(tape, due, now_ns + SIM_TICK_NS, written)
    _send(tape, due, 2**63, written)


def _send(
    tape: InputTape, due: list[tuple[int, int, str, bytes, int]], until_ns: int, written: Counter[str]
) -> None:
    while due and due[0][0] < until_ns:
        due_ns, _, topic, body, stamp_ns = heapq.heappop(due)
        tape.add_input(topic, body, due_ns, stamp_ns)
        written[topic.split("/")[1]] += 1


LaneOf = Callable[[float, float], str | None]


def _lanes_of(road: RoadMap) -> LaneOf:
    """Return a function from place to lane name, by plain polygons: not the locator's strips."""
    names = [lane.lane for lane in road.lanes]
    areas = [
        shapely.Polygon(np.vstack([lane.left_boundary, lane.right_boundary[::-1]])) for lane in road.lanes
    ]
    tree = shapely.STRtree(areas)

    def lane_of(east_m: float, north_m: float) -> str | None:
        found = tree.query(shapely.Point(east_m, north_m), predicate="intersects")
        return names[int(found.min())] if len(found) else None

    return lane_of


def _truth(world: _World, terminals: Sequence[str | None], lane_of: LaneOf, now_ns: int) -> dict[str, Any]:
    rows = world.traffic.active_rows()
    pose = world.traffic.poses(rows)
    frame, vehicles = world.site.frame, [world.scene.vehicles[i] for i in rows.tolist()]
    lon, lat = frame.lonlat_from_site(pose.east_m, pose.north_m)
    moving = np.where(pose.speed_mps < 0.0, pose.heading_rad + math.pi, pose.heading_rad)
    course = frame.course_from_heading(moving, pose.east_m, pose.north_m)
    places = zip(pose.east_m.tolist(), pose.north_m.tolist(), strict=True)
    return {
        "stamp_ns": now_ns,
        "id": [vehicle.id for vehicle in vehicles],
        "terminal": [terminals[i] for i in rows.tolist()],
        "lon_deg": np.round(lon, 9).tolist(),
        "lat_deg": np.round(lat, 9).tolist(),
        "speed_mps": np.round(np.abs(pose.speed_mps), 4).tolist(),
        "course_deg": np.round(course, 4).tolist(),
        "length_m": [vehicle.length_m for vehicle in vehicles],
        "width_m": [vehicle.width_m for vehicle in vehicles],
        "lane": [lane_of(east, north) for east, north in places],
        "hazmat": [vehicle.kind == KINDS.index("hazmat") for vehicle in vehicles],
    }
