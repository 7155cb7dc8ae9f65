"""One radar scan: its targets as measurements, then predict, gate, assign, fuse, start and drop tracks."""

import math

import numpy as np

from core.arrays import F1, F2, I64
from core.classes import N_CLASSES, UNKNOWN
from core.kernel import kernel, unchecked
from fusion import layout as at
from fusion.assignment import assign
from fusion.clocks import add_count
from fusion.gating import gate
from fusion.layout import Detections, Rings, Scratch, Settings, Tracks
from fusion.models import initial
from fusion.multipath import NO_TRACK, own_echoes
from fusion.observations import AZIMUTH_RAD_MAX, RANGE_M_MAX, RATE_MPS_MAX, ObjectScan, RadarScan
from fusion.rewind import append, fetch_next, fuse, restart
from fusion.track_store import TrackStore, free_row, take_row

AHEAD = 4  # tracks: what they will write is fetched meanwhile


def radar_update(
    store: TrackStore, q: int, seen: RadarScan | ObjectScan, period_ns: int, counts: dict[str, int]
) -> I64:
    """Fuse a scan of radar q into the tracks; return the rows that changed.

    period_ns : of the radar.  Targets that were not used are counted in `counts`
    """
    if isinstance(seen, RadarScan):
        n, n_odd = polar_rows(store, seen, q)
    else:
        n, n_odd = object_rows(store, seen, q)
        odd_class = (seen.kind < 0) | (seen.kind >= N_CLASSES)
        add_count(counts, "radar.odd_class", int(np.count_nonzero(odd_class)))
    update = _update_unchecked if store.is_checked else _update
    update(
        store.tracks, store.rings, store.detections, n, store.settings, q, seen.stamp_ns, seen.arrived_ns,
        period_ns, store.scratch,
    )  # fmt: skip
    store.is_checked = True
    tally = store.tally
    add_count(counts, "radar.odd_detection", n_odd)
    add_count(counts, "assignment.fallback", int(tally[at.T_FALLEN]))
    add_count(counts, "tracks.full", int(tally[at.T_FULL]))
    add_count(counts, "radar.late_detection", int(tally[at.T_LATE]))
    add_count(counts, "gate.full", int(tally[at.T_PAIRS] >= len(store.scratch.assignment.costs)))
    return store.scratch.touched[: tally[at.T_TOUCHED]].copy()


@kernel
def _fill_polar(
    range_m: F1, azimuth_rad: F1, rate_mps: F1, M: F2, about: F2, q: int, boresight_rad: float
) -> int:
    """Write the detections that are plausible numbers; return how many."""
    n = 0
    for d in range(range_m.shape[0]):
        if not (abs(azimuth_rad[d]) <= AZIMUTH_RAD_MAX and 0.0 < range_m[d] <= RANGE_M_MAX):
            continue  # NaN fails as well
        if abs(rate_mps[d]) > RATE_MPS_MAX:
            continue
        for a in range(at.N_MEAS):
            M[n, a] = 0.0
        M[n, at.WHAT], M[n, at.SOURCE] = at.POLAR, q
        M[n, at.Z_AZIMUTH], M[n, at.Z_RANGE] = azimuth_rad[d], range_m[d]
        M[n, at.Z_RATE] = rate_mps[d] if math.isfinite(rate_mps[d]) else math.nan
        bearing = azimuth_rad[d] + boresight_rad
        M[n, at.Z_COS], M[n, at.Z_SIN] = math.cos(bearing), math.sin(bearing)
        about[n, at.A_LENGTH], about[n, at.A_WIDTH], about[n, at.A_KIND] = math.nan, math.nan, 0.0
        n += 1
    return n


def polar_rows(store: TrackStore, seen: RadarScan, q: int) -> tuple[int, int]:
    """Write the detections of radar q to store.detections; return how many, and how many were odd."""
    store.reserve(len(seen.range_m))
    n = _fill_polar(
        np.ascontiguousarray(seen.range_m), np.ascontiguousarray(seen.azimuth_rad),
        np.ascontiguousarray(seen.range_rate_mps), store.detections.M, store.detections.about, q,
        float(store.settings.radars[q, at.R_BORESIGHT]),
    )  # fmt: skip
    return n, len(seen.range_m) - n


def object_rows(store: TrackStore, seen: ObjectScan, q: int) -> tuple[int, int]:
    """Write the objects of radar q, in the site frame, to store.detections; return how many, how many odd."""
    good = (np.maximum(np.abs(seen.x_m), np.abs(seen.y_m)) <= RANGE_M_MAX) & (
        np.maximum(np.abs(seen.vx_mps), np.abs(seen.vy_mps)) <= RATE_MPS_MAX
    )  # NaN fails as well
    n = int(np.count_nonzero(good))
    store.reserve(n)
    M, about, pose = store.detections.M[:n], store.detections.about[:n], store.settings.radars[q]
    c, s = math.cos(pose[at.R_BORESIGHT]), math.sin(pose[at.R_BORESIGHT])
    M[:] = 0.0
    M[:, at.WHAT], M[:, at.SOURCE] = at.OBJECT, q
    M[:, at.Z_EAST] = pose[at.R_EAST] + c * seen.x_m[good] - s * seen.y_m[good]
    M[:, at.Z_NORTH] = pose[at.R_NORTH] + s * seen.x_m[good] + c * seen.y_m[good]
    M[:, at.Z_V_EAST] = c * seen.vx_mps[good] - s * seen.vy_mps[good]
    M[:, at.Z_V_NORTH] = s * seen.vx_mps[good] + c * seen.vy_mps[good]
    length_m, width_m = seen.length_m[good], seen.width_m[good]
    about[:, at.A_LENGTH] = np.where(length_m > 0.0, length_m, math.nan)  # logs write 0 for unknown
    about[:, at.A_WIDTH] = np.where(width_m > 0.0, width_m, math.nan)
    kind = seen.kind[good]
    about[:, at.A_KIND] = np.where((kind >= UNKNOWN) & (kind < N_CLASSES), kind, UNKNOWN)
    return n, len(good) - n


