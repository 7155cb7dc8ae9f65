"""Adoption of a neighbour's track: it is joined with our track of the vehicle, under the neighbour's id."""

from collections.abc import Sequence

import numpy as np

from fusion import layout as at
from fusion.doubt_table import DoubtTable
from fusion.handover import CarriedTrack, arrays_of, is_sound, load, load_state
from fusion.handover_doubt import adopt_doubt
from fusion.identity_binding import describe, rebase, release
from fusion.identity_presumption import withdraw
from fusion.models import predict
from fusion.track_store import TerminalTable, TrackStore, free_row, take_row

GATE_4 = 23.5  # chi-square, 4 degrees, p = 0.9999
JOIN_M_MAX = 10.0  # two radar tracks further apart are two vehicles
APART_M_MAX = 1_000.0  # between two positions of one vehicle, with the offset of a wrong datum
SPEED_MPS_LEAST = 40.0  # it may have accelerated to this speed since
ROUNDING_M = 0.001


def adopt(
    store: TrackStore, terminals: TerminalTable, now_ns: int, track: CarriedTrack, doubts: DoubtTable
) -> tuple[str, list[int]]:
    """Adopt one track; return the outcome (for the counters) and the own ids that the adopted id replaces."""
    if not is_sound(track, now_ns):
        return "misfit", []
    w = terminals.row_of(track.terminal) if track.terminal is not None else -1
    outcome, (i, by_fixes) = "joined", _own(store, terminals, w, track)
    if by_fixes:  # our track has fixes only: the neighbour's radar measured better
        _load_state(store, i, track)
    if i < 0:
        outcome, i = "created", take_row(store.tracks, 0, 0)
        if i < 0:
            return "full", []
        _create(store, i, track)
    gone = [int(store.track[i])]
    if w >= 0:
        gone += _bind(store, terminals, i, w, track)
    if w >= 0 and track.doubt is not None:
        adopt_doubt(doubts, store, w, i, now_ns, track.doubt)
    store.track[i] = track.track
    store.ints[i, at.STATUS] = at.CONFIRMED
    store.ints[i, at.BORN] = min(int(store.ints[i, at.BORN]), _born_ns(track))
    return outcome, [key for key in gone if key and key != track.track]


def has_room(store: TrackStore, terminals: TerminalTable, tracks: Sequence[CarriedTrack]) -> bool:
    """Whether all can be adopted: each joins an own track, or finds a free row."""
    n_free = int(store.tally[at.T_FREE])
    if len(tracks) <= n_free:  # nearly always
        return True
    joined = set()
    for track in tracks:
        w = terminals.row.get(track.terminal, -1) if track.terminal is not None else -1
        joined.add(_own(store, terminals, w, track)[0])
    return len(tracks) - len(joined - {-1}) <= n_free  # two that would join one track need one row more


def contradicts(store: TrackStore, terminals: TerminalTable, track: CarriedTrack) -> bool:
    """Whether our track of the vehicle is too far away: joined, it would become another vehicle.

    The distance allows for the way that both may have driven since the older of the two states.
    """
    w = terminals.row.get(track.terminal, -1) if track.terminal is not None else -1
    i, _ = _own(store, terminals, w, track)
    if i < 0:
        return False
    mine = store.X[i]
    dt_s = abs(int(store.ints[i, at.STAMP]) - track.stamp_ns) * 1e-9
    speed_mps = max(
        np.hypot(*track.state.velocity_mps), np.hypot(mine[at.V_EAST], mine[at.V_NORTH]), SPEED_MPS_LEAST
    )
    east_m, north_m = track.state.position_m
    apart_m = np.hypot(east_m - mine[at.EAST], north_m - mine[at.NORTH])
    return bool(apart_m > APART_M_MAX + dt_s * speed_mps)


def _own(store: TrackStore, terminals: TerminalTable, w: int, track: CarriedTrack) -> tuple[int, bool]:
    """Return (row of our track of this vehicle or -1, whether fixes alone support the match)."""
    reported = int(terminals.rows.ints[w, at.ROW]) if w >= 0 else -1
    i = _by_id(store, track.track)
    if i < 0 and reported >= 0 and _is_seen(store, reported):
        i = reported
    if i < 0 and _was_seen(store, track):  # the place of a track without radar is no evidence
        i = _by_place(store, track)
    return (reported, reported >= 0) if i < 0 else (i, False)


def _born_ns(track: CarriedTrack) -> int:
    return track.stamp_ns if track.born_ns is None else track.born_ns


def _by_id(store: TrackStore, key: int) -> int:
    rows = np.flatnonzero((store.track == np.uint64(key)) & (store.ints[:, at.STATUS] == at.CONFIRMED))
    return int(rows[0]) if len(rows) else -1


def _is_seen(store: TrackStore, i: int) -> bool:
    """Whether radar measured the state of row i."""
    radar_ns = int(store.ints[i, at.RADAR_NS])
    return (
        radar_ns > 0 and int(store.ints[i, at.STAMP]) - radar_ns <= store.settings.tuning[at.RADAR_TIMEOUT_NS]
    )


def _was_seen(store: TrackStore, track: CarriedTrack) -> bool:
    """Whether radar measured the carried state."""
    radar_ns = track.radar_ns
    return radar_ns > 0 and track.stamp_ns - radar_ns <= store.settings.tuning[at.RADAR_TIMEOUT_NS]


