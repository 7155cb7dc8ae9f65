"""A tick's tracks as the payload of `track/up`: columns to records, names when they changed. Pure."""

import math
from dataclasses import replace

import numpy as np

from core.arrays import F64, U8, Bools
from edge.stations import write_stations
from edge.wire import (
    FLAG_COASTING,
    FLAG_CONFIRMED,
    FLAG_GNSS,
    FLAG_INTEGRITY,
    FLAG_OWNED,
    FLAG_RADAR,
    FLAG_UNDECIDABLE,
    NONE_D_CM,
    Records,
    TrackNames,
    encode,
    snapshot_of,
)
from fusion.doubt_table import DRAGGED, GHOST, IN_JAM
from fusion.tracks import TrackBatch
from geofence.located import Located
from geofence.map.frames import SiteFrame
from geofence.map.projection import LAT, LEAN, LON, unproject

WHOLE_EVERY_NS = 5_000_000_000
RADAR_FRESH_NS, GNSS_FRESH_NS = 1_000_000_000, 2_000_000_000
STAMP_MS_MAX = 32_767


def pack_records(
    t_ns: int, tracks: TrackBatch, located: Located, owned: Bools, frame: SiteFrame, dtype: np.dtype[np.void]
) -> Records:
    """Return the tracks (n,) at tick `t_ns` as records of `dtype`; values beyond a field are clipped.

    dtype : of `edge.stations.track_dtype`, for the whole site
    """
    records = np.zeros(len(tracks), dtype=dtype)
    east_m, north_m = tracks.x[:, 0], tracks.x[:, 1]
    places = unproject(east_m, north_m, frame.projection)
    speed_mps = np.hypot(tracks.x[:, 2], tracks.x[:, 3])
    heading_rad = np.arctan2(tracks.x[:, 3], tracks.x[:, 2])
    course_deg = np.degrees(math.pi / 2 - heading_rad + places[LEAN]) % 360.0
    records["track"] = tracks.track
    records["lon_e7"], records["lat_e7"] = np.rint(places[LON] * 1e7), np.rint(places[LAT] * 1e7)
    records["dt_ms"] = np.clip((tracks.stamp_ns - t_ns) // 1_000_000, -STAMP_MS_MAX, STAMP_MS_MAX)
    records["speed_cmps"] = _scaled(speed_mps, 100.0, 65_535)
    records["course_cdeg"] = _scaled(course_deg, 100.0, 36_000)
    records["sigma_cm"] = _scaled(_lateral_sigma_m(tracks, located), 100.0, 65_535)
    records["lane"] = located.lane
    write_stations(records, located.s_m)
    in_lane = np.isfinite(located.d_m)
    d_cm = np.clip(np.rint(np.nan_to_num(located.d_m) * 100.0), NONE_D_CM + 1, 32_767)
    records["d_cm"] = np.where(in_lane, d_cm, NONE_D_CM)
    records["p_lane"] = _scaled(located.p_lane, 255.0, 255)
    records["length_dm"] = _scaled(tracks.length_m, 10.0, 255)
    records["class"] = located.kind
    records["flags"] = _flags(t_ns, tracks, located, owned)
    return records


def with_doubt(tracks: TrackBatch, doubt: U8, owned: Bools) -> tuple[TrackBatch, Bools]:
    """Return the tracks (n,) and the owner's flag as they are published with doubt in their terminals.

    Where radar sees that there is no vehicle, or where a dragged terminal's place has left its vehicle, the
    track is listed, but neither as confirmed nor as owned; its rules are judged as before.
    doubt : (n,) bits of fusion.doubt_table
    """
    doubt = doubt & ~np.uint8(IN_JAM)  # the place's, not the terminal's
    if not doubt.any():
        return tracks, owned
    unconfirmed = (doubt & GHOST != 0) | ((doubt & DRAGGED != 0) & (tracks.radar_ns == 0))
    published = replace(
        tracks, confirmed=tracks.confirmed & ~unconfirmed, integrity=tracks.integrity | (doubt != 0)
    )
    return published, owned & ~unconfirmed


def _flags(t_ns: int, tracks: TrackBatch, located: Located, owned: Bools) -> U8:
    bits = (
        (owned, FLAG_OWNED),
        (tracks.confirmed, FLAG_CONFIRMED),
        (tracks.coasting, FLAG_COASTING),
        (located.undecidable, FLAG_UNDECIDABLE),
        (t_ns - tracks.radar_ns <= RADAR_FRESH_NS, FLAG_RADAR),
        (t_ns - tracks.gnss_ns <= GNSS_FRESH_NS, FLAG_GNSS),
        (tracks.integrity, FLAG_INTEGRITY),
    )
    flags = np.zeros(len(tracks), dtype=np.uint8)
    for holds, bit in bits:
        flags |= np.where(holds, bit, 0).astype(np.uint8)
    return flags


def _lateral_sigma_m(tracks: TrackBatch, located: Located) -> F64:
    """The located sigma across the lane; off the lanes the larger axis of the covariance."""
    half_trace = (tracks.P[:, 0, 0] + tracks.P[:, 1, 1]) / 2
    spread = np.hypot((tracks.P[:, 0, 0] - tracks.P[:, 1, 1]) / 2, tracks.P[:, 0, 1])
    widest_m: F64 = np.sqrt(half_trace + spread + tracks.bias_m**2)
    return np.where(np.isfinite(located.sigma_d_m), located.sigma_d_m, widest_m)


def _scaled(values: F64, by: float, top: int) -> F64:
    """Whole units, NaN as zero, clipped to the field."""
    return np.clip(np.rint(np.nan_to_num(values * by)), 0, top)


class Names:
    """Remembers the published names: names and lanes are sent when they change and each 5 s."""

    def __init__(self, lanes: tuple[str, ...]) -> None:
        self._lanes = lanes
        self._published: TrackNames | None = None
        self._published_ns = -WHOLE_EVERY_NS

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


def rounded_p(p: float) -> float:
    """A probability as names carry it: two decimals, so that it does not change them at each tick."""
    return 0.0 if math.isnan(p) else round(p, 2)
