"""Track figures against cases done by hand, and against SciPy's assignment."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from core.times import TICK_NS
from petroroad.scoring.frames import CUTOFF_M
from petroroad.scoring.matching import match
from petroroad.scoring.tracks import TrackScore
from tests.support.scoring import T0_NS, tracks, truths


def scored(*frames) -> dict:
    score = TrackScore()
    for k, (truth, found) in enumerate(frames):
        score.add(replace(truth, stamp_ns=T0_NS + k * TICK_NS), found)
    return score.figures()


@pytest.mark.parametrize(("true", "found", "gospa"), [
    ([], [], 0.0),
    ([(0, 0)], [(3, 0)], 3.0),                              # one matched, 3 m off
    ([(0, 0)], [(6, 0)], 5.0),                              # beyond c: one missed, one false
    ([(0, 0)], [], math.sqrt(12.5)),
    ([], [(0, 0), (9, 9)], 5.0),
    ([(0, 0), (4, 0)], [(3, 0), (-1, 0)], math.sqrt(2)),    # nearest first would take (4, 0)-(3, 0) as well
    ([(0, 0), (4, 0)], [(2, 0)], math.sqrt(4 + 12.5)),
])  # fmt: skip
def test_gospa_of_one_frame(true, found, gospa):
    assert scored((truths(true), tracks(found)))["gospa_m"] == pytest.approx(gospa, abs=1e-4)


PLACES = st.lists(st.tuples(st.integers(-80, 80), st.integers(-80, 80)), max_size=14)


@given(true=PLACES, found=PLACES)
def test_gospa_equals_scipys(true, found):
    a, b = (np.array(places, dtype=np.float64).reshape(-1, 2) / 8.0 for places in (true, found))
    squared = np.minimum(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2), CUTOFF_M**2)
    rows, columns = linear_sum_assignment(squared)
    alone = len(a) + len(b) - 2 * len(rows)
    want = math.sqrt(squared[rows, columns].sum() + CUTOFF_M**2 / 2 * alone)
    assert scored((truths(a.tolist()), tracks(b.tolist())))["gospa_m"] == pytest.approx(want, abs=1e-4)


@given(
    gains=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 50)),
        max_size=40, unique_by=lambda row: row[:2],
    )
)  # fmt: skip
def test_match_has_the_greatest_gain(gains):
    table = np.zeros((10, 10))
    for i, j, gain in gains:
        table[i, j] = gain
    pairs = np.array([row[:2] for row in gains], dtype=np.int64).reshape(-1, 2).T
    chosen = match(10, 10, pairs, np.array([-float(row[2]) for row in gains]), 0.0)
    taken = [(i, j) for i, j in enumerate(chosen.tolist()) if j >= 0]
    assert len({j for _, j in taken}) == len(taken)
    rows, columns = linear_sum_assignment(table, maximize=True)
    assert sum(table[i, j] for i, j in taken) == table[rows, columns].sum()


def test_split_adds_up():
    figures = scored(
        (truths([(0, 0), (50, 0)]), tracks([(1, 0), (90, 0)])), (truths([(0, 0)]), tracks([(0, 2)]))
    )
    parts = [figures[f"gospa_rms_{name}_m"] ** 2 for name in ("localisation", "missed", "false")]
    assert sum(parts) == pytest.approx(figures["gospa_rms_m"] ** 2, abs=1e-3)
    assert parts == pytest.approx([(1 + 4) / 2, 12.5 / 2, 12.5 / 2], abs=1e-3)


def test_truth_without_cover_costs_nothing_but_is_reported():
    figures = scored((truths([(0, 0), (99, 0)], covered=False), tracks([(1, 0)])))
    assert figures["gospa_m"] == 1.0  # a covered one missed would cost 3.5 m more
    assert (figures["missed_per_frame"], figures["missed_outside_cover_per_frame"]) == (0.0, 1.0)


def test_identity_switch_and_idf1():
    frames = [(truths([(0, 0)]), tracks([(0, 0)], ids=[track])) for track in (7, 7, 7, 8)]
    figures = scored(*frames)
    assert figures["id_switches"] == 1
    assert figures["idf1"] == pytest.approx(2 * 3 / (4 + 4))
    swapped = [
        (truths([(0, 0), (50, 0)]), tracks([(0, 0), (50, 0)], ids=ids)) for ids in ([1, 2], [1, 2], [2, 1])
    ]
    assert (scored(*swapped)["id_switches"], scored(*swapped)["idf1"]) == (2, pytest.approx(4 / 6, abs=1e-4))


@pytest.mark.parametrize(("vehicles", "places", "ids", "switches"), [
    ([(0, 1), (0, -1)], [(0, 2), (0, -2)], [2, 1], (2, 0)),    # crossed by their errors: each keeps its own
    ([(0, 1), (0, -1)], [(0, 2), (0, 40)], [2, 1], (1, 0)),    # one is lost: the other's is not taken
    ([(0, 1), (0, -1)], [(0, 30), (0, 40)], [2, 1], (0, 0)),   # both are lost
    ([(0, 6), (0, -6)], [(0, 6), (0, -6)], [2, 1], (2, 2)),    # exchanged: each is out of reach of its own
])  # fmt: skip
def test_a_match_lasts_while_its_track_is_within_the_cut_off(vehicles, places, ids, switches):
    before = truths([(0, 6), (0, -6)]), tracks([(0, 6), (0, -6)], ids=[1, 2])
    figures = scored(before, (truths(vehicles), tracks(places, ids=ids)))
    assert (figures["id_switches"], figures["id_switches_mot"]) == switches


@pytest.mark.parametrize(("heading", "at", "lateral"), [
    (0.0, (2.0, 0.5), 0.5),                 # driving east: north is left
    (math.pi / 2, (-0.5, 2.0), 0.5),        # driving north: west is left
    (math.pi, (2.0, 0.5), -0.5),
])  # fmt: skip
def test_lateral_error_is_left_of_the_true_course(heading, at, lateral):
    figures = scored((truths([(0, 0)], heading=heading), tracks([at], sigma_m=0.25)))
    assert figures["lateral_bias_m"] == pytest.approx(lateral)
    assert figures["lateral_rmse_m"] == figures["lateral_m_p95"] == pytest.approx(0.5)
    assert figures["anees_lateral"] == pytest.approx(4.0)
    assert figures["speed_rmse_mps"] == pytest.approx(1.0)


def test_anees_of_an_honest_sigma_is_one():
    rng = np.random.default_rng(5)
    score = TrackScore()
    for _ in range(200):
        error = rng.normal(0.0, 0.4, 20)
        places = [(60.0 * i, float(e)) for i, e in enumerate(error)]
        score.add(truths([(60.0 * i, 0.0) for i in range(20)]), tracks(places, sigma_m=0.4))
    assert score.figures()["anees_lateral"] == pytest.approx(1.0, abs=0.08)


def test_lanes_and_names():
    places = [(0, 0), (50, 0), (99, 0), (150, 0)]
    true = truths(places, lane=["a", "b", None, "a"], terminal=["T1", "T2", None, "T4"])
    found = tracks(places, lane=["a", "a", "b", "a"], terminal=["T1", "T9", "T3", None])
    figures = scored((true, found))
    assert figures["lane_accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["identity_precision"] == pytest.approx(1 / 3, abs=1e-4)
    assert figures["identity_recall"] == pytest.approx(1 / 3, abs=1e-4)


def test_nothing_scored_reports_nothing():
    figures = scored()
    assert figures["frames"] == 0
    assert figures["gospa_m"] is None
    assert figures["idf1"] is None
