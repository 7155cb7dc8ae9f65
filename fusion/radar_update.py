"""One radar scan: its targets become measurements, which are associated, fused, or start tracks."""

import math
import zlib
from collections.abc import Sequence

import numpy as np

from core.arrays import F1, F2, F64, Bools
from core.classes import N_CLASSES, UNKNOWN
from core.kernel import checked_once, kernel, unchecked
from core.times import FUTURE_NS
from fusion import layout as at
from fusion.association import associate
from fusion.births import note_beginning, note_clutter, note_vehicle
from fusion.body_sizes import (
    SEVERAL,
    echo_odds,
    extent_prior,
    known_extent,
    learn_class,
    size_by_echo,
)
from fusion.clocks import KINDS, NO_FAULT, Clocks, add_count
from fusion.coasted_objects import CoastedObjects
from fusion.extent import scans_alike
from fusion.extent_prior import set_prior
from fusion.flank import learn_flanks, note_face
from fusion.lanes import lane_at
from fusion.lateral import note_lateral
from fusion.layout import Detections, Rings, Scratch, Settings, Tracks
from fusion.observations import AZIMUTH_RAD_MAX, RANGE_M_MAX, RATE_MPS_MAX, ObjectScan, RadarScan
from fusion.own_echoes import NEAR_TRACK, NO_TRACK
from fusion.radar_field import begin_scan, confirm_at, is_sampled
from fusion.radar_pose import note_pose
from fusion.reflection_noise import across_variance, along_factor, learn_scatter
from fusion.rewind import append, fetch_next, fuse, start
from fusion.shadows import collect_detected
from fusion.stated_size import STATED_SIZE_SHARE, learn_size, length_of
from fusion.track_store import TrackStore, free_row
from fusion.visibility import learn_p_seen, may_be_glimpsed, note_missed

AHEAD = 4  # a track's memory is fetched while so many tracks before it are fused
FLOAT = np.dtype(np.float64)
PERIOD_NS_MIN, PERIOD_NS_MAX = 10_000_000, 1_000_000_000
KEYS_MAX = 256  # scans of one radar: at 100 Hz as far as the history reaches; an older copy is late anyway

Key = tuple[int, int, int]  # stamp, scan number, checksum of the targets


class Scans:
    """The newest stamp of each radar, its last scans, in which a copy is recognised, and its last objects.

    A mirroring switch or a bonded link doubles datagrams; a copy is no new evidence.
    """

    def __init__(self, n_radars: int) -> None:
        self.newest_ns = [0] * n_radars
        self._known: list[dict[Key, None]] = [{} for _ in range(n_radars)]  # in the order of arrival
        self.objects = CoastedObjects(n_radars)

    def is_copy(self, q: int, seen: RadarScan | ObjectScan) -> bool:
        """Whether radar q sent this very scan before; it is remembered.

        A scan sent in parts has the same stamp and may have the same number, but not the same targets.
        """
        known = self._known[q]
        column = seen.range_m if isinstance(seen, RadarScan) else seen.x_m
        key = (seen.stamp_ns, seen.scan, zlib.crc32(column.tobytes()))
        if key in known:
            return True
        known[key] = None
        if len(known) > KEYS_MAX:
            del known[next(iter(known))]
        return False

    def period_ns(self, q: int, stamp_ns: int) -> int:
        """Return the time since the newest scan of radar q, within bounds; stamp_ns is the newest then."""
        period_ns = min(max(stamp_ns - self.newest_ns[q], PERIOD_NS_MIN), PERIOD_NS_MAX)
        self.newest_ns[q] = max(self.newest_ns[q], stamp_ns)
        return period_ns

    def keys(self) -> tuple[tuple[Key, ...], ...]:
        """Return the remembered scans, by radar."""
        return tuple(tuple(known) for known in self._known)

    def restore(self, newest_ns: Sequence[int], keys: Sequence[Sequence[Key]]) -> None:
        """Restore stamps and keys, by radar; further radars keep their own."""
        self.newest_ns[: len(newest_ns)] = newest_ns[: len(self.newest_ns)]
        for known, restored in zip(self._known, keys, strict=False):
            known.update(dict.fromkeys(restored))


