"""The tracks in play are those whose predictions lie in a radar's field: none is passed over unpredicted."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fusion import layout as at
from fusion.association import VIEW_EDGE, VIEW_SIGMAS, gate
from fusion.config import FusionConfig
from fusion.layout import States
from fusion.models import predict
from fusion.track_store import TrackStore
from tests.support.fusion_world import T0_NS, pose

N, DIM = 60, at.N_RADAR


def filled(radar, ages_s, rng):
    """Return tracks around a radar's place, measured so long before T0."""
    store = TrackStore(FusionConfig(tracks_max=N), (radar,))
    store.X[:, :2] = rng.uniform(-500.0, 500.0, (N, 2))
    store.X[:, 2:4] = rng.normal(0.0, 20.0, (N, 2))
    store.X[:, at.BEND], store.X[:, at.EXTENT] = rng.normal(0.0, 3.0, N), rng.normal(0.0, 3.0, N)
    store.X[:, at.HEADING], store.X[:, at.CALM_ALONG : at.CALM_CROSS + 1] = math.nan, 0.5
    root = rng.normal(0.0, 0.5, (N, DIM, DIM))
    store.P[:, :DIM, :DIM] = root @ root.transpose(0, 2, 1)
    store.ints[:, at.STATUS], store.ints[:, at.RADAR_NS] = at.CONFIRMED, T0_NS
    store.ints[:, at.STAMP] = T0_NS - (np.asarray(ages_s) * 1e9).astype(np.int64)
    store.tally[at.T_HIGH] = N
    return store


def is_in_play(states, i, radar):
    """Whether a predicted track can be seen: in range, and within the sides of the field or with its body."""
    east, north = states.X[i, :2] - [radar.east_m, radar.north_m]
    flat, half = math.hypot(east, north), radar.fov_rad / 2.0
    off = abs(math.remainder(math.atan2(north, east) - radar.boresight_rad, 2.0 * math.pi))
    if flat > radar.range_m_max + VIEW_EDGE[1]:
        return False
    body_m = abs(states.X[i, at.EXTENT]) + VIEW_SIGMAS * math.sqrt(states.P[i, at.EXTENT, at.EXTENT])
    is_beside = off > half + VIEW_EDGE[0] and flat * math.sin(off - half) > body_m
    return half > math.pi - 0.05 or not is_beside


@given(
    seed=st.integers(0, 2**32 - 1),
    age_s=st.floats(0.0, 2.0),
    boresight=st.floats(-3.0, 3.0),
    fov_deg=st.sampled_from([40.0, 100.0, 170.0, 179.0]),
)
def test_no_track_in_a_radars_field_is_passed_over(seed, age_s, boresight, fov_deg):
    rng = np.random.default_rng(seed)
    radar = pose("R", 20.0, -30.0, boresight, fov_rad=math.radians(fov_deg), range_m_max=260.0)
    store = filled(radar, rng.uniform(0.0, age_s, N), rng)
    states = States(store.X.copy(), store.P.copy())
    n_t, _ = gate(
        store.tracks, store.rings, T0_NS, store.detections, 0, store.settings, 0, store.scratch
    )  # fmt: skip
    for i in range(N):
        predict(states, i, (T0_NS - store.ints[i, at.STAMP]) * 1e-9, store.settings.tuning)
    want = [i for i in range(N) if is_in_play(states, i, radar)]
    assert store.scratch.rows[:n_t].tolist() == want
