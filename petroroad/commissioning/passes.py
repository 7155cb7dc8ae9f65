"""What a recording holds of one radar: its detections, and where the reporting vehicles were at each scan."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.arrays import F64, I64
from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.fix_message import SIGMA_M_MIN
from fusion.observations import GnssFixes, ObjectScan, Observation, RadarScan

PAUSE_S_MAX = 2.5  # a place is interpolated over no longer a pause between two fixes
COURSE_S = 2.5  # a course is the mean over so long before and after: a lorry turns by little more than evenly
SPEED_MPS_MIN = 3.0  # a slower vehicle's course is unsure, and it tells the same again and again


class Detections(NamedTuple):
    """The detections of one radar, in the order of the scans: n of them in m scans."""

    scan: I64  # (n,) place of its scan in the columns below
    range_m: F64  # (n,) slant
    azimuth_rad: F64  # (n,) counter-clockwise from the boresight
    rate_mps: F64  # (n,) NaN where the radar gives none
    stamp_s: F64  # (m,) of the scans, since the epoch of the recording
    arrived_s: F64  # (m,)
    number: I64  # (m,) the radar's own number of the scan
    first: I64  # (m + 1,) the detections of scan k are first[k] to first[k + 1]


class Track(NamedTuple):
    """The fixes of one terminal (n,), by time; the antenna's place in site metres."""

    stamp_s: F64
    east_m: F64
    north_m: F64
    v_east_mps: F64  # NaN where the terminal states no speed or course
    v_north_mps: F64
    mean_east_mps: F64  # velocity over some seconds: where the body points
    mean_north_mps: F64
    sigma_m: F64


class Places(NamedTuple):
    """Where one vehicle's centre was at k scans, in site metres."""

    scan: I64
    east_m: F64
    north_m: F64
    v_east_mps: F64
    v_north_mps: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """One radar's detections, and the vehicles that report by terminal."""

    detections: Detections
    places: dict[str, Places]
    sigma_m: dict[str, float]  # by terminal: 1 sigma of its places, as it states or as configured
    length_m: dict[str, float]  # by terminal: of the vehicle, NaN unknown
    tau_s: float = 30.0  # how long errors of places last


def passes_of(
    items: Iterable[Observation], pose: RadarPose, terminals: Iterable[Terminal],
    config: FusionConfig,
) -> Passes:  # fmt: skip
    """Read the detections of the radar `pose` and the fixes of all terminals, in any order."""
    about = {terminal.terminal: terminal for terminal in terminals}
    scans: list[RadarScan | ObjectScan] = []
    fixes: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for item in items:
        if not isinstance(item, GnssFixes):
            if item.sensor == pose.sensor:
                scans.append(item)
            continue
        for row in _usable(item):
            fixes[row[0]].append(row[1:])
    scans.sort(key=lambda scan: scan.stamp_ns)
    base_ns = scans[0].stamp_ns if scans else 0
    detections = _detections(scans, base_ns)
    tracks = {terminal: _track(rows, base_ns, config.gnss_sigma_m) for terminal, rows in fixes.items()}
    places = {
        terminal: found
        for terminal, track in sorted(tracks.items())
        if len((found := _places(track, detections, about.get(terminal), pose)).scan)
    }
    return Passes(
        detections=detections,
        tau_s=config.gnss_tau_s,
        places=places,
        sigma_m={terminal: float(np.median(tracks[terminal].sigma_m)) for terminal in places},
        length_m={
            terminal: float(known.length_m)
            if (known := about.get(terminal)) is not None and known.length_m is not None
            else float("nan")
            for terminal in places
        },
    )


def _usable(fixes: GnssFixes) -> Iterable[tuple[str, int, float, float, float, float, float]]:
    for i in np.flatnonzero((fixes.usable > 0.0) & np.isfinite(fixes.east_m + fixes.north_m)).tolist():
        speed, heading = float(fixes.speed_mps[i]), float(fixes.heading_rad[i])
        yield (
            fixes.terminal[i], int(fixes.stamp_ns[i]), float(fixes.east_m[i]), float(fixes.north_m[i]),
            speed * float(np.cos(heading)), speed * float(np.sin(heading)), float(fixes.sigma_m[i]),
        )  # fmt: skip


def _track(rows: list[tuple[float, ...]], base_ns: int, sigma_m: float) -> Track:
    unique = {row[0]: row for row in rows}  # a copy of a fix has its stamp
    stamps = np.array([(key - base_ns) / 1e9 for key in sorted(unique)], dtype=np.float64)
    table = np.array([unique[key][1:] for key in sorted(unique)], dtype=np.float64)
    stated = np.maximum(np.where(np.isfinite(table[:, 4]), table[:, 4], sigma_m), SIGMA_M_MIN)
    east, north, v_east, v_north = table[:, :4].T
    mean = [_mean_rate(stamps, of, rate) for of, rate in ((east, v_east), (north, v_north))]
    return Track(stamps, east, north, v_east, v_north, mean[0], mean[1], stated)