@kernel(inner=True)
def _describe(tracks: Tracks, i: int, about: F2, d: int) -> None:
    """Copy size and class from the radar where no registry gives them."""
    ints, floats = tracks.ints, tracks.floats
    if ints[i, at.TERMINAL] >= 0:
        return
    if not math.isnan(about[d, at.A_LENGTH]):
        floats[i, at.LENGTH] = about[d, at.A_LENGTH]
    if not math.isnan(about[d, at.A_WIDTH]):
        floats[i, at.WIDTH] = about[d, at.A_WIDTH]
    if about[d, at.A_KIND] > 0.0:
        ints[i, at.KIND] = int(about[d, at.A_KIND])


@kernel(inner=True)
def _note_seen(tracks: Tracks, i: int, t_ns: int, arrived_ns: int, accepted: bool, period_ns: int) -> None:
    """Note that a radar measured track i at t_ns."""
    ints = tracks.ints
    if t_ns >= ints[i, at.RADAR_NS]:
        ints[i, at.RADAR_NS] = t_ns
        ints[i, at.PERIOD_NS] = period_ns
    if accepted:
        ints[i, at.ENFORCING_NS] = max(t_ns, ints[i, at.ENFORCING_NS])
    ints[i, at.ARRIVED] = max(arrived_ns, ints[i, at.ARRIVED])


@kernel
def _update(
    tracks: Tracks, rings: Rings, detections: Detections, n_d: int, settings: Settings, q: int, t_ns: int,
    arrived_ns: int, period_ns: int, scratch: Scratch,
) -> None:  # fmt: skip
    """Fuse the first n_d detections, all of radar q at t_ns; scratch.touched lists the rows that changed."""
    ints, floats, tally, tuning = tracks.ints, tracks.floats, tracks.tally, settings.tuning
    M, about, rows, assignment = detections.M, detections.about, scratch.rows, scratch.assignment
    costs, miss, pairs, det_of = assignment.costs, assignment.miss, assignment.pairs, assignment.det_of
    n_touched = 0
    tally[at.T_LATE], tally[at.T_FULL], tally[at.T_DUE] = 0, 0, 0
    n_t, n_p = gate(tracks, rings, t_ns, detections, n_d, settings, q, scratch)
    tally[at.T_PAIRS] = n_p
    tally[at.T_FALLEN] = assign(n_t, n_d, n_p, assignment)
    own_echoes(
        tracks, scratch.predicted.X, rows, n_t, settings.radars[q, at.R_S_AZIMUTH], detections.seen, n_d,
        assignment.track_of, scratch.grid,
    )  # fmt: skip
    for p in range(n_p):  # the winning pair's likelihood, for those not confirmed
        t = pairs[0, p]
        if det_of[t] == pairs[1, p]:
            miss[t] = costs[p]
    accepted = settings.radars[q, at.R_ACCEPTED] > 0.0
    for t in range(n_t):
        if t + AHEAD < n_t:
            fetch_next(tracks, rings, rows[t + AHEAD])
        i, d = rows[t], det_of[t]
        if ints[i, at.STATUS] != at.CONFIRMED:
            floats[i, at.LLR] -= 0.5 * miss[t]
        if d < 0:
            if ints[i, at.STATUS] == at.TENTATIVE and floats[i, at.LLR] < tuning[at.LLR_DROP]:
                free_row(tracks, i)
            continue
        if t_ns >= ints[i, at.STAMP]:
            append(tracks, rings, i, t_ns, M, d, scratch.predicted, t, settings, scratch.vector)
        elif fuse(tracks, rings, i, t_ns, M, d, settings, scratch.vector) == 2:
            tally[at.T_LATE] += 1
            continue
        _note_seen(tracks, i, t_ns, arrived_ns, accepted, period_ns)
        _describe(tracks, i, about, d)
        if ints[i, at.STATUS] == at.TENTATIVE and floats[i, at.LLR] >= tuning[at.LLR_CONFIRM]:
            ints[i, at.STATUS] = at.DUE
            tally[at.T_DUE] += 1
        scratch.touched[n_touched] = i
        n_touched += 1
    for d in range(n_d):
        if assignment.track_of[d] != NO_TRACK:
            continue
        i = take_row(tracks, t_ns, arrived_ns)
        if i < 0:
            continue
        initial(tracks.states, i, M, d, settings)
        restart(tracks, rings, i, t_ns, M, d)
        ints[i, at.STATUS] = at.TENTATIVE
        _note_seen(tracks, i, t_ns, arrived_ns, accepted, period_ns)
        _describe(tracks, i, about, d)
        scratch.touched[n_touched] = i
        n_touched += 1
    tally[at.T_TOUCHED] = n_touched


_update_unchecked = unchecked(_update)
