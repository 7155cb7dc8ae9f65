"""The table's rows as a TrackBatch: copies, at one time."""

import numpy as np

from core.kernel import I64
from fusion.readout import (
    N_OUT,
    N_OUT_BOOL,
    N_OUT_INT,
    O_ARRIVED,
    O_BIAS,
    O_COASTING,
    O_CONFIRMED,
    O_ENFORCING,
    O_GNSS,
    O_IDENTITY_P,
    O_INTEGRITY,
    O_KIND,
    O_LENGTH,
    O_RADAR,
    O_STAMP,
    O_TAU,
    O_TERMINAL,
    O_WIDTH,
    read_out,
)
from fusion.track_store import Table
from fusion.tracks import TrackBatch


def batch_of(table: Table, rows: I64, t_ns: int) -> TrackBatch:
    """Return the rows predicted to t_ns, or at their own stamps where those are newer (t_ns = 0: all)."""
    n = len(rows)
    x, cov = np.empty((n, 4)), np.empty((n, 4, 4))
    told, ints = np.empty((N_OUT, n)), np.empty((N_OUT_INT, n), dtype=np.int64)
    answers = np.empty((N_OUT_BOOL, n), dtype=np.bool_)
    read_out(
        table.X, table.P, table.ints, table.floats, rows, t_ns, table.tuning, table.WX, table.WP, x, cov,
        told, ints, answers,
    )  # fmt: skip
    return TrackBatch(
        track=table.track[rows],
        stamp_ns=ints[O_STAMP],
        arrived_ns=ints[O_ARRIVED],
        x=x,
        P=cov,
        bias_m=told[O_BIAS],
        tau_s=told[O_TAU],
        terminal=ints[O_TERMINAL].astype(np.int32),
        identity_p=told[O_IDENTITY_P],
        length_m=told[O_LENGTH],
        width_m=told[O_WIDTH],
        kind=ints[O_KIND].astype(np.uint8),
        confirmed=answers[O_CONFIRMED],
        coasting=answers[O_COASTING],
        integrity=answers[O_INTEGRITY],
        radar_ns=ints[O_RADAR],
        enforcing_ns=ints[O_ENFORCING],
        gnss_ns=ints[O_GNSS],
    )
