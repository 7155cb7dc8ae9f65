"""The table's rows as a TrackBatch: copies, at one time."""

import numpy as np

from fusion.kernel import I64
from fusion.layout import (
    ARRIVED,
    CONFIRMED,
    ENFORCING_NS,
    GNSS_NS,
    IDENTITY_P,
    INTEGRITY,
    KIND,
    LENGTH,
    PERIOD_NS,
    RADAR_NS,
    STATUS,
    TERMINAL,
    WIDTH,
)
from fusion.readout import N_OUT, O_BIAS, O_TAU, read_out
from fusion.table import Table
from fusion.tracks import TrackBatch

PERIODS = 3  # so many of the sensor's periods without a measurement: coasting
COASTING_NS_MIN = 150_000_000


def batch_of(table: Table, rows: I64, t_ns: int) -> TrackBatch:
    """Return the rows predicted to t_ns, or at their own stamps where those are newer (t_ns = 0: all)."""
    n = len(rows)
    x, cov, out = np.zeros((n, 4)), np.zeros((n, 4, 4)), np.zeros((n, N_OUT))
    stamp_ns = np.zeros(n, dtype=np.int64)
    read_out(
        table.X, table.P, table.ints, rows, t_ns, table.tuning, table.WX, table.WP, x, cov, out, stamp_ns
    )
    ints, floats = table.ints[rows], table.floats[rows]
    newest_ns = np.maximum(ints[:, RADAR_NS], ints[:, GNSS_NS])
    patience_ns = np.maximum(PERIODS * ints[:, PERIOD_NS], COASTING_NS_MIN)
    return TrackBatch(
        track=table.track[rows],
        stamp_ns=stamp_ns,
        arrived_ns=ints[:, ARRIVED].copy(),
        x=x,
        P=cov,
        bias_m=out[:, O_BIAS].copy(),
        tau_s=out[:, O_TAU].copy(),
        terminal=ints[:, TERMINAL].astype(np.int32),
        identity_p=np.where(ints[:, TERMINAL] >= 0, floats[:, IDENTITY_P], 0.0),
        length_m=floats[:, LENGTH].copy(),
        width_m=floats[:, WIDTH].copy(),
        kind=ints[:, KIND].astype(np.uint8),
        confirmed=ints[:, STATUS] == CONFIRMED,
        coasting=stamp_ns - newest_ns > patience_ns,
        integrity=ints[:, INTEGRITY] != 0,
        radar_ns=ints[:, RADAR_NS].copy(),
        enforcing_ns=ints[:, ENFORCING_NS].copy(),
        gnss_ns=ints[:, GNSS_NS].copy(),
    )
