"""A small road, tracks on it and a monitor over them, for the geofence's tests."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import numpy as np

from fusion.config import RadarPose
from fusion.lateral import no_lateral
from fusion.tracks import TrackBatch
from geofence.config import RulesConfig, VehicleConfig
from geofence.episode_book import Judged
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap, load_map
from geofence.monitor import Monitor
from geofence.permits import PermitConfig
from geofence.violation import Violation, encode

FRAME = SiteFrame(122.0, 41.0)
T0_NS = 1_790_000_000_000_000_000
HAZMAT, GENERAL = ["hazmat", "emergency"], ["car", "bus", "truck"]
TRUCK = VehicleConfig(terminal="13900000001", plate="辽L·A0001", class_="hazmat", length_m=16.0, width_m=2.5)
CAR = VehicleConfig(terminal="13900000009", plate="辽L·B0009", class_="car", length_m=4.5, width_m=1.8)
STEP_NS = 100_000_000


def lonlat(points: Any) -> list[list[float]]:
    """Site metres to [lon, lat] pairs."""
    lon, lat = FRAME.lonlat_from_site(*np.asarray(points, dtype=float).T)
    return np.column_stack([lon, lat]).tolist()


def straight(station: Any) -> Any:
    """The axis of a straight road to the east."""
    return np.column_stack([station, np.zeros(len(station))])


def bend(radius_m: float) -> Callable[[Any], Any]:
    """The axis of a road that turns left on a circle."""

    def axis(station: Any) -> Any:
        turn = np.asarray(station) / radius_m
        return np.column_stack([radius_m * np.sin(turn), radius_m * (1 - np.cos(turn))])

    return axis


def beside(axis: Callable[[Any], Any], station: Any, offset_m: Any) -> Any:
    """Points left of the axis by an offset."""
    step = 1e-3
    ahead = axis(station + step) - axis(station - step)
    unit = ahead / np.hypot(*ahead.T)[:, None]
    return axis(station) + np.column_stack([-unit[:, 1], unit[:, 0]]) * np.reshape(offset_m, (-1, 1))


def feature(kind: str, geometry: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    """One feature of the canonical map."""
    return {
        "type": "Feature",
        "properties": {"kind": kind, **properties},
        "geometry": {"type": geometry, "coordinates": coordinates},
    }


def lane(name: str, left_m: Any, right_m: Any, **properties: Any) -> dict[str, Any]:
    """A lane from its boundaries in site metres."""
    base = {
        "lane": name,
        "road": "main",
        "index": 0,
        "level": 0,
        "allowed": HAZMAT,
        "speed_limit_mps": 60 / 3.6,
    }
    return feature("lane", "MultiLineString", [lonlat(left_m), lonlat(right_m)], **(base | properties))


def road_features(axis: Callable[[Any], Any] = straight, length_m: float = 1_000.0) -> list[dict[str, Any]]:
    """Two carriageways of a hazmat (right) and a general lane (left) of 3.75 m, 4 m of median between."""
    station = np.linspace(0.0, length_m, 21)
    features = []
    for way, sign in (("E", -1.0), ("W", 1.0)):
        along = station if way == "E" else station[::-1]
        inner, middle, outer = (beside(axis, along, sign * v) for v in (2.0, 5.75, 9.5))
        features += [
            lane(f"{way}H", middle, outer, left=f"{way}G"),
            lane(
                f"{way}G", inner, middle, index=1, allowed=GENERAL, right=f"{way}H", speed_limit_mps=80 / 3.6
            ),
        ]
    return [*features, feature("axis", "LineString", lonlat(axis(station)), road="main", k0_m=0.0)]


def map_text(features: Sequence[dict[str, Any]], **more: Any) -> str:
    """The features as a map's text."""
    return json.dumps({"type": "FeatureCollection", "version": "1", "features": list(features)} | more)


def road(*more: dict[str, Any], axis: Callable[[Any], Any] = straight, length_m: float = 1_000.0) -> RoadMap:
    """The compiled road with further features."""
    return load_map(map_text([*road_features(axis, length_m), *more]), FRAME)


