"""The synthetic Panjin road as canonical GeoJSON features, from the alignment and the cross-section."""

import itertools
from collections.abc import Iterator

import numpy as np

from sim.site import section as sec
from sim.site.drawing import GROUND_Z_M, Drawing, Feature
from sim.site.panjin_places import labels, zones

CHANGE_ZONE_M = 200.0  # dashed line before ramps, gates and inspection areas
ALLOWED = {
    sec.HAZMAT_LANE: ["hazmat", "emergency", "maintenance"],
    sec.MIXED_LANE: ["car", "bus", "truck", "emergency", "maintenance"],
    sec.CARS_LANE: ["car", "emergency", "maintenance"],
}
EVERYONE = ["car", "bus", "truck", "hazmat", "emergency", "maintenance"]
LIMIT_KMH = {sec.HAZMAT_LANE: 60.0, sec.MIXED_LANE: 80.0, sec.CARS_LANE: 80.0}
LETTER = {sec.HAZMAT_LANE: "H", sec.MIXED_LANE: "M", sec.CARS_LANE: "C"}
GATE_ZH = {"north": "北门", "south": "南门", "entry": "入口", "exit": "出口"}


class MapMaker(Drawing):
    """Draws the road itself, its ramps, gates and crossings."""

    def features(self) -> list[Feature]:
        """Return every feature of the map."""
        return [
            self.feature(
                "LineString",
                self.line(self.stations(0.0, self.axis.length_m), 0.0),
                kind="axis",
                road="main",
                k0_m=0.0,
            ),
            *self._carriageways(),
            *self._ramps(),
            *self._crossing_roads(),
            *self._gates(),
            *zones(self),
            *labels(self),
        ]

    def _carriageways(self) -> Iterator[Feature]:
        for direction in sec.DIRECTIONS:
            dashed = _change_zones(direction)
            pieces = list(itertools.pairwise(lane_breaks(direction, self.axis.length_m)))
            for i, (a, b) in enumerate(pieces):
                ahead = i + sec.DIRECTIONS[direction]
                after = [pieces[ahead]] if 0 <= ahead < len(pieces) else []
                for index in range(sec.N_LANES):
                    yield self._lane(direction, index, (a, b), after, dashed)

    def _lane(
        self,
        direction: str,
        index: int,
        piece: tuple[float, float],
        after: list[tuple[float, float]],
        dashed: list[tuple[float, float]],
    ) -> Feature:
        a, b = piece
        may_cross = any(c <= a and b <= d for c, d in dashed)
        centre_m = sec.lane_centre_m(index)
        raised = abs((a + b) / 2 - sec.OVERPASS_M) < sec.OVERPASS_LENGTH_M / 2
        left = lane_name(direction, index + 1, a) if index + 1 < sec.N_LANES else None
        right = lane_name(direction, index - 1, a) if index > 0 else None
        return self.feature(
            "MultiLineString",
            self.strip(direction, self.stations(a, b), centre_m + sec.LANE_M / 2, centre_m - sec.LANE_M / 2),
            kind="lane",
            lane=lane_name(direction, index, a),
            road="main",
            direction=direction,
            index=index,
            level=int(raised),
            allowed=ALLOWED[index],
            speed_limit_mps=round(LIMIT_KMH[index] / 3.6, 4),
            successors=[lane_name(direction, index, c) for c, _ in after],
            left=left,
            right=right,
            change_left=left is not None and (index > 0 or may_cross),
            change_right=right is not None and (index > 1 or may_cross),
        )

    def _ramps(self) -> Iterator[Feature]:
        """The parallel lane, and the curve that leads from it to the land beside the road."""
        for ramp in sec.ramps():
            right_m = -sec.EDGE_M
            yield self._ramp_lane(
                ramp,
                "",
                self.strip(
                    ramp.direction, self.stations(ramp.from_m, ramp.to_m), right_m, right_m - sec.LANE_M
                ),
            )
            yield self._ramp_lane(ramp, "-curve", self._ramp_curve(ramp, right_m))

    def _ramp_curve(self, ramp: sec.Ramp, left_m: float) -> list[list[list[float]]]:
        """Return a lane that swings away by 30 m over 250 m, from the parallel lane's outer end."""
        sign = sec.DIRECTIONS[ramp.direction]
        ahead = sign if ramp.kind == "off" else -sign  # which way along the axis it leaves
        start_m = ramp.to_m if ahead > 0 else ramp.from_m
        share = np.linspace(0.0, 1.0, 51)
        s, swing = start_m + ahead * 250.0 * share, 30.0 * share**2 * (3.0 - 2.0 * share)
        if ahead * sign < 0:  # in driving direction it comes towards the road
            s, swing = s[::-1], swing[::-1]
        return [self.line(s, sign * (left_m - swing)), self.line(s, sign * (left_m - swing - sec.LANE_M))]

    def _ramp_lane(self, ramp: sec.Ramp, part: str, strip: list[list[list[float]]]) -> Feature:
        lane, curve = f"RAMP-{ramp.name}", f"RAMP-{ramp.name}-curve"
        after = {("on", "-curve"): [lane], ("off", ""): [curve]}.get((ramp.kind, part), [])
        return self.feature(
            "MultiLineString",
            strip,
            kind="lane",
            lane=f"RAMP-{ramp.name}{part}",
            road=f"ramp-{ramp.name}",
            direction=ramp.direction,
            index=0,
            level=0,
            allowed=EVERYONE,
            speed_limit_mps=round(60 / 3.6, 4),
            successors=after,
            left=None,
            right=None,
            change_left=not part and ramp.kind == "on",
            change_right=False,
        )

    def _crossing_roads(self) -> Iterator[Feature]:
        """The county road under the overpass, and the port road's T at K33+400."""
        yield from self._cross_road("county", sec.OVERPASS_M, -200.0, 200.0)
        yield from self._cross_road("port", 33_400.0, -250.0, -sec.EDGE_M)

    def _cross_road(self, road: str, s_m: float, from_d_m: float, to_d_m: float) -> Iterator[Feature]:
        d = np.linspace(from_d_m, to_d_m, 9)
        for name, way in (("E", 1), ("W", -1)):  # to growing offsets, and back; driving on the right
            offsets = d if way > 0 else d[::-1]
            along = [np.full_like(d, s_m), np.full_like(d, s_m + way * sec.LANE_M)]
            strip = []
            for s in along:  # the middle line is each one's left boundary
                east, north, _ = self.axis.at(np.full_like(s, s_m), offsets)
                _, _, heading = self.axis.at(np.array([s_m]), np.zeros(1))
                shift = s - s_m
                strip.append(
                    self.lonlat(
                        east + shift * np.cos(heading),
                        north + shift * np.sin(heading),
                        np.full_like(s, GROUND_Z_M),
                    )
                )
            yield self.feature(
                "MultiLineString",
                strip,
                kind="lane",
                lane=f"{road}-{name}",
                road=road,
                direction=name,
                index=0,
                level=0,
                allowed=EVERYONE,
                speed_limit_mps=round(60 / 3.6, 4),
                successors=[],
                left=None,
                right=None,
                change_left=False,
                change_right=False,
            )

    def _gates(self) -> Iterator[Feature]:
        for side, s_m, entering in (("north", sec.GATE_NORTH_M, "SB"), ("south", sec.GATE_SOUTH_M, "NB")):
            for direction, sign in sec.DIRECTIONS.items():
                role = "entry" if direction == entering else "exit"
                d = -sign * np.array([sec.MEDIAN_M / 2, sec.EDGE_M])
                yield self.feature(
                    "LineString",
                    self.line(np.full(2, s_m), d),
                    kind="gate",
                    gate=f"{side}-{role}",
                    role=role,
                    road="main",
                    level=0,
                    direction=direction,
                    name_zh=f"{GATE_ZH[side]}{GATE_ZH[role]}",
                    name_en=f"{side.capitalize()} gate {role}",
                )


