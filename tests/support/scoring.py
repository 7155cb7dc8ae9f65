"""Frames for scoring, made by hand."""

import numpy as np

from petroroad.scoring.frames import TracksNow, TruthNow

T0_NS = 1_700_000_000_000_000_000


def truths(places, ids=None, heading=0.0, covered=True, in_field=True, lane=None, terminal=None, length_m=0.0,
           stamp_ns=T0_NS, manipulated=False) -> TruthNow:  # fmt: skip
    n = len(places)
    east, north = np.array(places, dtype=np.float64).reshape(-1, 2).T
    return TruthNow(
        stamp_ns=stamp_ns,
        id=np.array(ids or range(n), dtype=np.int64),
        east_m=east,
        north_m=north,
        heading_rad=np.full(n, heading),
        speed_mps=np.full(n, 10.0),
        east_mps=np.full(n, 10.0 * np.cos(heading)),
        north_mps=np.full(n, 10.0 * np.sin(heading)),
        length_m=np.full(n, length_m),
        covered=np.full(n, covered, dtype=np.bool_),
        in_field=np.full(n, in_field, dtype=np.bool_),
        manipulated=np.full(n, manipulated, dtype=np.bool_),
        lane=lane or [None] * n,
        terminal=terminal or [None] * n,
    )


def tracks(places, ids=None, sigma_m=0.5, lane=None, terminal=None, radar=True, gnss=False, coasting=False,
           in_field=True, rsu=0, covariance=None, velocity=(11.0, 0.0), identity_p=1.0) -> TracksNow:  # fmt: skip
    n = len(places)
    east, north = np.array(places, dtype=np.float64).reshape(-1, 2).T
    return TracksNow(
        id=np.array(ids or range(100, 100 + n), dtype=np.uint64),
        rsu=np.broadcast_to(np.array(rsu, dtype=np.int64), (n,)),
        east_m=east,
        north_m=north,
        speed_mps=np.full(n, 11.0),
        east_mps=np.full(n, velocity[0]),
        north_mps=np.full(n, velocity[1]),
        sigma_m=np.full(n, sigma_m),
        covariance=covariance,
        radar=np.broadcast_to(np.array(radar, dtype=np.bool_), (n,)),
        gnss=np.broadcast_to(np.array(gnss, dtype=np.bool_), (n,)),
        coasting=np.broadcast_to(np.array(coasting, dtype=np.bool_), (n,)),
        in_field=np.broadcast_to(np.array(in_field, dtype=np.bool_), (n,)),
        lane=lane or [None] * n,
        terminal=terminal or [None] * n,
        identity_p=np.broadcast_to(np.array(identity_p, dtype=np.float64), (n,)),
    )
