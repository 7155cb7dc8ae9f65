"""The whole state of a tracker in named fields: a replay that starts from it gives the same bytes."""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
import numpy as np

from core.arrays import F64
from fusion import layout as at
from fusion.births import NO_ODDS
from fusion.columns import Columns, columns_of, read_floats, read_ints
from fusion.config import Terminal
from fusion.doubt_table import DoubtState, DoubtTable
from fusion.handover import CarriedState, CarriedTrack, carried, carried_state, load, load_state
from fusion.identity_binding import rebase
from fusion.radar_field import COUNT_COLUMNS, PLACE_COLUMNS, learnt_cells, restore_cells
from fusion.radar_update import Key, Scans
from fusion.registration import Registration, RegistrationState
from fusion.rewind import pack, rebuild, unpack
from fusion.timekeeping import ClockState, Timekeeping
from fusion.track_store import RING, TerminalTable, TrackStore

Status = Literal["tentative", "due", "confirmed"]
STATUSES: tuple[Status, ...] = ("tentative", "due", "confirmed")  # at.TENTATIVE and on
# In the ring: kind, then columns of M by name
BODY = {"extent_m": at.Z_EXTENT, "extent_sigma_m": at.Z_EXTENT_SIGMA}
LANE = {
    "lane_rad": at.Z_LANE, "both_ways": at.Z_BOTH_WAYS, "scatter_along": at.Z_ALONG,
    "scatter_across_m2": at.Z_ACROSS, "often": at.Z_OFTEN, "flank": at.Z_FLANK, "lane_bend": at.Z_BEND,
}  # fmt: skip
MEASUREMENTS: dict[int, tuple[str, dict[str, int]]] = {
    at.BASE: ("base", {"source": at.SOURCE}),
    at.POLAR: (
        "polar",
        {
            "source": at.SOURCE, "azimuth_rad": at.Z_AZIMUTH, "range_m": at.Z_RANGE,
            "range_rate_mps": at.Z_RATE, "bearing_cos": at.Z_COS, "bearing_sin": at.Z_SIN, **LANE, **BODY,
        },
    ),
    at.OBJECT: (
        "object",
        {
            "source": at.SOURCE, "east_m": at.Z_EAST, "north_m": at.Z_NORTH, "v_east_mps": at.Z_V_EAST,
            "v_north_mps": at.Z_V_NORTH, **LANE, **BODY,
        },
    ),
    at.FIX: (
        "fix",
        {
            "source": at.SOURCE, "east_m": at.Z_EAST, "north_m": at.Z_NORTH, "speed_mps": at.Z_SPEED,
            "heading_rad": at.Z_HEADING, "sigma_m": at.Z_SIGMA, "tau_s": at.Z_TAU, "delay_s": at.Z_DELAY,
            "antenna_forward_m": at.Z_FORWARD, "antenna_left_m": at.Z_LEFT, "fresh_m": at.Z_FRESH, **BODY,
        },
    ),
}  # fmt: skip
SENT_COLUMNS = (
    "terminal", "track_row", "newest_ns", "weighed_ns", "n_keys", "presumed_row", "learnt_ns", "alone_ns",
)  # fmt: skip
UNSENT = np.array([-1] + [0] * (len(SENT_COLUMNS) - 2))  # what a terminal without fixes has there
BODY_COLUMNS = (
    "often", "share", "share_var", "along_white", "along_slow", "along_n", "across_white_m2",
    "across_slow_m2", "across_n", "flanks", "flanks_due", "size", "size_n",
)  # fmt: skip
BODIES = [*range(at.R_OFTEN, at.R_ACROSS_N + 1), at.R_FLANKS, at.R_FLANKS_DUE, at.R_SIZE, at.R_SIZE_N]
KEY_COLUMNS = ("terminal", "place", "stamp_ns", "source_seq")
PAIR_INT_COLUMNS = ("terminal", "place", "track_row", "serial", "n", "newest_ns", "since_ns")
PAIR_COLUMNS = (
    "one_vehicle", "beside", "apart", "wide", "unseen", "error_along_m", "error_along_m2", "error_across_m",
    "error_across_m2", "offset_along_m", "offset_along_m2", "offset_across_m", "offset_across_m2",
    "difference_east_m", "difference_north_m", "wide_place", "extent_m",
)  # fmt: skip
ERROR_COLUMNS = (
    *(f"scale_{k}" for k in range(at.N_SCALES)), "weight", "bias_east_m", "bias_north_m", "bias_m2",
    "by_configuration", *(f"fresh_{k}" for k in range(at.N_FRESH)),
)  # fmt: skip
FLEET_COLUMNS = ("stated", "by_configuration")