def radar(**changes: Any) -> RadarPose:
    """A commissioned radar at station 500 that looks along the road."""
    pose: dict[str, Any] = {
        "sensor": "R1", "east_m": 500.0, "north_m": -13.0, "height_m": 6.0, "boresight_rad": 0.0,
        "range_m_max": 300.0, "fov_rad": 2.1, "sigma_range_m": 0.25, "sigma_azimuth_rad": 0.0035,
        "sigma_range_rate_mps": 0.1, "accepted": True,
    }  # fmt: skip
    return RadarPose(**(pose | changes))


def batch(stamp_ns: int, *vehicles: dict[str, Any]) -> TrackBatch:
    """Tracks at a time; each vehicle names what differs from a truck in the eastern hazmat lane."""
    rows: list[dict[str, Any]] = []
    for i, vehicle in enumerate(vehicles):
        base = {
            "track": i + 1, "east": 100.0, "north": -7.625, "v_east": 16.0, "v_north": 0.0, "sigma": 0.1,
            "sigma_v": 0.1, "bias": 0.0, "tau": 0.3, "terminal": 0, "length": 16.0, "width": 2.5, "kind": 4,
            "coasting": False, "radar_age_s": 0.0, "enforcing_age_s": 0.0, "gnss_age_s": 0.2,
            "confirmed": True, "gnss_bias": np.nan, "gnss_tau": np.nan,
            "off": np.nan, "off_sigma": np.nan,  # what was measured, left of a course to the east,
            "fix": False,  # by its terminal
            "said_mps": np.nan, "said_rad": np.nan,  # as that reports its speed and course
        }  # fmt: skip
        rows.append(base | vehicle)

    def column(name: str, kind: Any = np.float64) -> Any:
        return np.array([row[name] for row in rows], dtype=kind)

    def seen(name: str) -> Any:
        age = column(name)
        return np.where(np.isfinite(age), stamp_ns - np.nan_to_num(age, posinf=0.0) * 1e9, 0).astype(np.int64)

    stamps = np.full(len(rows), stamp_ns, dtype=np.int64)
    cov = np.zeros((len(rows), 4, 4))
    for a, name in enumerate(("sigma", "sigma", "sigma_v", "sigma_v")):
        cov[:, a, a] = column(name) ** 2
    return TrackBatch(
        track=column("track", np.uint64), stamp_ns=stamps, arrived_ns=stamps + 5_000_000,
        x=np.column_stack([column(name) for name in ("east", "north", "v_east", "v_north")]), P=cov,
        bias_m=column("bias"), tau_s=column("tau"), terminal=column("terminal", np.int32),
        identity_p=np.where(column("terminal") >= 0, 0.9995, 0.0), length_m=column("length"),
        width_m=column("width"), kind=column("kind", np.uint8), confirmed=column("confirmed", np.bool_),
        coasting=column("coasting", np.bool_), integrity=np.zeros(len(rows), np.bool_),
        presumed=np.zeros(len(rows), np.bool_),
        radar_ns=seen("radar_age_s"), enforcing_ns=seen("enforcing_age_s"), gnss_ns=seen("gnss_age_s"),
        gnss_bias_m=column("gnss_bias"), gnss_tau_s=column("gnss_tau"),
        lateral=no_lateral(len(rows))._replace(
            offset_m=column("off"), sigma_m=column("off_sigma"), lasting_m=column("bias"),
            axis_rad=np.full(len(rows), np.pi / 2), is_fix=column("fix", np.bool_),
            east_m=column("east"), north_m=column("north"),
            stamp_ns=np.where(np.isfinite(column("off")), stamps, 0),
            speed_mps=column("said_mps"), course_rad=column("said_rad"),
        ),
    )  # fmt: skip