def lane_name(direction: str, index: int, from_m: float) -> str:
    """Return the id of a lane section, by its lower station: SB-H-K18, SB-H-K20_800."""
    km, rest = divmod(round(from_m), 1_000)
    return f"{direction}-{LETTER[index]}-K{km:02d}" + (f"_{rest:03d}" if rest else "")


def lane_breaks(direction: str, length_m: float) -> list[float]:
    """Return where a direction's lane sections meet: whole kilometres, change zones, the overpass."""
    overpass = [sec.OVERPASS_M + sign * sec.OVERPASS_LENGTH_M / 2 for sign in (-1, 1)]
    whole_km = [k * 1_000.0 for k in range(int(length_m // 1_000) + 1)]
    if length_m - whole_km[-1] < 100.0:  # a stub of 53 m belongs to the last kilometre
        whole_km.pop()
    ends = [s for pair in _change_zones(direction) for s in pair]
    return sorted({*whole_km, *ends, *overpass, length_m})


def _change_zones(direction: str) -> list[tuple[float, float]]:
    """Return where the line left of the hazmat lane is dashed, ascending stations, not overlapping."""
    sign = sec.DIRECTIONS[direction]
    before = [16_000.0 if sign > 0 else 24_500.0]  # the side's inspection area
    before += [sec.GATE_NORTH_M, sec.GATE_SOUTH_M]
    found = [sorted((s, s - sign * CHANGE_ZONE_M)) for s in before]
    for ramp in sec.ramps():
        if ramp.direction == direction:
            begin = ramp.from_m if sign > 0 else ramp.to_m
            end = ramp.to_m if sign > 0 else ramp.from_m
            found.append(sorted((begin - sign * CHANGE_ZONE_M, end)))
    found.sort()
    merged: list[tuple[float, float]] = []
    for a, b in found:
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        else:
            merged.append((a, b))
    return merged