class RingState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A track's ring: its measurements, oldest first, and the state after the first."""

    stamp_ns: tuple[int, ...]
    kinds: tuple[str, ...]  # of each measurement
    measurements: dict[str, Columns]  # of each kind, in order; `source` is a row of radars or terminals
    base: CarriedState


class StoredTrack(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A track, with the fields that a neighbour does not need."""

    row: int
    status: Status
    serial: int
    log_odds: float  # of being a vehicle and not clutter
    track: CarriedTrack
    radar: int = -1  # row of the one radar that measured it so far, -1 none, -2 several
    echo_odds: float = 0.0  # log odds of a lorry by its echoes
    ring: RingState | None = None  # None: the ring begins with the present state
    stands_by: bool = False  # its terminal's vehicle is presumed to be another track; its status is "due"
    shown_ns: int = 0  # the tick since which it is shown; 0 it is not
    posed_by: tuple[int, int] = (0, 0)  # 1 + row of the two radars that measured it last, 0 none
    posed: tuple[float, float, float] = (0.0, 0.0, 0.0)  # share of the first, variances of both poses
    scatter_by: tuple[int, int] = (0, 0)  # last sample of its scatter: stamp, 1 + row of the radar; 0 none
    scatter_off_m: tuple[float, float] = (0.0, 0.0)  # its innovation along and across the axis
    extent_prior: tuple[float, float] = (0.0, 0.0)  # that the state contains: mean [m], variance; 0 unknown
    posed_spread: tuple[float, ...] = ()  # their covariances, three numbers each; empty: equal on both axes
    began: int = 0  # how, while its outcome is open: 1 as vehicles do, 2 the same beside one, 0 else
    began_odds: float = NO_ODDS  # log odds that its first detection was a vehicle


class TrackerState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole tracker."""

    tracks: tuple[StoredTrack, ...]
    terminals: tuple[Terminal, ...]  # by row
    free: tuple[int, ...]  # rows, the next to be taken last
    n_serials: int
    rows_used: int  # rows from here on were never used
    n_ids: int
    newest_ns: tuple[int, ...] = ()  # newest stamp of each radar
    counts: dict[str, int] = {}
    duplicates: tuple[tuple[int, int, int], ...] = ()  # ids of two tracks in one place, and since when
    scans: tuple[tuple[Key, ...], ...] = ()  # scans that arrived, by radar
    object_keys: Columns | None = None  # last objects of radars: coasted_objects.INT_COLUMNS
    objects: Columns | None = None  # the same rows: coasted_objects.COLUMNS
    sent: Columns | None = None  # the newest fixes of each terminal: SENT_COLUMNS
    keys: Columns | None = None  # fixes that are remembered against duplicates: KEY_COLUMNS
    pair_ints: Columns | None = None  # identity evidence: PAIR_INT_COLUMNS
    pairs: Columns | None = None  # the same rows: PAIR_COLUMNS
    clocks: ClockState | None = None
    doubts: DoubtState | None = None
    field_cells: Columns | None = None  # what radars have learnt of their fields: radar_field.PLACE_COLUMNS
    field: Columns | None = None  # the same rows: radar_field.COUNT_COLUMNS
    error_terminals: Columns | None = None  # rows of the terminals whose errors radar has shown
    errors: Columns | None = None  # the same rows: ERROR_COLUMNS
    fleet: Columns | None = None  # weight of each scale of the terminals' sigmas: FLEET_COLUMNS
    registration: RegistrationState | None = None
    bodies: Columns | None = None  # where each radar sees them, see fusion.body_sizes: BODY_COLUMNS
    seen_ns: tuple[int, ...] = ()  # when each terminal behind the registered ones reported last


def snapshot(
    store: TrackStore, terminals: TerminalTable, n_ids: int, counts: dict[str, int],
    duplicates: dict[tuple[int, int], int], scans: Scans, times: Timekeeping, doubts: DoubtTable,
    registration: Registration, tracks: Iterable[StoredTrack],
) -> TrackerState:  # fmt: skip
    """Return the whole tracker as plain data.  tracks : of `stored_tracks`; none where they are apart"""
    rows, n = terminals.rows, len(terminals.ids)
    sent = np.flatnonzero((rows.ints[:n] != UNSENT).any(axis=1))
    kw, kp = np.nonzero(rows.keys[:n].any(axis=2))
    pw, pp = np.nonzero(rows.pair_ints[:n].any(axis=2) | rows.pairs[:n].any(axis=2))
    shown = np.flatnonzero(rows.errors[:n].any(axis=1))
    cells, counts_of_cells = learnt_cells(store.settings.field)
    tally, (object_keys, objects) = store.tally, scans.objects.state()
    return TrackerState(
        tracks=tuple(tracks),
        terminals=tuple(terminals.about),
        free=tuple(store.tracks.free[: tally[at.T_FREE]].tolist()),
        n_serials=int(tally[at.T_SERIAL]),
        rows_used=int(tally[at.T_HIGH]),
        n_ids=n_ids,
        newest_ns=tuple(scans.newest_ns),
        counts=dict(counts),
        duplicates=tuple((one, other, since_ns) for (one, other), since_ns in duplicates.items()),
        scans=scans.keys(),
        object_keys=object_keys,
        objects=objects,
        sent=columns_of(SENT_COLUMNS, np.column_stack([sent, rows.ints[sent]])),
        keys=columns_of(KEY_COLUMNS, np.column_stack([kw, kp, rows.keys[kw, kp]])),
        pair_ints=columns_of(PAIR_INT_COLUMNS, np.column_stack([pw, pp, rows.pair_ints[pw, pp]])),
        pairs=columns_of(PAIR_COLUMNS, rows.pairs[pw, pp]),
        clocks=times.packed(),
        doubts=doubts.state(),
        field_cells=columns_of(PLACE_COLUMNS, cells),
        field=columns_of(COUNT_COLUMNS, counts_of_cells),
        error_terminals=columns_of(("terminal",), shown[:, None]),
        errors=columns_of(ERROR_COLUMNS, rows.errors[shown]),
        fleet=columns_of(FLEET_COLUMNS, rows.fleet.T),
        registration=registration.state(),
        bodies=columns_of(BODY_COLUMNS, store.settings.radars[:, BODIES]),
        seen_ns=tuple(terminals.seen_ns[terminals.n_registered or n : n].tolist()),
    )


def stored_tracks(store: TrackStore, terminals: TerminalTable) -> Iterator[StoredTrack]:
    """Yield each track in the order of the rows, made when it is asked for: one has 26 kB."""
    for i in np.flatnonzero(store.ints[:, at.STATUS] != at.FREE).tolist():
        yield _stored(store, terminals, i)


def _stored(store: TrackStore, terminals: TerminalTable, i: int) -> StoredTrack:
    stands_by = store.ints[i, at.STATUS] == at.STANDBY
    status = at.DUE if stands_by else int(store.ints[i, at.STATUS])
    return StoredTrack(
        row=i,
        status=STATUSES[status - at.TENTATIVE],
        serial=int(store.ints[i, at.SERIAL]),
        log_odds=float(store.floats[i, at.LLR]),
        track=carried(store, terminals, i),
        radar=int(store.ints[i, at.RADAR]),
        echo_odds=float(store.floats[i, at.ECHO_ODDS]),
        ring=_ring(store, i),
        stands_by=bool(stands_by),
        shown_ns=int(store.ints[i, at.SHOWN_NS]),
        posed_by=(int(store.ints[i, at.POSED_BY]), int(store.ints[i, at.POSED_BY_OTHER])),
        scatter_by=(int(store.ints[i, at.SCATTER_NS]), int(store.ints[i, at.SCATTER_BY])),
        scatter_off_m=(float(store.floats[i, at.OFF_ALONG]), float(store.floats[i, at.OFF_ACROSS])),
        extent_prior=tuple(store.floats[i, at.EXTENT_PRIOR : at.EXTENT_PRIOR_VAR + 1].tolist()),
        posed=(
            float(store.floats[i, at.POSED_SHARE]),
            float(store.floats[i, [at.POSE, at.POSE + 2]].mean()),
            float(store.floats[i, [at.POSE_OTHER, at.POSE_OTHER + 2]].mean()),
        ),
        posed_spread=tuple(store.floats[i, at.POSE : at.POSE_OTHER + 3].tolist()),
        began=int(store.ints[i, at.BEGAN]),
        began_odds=float(store.floats[i, at.BEGAN_ODDS]),
    )


def _ring(store: TrackStore, i: int) -> RingState:
    rings, head, n = store.rings, int(store.ints[i, at.RING_HEAD]), int(store.ints[i, at.RING_LEN])
    order = (head + np.arange(n)) % RING
    meas: F64 = rings.meas[i, order]
    what = meas[:, at.WHAT].astype(np.int64)
    kinds = what.tolist()
    unpack(store.scratch.predicted, 0, rings.packed, rings.bound, i, head)
    measurements = {}
    for kind in sorted(set(kinds)):
        name, names = MEASUREMENTS[kind]
        measurements[name] = columns_of(tuple(names), meas[what == kind][:, list(names.values())])
    return RingState(
        stamp_ns=tuple(rings.stamps[i, order].tolist()),
        kinds=tuple([MEASUREMENTS[kind][0] for kind in kinds]),
        measurements=measurements,
        base=carried_state(store.scratch.predicted, 0),
    )


def restore(store: TrackStore, terminals: TerminalTable, times: Timekeeping, state: TrackerState) -> None:
    """Fill an empty store with a state, terminals that have their rows; missing fields start fresh."""
    first = terminals.n_registered
    terminals.seen_ns[first : first + len(state.seen_ns)] = state.seen_ns
    rows = terminals.rows
    sent = read_ints(state.sent, SENT_COLUMNS)
    rows.ints[sent[:, 0]] = sent[:, 1:]
    keys = read_ints(state.keys, KEY_COLUMNS)
    rows.keys[keys[:, 0], keys[:, 1]] = keys[:, 2:]
    pairs = read_ints(state.pair_ints, PAIR_INT_COLUMNS)
    rows.pair_ints[pairs[:, 0], pairs[:, 1]] = pairs[:, 2:]
    rows.pairs[pairs[:, 0], pairs[:, 1]] = read_floats(state.pairs, PAIR_COLUMNS)
    rows.errors[read_ints(state.error_terminals, ("terminal",))[:, 0]] = read_floats(
        state.errors, ERROR_COLUMNS
    )
    fleet = read_floats(state.fleet, FLEET_COLUMNS)
    if len(fleet) == at.N_FLEET:
        rows.fleet[:] = fleet.T
    restore_cells(
        store.settings.field,
        read_ints(state.field_cells, PLACE_COLUMNS),
        read_floats(state.field, COUNT_COLUMNS),
    )
    times.unpack(state.clocks, terminals.about)
    _restore_bodies(store, state.bodies)
    for stored in state.tracks:
        _restore_track(store, terminals, stored)
    presumed = rows.ints[:, at.OTHER_ROW]
    store.ints[presumed[presumed > 0] - 1, at.PRESUMED] = np.flatnonzero(presumed) + 1
    store.tracks.free[: len(state.free)] = state.free
    tally = store.tally
    tally[at.T_FREE], tally[at.T_SERIAL] = len(state.free), state.n_serials
    tally[at.T_HIGH] = state.rows_used


def _restore_bodies(store: TrackStore, columns: Columns | None) -> None:
    """Restore what was learnt of each radar; a version that knew fewer columns leaves the others fresh."""
    if columns is None:
        return
    known = [name for name in BODY_COLUMNS if name in columns.names]
    bodies = read_floats(columns, tuple(known))
    n = min(len(bodies), len(store.settings.radars))
    places = [BODIES[BODY_COLUMNS.index(name)] for name in known]
    store.settings.radars[np.arange(n)[:, None], places] = bodies[:n]


def _restore_track(store: TrackStore, terminals: TerminalTable, stored: StoredTrack) -> None:
    i, track = stored.row, stored.track
    store.track[i] = track.track
    store.ints[i, at.STATUS] = at.TENTATIVE + STATUSES.index(stored.status)
    if stored.stands_by:
        store.ints[i, at.STATUS] = at.STANDBY
    store.ints[i, at.RADAR], store.floats[i, at.ECHO_ODDS] = stored.radar, stored.echo_odds
    store.ints[i, at.SERIAL], store.floats[i, at.LLR] = stored.serial, stored.log_odds
    store.ints[i, at.SHOWN_NS] = stored.shown_ns
    store.ints[i, at.TERMINAL] = -1 if track.terminal is None else terminals.row_of(track.terminal)
    if stored.ring is None:
        _load(store, i, stored)
        rebase(store, i)
        return
    ring, rings = stored.ring, store.rings
    n = len(ring.stamp_ns)
    rings.stamps[i, :n], rings.meas[i, :n] = ring.stamp_ns, 0.0
    kinds = np.array(ring.kinds)
    for kind, (name, names) in MEASUREMENTS.items():
        places = np.flatnonzero(kinds == name)
        rings.meas[i, places, at.WHAT] = kind
        if len(places):
            numbers = read_floats(ring.measurements.get(name), tuple(names))
            rings.meas[i, places[:, None], list(names.values())] = numbers
            if kind in (at.POLAR, at.OBJECT) and "lane_rad" not in ring.measurements[name].names:
                rings.meas[i, places, at.Z_LANE] = np.nan  # of a version that knew no lanes
            if kind in (at.POLAR, at.OBJECT) and "lane_bend" not in ring.measurements[name].names:
                rings.meas[i, places, at.Z_BEND] = np.nan  # of one that knew no bends
    load_state(store.tracks.states, i, ring.base)
    store.ints[i, at.RING_HEAD], store.ints[i, at.RING_LEN] = 0, n
    pack(store.tracks.states, i, rings.packed, rings.bound, i, 0)
    rebuild(store.tracks, rings, i, store.settings, store.scratch.vector)
    _load(store, i, stored)


def _load(store: TrackStore, i: int, stored: StoredTrack) -> None:
    load(store, i, stored.track)
    store.ints[i, at.POSED_BY], store.ints[i, at.POSED_BY_OTHER] = stored.posed_by
    store.ints[i, at.SCATTER_NS], store.ints[i, at.SCATTER_BY] = stored.scatter_by
    store.floats[i, at.OFF_ALONG], store.floats[i, at.OFF_ACROSS] = stored.scatter_off_m
    store.floats[i, at.EXTENT_PRIOR], store.floats[i, at.EXTENT_PRIOR_VAR] = stored.extent_prior
    share, one, other = stored.posed
    spread = stored.posed_spread if len(stored.posed_spread) == 6 else (one, 0.0, one, other, 0.0, other)
    store.floats[i, at.POSED_SHARE] = share
    store.floats[i, at.POSE : at.POSE_OTHER + 3] = spread
    store.ints[i, at.BEGAN], store.floats[i, at.BEGAN_ODDS] = stored.began, stored.began_odds
