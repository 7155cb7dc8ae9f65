"""A prior that is exchanged later: as if the track had begun with it."""

import math

import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig
from fusion.extent_prior import review, set_prior
from fusion.lanes import lane_cells
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, pose, scan

RADAR = pose("R", 0.0, -12.0, 0.0, reflects="bodies")
SPEED_MPS = 17.0
LINE = np.array([np.linspace(0.0, 300.0, 151), np.zeros(151)]).T
LANES = lane_cells(LINE, np.zeros(151), np.array([0.0, -10.0]), np.array([300.0, 10.0]))


def drive(share: float, sigma: float, seconds: float = 1.5) -> Tracker:
    """Follow a vehicle that drives away, seen where its end is; a radar's scatter is not learnt so soon."""
    tracker, rng = Tracker(FusionConfig(), [RADAR], [], id_base=0, lanes=LANES), np.random.default_rng(3)
    radars = tracker.store.settings.radars
    radars[:, at.R_SHARE], radars[:, at.R_SHARE_VAR] = share, sigma**2
    for k in range(round(20 * seconds)):
        now_ns = T0_NS + k * 50_000_000
        x = np.array([[60.0 + 0.05 * k * SPEED_MPS, 0.0, SPEED_MPS, 0.0]])
        tracker.step(now_ns, scan(RADAR, now_ns, x, rng.normal(size=(1, 3))))
    return tracker


def state_of(tracker: Tracker) -> tuple[np.ndarray, np.ndarray]:
    (i,) = np.flatnonzero(tracker.store.ints[:, at.STATUS] == at.CONFIRMED)
    n = at.N_RADAR
    return tracker.store.X[i, :n].copy(), tracker.store.P[i, :n, :n].copy()


@pytest.mark.parametrize(("share", "sigma"), [(0.42, 0.02), (0.1, 0.05), (0.3, 0.2)])  # 0.2: a weaker one
def test_an_exchanged_prior_is_that_of_a_track_that_began_with_it(share, sigma):
    late, timely = drive(0.25, 0.144), drive(share, sigma)
    store = late.store
    radars = store.settings.radars
    radars[:, at.R_SHARE], radars[:, at.R_SHARE_VAR] = share, sigma**2
    rows = np.flatnonzero(store.ints[:, at.STATUS] == at.CONFIRMED)
    review(store.tracks, store.rings, rows, store.settings, store.scratch.vector)
    (x, p), (want_x, want_p) = state_of(late), state_of(timely)
    spread = np.sqrt(np.diag(want_p))
    # the same up to the points of linearisation, which an EKF takes from its own estimates
    np.testing.assert_allclose(x, want_x, atol=0.25 * spread.max())
    np.testing.assert_allclose(np.sqrt(np.diag(p)), spread, rtol=0.25)


def test_a_prior_that_is_exchanged_back_leaves_the_track_as_it_was():
    tracker = drive(0.25, 0.144)
    store, before = tracker.store, state_of(tracker)
    (i,) = np.flatnonzero(store.ints[:, at.STATUS] == at.CONFIRMED)
    old = store.floats[i, at.EXTENT_PRIOR], math.sqrt(store.floats[i, at.EXTENT_PRIOR_VAR])
    for new in ((5.0, 0.3), old):
        set_prior(store.tracks, store.rings, i, new, store.settings, store.scratch.vector)
    for got, want in zip(state_of(tracker), before, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


def test_what_differs_little_is_not_worth_the_work():
    tracker = drive(0.25, 0.144)
    store, before = tracker.store, state_of(tracker)
    store.settings.radars[:, at.R_SHARE] += 0.01
    rows = np.flatnonzero(store.ints[:, at.STATUS] == at.CONFIRMED)
    review(store.tracks, store.rings, rows, store.settings, store.scratch.vector)
    np.testing.assert_array_equal(state_of(tracker)[0], before[0])
