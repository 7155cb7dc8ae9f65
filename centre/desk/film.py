"""What a made-up vehicle of an exercise does, second by second, and the versions that are sent of it. Pure.

The whole film is made when the exercise begins, as a violation whose evidence reaches to the alarm's end.
What is shown at a moment is cut from it, so that a restart of the centre changes nothing.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from edge.sections import ExerciseAlarmConfig
from geofence.violation import Phase, Stamps, Violation, ViolationVehicle

S = 10**9
UPDATE_S = 5  # between two versions, as RSUs send them
EVIDENCE_S = 10  # how far back the columns of one version reach
HALF_WIDTH_M = 1.25  # of a lorry
DEPARTED_M, DEPARTING_S = 0.9, 3.0  # how far it leaves its lane at last, and how quickly
SIGMA_M = 0.15
M_PER_DEG = 111_320.0
OF_LIMIT = ("overspeed", "too_slow")


class Row(NamedTuple):
    """One second, in the columns of a violation's evidence."""

    stamp_ns: int
    lon_deg: float
    lat_deg: float
    s_m: float
    d_m: float
    sigma_d_m: float
    excess_m: float | None
    speed_mps: float
    p_violation: float
    over: float | None


class Axis(NamedTuple):
    """Places along the road, ascending."""

    s_m: tuple[float, ...]
    lon_deg: tuple[float, ...]
    lat_deg: tuple[float, ...]

    def station(self, share: float) -> float:
        """Return the station at a share of the length [m]."""
        return self.s_m[0] + share * (self.s_m[-1] - self.s_m[0])

    def at(self, s_m: float, left_m: float) -> tuple[float, float]:
        """Return longitude and latitude of a station, so far to the left of the axis [deg]."""
        if len(self.s_m) == 1:
            return self.lon_deg[0], self.lat_deg[0]
        i = min(max(bisect_right(self.s_m, s_m), 1), len(self.s_m) - 1)
        share = (s_m - self.s_m[i - 1]) / max(self.s_m[i] - self.s_m[i - 1], 1e-9)
        lon_deg = self.lon_deg[i - 1] + share * (self.lon_deg[i] - self.lon_deg[i - 1])
        lat_deg = self.lat_deg[i - 1] + share * (self.lat_deg[i] - self.lat_deg[i - 1])
        per_lon_m = M_PER_DEG * math.cos(math.radians(lat_deg))
        east_m = (self.lon_deg[i] - self.lon_deg[i - 1]) * per_lon_m
        north_m = (self.lat_deg[i] - self.lat_deg[i - 1]) * M_PER_DEG
        run_m = math.hypot(east_m, north_m) or 1.0
        return lon_deg - north_m / run_m * left_m / per_lon_m, lat_deg + east_m / run_m * left_m / M_PER_DEG


class Lane(NamedTuple):
    """One lane of the road: along growing station (1) or against it (-1), across the axis to the left [m]."""

    name: str
    direction: int
    from_m: float
    to_m: float
    middle_m: float
    width_m: float
    limit_mps: float | None
    is_hazmat: bool


class Ground(NamedTuple):
    """The road that exercises are played on."""

    axis: Axis
    lanes: tuple[Lane, ...] = ()

    def lane_at(self, s_m: float) -> Lane | None:
        """Return the lane of hazmat traffic at a station, else any; None: the road has none there."""
        there = [lane for lane in self.lanes if lane.from_m <= s_m <= lane.to_m]
        return max(there, key=lambda lane: lane.is_hazmat, default=None)


def ground_of(described: Mapping[str, Any]) -> Ground:
    """Return the ground of `/api/site`; without an axis, a point at the site's origin."""
    axis = described["axis"]
    if axis is None:
        return Ground(Axis((0.0,), (described["origin"][0],), (described["origin"][1],)))
    lanes = tuple(
        Lane(
            row["lane"], row["direction"], row["from_m"], row["to_m"], sum(row["offset_m"]) / 2,
            row["offset_m"][1] - row["offset_m"][0], row["speed_limit_mps"], "hazmat" in row["allowed"],
        )
        for row in described["lanes"]
        if row["row"] is not None
    )  # fmt: skip
    return Ground(Axis(tuple(axis["s_m"]), tuple(axis["lon"]), tuple(axis["lat"])), lanes)


