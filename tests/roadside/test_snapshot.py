"""Records of a snapshot in one compiled pass, against the same fields in plain NumPy."""

import math

import numpy as np

from edge.stations import track_dtype, write_stations
from edge.wire import NONE_D_CM
from geofence.located import FOUND, NO_LANE, Located
from geofence.map.frames import SiteFrame
from roadside.snapshot import pack_records
from tests.support.geofence_world import batch

T_NS, N = 1_790_000_000_000_000_000, 400
FRAME = SiteFrame(122.0, 41.0)


def scaled(values, by, top):
    return np.clip(np.rint(np.nan_to_num(values * by)), 0, top)


def expected(tracks, located, owned, tentative, dtype):
    """The records, field by field."""
    records = np.zeros(N, dtype=dtype)
    lon_deg, lat_deg = FRAME.lonlat_from_site(tracks.x[:, 0], tracks.x[:, 1])
    records["track"], records["lane"], records["class"] = tracks.track, located.lane, located.kind
    records["lon_e7"], records["lat_e7"] = np.rint(lon_deg * 1e7), np.rint(lat_deg * 1e7)
    records["dt_ms"] = np.clip((tracks.stamp_ns - T_NS) // 1_000_000, -32_767, 32_767)
    records["speed_cmps"] = scaled(np.hypot(tracks.x[:, 2], tracks.x[:, 3]), 100.0, 65_535)
    heading_rad = np.arctan2(tracks.x[:, 3], tracks.x[:, 2])
    course_deg = FRAME.course_from_heading(heading_rad, tracks.x[:, 0], tracks.x[:, 1])
    records["course_cdeg"] = scaled(course_deg, 100.0, 36_000)
    spread = np.linalg.eigvalsh(tracks.P[:, :2, :2])[:, 1]
    sigma_m = np.where(np.isfinite(located.sigma_d_m), located.sigma_d_m, np.sqrt(spread + tracks.bias_m**2))
    records["sigma_cm"] = scaled(sigma_m, 100.0, 65_535)
    d_cm = np.clip(np.rint(np.nan_to_num(located.d_m * 100.0)), NONE_D_CM + 1, 32_767)
    records["d_cm"] = np.where(np.isfinite(located.d_m), d_cm, NONE_D_CM)
    records["p_lane"], records["length_dm"] = (
        scaled(located.p_lane, 255.0, 255),
        scaled(tracks.length_m, 10.0, 255),
    )
    bits = (
        owned, tracks.confirmed, tracks.coasting, located.undecidable, T_NS - tracks.radar_ns <= 10**9,
        T_NS - tracks.gnss_ns <= 2 * 10**9, tracks.integrity, tentative,
    )  # fmt: skip
    records["flags"] = sum(on.astype(np.uint8) << k for k, on in enumerate(bits))
    write_stations(records, located.s_m)
    return records


def some(rng, values):
    """Replace some of the values by none, and by ones that no field holds."""
    return np.where(rng.random(N) < 0.2, rng.choice([math.nan, math.inf, -math.inf, 1e9, -1e9], N), values)


def test_the_records_agree_with_numpy():
    rng = np.random.default_rng(8)
    tracks = batch(T_NS, *({"east": float(e)} for e in rng.uniform(-9_000.0, 9_000.0, N)))
    for column, values in (
        (tracks.x[:, 1:], rng.normal(0.0, 30.0, (N, 3))),
        (tracks.stamp_ns, T_NS - rng.integers(-5, 60_000_000_000, N)),
        (tracks.radar_ns, T_NS - rng.integers(0, 2 * 10**9, N)),
        (tracks.gnss_ns, T_NS - rng.integers(0, 4 * 10**9, N)),
        (tracks.length_m, some(rng, rng.uniform(0.0, 20.0, N))),
        (tracks.confirmed, rng.random(N) < 0.5),
        (tracks.coasting, rng.random(N) < 0.5),
        (tracks.integrity, rng.random(N) < 0.5),
        (tracks.P[:, 0, 1], rng.uniform(-0.01, 0.01, N)),
    ):
        column[...] = values
    tracks.P[:, 1, 0] = tracks.P[:, 0, 1]
    located = Located(
        lane=rng.choice([0, 3, NO_LANE], N).astype(np.int32), s_m=rng.uniform(-100.0, 9_000.0, N),
        d_m=some(rng, rng.normal(0.0, 2.0, N)),
        sigma_d_m=np.where(rng.random(N) < 0.5, np.nan, rng.uniform(0.0, 3.0, N)), p_lane=rng.random(N),
        undecidable=rng.random(N) < 0.5, vehicle=np.full(N, -1, dtype=np.int32),
        kind=rng.integers(0, 5, N).astype(np.uint8), found=np.zeros((N, FOUND)),
        rows=np.arange(N), terminal_ids=[],
    )  # fmt: skip
    owned, tentative = rng.random(N) < 0.5, rng.random(N) < 0.3
    for first_m in (0.0, -100.0):
        dtype = track_dtype(first_m)
        got = pack_records(T_NS, tracks, located, owned, tentative, FRAME, dtype)
        want = expected(tracks, located, owned, tentative, dtype)
        for name in dtype.names:
            np.testing.assert_array_equal(got[name], want[name], err_msg=name)