def radar_update(
    store: TrackStore, scans: Scans, clocks: Clocks, history_ns: float, now_ns: int, q: int,
    seen: RadarScan | ObjectScan, counts: dict[str, int],
) -> int:  # fmt: skip
    """Fuse a scan of radar q into the tracks; return how many changed: their rows are in scratch.touched.

    clocks : of the radars;  history_ns : how old a scan may be
    counts : gets the reasons why the scan or some of its targets were not used
    """
    kind = clocks.note(q, now_ns, seen.stamp_ns, seen.scan)
    if kind != NO_FAULT:
        add_count(counts, f"clock.radar.{KINDS[kind]}")
    refused = (
        "future" if seen.stamp_ns > now_ns + FUTURE_NS
        else "late" if seen.stamp_ns < now_ns - history_ns
        else "duplicate" if scans.is_copy(q, seen)
        else None
    )  # fmt: skip
    if refused:
        add_count(counts, f"radar.{refused}")
        return 0
    gap_ns = seen.stamp_ns - scans.newest_ns[q]
    period_ns = scans.period_ns(q, seen.stamp_ns)
    if gap_ns > 0:  # of its shortest period: a scan that comes late must count as it would have in time
        often = scans_alike(max(gap_ns, PERIOD_NS_MIN) * 1e-9, store.settings.radars[q, at.R_STAYS])
        store.settings.radars[q, at.R_OFTEN] = max(store.settings.radars[q, at.R_OFTEN], often)
    if isinstance(seen, RadarScan):
        columns = columns_of(store, seen)
        n, is_odd, n_odd = _scan_once(
            *columns, store.tracks, store.rings, store.detections, store.settings, q, seen.stamp_ns,
            seen.arrived_ns, period_ns, store.scratch,
        )  # fmt: skip
    else:
        coasted = scans.objects.coasted(q, seen, is_newest=gap_ns > 0)
        n_rows, n_odd = object_rows(store, seen, q, coasted)
        odd_class = (seen.kind < 0) | (seen.kind >= N_CLASSES)
        add_count(counts, "radar.odd_class", int(np.count_nonzero(odd_class)))
        add_count(counts, "radar.coasted_object", int(np.count_nonzero(coasted)))
        n, is_odd = _update_once(
            store.tracks, store.rings, store.detections, n_rows, store.settings, q, seen.stamp_ns,
            seen.arrived_ns, period_ns, store.scratch,
        )  # fmt: skip
    if n_odd:
        add_count(counts, "radar.odd_detection", n_odd)
    if is_odd:
        tally = store.tally
        add_count(counts, "assignment.fallback", int(tally[at.T_FALLEN]))
        add_count(counts, "tracks.full", int(tally[at.T_FULL]))
        add_count(counts, "radar.late_detection", int(tally[at.T_LATE]))
        add_count(counts, "gate.full", int(tally[at.T_PAIRS] >= len(store.scratch.assignment.costs)))
    return n


@kernel(inner=True)
def _note_body(M: F2, n: int, size: tuple[float, float], radars: F2, q: int) -> None:
    """Write what a track that starts from measurement n of radar q would be taken for.

    size : mean and variance of its length
    """
    share, var = radars[q, at.R_SHARE], radars[q, at.R_SHARE_VAR]
    M[n, at.Z_EXTENT], M[n, at.Z_EXTENT_SIGMA] = extent_prior(size[0], size[1], share, var)