class World:
    """A monitor, driven by observations each 100 ms and ticks each 200 ms."""

    def __init__(
        self, road_map: RoadMap | None = None, rules: RulesConfig | None = None, esn: str = "RSU-1",
        vehicles: Sequence[VehicleConfig] = (TRUCK, CAR), permits: Sequence[PermitConfig] = (),
        trips: Any = None,
    ) -> None:  # fmt: skip
        self.road = road_map or road()
        self.terminals = [TRUCK.terminal, CAR.terminal, "13900000777"]
        self.monitor = Monitor(
            rules or RulesConfig(), self.road, FRAME, vehicles, esn=esn, stretch_m=(0.0, 1_000.0),
            radars=[radar()], permits=permits,
        )  # fmt: skip
        self.gateway_present, self.trips = True, trips
        self.out: list[Violation] = []
        self.episodes: dict[str, bytes | None] = {}  # by id, as the newest version left it

    def observe(self, stamp_ns: int, *vehicles: dict[str, Any], owned: bool = True) -> list[Violation]:
        """Judge one observation of the vehicles, as an RSU does: nothing where there are none."""
        if not vehicles:
            return []
        tracks, mine = batch(stamp_ns, *vehicles), np.full(len(vehicles), owned)
        return self._keep(self.monitor.judge(stamp_ns + 6_000_000, tracks, self.terminals, mine))

    def tick(self, t_ns: int, *vehicles: dict[str, Any]) -> list[Violation]:
        """Run the tick."""
        tracks = batch(t_ns, *vehicles)
        located = self.monitor.locate(tracks, self.terminals)
        owned = np.ones(len(tracks), np.bool_)
        return self._keep(
            self.monitor.tick(
                t_ns, tracks, located, owned, gateway_present=self.gateway_present, trips=self.trips
            )
        )

    def end(self, t_ns: int, ids: list[int]) -> list[Violation]:
        """Tell the monitor that tracks ended."""
        return self._keep(self.monitor.end(t_ns, ids))

    def close_handover_lost(self, t_ns: int, ids: list[int]) -> list[Violation]:
        """Tell the monitor that the handover of tracks was never answered."""
        return self._keep(self.monitor.close_handover_lost(t_ns, ids))

    def _keep(self, found: list[Judged]) -> list[Violation]:
        got = [judged.violation for judged in found]
        self.out += got
        self.episodes |= {judged.violation.id: judged.episode for judged in found}
        return got

    def drive(
        self,
        seconds: float,
        at: Callable[[float], dict[str, Any] | list[dict[str, Any]]],
        from_s: float = 0.0,
    ) -> list[Violation]:
        """Observe and tick what `at(t)` says, from `from_s` on for some seconds; return what came of it."""
        before = len(self.out)
        for k in range(round(seconds / 0.1)):
            t_s = from_s + k * 0.1
            stamp_ns = T0_NS + round(t_s * 10) * STEP_NS
            now = at(t_s)
            vehicles = now if isinstance(now, list) else [now]
            if k % 2 == 0:
                self.tick(stamp_ns, *vehicles)
            self.observe(stamp_ns, *vehicles)
        return self.out[before:]

    def of(self, rule: str) -> list[Violation]:
        """Return what was raised of a rule."""
        return [violation for violation in self.out if violation.rule == rule]


def drift(
    depth_m: float, speed_mps: float, begin_s: float, hold_s: float, side: float = 1.0
) -> Callable[[float], dict[str, Any]]:
    """A truck in the eastern hazmat lane whose edge goes depth_m over the line (side 1: left) and back."""
    way = 0.625 + depth_m
    up = way / speed_mps

    def at(t_s: float) -> dict[str, Any]:
        t = t_s - begin_s
        back = max(0.0, t - up - hold_s)
        moved = min(max(t, 0.0) * speed_mps, way) - min(back * speed_mps, way)
        moving = speed_mps if 0 < t < up else (-speed_mps if 0 < back < up else 0.0)
        return {"east": 50.0 + 16.0 * t_s, "north": -7.625 + side * moved, "v_north": side * moving}

    return at


def faults(violation: Violation) -> list[str]:
    """What a violation breaks of docs/design.md section 8, from its bytes."""
    told = msgpack.unpackb(encode(violation))
    out = [
        f"{key} None" for key in ("s_m", "d_m", "sigma_d_m") if told["lane"] is not None and told[key] is None
    ]
    out += ["identity_p"] * (told["vehicle"] is not None and told["identity_p"] is None)
    out += ["confirmed_ns"] * (told["grade"] in ("warning", "violation") and told["confirmed_ns"] is None)
    out += ["end_ns"] * (told["phase"] == "close" and told["end_ns"] is None)
    out += ["evidence"] * (len({len(column) for column in told["evidence"].values()}) != 1)
    out += ["empty"] * (told["grade"] in ("warning", "violation") and not told["evidence"]["stamp_ns"])
    return out + [f"not quantised {x!r}" for x in _floats(told) if x != round(x, 9)]


def _floats(value: Any) -> list[float]:
    if isinstance(value, float):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [number for item in inner for number in _floats(item)]
