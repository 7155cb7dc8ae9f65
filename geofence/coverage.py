"""The stretches that an RSU can't judge: no enforcing radar covers them, or it is silent."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from core.arrays import F64, Bools
from fusion.config import RadarPose
from geofence.map.axis import Axis

COVERAGE_STEP_M = 10.0
COVERAGE_OFFSETS_M = (-12.0, 0.0, 12.0)  # both carriageways: a stretch is covered where its whole width is


class Unjudged(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch, or a vehicle's place on it, that can't be judged."""

    road: str
    from_m: float
    to_m: float
    reason: str
    since_ns: int


def in_field(radar: RadarPose, east_m: F64, north_m: F64) -> Bools:
    """Return which places (n,) lie in the field of view of a radar."""
    de, dn = east_m - radar.east_m, north_m - radar.north_m
    turn = np.arctan2(dn, de) - radar.boresight_rad
    turn = np.abs(np.arctan2(np.sin(turn), np.cos(turn)))
    inside: Bools = (np.hypot(de, dn) <= radar.range_m_max) & (turn <= radar.fov_rad / 2)
    return inside


class Coverage:
    """The stretch sampled each 10 m, and which accepted radar sees each sample."""

    def __init__(
        self, axis: Axis | None, stretch_m: tuple[float, float] | None, radars: Sequence[RadarPose]
    ) -> None:
        self._axis = axis
        self._sees: dict[str, Bools] = {}
        self._since: dict[tuple[float, float, str], int] = {}
        # the radars' states, and the stretches without one in them
        self._unseen_in: tuple[Mapping[str, str] | None, list[tuple[float, float, str]]] = (None, [])
        self._stations: F64 = np.zeros(0)
        if axis is None:
            return
        first, last = stretch_m or (axis.k0_m, axis.k0_m + axis.length_m)
        first, last = max(first, axis.k0_m), min(last, axis.k0_m + axis.length_m)
        self._stations = np.linspace(first, last, max(1, int(np.ceil((last - first) / COVERAGE_STEP_M))) + 1)
        self._sees = {radar.sensor: self._seen_by(radar, axis) for radar in radars if radar.accepted}

    def _seen_by(self, radar: RadarPose, axis: Axis) -> Bools:
        middle = (self._stations[:-1] + self._stations[1:]) / 2
        seen = np.ones(len(middle), dtype=np.bool_)
        for offset in COVERAGE_OFFSETS_M:
            seen &= in_field(radar, *axis.site_of(middle, np.full(len(middle), offset)))
        return seen

    def unjudged(self, t_ns: int, states: Mapping[str, str]) -> list[Unjudged]:
        """Return the stretches without an enforcing radar now, each with its reason, in order of station."""
        if self._axis is None or len(self._stations) < 2:
            return []
        found, since = [], {}
        for from_m, to_m, reason in self._unseen(states):
            key = (from_m, to_m, reason)
            since[key] = self._since.get(key, t_ns)
            found.append(
                Unjudged(road=self._axis.road, from_m=from_m, to_m=to_m, reason=reason, since_ns=since[key])
            )
        self._since = since
        return found

    def _unseen(self, states: Mapping[str, str]) -> list[tuple[float, float, str]]:
        """Return (from_m, to_m, reason) of the stretches; they change only with the radars' states."""
        if self._unseen_in[0] == states:
            return self._unseen_in[1]
        planned = np.zeros(len(self._stations) - 1, dtype=np.bool_)
        working, misdated = planned.copy(), planned.copy()
        for sensor, sees in self._sees.items():
            planned |= sees
            state = states.get(sensor, "online")
            if state == "online":
                working |= sees
            elif state == "clock":
                misdated |= sees
        reason = np.where(working, 0, np.where(misdated, 3, np.where(planned, 1, 2)))
        names = ("", "radar_silent", "no_radar", "radar_clock")
        edges = np.flatnonzero(np.r_[True, reason[1:] != reason[:-1], True])
        found = []
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if reason[a] != 0:
                ends = round(float(self._stations[a]), 1), round(float(self._stations[b]), 1)
                found.append((*ends, names[reason[a]]))
        self._unseen_in = (dict(states), found)
        return found

    def since(self) -> tuple[tuple[float, float, str, int], ...]:
        """Return (from_m, to_m, reason, stamp) of each unjudged stretch: since when it is so."""
        return tuple((*key, since_ns) for key, since_ns in self._since.items())

    def restore(self, rows: Sequence[tuple[float, float, str, int]]) -> None:
        """Put back rows that `since` returned."""
        self._since = {(from_m, to_m, reason): since_ns for from_m, to_m, reason, since_ns in rows}