@kernel
def _fill_polar(
    range_m: F1, azimuth_rad: F1, rate_mps: F1, rcs_dbsm: F1, M: F2, about: F2, q: int, settings: Settings
) -> int:
    """Write the detections whose numbers are possible; return how many."""
    n, radars = 0, settings.radars
    drop = radars[q, at.R_DROP]
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
        bearing = azimuth_rad[d] + radars[q, at.R_BORESIGHT]
        c, s = math.cos(bearing), math.sin(bearing)
        M[n, at.Z_COS], M[n, at.Z_SIN] = c, s
        flat = math.sqrt(max(range_m[d] ** 2 - drop * drop, 1.0))
        M[n, at.Z_ALONG], M[n, at.Z_ACROSS] = along_factor(radars, q), across_variance(radars, q)
        M[n, at.Z_OFTEN] = radars[q, at.R_OFTEN]
        M[n, at.Z_LANE], M[n, at.Z_BOTH_WAYS], M[n, at.Z_BEND] = lane_at(
            settings.lanes, radars[q, at.R_EAST] + flat * c, radars[q, at.R_NORTH] + flat * s
        )
        odds = echo_odds(rcs_dbsm[d])
        _note_body(M, n, size_by_echo(odds), radars, q)
        about[n, at.A_ECHO_ODDS] = odds
        about[n, at.A_LENGTH], about[n, at.A_WIDTH], about[n, at.A_KIND] = math.nan, math.nan, 0.0
        n += 1
    return n


@kernel
def _fill_bodies(M: F2, n_d: int, about: F2, q: int, settings: Settings) -> None:
    """Complete the first n_d measurements, objects of radar q: lane and size."""
    radars = settings.radars
    for n in range(n_d):
        about[n, at.A_ECHO_ODDS] = 0.0  # objects state their size
        M[n, at.Z_ALONG], M[n, at.Z_ACROSS] = along_factor(radars, q), across_variance(radars, q)
        M[n, at.Z_OFTEN] = radars[q, at.R_OFTEN]
        M[n, at.Z_LANE], M[n, at.Z_BOTH_WAYS], M[n, at.Z_BEND] = lane_at(
            settings.lanes, M[n, at.Z_EAST], M[n, at.Z_NORTH]
        )
        length, var = size_by_echo(0.0)
        if about[n, at.A_LENGTH] > 0.0:  # NaN is not
            length = length_of(radars, q, about[n, at.A_LENGTH])
            var = (STATED_SIZE_SHARE * length) ** 2
        _note_body(M, n, (length, var), radars, q)


_fill_polar_unchecked = unchecked(_fill_polar)


def columns_of(store: TrackStore, seen: RadarScan) -> tuple[F64, F64, F64, F64]:
    """Return the columns of a scan as kernels read them; store.detections has room for them."""
    store.reserve(len(seen.range_m))
    polar = (_column(seen.range_m), _column(seen.azimuth_rad))
    return *polar, _column(seen.range_rate_mps), _column(seen.rcs_dbsm)


def _column(numbers: F64) -> F64:
    """Return a column as kernels read it."""
    if numbers.dtype is FLOAT and numbers.flags.c_contiguous:  # nearly always
        return numbers
    return np.ascontiguousarray(numbers, np.float64)


def polar_rows(store: TrackStore, seen: RadarScan, q: int) -> tuple[int, int]:
    """Write the detections of radar q to store.detections; return how many, and how many were impossible."""
    columns = columns_of(store, seen)
    n = _fill_polar_unchecked(*columns, store.detections.M, store.detections.about, q, store.settings)
    return n, len(seen.range_m) - n


def object_rows(store: TrackStore, seen: ObjectScan, q: int, coasted: Bools) -> tuple[int, int]:
    """Write the objects of radar q, in the site frame, to store.detections; none that coasted (n,).

    Return how many, and how many were impossible.
    """
    good = (np.maximum(np.abs(seen.x_m), np.abs(seen.y_m)) <= RANGE_M_MAX) & (
        np.maximum(np.abs(seen.vx_mps), np.abs(seen.vy_mps)) <= RATE_MPS_MAX
    )  # NaN fails as well
    n_odd = len(good) - int(np.count_nonzero(good))
    good &= ~coasted
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
    _fill_bodies(store.detections.M, n, store.detections.about, q, store.settings)
    return n, n_odd