def _by_place(store: TrackStore, track: CarriedTrack) -> int:
    """Return our nearest radar track that can be the carried vehicle and has no other terminal, -1 none."""
    best, least, stamp_ns, states = -1, GATE_4, track.stamp_ns, store.scratch.predicted
    for i in _near(store, track):
        if store.ints[i, at.STATUS] == at.FREE or not _is_seen(store, i):
            continue
        if store.ints[i, at.TERMINAL] >= 0 and track.terminal is not None:
            continue  # another vehicle; the terminal of an unidentified one may be known here first
        ahead_s = (int(store.ints[i, at.STAMP]) - stamp_ns) * 1e-9
        if abs(ahead_s) > 5.0:
            continue
        load_state(states, 0, track.state)
        states.X[1], states.P[1] = store.X[i], store.P[i]
        predict(states, 0, max(ahead_s, 0.0), store.settings.tuning)
        predict(states, 1, max(-ahead_s, 0.0), store.settings.tuning)
        apart = states.X[1, : at.N_CV] - states.X[0, : at.N_CV]
        if np.hypot(apart[at.EAST], apart[at.NORTH]) > JOIN_M_MAX:
            continue
        both = states.P[0, : at.N_CV, : at.N_CV] + states.P[1, : at.N_CV, : at.N_CV]
        d2 = float(apart @ np.linalg.solve(both, apart))
        if d2 < least:
            best, least = i, d2
    return best


def _near(store: TrackStore, track: CarriedTrack) -> list[int]:
    """Return the rows that may lie within JOIN_M_MAX of the carried track at one time.

    A prediction takes 20 us: a thousand of them for each track of a platoon would block the RSU.
    """
    n = int(store.tally[at.T_HIGH])
    X, (east_m, north_m) = store.X[:n], track.state.position_m
    ahead_s = (store.ints[:n, at.STAMP] - track.stamp_ns) * 1e-9
    dt_s = np.abs(ahead_s)
    speed_mps = np.where(
        ahead_s < 0.0, np.hypot(X[:, at.V_EAST], X[:, at.V_NORTH]), np.hypot(*track.state.velocity_mps)
    )
    bend_mps2 = np.abs(np.where(ahead_s < 0.0, X[:, at.BEND], track.state.bend_mps2))
    goes_m = dt_s * (speed_mps + 0.5 * dt_s * bend_mps2)
    apart_m = np.hypot(X[:, at.EAST] - east_m, X[:, at.NORTH] - north_m)
    near: list[int] = np.flatnonzero(apart_m <= JOIN_M_MAX + goes_m + ROUNDING_M).tolist()
    return near


def _load_state(store: TrackStore, i: int, track: CarriedTrack) -> None:
    """Load the carried state if it is newer than ours."""
    if track.stamp_ns >= store.ints[i, at.STAMP] and track.radar_ns > 0:
        load_state(store.tracks.states, i, track.state)
        store.ints[i, at.STAMP], store.ints[i, at.RADAR_NS] = track.stamp_ns, track.radar_ns
        store.ints[i, at.HIDDEN_NS], store.floats[i, at.MISSED] = track.hidden_ns, track.missed
        rebase(store, i)


def _create(store: TrackStore, i: int, track: CarriedTrack) -> None:
    serial = int(store.ints[i, at.SERIAL])
    load(store, i, track)
    store.ints[i, at.SERIAL], store.ints[i, at.TERMINAL], store.track[i] = serial, -1, 0
    rebase(store, i)


def _bind(store: TrackStore, terminals: TerminalTable, i: int, w: int, track: CarriedTrack) -> list[int]:
    """Bind terminal w to row i, with the neighbour's estimate of its bias; return the ids that are gone."""
    gone = []
    reported = int(terminals.rows.ints[w, at.ROW])
    if reported >= 0 and reported != i:
        gone.append(int(store.track[reported]))
        for column in (at.GNSS_NS, at.FIX_PERIOD_NS, at.FIX_ACCEPTED_NS):
            store.ints[i, column] = max(int(store.ints[i, column]), int(store.ints[reported, column]))
        store.track[reported] = 0
        free_row(store.tracks, reported)
    if store.ints[i, at.TERMINAL] >= 0 and store.ints[i, at.TERMINAL] != w:
        release(store, terminals, i)
    if store.ints[i, at.PRESUMED]:
        withdraw(store, terminals, int(store.ints[i, at.PRESUMED]) - 1)
    fresh = store.ints[i, at.TERMINAL] < 0
    store.ints[i, at.TERMINAL], terminals.rows.ints[w, at.ROW] = w, i
    store.ints[i, at.GNSS_NS] = max(int(store.ints[i, at.GNSS_NS]), track.gnss_ns)
    store.ints[i, at.FIX_PERIOD_NS] = store.ints[i, at.FIX_PERIOD_NS] or track.fix_period_ns
    store.ints[i, at.FIX_ACCEPTED_NS] = max(int(store.ints[i, at.FIX_ACCEPTED_NS]), track.fix_accepted_ns)
    store.floats[i, at.IDENTITY_P] = track.identity_p
    errors = terminals.rows.errors[w]
    if (
        track.sigma_weight > errors[at.E_WEIGHT] and track.sigma_scales
    ):  # the neighbour's radars saw it longer
        errors[: at.N_SCALES], errors[at.E_WEIGHT] = track.sigma_scales, track.sigma_weight
    describe(store, terminals, i)
    if fresh and track.state.bias is not None:
        x, p = arrays_of(track.state)
        store.X[i, at.BIAS_EAST : at.N_DIM] = x[at.BIAS_EAST : at.N_DIM]
        store.X[i, at.BOUND : at.BIAS_DELAY + 1] = x[at.BOUND : at.BIAS_DELAY + 1]
        store.P[i, at.BIAS_EAST :, :] = 0.0
        store.P[i, :, at.BIAS_EAST :] = 0.0
        store.P[i, at.BIAS_EAST :, at.BIAS_EAST :] = p[at.BIAS_EAST :, at.BIAS_EAST :]
        rebase(store, i)
    return gone
