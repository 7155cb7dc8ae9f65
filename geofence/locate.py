"""Finds tracks on the map: lane, station, offset, and whether the position carries a judgement."""

from collections.abc import Sequence

import numpy as np

from core.arrays import F64, I32, U8, Bools
from core.classes import HAZMAT, OTHER
from fusion.tracks import TrackBatch
from geofence.config import VehicleConfig
from geofence.detectors import provable_depth_m
from geofence.grading import RuleSettings
from geofence.kernels import Places, locate, scratch
from geofence.located import FOUND, LEFT, NO_LANE, OUT_ANY, P_LANE, RIGHT, SIGMA, Located, S
from geofence.map.axis import SEGMENT, Segments
from geofence.map.roadmap import RoadMap
from geofence.map.strips import KIND_MASKS, mask_of
from geofence.state import HINT, PRESUMED, State

GNSS_ALONE_NS = 2_000_000_000


class Locator:
    """Locates tracks on the road; the State holds each one's last lane."""

    def __init__(
        self, rules: RuleSettings, road: RoadMap, vehicles: Sequence[VehicleConfig], state: State, rate: float
    ) -> None:
        self._rules, self._road, self._state, self._rate = rules, road, state, rate
        self._row_of = {vehicle.terminal: i for i, vehicle in enumerate(vehicles)}
        self._kinds: U8 = np.array([*(vehicle.kind for vehicle in vehicles), 0], dtype=np.uint8)
        masks = [KIND_MASKS[vehicle.kind] | mask_of(vehicle.permits) for vehicle in vehicles]
        self._masks: I32 = np.array([*masks, 0], dtype=np.int32)
        none = Segments(np.zeros((0, SEGMENT)), road.strips.grid)
        self._axis = none if road.axis is None else road.axis.segments
        self._scratch = scratch()

    def locate(self, tracks: TrackBatch, terminal_ids: Sequence[str]) -> Located:
        """Return the places of n tracks on the map; remember each one's lane for the next look-up."""
        n = len(tracks)
        rows = self._state.rows(tracks.track)
        vehicle: I32 = np.array(
            [self._row_of.get(terminal_ids[t], -1) if t >= 0 else -1 for t in tracks.terminal.tolist()],
            dtype=np.int32,
        )
        kind = np.where(vehicle >= 0, self._kinds[vehicle], tracks.kind).astype(np.uint8)
        flags = np.where((rows >= 0)[:, None], self._state.flags[rows], 0.0)
        mask = np.where(
            vehicle >= 0, self._masks[vehicle], np.array(KIND_MASKS, np.int32)[np.minimum(kind, OTHER)]
        )
        presumed = (kind == 0) & (flags[:, PRESUMED] > 0.0)
        mask = np.where(presumed, KIND_MASKS[HAZMAT], mask).astype(np.int32)
        found, lane = np.empty((n, FOUND)), np.empty(n, dtype=np.int32)
        places = Places(
            x=np.ascontiguousarray(tracks.x),
            P=np.ascontiguousarray(tracks.P),
            bias_m=tracks.bias_m,
            hint=(flags[:, HINT] - 1.0).astype(np.int32),
            mask=mask,
        )
        locate(places, self._road.strips, self._axis, self._rules.map_sigma_m, self._scratch, found, lane)
        held = (rows >= 0) & (lane != NO_LANE)
        self._state.flags[rows[held], HINT] = lane[held] + 1.0
        return Located(
            lane=lane,
            s_m=found[:, S].copy(),
            d_m=(found[:, RIGHT] - found[:, LEFT]) / 2,
            sigma_d_m=found[:, SIGMA].copy(),
            p_lane=found[:, P_LANE].copy(),
            undecidable=self._undecidable(tracks, found),
            vehicle=vehicle,
            kind=kind,
            found=found,
            terminal_ids=terminal_ids,
        )

    def _undecidable(self, tracks: TrackBatch, found: F64) -> Bools:
        """Return which tracks (n,) are so uncertain that a departure could not be proved."""
        rules = self._rules
        fresh_ns = int(rules.fresh_s * 1e9)
        enforced = tracks.stamp_ns - tracks.enforcing_ns <= fresh_ns
        gnss_alone = (tracks.stamp_ns - tracks.radar_ns > fresh_ns) & (
            tracks.stamp_ns - tracks.gnss_ns <= GNSS_ALONE_NS
        )
        depth_m = provable_depth_m(found[:, SIGMA], tracks.tau_s, rules.decide_s, self._rate)
        decidable: Bools = (enforced | gnss_alone) & (depth_m <= rules.decide_depth_m)
        return ~decidable & np.isfinite(found[:, OUT_ANY])
