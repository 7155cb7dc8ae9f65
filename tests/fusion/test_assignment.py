"""The assignment kernel against SciPy's, and what it does beyond its limits."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from fusion.assignment import CAP_TRACKS, assign, assignment_of
from tests.support.examples import examples


def run(costs, allowed, miss):
    """Return (detection of each track, track of each detection, components that fell back)."""
    n, m = costs.shape
    at = np.nonzero(allowed)
    n_pairs = len(at[0])
    pairs = np.zeros((2, n_pairs + 1), dtype=np.int64)
    pairs[:, :n_pairs] = at
    work = assignment_of(pairs, np.concatenate([costs[at], [0.0]]), miss, m)
    fallen = assign(n, m, n_pairs, work)
    return work.det_of, work.track_of, fallen


def total(costs, miss, det_of):
    return sum(costs[i, d] if d >= 0 else miss[i] for i, d in enumerate(det_of))


def best(costs, allowed, miss):
    n, m = costs.shape
    whole = np.full((n, m + n), 1e6)
    whole[:, :m][allowed] = costs[allowed]
    whole[np.arange(n), m + np.arange(n)] = miss
    return whole[linear_sum_assignment(whole)].sum()


@settings(max_examples=examples(50))
@given(n=st.integers(1, 14), m=st.integers(1, 14), share=st.floats(0.05, 1.0), seed=st.integers(0, 2**32 - 1))
def test_assign_costs_what_scipy_finds(n, m, share, seed):
    rng = np.random.default_rng(seed)
    costs, miss = 5.0 * rng.normal(size=(n, m)), 3.0 * rng.normal(size=n)
    allowed = rng.random((n, m)) < share
    det_of, track_of, fallen = run(costs, allowed, miss)
    assert fallen == 0
    assert abs(total(costs, miss, det_of) - best(costs, allowed, miss)) < 1e-9
    for i, d in enumerate(det_of):
        assert d == -1 or (allowed[i, d] and track_of[d] == i)
    assert np.count_nonzero(det_of >= 0) == np.count_nonzero(track_of >= 0)


def test_a_component_beyond_the_cap_falls_back_and_is_counted():
    n = CAP_TRACKS + 10
    rng = np.random.default_rng(5)
    costs = rng.normal(size=(n, n)) - 10.0
    det_of, _, fallen = run(costs, np.ones((n, n), dtype=bool), np.zeros(n))
    assert fallen == 1
    assert sorted(det_of.tolist()) == list(range(n))  # all gain, so all are taken
    assert total(costs, np.zeros(n), det_of) < 0.9 * best(costs, np.ones((n, n), dtype=bool), np.zeros(n))


def test_components_apart_do_not_touch_each_other():
    costs = np.array([[-5.0, 0.0, 0.0], [-4.0, -1.0, 0.0], [0.0, 0.0, -9.0]])
    allowed = np.array([[True, False, False], [True, True, False], [False, False, True]])
    det_of, _, _ = run(costs, allowed, np.array([0.0, 0.0, -10.0]))
    assert det_of.tolist() == [0, 1, -1]  # the third is cheaper without
