"""Stations in the records of a snapshot, with a signed column where the site's axis begins below 0. Pure.

`s_dm` has no sign, and an older reader knows nothing else: it stays. `s_signed_dm` is added only where it is
needed, so that the records of every other site keep their size and their bytes.
"""

import numpy as np

from core.arrays import F64
from edge.wire import NONE_S_DM, SIGNED_DTYPE, SIGNED_STATION, TRACK_DTYPE, Records

SIGNED_NAME = SIGNED_STATION[0]
NONE_SIGNED_DM = -(2**31)
SIGNED_DM_MAX = 2**31 - 1


def track_dtype(first_station_m: float) -> np.dtype[np.void]:
    """Return the dtype of a site's records.

    first_station_m : of the site's axis; 0 without an axis
    """
    return SIGNED_DTYPE if first_station_m < 0.0 else TRACK_DTYPE


def write_stations(records: Records, s_m: F64) -> None:
    """Write stations (n,) [m] into records (n,), to 0.1 m; NaN writes "none", what overflows is clipped."""
    known = np.isfinite(s_m)
    s_dm = np.rint(np.where(known, s_m, 0.0) * 10.0)
    records["s_dm"] = np.where(known & (s_m >= 0.0), np.clip(s_dm, 0, NONE_S_DM - 1), NONE_S_DM)
    if SIGNED_NAME in (records.dtype.names or ()):
        signed_dm = np.clip(s_dm, NONE_SIGNED_DM + 1, SIGNED_DM_MAX)
        records[SIGNED_NAME] = np.where(known, signed_dm, NONE_SIGNED_DM)


def stations_m(records: Records) -> F64:
    """Return the stations (n,) [m] of records (n,), NaN for none; the signed ones if there are any."""
    name, none = "s_dm", NONE_S_DM
    if SIGNED_NAME in (records.dtype.names or ()):
        name, none = SIGNED_NAME, NONE_SIGNED_DM
    column = records[name]
    return np.where(column == none, np.nan, column / 10.0)
