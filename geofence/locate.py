"""Finds tracks on the map: lane, station, offset, and whether the position carries a judgement."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import B1, F1, F2, F3, I1, I2, I32, I64, U8, I32x1, U8x1
from core.classes import HAZMAT, OTHER
from core.kernel import checked_once, kernel
from fusion.tracks import TrackBatch
from geofence.claim import claimed_scale
from geofence.config import VehicleConfig
from geofence.drift import shown_scale
from geofence.grading import RuleSettings
from geofence.kernels import Places, locate
from geofence.levels import DEPTH_M, WITHIN_S, Levels, shipped, sigma_max_m
from geofence.located import (
    BEYOND_END,
    FOUND,
    HELD,
    LEFT,
    OUT_ANY,
    P_LANE,
    RIGHT,
    SIGMA,
    UNJUDGED,
    Located,
    S,
)
from geofence.map.axis import SEGMENT, Segments, tree_of
from geofence.map.roadmap import RoadMap
from geofence.map.strips import KIND_MASKS, Strips, mask_of
from geofence.near import Scratch, scratch
from geofence.presumable import is_presumable
from geofence.scales import DISPROVED
from geofence.state import GAPPED, HINT, LIFE_NS, PRESUMED, State

GNSS_ALONE_NS = 2_000_000_000
NEXT_LANE = 3.0  # times `decide_depth_m`: a truck in the middle of the next lane is 3.1 m over the line
# rows of Output.floats: columns of Located
L_S, L_D, L_SIGMA, L_P_LANE, N_FLOATS = 0, 1, 2, 3, 4


class Input(NamedTuple):
    """Columns of n tracks."""

    x: F2
    P: F3
    bias_m: F1
    tau_s: F1
    terminal: I32x1
    kind: U8x1
    stamp_ns: I1
    radar_ns: I1
    enforcing_ns: I1
    gnss_ns: I1
    rows: I1  # in the state, -1 tentative
    hint: I32x1  # for the kernels
    mask: I32x1


class Output(NamedTuple):
    """Columns of Located."""

    found: F2
    floats: F2
    lane: I32x1
    vehicle: I32x1
    kind: U8x1
    undecidable: B1


class Memory(NamedTuple):
    """What is remembered of each track: arrays of a geofence.state.State."""

    flags: F2
    drift: F2
    stamps: I2


class Registry(NamedTuple):
    """The vehicles of the registry."""

    by_terminal: I32x1  # by the tracker's terminals: row below, -1 unknown
    kinds: U8x1
    masks: I32x1  # classes as which each may use lanes
    kind_masks: I32x1  # the same of a vehicle of which only the class is known


class Limits(NamedTuple):
    """The settings of geofence.grading.RuleSettings that decide what is decidable."""

    map_sigma_m: float
    fresh_ns: int
    scale: float  # times the largest sigma of the table
    levels: Levels


@kernel(inner=True)
def _classify(seen: Input, t: int, registry: Registry, flags: F2, out: Output) -> None:
    """Fill in vehicle, class, mask and hint of track t: by the registry, by its past, by the radar."""
    row, w = seen.rows[t], seen.terminal[t]
    vehicle = registry.by_terminal[w] if w >= 0 else -1
    kind = registry.kinds[vehicle] if vehicle >= 0 else seen.kind[t]
    mask = registry.masks[vehicle] if vehicle >= 0 else registry.kind_masks[min(int(kind), OTHER)]
    if row >= 0 and flags[row, PRESUMED] > 0.0 and is_presumable(kind, vehicle):
        mask = registry.kind_masks[HAZMAT]
    out.vehicle[t], out.kind[t], seen.mask[t] = vehicle, kind, mask
    seen.hint[t] = int(flags[row, HINT]) - 1 if row >= 0 else -1


@kernel(inner=True)
def _is_undecidable(seen: Input, t: int, limits: Limits, found: F2, memory: Memory) -> bool:
    """Return whether track t is so uncertain that a departure might be missed, or beyond the map.

    Fill in UNJUDGED: what is proved of an uncertain place counts, unless even NEXT_LANE would be missed, or
    what its terminal claims is not proved (geofence.claim). Levels follow what is trusted of a claim.
    Of a nameless track with gaps nothing is gathered, so that nothing is found.
    """
    stamp_ns = seen.stamp_ns[t]
    enforced = stamp_ns - seen.enforcing_ns[t] <= limits.fresh_ns
    by_radar = stamp_ns - seen.radar_ns[t] <= limits.fresh_ns
    gnss_alone = not by_radar and stamp_ns - seen.gnss_ns[t] <= GNSS_ALONE_NS
    sigma_m, row = found[t, SIGMA], seen.rows[t]
    may_judge, scale, has_gaps = (enforced or gnss_alone) and found[t, BEYOND_END] == 0.0, 1.0, False
    if row >= 0:
        gapped_ns = memory.stamps[row, GAPPED]
        has_gaps = gapped_ns > 0 and stamp_ns - gapped_ns < LIFE_NS
        sigma_m *= shown_scale(memory.drift[row])
        scale = claimed_scale(memory.drift[row]) if gnss_alone else 1.0
    may_judge = may_judge and scale < DISPROVED
    most_m = limits.scale * sigma_max_m(limits.levels, seen.tau_s[t])
    found[t, UNJUDGED] = 0.0 if may_judge and sigma_m <= NEXT_LANE * most_m else 1.0
    might_miss = has_gaps or not may_judge or not max(sigma_m, scale * found[t, SIGMA]) <= most_m
    return might_miss and math.isfinite(found[t, OUT_ANY])


@kernel
def find_places(
    seen: Input, registry: Registry, strips: Strips, axis: Segments, limits: Limits, scratch: Scratch,
    memory: Memory, out: Output,
) -> None:  # fmt: skip
    """Fill `out`; each track's lane is remembered in its row of the state's `flags`."""
    flags = memory.flags
    found, lane, floats = out.found, out.lane, out.floats
    for t in range(seen.x.shape[0]):
        _classify(seen, t, registry, flags, out)
    places = Places(seen.x, seen.P, seen.bias_m, seen.hint, seen.mask)
    locate(places, strips, axis, limits.map_sigma_m, scratch, found, lane)
    for t in range(seen.x.shape[0]):
        if seen.rows[t] >= 0 and found[t, HELD] > 0.0:
            flags[seen.rows[t], HINT] = found[t, HELD]
        floats[L_S, t], floats[L_D, t] = found[t, S], (found[t, RIGHT] - found[t, LEFT]) / 2
        floats[L_SIGMA, t], floats[L_P_LANE, t] = found[t, SIGMA], found[t, P_LANE]
        out.undecidable[t] = _is_undecidable(seen, t, limits, found, memory)


_find_places_once = checked_once(find_places)  # all batches have the same types


class Question(NamedTuple):
    """The arguments of `find_places`."""

    seen: Input
    registry: Registry
    strips: Strips
    axis: Segments
    limits: Limits
    scratch: Scratch
    memory: Memory
    out: Output


class ToLocate(NamedTuple):
    """Tracks to be located, and their places once they are."""

    question: Question
    located: Located


class BatchMemory(NamedTuple):
    """The memory for the places of one batch of tracks; a batch that is filled again fills it again."""

    tracks: TrackBatch
    to_locate: ToLocate


def _memory_for(tracks: TrackBatch, rows: I64) -> tuple[Input, Output, Located]:
    """Return memory for the places of n tracks, which must be filled; rows : (n,) theirs in the State."""
    n = len(tracks)
    whole: I32 = np.empty((4, n), dtype=np.int32)
    seen = Input(
        x=np.ascontiguousarray(tracks.x),
        P=np.ascontiguousarray(tracks.P),
        bias_m=tracks.bias_m,
        tau_s=tracks.tau_s,
        terminal=tracks.terminal,
        kind=tracks.kind,
        stamp_ns=tracks.stamp_ns,
        radar_ns=tracks.radar_ns,
        enforcing_ns=tracks.enforcing_ns,
        gnss_ns=tracks.gnss_ns,
        rows=rows,
        hint=whole[0],
        mask=whole[1],
    )
    out = Output(
        found=np.empty((n, FOUND)),
        floats=np.empty((N_FLOATS, n)),
        lane=whole[2],
        vehicle=whole[3],
        kind=np.empty(n, dtype=np.uint8),
        undecidable=np.empty(n, dtype=np.bool_),
    )
    located = Located(
        lane=out.lane,
        s_m=out.floats[L_S],
        d_m=out.floats[L_D],
        sigma_d_m=out.floats[L_SIGMA],
        p_lane=out.floats[L_P_LANE],
        undecidable=out.undecidable,
        vehicle=out.vehicle,
        kind=out.kind,
        found=out.found,
        rows=rows,
        terminal_ids=(),
    )
    return seen, out, located


class Locator:
    """Locates tracks on the road; the State holds each one's last lane."""

    def __init__(
        self, rules: RuleSettings, road: RoadMap, vehicles: Sequence[VehicleConfig], state: State
    ) -> None:
        self._state = state
        self._row_of = {vehicle.terminal: i for i, vehicle in enumerate(vehicles)}
        self._kinds: U8 = np.array([*(vehicle.kind for vehicle in vehicles), 0], dtype=np.uint8)
        masks = [KIND_MASKS[vehicle.kind] | mask_of(vehicle.permits) for vehicle in vehicles]
        self._masks: I32 = np.array([*masks, 0], dtype=np.int32)
        self._kind_masks: I32 = np.array(KIND_MASKS, dtype=np.int32)
        grid, no_tree = road.strips.grid, tree_of(np.zeros((1, 2)), np.zeros((1, 2)))
        none = Segments(np.zeros((0, SEGMENT)), grid, grid, no_tree)
        axis = none if road.axis is None else road.axis.segments
        limits = Limits(
            map_sigma_m=rules.map_sigma_m,
            fresh_ns=int(rules.fresh_s * 1e9),
            # in wide and shallow departures alike lengths count against sigma; an average of white errors
            # falls with the root of its time
            scale=rules.decide_depth_m / DEPTH_M * min(1.0, math.sqrt(rules.decide_s / WITHIN_S)),
            levels=shipped(),
        )
        self._ground = (road.strips, axis, limits, scratch())
        self._reused: dict[int, BatchMemory] = {}  # of the batches that are filled again, by size
        self._terminals: Sequence[str] = ()  # those of `_by_terminal`
        self._n_terminals = 0
        self._by_terminal: I32 = np.zeros(0, dtype=np.int32)
        self._registry = Registry(self._by_terminal, self._kinds, self._masks, self._kind_masks)
        self._memory = Memory(state.flags, state.drift, state.stamps)

    def locate(self, tracks: TrackBatch, terminal_ids: Sequence[str]) -> Located:
        """Return the places of n tracks on the map; remember each one's lane for the next look-up.

        Those of a batch that is reused hold as long as the batch.
        terminal_ids : the tracker's; since the last call it may have grown, and strangers' names changed
        """
        asked = self.ask(tracks, terminal_ids)
        _find_places_once(*asked.question)
        return asked.located

    def ask(self, tracks: TrackBatch, terminal_ids: Sequence[str]) -> ToLocate:
        """Return what `find_places` takes, and the places that it will fill; as of `locate`."""
        n, registry, state = len(tracks), self._registry_of(terminal_ids), self._state
        kept = self._reused.get(n) if tracks.is_reused else None
        to_locate = None if kept is None or kept.tracks is not tracks else kept.to_locate
        rows = np.empty(n, dtype=np.int64) if to_locate is None else to_locate.located.rows
        state.fill_rows(tracks.track, rows)
        if self._memory.flags is not state.flags:  # its arrays are replaced together, as it grows
            self._memory = Memory(state.flags, state.drift, state.stamps)
        if to_locate is None:
            seen, out, located = _memory_for(tracks, rows)
            to_locate = ToLocate(Question(seen, registry, *self._ground, self._memory, out), located)
            self._keep(tracks, to_locate)
        elif to_locate.question.registry is not registry or to_locate.question.memory is not self._memory:
            question = to_locate.question._replace(registry=registry, memory=self._memory)
            to_locate = ToLocate(question, to_locate.located)
            self._keep(tracks, to_locate)
        to_locate.located.terminal_ids = terminal_ids
        return to_locate

    def _keep(self, tracks: TrackBatch, to_locate: ToLocate) -> None:
        """Keep the memory of a batch that is filled again."""
        if tracks.is_reused:
            self._reused[len(tracks)] = BatchMemory(tracks, to_locate)

    def _registry_of(self, terminal_ids: Sequence[str]) -> Registry:
        """Return the registry with the row of each terminal; only new terminals are looked up."""
        if terminal_ids is not self._terminals:
            self._terminals, self._n_terminals = terminal_ids, 0
        n = len(terminal_ids)
        if n > self._n_terminals:
            if n > len(self._by_terminal):
                self._by_terminal = np.concatenate(
                    [self._by_terminal, np.full(2 * n - len(self._by_terminal), -1, dtype=np.int32)]
                )
            new = [self._row_of.get(terminal, -1) for terminal in terminal_ids[self._n_terminals :]]
            self._by_terminal[self._n_terminals : n] = new
            self._n_terminals = n
        if self._registry.by_terminal is not self._by_terminal:
            self._registry = self._registry._replace(by_terminal=self._by_terminal)
        return self._registry