def _mean_rate(stamp_s: F64, place_m: F64, rate_mps: F64) -> F64:
    """Return the mean rate (n,) within COURSE_S on either side, as far as there is as much on both.

    What lies half a truck's length from its antenna turns with its course: half a metre per second across,
    as white errors of two fixes make it, would scatter the end by 0.2 m, and least squares would believe
    in shorter bodies rather than in that.
    """
    if len(stamp_s) < 2:
        return rate_mps
    rate = np.where(np.isfinite(rate_mps), rate_mps, np.gradient(place_m, stamp_s))
    half = np.minimum(COURSE_S, np.minimum(stamp_s - stamp_s[0], stamp_s[-1] - stamp_s)) + 1e-6
    first = np.searchsorted(stamp_s, stamp_s - half)
    last = np.searchsorted(stamp_s, stamp_s + half)
    total = np.concatenate([[0.0], np.cumsum(rate)])
    return np.asarray((total[last] - total[first]) / (last - first))


def _detections(scans: list[RadarScan | ObjectScan], base_ns: int) -> Detections:
    counts = [len(scan.range_m if isinstance(scan, RadarScan) else scan.x_m) for scan in scans]
    polar = [_polar(scan) for scan in scans]
    columns = [np.concatenate([one[c] for one in polar]) if polar else np.zeros(0) for c in range(3)]
    return Detections(
        scan=np.repeat(np.arange(len(scans)), counts),
        range_m=columns[0],
        azimuth_rad=columns[1],
        rate_mps=columns[2],
        stamp_s=np.array([(scan.stamp_ns - base_ns) / 1e9 for scan in scans], dtype=np.float64),
        arrived_s=np.array([(scan.arrived_ns - base_ns) / 1e9 for scan in scans], dtype=np.float64),
        number=np.array([scan.scan for scan in scans], dtype=np.int64),
        first=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
    )


def _polar(scan: RadarScan | ObjectScan) -> tuple[F64, F64, F64]:
    if isinstance(scan, RadarScan):
        return scan.range_m, scan.azimuth_rad, scan.range_rate_mps
    away = np.maximum(np.hypot(scan.x_m, scan.y_m), 1.0)
    rate = (scan.x_m * scan.vx_mps + scan.y_m * scan.vy_mps) / away
    return away, np.arctan2(scan.y_m, scan.x_m), rate


def _places(track: Track, detections: Detections, about: Terminal | None, pose: RadarPose) -> Places:
    """Return the vehicle's centre at the scans whose field it may be in: a cubic between two fixes."""
    t = detections.stamp_s
    after = np.searchsorted(track.stamp_s, t)
    inside = np.flatnonzero((after > 0) & (after < len(track.stamp_s)))
    k = after[inside]
    pause = track.stamp_s[k] - track.stamp_s[k - 1]
    inside, k, pause = inside[pause <= PAUSE_S_MAX], k[pause <= PAUSE_S_MAX], pause[pause <= PAUSE_S_MAX]
    share = (t[inside] - track.stamp_s[k - 1]) / pause
    east = _cubic(track.east_m, track.v_east_mps, k, pause, share)
    north = _cubic(track.north_m, track.v_north_mps, k, pause, share)
    v_east, v_north = (
        (1.0 - share) * of[k - 1] + share * of[k] for of in (track.mean_east_mps, track.mean_north_mps)
    )
    speed = np.hypot(v_east, v_north)
    forward, left = (0.0, 0.0) if about is None else (about.antenna_forward_m, about.antenna_left_m)
    cos, sin = v_east / np.maximum(speed, 0.1), v_north / np.maximum(speed, 0.1)
    east, north = east - forward * cos + left * sin, north - forward * sin - left * cos
    near = np.hypot(east - pose.east_m, north - pose.north_m) < 1.5 * pose.range_m_max
    use = near & (speed >= SPEED_MPS_MIN)
    return Places(inside[use], east[use], north[use], v_east[use], v_north[use])


def _cubic(of: F64, rate: F64, k: I64, pause: F64, share: F64) -> F64:
    """Return the value between entries k - 1 and k, from values and rates there (Hermite)."""
    before, after = of[k - 1], of[k]
    mean = (after - before) / pause
    one = np.where(np.isfinite(rate[k - 1]), rate[k - 1], mean) * pause
    other = np.where(np.isfinite(rate[k]), rate[k], mean) * pause
    s = share
    return np.asarray(
        before * (2 * s**3 - 3 * s**2 + 1)
        + one * (s**3 - 2 * s**2 + s)
        + after * (3 * s**2 - 2 * s**3)
        + other * (s**3 - s**2)
    )
