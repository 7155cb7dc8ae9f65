"""Marginals over one-to-one choices: enumeration is the oracle."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.identity_joint import TRACKS_MAX, WHO_MAX, choose, joint_memory, marginals
from fusion.track_store import PAIRS, TerminalTable, TrackStore
from tests.support.examples import examples

ACCEPT_P = 0.999


def found(weight: np.ndarray) -> np.ndarray:
    """Return the marginals (n_i,) of the first of n_w terminals; weight (n_w, n_i), 0 is no pair."""
    joint, p = joint_memory(), np.zeros(weight.shape[1])
    joint.column[:] = -1
    for a, row in enumerate(weight):
        (wanted,) = np.nonzero(row)
        joint.column[a, : len(wanted)] = wanted
        joint.odds[a, : len(wanted)] = row[wanted]
    choose(joint, *weight.shape)
    of = joint.column[0] >= 0
    p[joint.column[0][of]] = joint.p[of]
    assert not joint.p[~of].any()
    return p


def exact(weight: np.ndarray) -> np.ndarray:
    """Return the same from every one-to-one choice; a terminal may have no track."""
    n_w, n_i = weight.shape
    p, total = np.zeros(n_i), 0.0
    for choice in itertools.product(range(-1, n_i), repeat=n_w):
        taken = [j for j in choice if j >= 0]
        if len(set(taken)) < len(taken):
            continue
        value = math.prod(weight[a, j] for a, j in enumerate(choice) if j >= 0)
        total += value
        if choice[0] >= 0:
            p[choice[0]] += value
    return p / total


@given(data=st.data(), n_w=st.integers(1, 5), n_i=st.integers(1, 5))
@settings(max_examples=examples(30), deadline=None)
def test_marginals_are_those_of_all_choices(data, n_w, n_i):
    odds = st.floats(-10.0, 20.0).map(math.exp)
    rows = st.lists(st.one_of(st.just(0.0), odds), min_size=n_i, max_size=n_i)
    weight = np.array(data.draw(st.lists(rows, min_size=n_w, max_size=n_w)))
    np.testing.assert_allclose(found(weight), exact(weight), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("log_odds", "sure"),
    [
        ([[20.0, 20.0], [20.0, -9.0]], True),  # the second can only have the first track: the other is left
        ([[20.0, 20.0], [20.0, 20.0]], False),  # either way round
        ([[20.0], [20.0]], False),  # two terminals in one cab
        ([[20.0, 10.0]], True),  # a rival that is far less likely
        ([[20.0, 20.0, 0.0], [20.0, 20.0, 0.0]], False),  # belief propagation would be sure of one
    ],
)
def test_what_a_terminal_can_t_have_is_told_by_the_others(log_odds, sure):
    assert (found(np.exp(np.array(log_odds))).max() >= ACCEPT_P) == sure


def test_the_greatest_platoon_is_summed_without_overflow():
    rng = np.random.Generator(np.random.Philox(3))
    weight = np.zeros((WHO_MAX, TRACKS_MAX))
    for a in range(WHO_MAX):
        wanted = rng.choice(TRACKS_MAX, PAIRS, replace=False)
        weight[a, wanted] = math.exp(20.0)
    p = found(weight)
    assert np.isfinite(p).all()
    assert 0.0 < p.sum() < 1.0


NOW_NS, SECOND_NS = 1_000_000_000_000, 1_000_000_000
RIVAL, NEWCOMER, OTHER = 1, 2, 3


def probabilities(log_odds: list[dict[int, float]], lost_s: float | None) -> np.ndarray:
    """Return the first terminal's probabilities by row of its tracks, for log odds of terminals' tracks.

    Radar saw the first one's own track, row 0, lost_s ago, None never. The rival began ten seconds ago, the
    newcomer a moment.
    """
    store = TrackStore(FusionConfig(), [])
    terminals = TerminalTable([Terminal(terminal=str(w)) for w in range(len(log_odds))])
    rows, ints = terminals.rows, store.ints
    store.tally[at.T_HIGH] = 10
    for i in range(10):
        ints[i, [at.STATUS, at.SERIAL, at.TERMINAL]] = at.CONFIRMED, i + 1, -1
        ints[i, [at.BORN, at.RADAR_NS]] = NOW_NS - 10 * SECOND_NS, NOW_NS
    ints[NEWCOMER, at.BORN] = NOW_NS - SECOND_NS // 2
    for w, own in enumerate((0, *range(5, 4 + len(log_odds)))):
        rows.ints[w, at.ROW], ints[own, at.TERMINAL], ints[own, at.RADAR_NS] = own, w, 0
        for k, (i, value) in enumerate(log_odds[w].items()):
            rows.pair_ints[w, k, [at.P_SLOT, at.P_SERIAL, at.P_N]] = i, i + 1, 1
            rows.pairs[w, k, at.L_ONE], rows.pairs[w, k, at.L_WIDE] = value - math.log(0.9 / 0.012), -99.0
    if lost_s is not None:
        ints[0, at.RADAR_NS] = NOW_NS - round(lost_s * SECOND_NS)
    joint, p = joint_memory(), np.zeros(10)
    n_w = marginals(store.tracks, rows, len(log_odds), 0, NOW_NS, 1e9, joint)
    assert 1 <= n_w <= len(log_odds)
    for k, i in enumerate(log_odds[0]):
        p[i] = joint.p[k]
    return p


def test_the_odds_are_those_of_the_likelihoods():
    assert probabilities([{RIVAL: 2.0}], None)[RIVAL] == pytest.approx(1.0 / (1.0 + math.exp(-2.0)))


def test_while_its_track_is_lost_a_terminal_is_no_track_that_radar_had_beside_it():
    p = probabilities([{0: 14.0, RIVAL: 9.0}], lost_s=1.5)
    assert p[RIVAL] < 0.01
    assert p[0] == 0.0, "a lost track is no vehicle that radar shows"
    assert probabilities([{0: 14.0, NEWCOMER: 9.0}], lost_s=1.5)[NEWCOMER] > 0.99, "it may be found again"


def test_a_track_that_radar_has_competes_with_the_others():
    p = probabilities([{0: 14.0, RIVAL: 9.0}], lost_s=0.1)
    assert p[0] > 0.99
    assert p[RIVAL] < 0.01


def test_other_terminals_that_search_take_their_tracks_out_of_the_choice():
    alone = probabilities([{RIVAL: 6.0, OTHER: 6.0}], None)
    assert alone[RIVAL] == pytest.approx(alone[OTHER])
    both = probabilities([{RIVAL: 6.0, OTHER: 6.0}, {RIVAL: 15.0}], None)
    assert both[OTHER] > 0.99