@kernel(inner=True)
def _describe(tracks: Tracks, i: int, about: F2, d: int, radars: F2, q: int) -> None:
    """Set size and class of a nameless track as radar q states them; of another one, learn of its sizes."""
    ints, floats = tracks.ints, tracks.floats
    if ints[i, at.TERMINAL] >= 0:
        if about[d, at.A_LENGTH] > 0.0 and floats[i, at.LENGTH] > 0.0:  # NaN is not
            learn_size(radars, q, about[d, at.A_LENGTH], floats[i, at.LENGTH])
        return
    if not math.isnan(about[d, at.A_LENGTH]):
        floats[i, at.LENGTH] = length_of(radars, q, about[d, at.A_LENGTH])
    if not math.isnan(about[d, at.A_WIDTH]):
        floats[i, at.WIDTH] = about[d, at.A_WIDTH]
    if about[d, at.A_KIND] > 0.0:
        ints[i, at.KIND] = int(about[d, at.A_KIND])


@kernel(inner=True)
def _note_seen(
    tracks: Tracks, i: int, t_ns: int, arrived_ns: int, accepted: bool, period_ns: int, q: int
) -> None:
    """Note that radar q measured track i at t_ns."""
    ints = tracks.ints
    ints[i, at.RADAR] = q if ints[i, at.RADAR] == -1 or ints[i, at.RADAR] == q else SEVERAL
    if t_ns >= ints[i, at.RADAR_NS]:
        ints[i, at.RADAR_NS] = t_ns
        ints[i, at.PERIOD_NS] = period_ns
        tracks.floats[i, at.MISSED] = 0.0
    if accepted:
        ints[i, at.ENFORCING_NS] = max(t_ns, ints[i, at.ENFORCING_NS])
    ints[i, at.ARRIVED] = max(arrived_ns, ints[i, at.ARRIVED])


@kernel(inner=True)
def _begin_tracks(
    tracks: Tracks, rings: Rings, detections: Detections, n_d: int, settings: Settings, q: int, t_ns: int,
    arrived_ns: int, period_ns: int, scratch: Scratch, n_touched: int,
) -> int:  # fmt: skip
    """Start tracks from detections that no track explains; return how many tracks the scan touched."""
    M, about, track_of = detections.M, detections.about, scratch.assignment.track_of
    accepted = settings.radars[q, at.R_ACCEPTED] > 0.0
    for d in range(n_d):
        if track_of[d] != NO_TRACK and track_of[d] != NEAR_TRACK:
            continue
        i = start(tracks, rings, t_ns, arrived_ns, M, d, settings)
        if i < 0:
            continue
        tracks.ints[i, at.STATUS] = at.TENTATIVE
        note_beginning(tracks, i, detections, d, track_of[d] == NEAR_TRACK, settings, scratch.shadows)
        note_lateral(tracks, rings, i, t_ns, M, d, settings, scratch.predicted, scratch.laterals, n_touched)
        _note_seen(tracks, i, t_ns, arrived_ns, accepted, period_ns, q)
        note_pose(tracks, i, settings.radars, q)
        note_face(tracks, i, settings.radars, q, True)
        _describe(tracks, i, about, d, settings.radars, q)
        scratch.touched[n_touched] = i
        n_touched += 1
    return n_touched


