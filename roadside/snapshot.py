"""A tick's tracks as the payload of `track/up`: columns to records, names when they changed. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from core.arrays import B1, F1, F2, F3, I1, I2, I64, U8, Bools
from core.kernel import checked_once, kernel
from edge.stations import write_stations
from edge.wire import (
    FLAG_COASTING,
    FLAG_CONFIRMED,
    FLAG_GNSS,
    FLAG_INTEGRITY,
    FLAG_OWNED,
    FLAG_RADAR,
    FLAG_TENTATIVE,
    FLAG_UNDECIDABLE,
    NONE_D_CM,
    Records,
    TrackNames,
    encode,
    snapshot_of,
)
from fusion.doubt_table import ASTRAY, DRAGGED, GHOST, IN_JAM
from fusion.tracks import TrackBatch
from geofence.located import Located
from geofence.map.frames import SiteFrame
from geofence.map.projection import LAT, LEAN, LON, unproject

WHOLE_EVERY_NS = 5_000_000_000
RADAR_FRESH_NS, GNSS_FRESH_NS = 1_000_000_000, 2_000_000_000
STAMP_MS_MAX = 32_767


class Shown(NamedTuple):
    """The tracks (n,) of a tick and their places, as the kernel reads them."""

    x: F2
    P: F3
    bias_m: F1
    length_m: F1
    stamp_ns: I1
    radar_ns: I1
    gnss_ns: I1
    places: F2  # geofence.map.projection.unproject
    d_m: F1
    sigma_d_m: F1
    p_lane: F1
    owned: B1
    confirmed: B1
    tentative: B1
    coasting: B1
    undecidable: B1
    integrity: B1


@kernel(inner=True)
def _units(value: float, by: float, top: float) -> int:
    """Return whole units, 0 for NaN, clipped to the field."""
    units = value * by
    return 0 if math.isnan(units) else int(min(max(np.rint(units), 0.0), top))


@kernel(inner=True)
def _lateral_sigma_m(seen: Shown, i: int) -> float:
    """Return the located sigma across the lane; off the lanes the larger axis of the covariance."""
    if math.isfinite(seen.sigma_d_m[i]):
        return float(seen.sigma_d_m[i])
    half_trace = (seen.P[i, 0, 0] + seen.P[i, 1, 1]) / 2
    spread = math.hypot((seen.P[i, 0, 0] - seen.P[i, 1, 1]) / 2, seen.P[i, 0, 1])
    return math.sqrt(half_trace + spread + seen.bias_m[i] ** 2)


@kernel(inner=True)
def _flags(seen: Shown, i: int, t_ns: int) -> int:
    flags = FLAG_OWNED if seen.owned[i] else 0
    flags |= FLAG_CONFIRMED if seen.confirmed[i] else 0
    flags |= FLAG_COASTING if seen.coasting[i] else 0
    flags |= FLAG_UNDECIDABLE if seen.undecidable[i] else 0
    flags |= FLAG_RADAR if t_ns - seen.radar_ns[i] <= RADAR_FRESH_NS else 0
    flags |= FLAG_GNSS if t_ns - seen.gnss_ns[i] <= GNSS_FRESH_NS else 0
    flags |= FLAG_TENTATIVE if seen.tentative[i] else 0
    return flags | (FLAG_INTEGRITY if seen.integrity[i] else 0)


@kernel
def _pack(t_ns: int, seen: Shown, out: I2) -> None:
    """Fill out (COLUMNS, n) with the fields of the records in their units."""
    for i in range(seen.stamp_ns.shape[0]):
        v_east, v_north, d_m = seen.x[i, 2], seen.x[i, 3], seen.d_m[i]
        turn_rad = math.pi / 2 - math.atan2(v_north, v_east) + seen.places[LEAN, i]
        out[0, i] = int(np.rint(seen.places[LON, i] * 1e7))
        out[1, i] = int(np.rint(seen.places[LAT, i] * 1e7))
        out[2, i] = min(max((seen.stamp_ns[i] - t_ns) // 1_000_000, -STAMP_MS_MAX), STAMP_MS_MAX)
        out[3, i] = _units(math.hypot(v_east, v_north), 100.0, 65_535.0)
        out[4, i] = _units(math.degrees(turn_rad) % 360.0, 100.0, 36_000.0)
        out[5, i] = _units(_lateral_sigma_m(seen, i), 100.0, 65_535.0)
        out[6, i] = NONE_D_CM
        if math.isfinite(d_m):
            out[6, i] = int(min(max(np.rint(d_m * 100.0), NONE_D_CM + 1.0), 32_767.0))
        out[7, i] = _units(seen.p_lane[i], 255.0, 255.0)
        out[8, i] = _units(seen.length_m[i], 10.0, 255.0)
        out[9, i] = _flags(seen, i, t_ns)


_pack_once = checked_once(_pack)
# fields of a record, as `_pack` fills them
COLUMNS = (
    "lon_e7", "lat_e7", "dt_ms", "speed_cmps", "course_cdeg", "sigma_cm", "d_cm", "p_lane", "length_dm",
    "flags",
)  # fmt: skip


def pack_records(
    t_ns: int, tracks: TrackBatch, located: Located, owned: Bools, tentative: Bools, frame: SiteFrame,
    dtype: np.dtype[np.void],
) -> Records:  # fmt: skip
    """Return the tracks (n,) at tick `t_ns` as records of `dtype`; values beyond a field are clipped.

    tentative : (n,) shown, since likelier a vehicle than not, but not judged yet
    dtype : of `edge.stations.track_dtype`, for the whole site
    """
    records = np.zeros(len(tracks), dtype=dtype)
    if not len(tracks):
        return records
    seen = Shown(
        x=tracks.x,
        P=tracks.P,
        bias_m=tracks.bias_m,
        length_m=tracks.length_m,
        stamp_ns=tracks.stamp_ns,
        radar_ns=tracks.radar_ns,
        gnss_ns=tracks.gnss_ns,
        places=unproject(tracks.x[:, 0], tracks.x[:, 1], frame.projection),
        d_m=located.d_m,
        sigma_d_m=located.sigma_d_m,
        p_lane=located.p_lane,
        owned=owned,
        confirmed=tracks.confirmed,
        tentative=tentative,
        coasting=tracks.coasting,
        undecidable=located.undecidable,
        integrity=tracks.integrity,
    )
    numbers: I64 = np.empty((len(COLUMNS), len(tracks)), dtype=np.int64)
    _pack_once(t_ns, seen, numbers)
    for name, column in zip(COLUMNS, numbers, strict=True):
        records[name] = column
    records["track"], records["lane"], records["class"] = tracks.track, located.lane, located.kind
    write_stations(records, located.s_m)
    return records


def with_doubt(tracks: TrackBatch, doubt: U8, owned: Bools) -> tuple[TrackBatch, Bools]:
    """Return the tracks (n,) shown and the owner's flag as they are published with doubt in their terminals.

    What is shown is published as confirmed, tentative tracks too. Where radar sees that there is no vehicle,
    or where a dragged terminal's place has left its vehicle, the track is listed, but neither as confirmed
    nor as owned; its rules are judged as before.
    doubt : (n,) bits of fusion.doubt_table
    """
    doubt = doubt & ~np.uint8(IN_JAM)  # the place's, not the terminal's
    if not doubt.any() and tracks.confirmed.all():
        return tracks, owned
    unconfirmed = (doubt & (GHOST | ASTRAY) != 0) | ((doubt & DRAGGED != 0) & (tracks.radar_ns == 0))
    published = replace(tracks, confirmed=~unconfirmed, integrity=tracks.integrity | (doubt != 0))
    return published, owned & ~unconfirmed


class Names:
    """Remembers the published names: names and lanes are sent when they change and each 5 s."""

    def __init__(self, lanes: tuple[str, ...] = ()) -> None:
        self._lanes = lanes
        self._published: TrackNames | None = None
        self._published_ns = -WHOLE_EVERY_NS

    def set_lanes(self, lanes: tuple[str, ...]) -> None:
        """Name the lanes of this map from now on, and all of them in the next snapshot."""
        self._lanes, self._published_ns = lanes, -WHOLE_EVERY_NS

    def encode(self, esn: str, seq: int, t_ns: int, records: Records, names: TrackNames) -> bytes:
        """Return the snapshot's bytes, with lanes and names where they are due."""
        whole = t_ns - self._published_ns >= WHOLE_EVERY_NS
        changed = names != self._published
        if whole:
            self._published_ns = t_ns
        self._published = names
        return encode(
            snapshot_of(
                records,
                esn=esn,
                seq=seq,
                stamp_ns=t_ns,
                lanes=self._lanes if whole else None,
                names=names if whole or changed else None,
            )
        )

    def published(self) -> tuple[TrackNames | None, int]:
        """Return the names that were published last, and when all were."""
        return self._published, self._published_ns

    def restore(self, published: TrackNames | None, published_ns: int) -> None:
        """Continue as if these names had been published."""
        self._published, self._published_ns = published, published_ns


def names_of(tracks: TrackBatch, ids: Sequence[str], plates: Mapping[str, str | None]) -> TrackNames:
    """Return the names of the identified tracks.

    ids : of the terminals, by row.  plates : of the registered ones
    """
    named = np.flatnonzero(tracks.terminal >= 0)
    terminals = [ids[row] for row in tracks.terminal[named].tolist()]
    return TrackNames(
        track=tuple(tracks.track[named].tolist()),
        terminal=tuple(terminals),
        plate=tuple(map(plates.get, terminals)),
        identity_p=tuple(map(rounded_p, tracks.identity_p[named].tolist())),
    )


def rounded_p(p: float) -> float:
    """A probability as names carry it: two decimals, so that it does not change them at each tick."""
    return round(p, 2) if p == p else 0.0  # NaN is not