def film(made: ExerciseAlarmConfig, ground: Ground, begin_ns: int) -> Violation:
    """Return the alarm as it begins, with the evidence of its whole life, a row each second."""
    lane = ground.lane_at(ground.axis.station(made.place))
    rows = [_row(made, ground, lane, begin_ns, second) for second in range(math.ceil(made.lasts_s) + 1)]
    columns = {name: [getattr(row, name) for row in rows] for name in Row._fields}
    vehicle = ViolationVehicle(plate=made.plate, hazmat_class=made.hazmat_class, un=made.un)
    first = rows[0]
    return Violation(
        id="", version=1, hop=0, phase="open", grade="violation", rule=made.rule, vehicle=vehicle,
        identity_p=1.0, track=0, esn="exercise", start_ns=begin_ns, confirmed_ns=begin_ns, end_ns=None,
        lon_deg=first.lon_deg, lat_deg=first.lat_deg, lane=None if lane is None else lane.name, zone=None,
        s_m=first.s_m, d_m=None if lane is None else first.d_m, sigma_d_m=SIGMA_M,
        p_violation=first.p_violation, speed_mps=made.speed_mps, map_version="", rules_version="",
        limit_mps=None if lane is None or made.rule not in OF_LIMIT else lane.limit_mps,
        stamps=Stamps(measured_ns=begin_ns, arrived_ns=begin_ns), evidence=columns,
    )  # fmt: skip


def _row(made: ExerciseAlarmConfig, ground: Ground, lane: Lane | None, begin_ns: int, second: int) -> Row:
    """Return one second of the film."""
    axis, way = ground.axis, 1 if lane is None else lane.direction
    run_m = way * (-1 if made.rule == "wrong_way" else 1) * made.speed_mps * second
    s_m = min(max(axis.station(made.place) + run_m, axis.s_m[0]), axis.s_m[-1])
    out_m, d_m = None, 0.0
    if lane is not None and made.rule == "lane_departure":
        out_m = round(DEPARTED_M * (1.0 - math.exp(-second / DEPARTING_S)), 2)
        d_m = lane.width_m / 2 - HALF_WIDTH_M + out_m
    lon_deg, lat_deg = axis.at(s_m, 0.0 if lane is None else lane.middle_m + way * d_m)
    return Row(
        begin_ns + second * S, round(lon_deg, 8), round(lat_deg, 8), round(s_m, 2), round(d_m, 2), SIGMA_M,
        out_m, made.speed_mps, round(1.0 - 0.5 * math.exp(-second / 1.5), 4), _over(made, lane, second),
    )  # fmt: skip


def _over(made: ExerciseAlarmConfig, lane: Lane | None, second: int) -> float | None:
    """Return the rule's own measure: the speed against the lane, the share above the limit, else seconds."""
    if made.rule == "wrong_way":
        return made.speed_mps
    if made.rule in OF_LIMIT:
        limit_mps = None if lane is None else lane.limit_mps
        return None if not limit_mps else round(made.speed_mps / limit_mps - 1.0, 4)
    return None if made.rule == "lane_departure" else float(second)


def versions(whole: Violation, now_ns: int, end_ns: int, *, is_open: bool) -> list[Violation]:
    """Return the versions that are there at a moment, oldest first: each some seconds, and the close."""
    until_ns = min(now_ns, end_ns) if is_open else end_ns
    at_ns = list(range(whole.start_ns, max(until_ns, whole.start_ns) + 1, UPDATE_S * S))
    found = [_cut(whole, n, stamp_ns, "update" if n > 1 else "open") for n, stamp_ns in enumerate(at_ns, 1)]
    if not is_open:
        closed = _cut(whole, len(found) + 1, end_ns, "close")
        found.append(msgspec.structs.replace(closed, end_ns=end_ns))
    return found


def _cut(whole: Violation, version: int, at_ns: int, phase: Phase) -> Violation:
    """Return the version of one moment: its place and speed, and the seconds before it."""
    if not whole.evidence:  # of an earlier version's exercise: nothing of it moves
        return msgspec.structs.replace(whole, version=version, phase=phase)
    stamps: Sequence[int] = whole.evidence["stamp_ns"]
    to = max(bisect_right(stamps, at_ns), 1)
    evidence = {name: column[max(0, to - EVIDENCE_S) : to] for name, column in whole.evidence.items()}
    now = {name: column[-1] for name, column in evidence.items()}
    return msgspec.structs.replace(
        whole, version=version, phase=phase, lon_deg=now["lon_deg"], lat_deg=now["lat_deg"], s_m=now["s_m"],
        d_m=None if whole.d_m is None else now["d_m"], p_violation=now["p_violation"],
        stamps=Stamps(measured_ns=at_ns, arrived_ns=at_ns), evidence=evidence,
    )  # fmt: skip
