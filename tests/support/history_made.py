"""Made-up snapshots for the tests of the history."""

import numpy as np

from core.times import NS
from edge import wire

T0_NS = 1_789_999_200 * NS  # the beginning of an hour
LANES = ("north", "south")
TRACK = 1_790_000_000 << 32


def rows_at(
    n: int, at_s: float, *, first: int = 1, dtype: np.dtype[np.void] = wire.TRACK_DTYPE
) -> wire.Records:
    """Return n owned vehicles that drive at 20 m/s, and one that a neighbour owns."""
    rows = np.zeros(n + 1, dtype)
    rows["track"] = TRACK + np.arange(first, first + n + 1)
    rows["lon_e7"] = 1_220_000_000 + np.arange(n + 1) * 5_000 + int(at_s * 2_000)
    rows["lat_e7"] = 410_000_000 + np.arange(n + 1)
    rows["s_dm"] = 1_000 + np.arange(n + 1) * 500 + int(at_s * 200)
    rows["speed_cmps"], rows["course_cdeg"], rows["sigma_cm"] = 2_000, 9_000, 17
    rows["lane"], rows["d_cm"], rows["class"] = np.arange(n + 1) % 2, -12, 4
    rows["flags"] = wire.FLAG_OWNED | wire.FLAG_RADAR
    rows["flags"][-1] = wire.FLAG_RADAR
    return rows


def snapshot(
    at_s: float, esn: str = "RSU1", n: int = 3, *, names: bool = False, first: int = 1, t0_ns: int = T0_NS
) -> wire.TrackSnapshot:
    """Return an RSU's snapshot at a time after T0_NS."""
    rows = rows_at(n, at_s, first=first)
    given = None
    if names:
        given = wire.TrackNames(
            track=tuple(rows["track"][:n].tolist()),
            terminal=tuple(f"1390000{first + i:04d}" for i in range(n)),
            plate=tuple(f"辽L·A{first + i:04d}" for i in range(n)),
            identity_p=(0.98,) * n,
        )
    return wire.snapshot_of(
        rows, esn=esn, seq=round(at_s * 10), stamp_ns=t0_ns + round(at_s * NS),
        lanes=LANES if names else None, names=given,
    )  # fmt: skip