@kernel
def _update(
    tracks: Tracks, rings: Rings, detections: Detections, n_d: int, settings: Settings,
    q: int, t_ns: int, arrived_ns: int, period_ns: int, scratch: Scratch,
) -> tuple[int, bool]:  # fmt: skip
    """Fuse the first n_d detections, all of radar q at t_ns; scratch.touched lists the rows that changed.

    Returns how many did, and whether `tally` has anything that is counted.
    """
    ints, floats, tally, tuning = tracks.ints, tracks.floats, tracks.tally, settings.tuning
    M, about, rows, assignment = detections.M, detections.about, scratch.rows, scratch.assignment
    miss, det_of = assignment.miss, assignment.det_of
    n_touched = 0
    tally[at.T_LATE], tally[at.T_FULL], tally[at.T_DUE] = 0, 0, 0
    begin_scan(settings, q)
    confirmed_at = confirm_at(settings, q)
    n_t = associate(tracks, rings, t_ns, detections, n_d, settings, q, scratch)
    collect_detected(tracks, scratch, n_t)
    accepted = settings.radars[q, at.R_ACCEPTED] > 0.0
    for t in range(n_t):
        if t + AHEAD < n_t:
            fetch_next(tracks, rings, rows[t + AHEAD])
        i, d = rows[t], det_of[t]
        if is_sampled(settings, q, ints[i, at.SERIAL]):
            learn_p_seen(tracks, scratch, t, settings, q, t_ns)
        # behind a lorry a vehicle is seen in glimpses: a miss in its shadow is no evidence of clutter
        if ints[i, at.STATUS] != at.CONFIRMED and (d >= 0 or not may_be_glimpsed(scratch, t, settings, q)):
            floats[i, at.LLR] -= 0.5 * miss[t]
        if d < 0:
            # a tentative track that is shown has an id: it ends at the next tick, which reports that
            is_bare = ints[i, at.STATUS] == at.TENTATIVE and ints[i, at.SHOWN_NS] == 0
            if is_bare and floats[i, at.LLR] < tuning[at.LLR_DROP]:
                note_clutter(tracks, rings, i, settings)
                free_row(tracks, i)
            elif ints[i, at.STATUS] == at.CONFIRMED and miss[t] > 0.0:
                note_missed(tracks, scratch, t, settings, q, t_ns)
            continue
        if t_ns >= ints[i, at.STAMP]:
            if ints[i, at.STATUS] == at.CONFIRMED and floats[i, at.FACE] == 0.0:  # else its guess is taught
                learn_flanks(scratch.predicted, t, settings.radars, q, M[d, at.Z_FLANK] != 0.0)
            learn_scatter(tracks, i, scratch.predicted, t, detections, d, settings, q, t_ns)
            append(tracks, rings, i, t_ns, M, d, scratch.predicted, t, settings, scratch.vector)
        elif fuse(tracks, rings, i, t_ns, M, d, settings, scratch.vector) == 2:
            tally[at.T_LATE] += 1
            continue
        note_lateral(tracks, rings, i, t_ns, M, d, settings, scratch.predicted, scratch.laterals, n_touched)
        _note_seen(tracks, i, t_ns, arrived_ns, accepted, period_ns, q)
        note_pose(tracks, i, settings.radars, q)
        note_face(tracks, i, settings.radars, q, False)
        _describe(tracks, i, about, d, settings.radars, q)
        if learn_class(tracks, i, about[d, at.A_ECHO_ODDS]):
            set_prior(tracks, rings, i, known_extent(tracks, i, settings.radars), settings, scratch.vector)
        if ints[i, at.STATUS] == at.TENTATIVE and floats[i, at.LLR] >= confirmed_at:
            ints[i, at.STATUS] = at.DUE
            tally[at.T_DUE] += 1
            note_vehicle(tracks, rings, i, settings)
        scratch.touched[n_touched] = i
        n_touched += 1
    n_touched = _begin_tracks(
        tracks, rings, detections, n_d, settings, q, t_ns, arrived_ns, period_ns, scratch, n_touched
    )
    tally[at.T_TOUCHED] = n_touched
    is_odd = tally[at.T_FALLEN] != 0 or tally[at.T_FULL] != 0 or tally[at.T_LATE] != 0
    return n_touched, is_odd or tally[at.T_PAIRS] >= scratch.assignment.costs.shape[0]


@kernel
def _scan(
    range_m: F1, azimuth_rad: F1, rate_mps: F1, rcs_dbsm: F1, tracks: Tracks, rings: Rings,
    detections: Detections, settings: Settings, q: int, t_ns: int, arrived_ns: int, period_ns: int,
    scratch: Scratch,
) -> tuple[int, bool, int]:  # fmt: skip
    """Fuse a scan of detections; return what `_update` does, and how many detections were impossible."""
    n = _fill_polar(range_m, azimuth_rad, rate_mps, rcs_dbsm, detections.M, detections.about, q, settings)
    n_touched, is_odd = _update(
        tracks, rings, detections, n, settings, q, t_ns, arrived_ns, period_ns, scratch
    )
    return n_touched, is_odd, range_m.shape[0] - n


_update_once, _scan_once = checked_once(_update), checked_once(_scan)
