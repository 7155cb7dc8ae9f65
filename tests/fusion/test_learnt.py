"""What a tracker has learnt continues after a restart, radar by radar; tracks and passages do not."""

import math

import msgspec
import numpy as np
import pytest

from fusion import layout as at
from fusion.columns import columns_of
from fusion.config import FusionConfig, Terminal
from fusion.learnt import LASTING, Learnt, learnt_of, relearn
from fusion.registration import FORGET_S
from fusion.survey_quality import without_others
from fusion.tracker import Tracker
from fusion.tracker_state import BODIES, FLEET_COLUMNS
from tests.fusion.test_registration import POLES, run

HOUR_NS = 3_600_000_000_000
ERRORS = np.array([[0.0, 0.8, math.radians(0.5)], [0.2, -0.7, 0.0]])
SECONDS = 100


@pytest.fixture(scope="module")
def taught():
    """Return a tracker that has corrected both poles, and what it has learnt, after the way of the disk."""
    tracker = run(ERRORS, 7, seconds=SECONDS, mode="apply")
    tracker.times.terminals.grow(tracker.terminals.about)
    tracker.times.terminals.shift(3, 1.5)
    tracker.store.settings.radars[:, at.R_SHARE] = 0.3, 0.4  # these poles see centres: nothing to learn
    body = msgspec.msgpack.encode(learnt_of(tracker, POLES))
    return tracker, msgspec.msgpack.decode(body, type=Learnt)


def fresh(radars=POLES, **changes):
    terminals = [Terminal(terminal=f"t{k}", length_m=12.0, width_m=2.5) for k in range(SECONDS // 4)]
    terminals[5] = msgspec.structs.replace(terminals[5], **changes)
    return Tracker(FusionConfig(self_calibration="apply"), radars, terminals, id_base=1 << 33)


def test_a_restart_keeps_what_does_not_belong_to_tracks(taught):
    before, learnt = taught
    after = fresh()
    assert relearn(after, POLES, learnt, 0) == []
    for sensor, was in before.registration_report().items():
        now = after.registration_report()[sensor]  # without the passages that were under way
        assert (now.applied, now.n_trucks, now.n_pairs) == (was.applied, was.n_trucks, was.n_pairs)
        assert now.since_ns == was.since_ns
        assert np.abs(np.array(now.estimate) - was.estimate).max() < max(was.sigma)
    assert {one.state for one in after.registration_report().values()} == {"corrected"}
    assert min(one.since_ns for one in after.registration_report().values()) > 0
    np.testing.assert_array_equal(after.store.settings.field, before.store.settings.field)
    poses = [at.R_EAST, at.R_NORTH, at.R_BORESIGHT, *BODIES]
    np.testing.assert_array_equal(
        after.store.settings.radars[:, poses], before.store.settings.radars[:, poses]
    )
    np.testing.assert_array_equal(after.terminals.rows.fleet, before.terminals.rows.fleet)
    errors = before.terminals.rows.errors.copy()
    assert errors[:, at.E_BIAS_VAR].any()
    errors[:, LASTING] = 0.0  # of half a minute
    np.testing.assert_array_equal(after.terminals.rows.errors, errors)
    assert after.times.terminals.known_ns[3] == 1_500_000_000
    assert not len(after.at(before.registration.since_ns[0] + SECONDS * 10**9).track)
    assert (after.registration.passages.ints == -1).all()


def test_a_radar_whose_survey_changed_starts_anew_and_the_other_continues(taught):
    before, learnt = taught
    turned = msgspec.structs.replace(POLES[1], boresight_rad=POLES[1].boresight_rad + 0.01)
    radars = (turned, msgspec.structs.replace(POLES[0], sigma_place_m=0.05, accepted=False))
    after = fresh(radars)
    assert relearn(after, radars, learnt, 0) == ["B"]
    report, was = after.registration_report(), before.registration_report()
    assert report["B"].applied == (0.0,) * 5
    assert (report["B"].n_trucks, report["B"].state, report["B"].since_ns) == (0, "learning", 0)
    assert report["A"].applied == was["A"].applied
    assert (report["A"].n_trucks, report["A"].since_ns) == (was["A"].n_trucks, was["A"].since_ns)
    new, old = after.store.settings, before.store.settings
    np.testing.assert_array_equal(new.field[1], old.field[0])
    assert new.field[0, :, at.C_SCANS].sum() == 0.0
    assert new.radars[1, at.R_SHARE] == old.radars[0, at.R_SHARE]
    assert new.radars[0, at.R_SHARE] == 0.0


def test_a_terminal_whose_entry_changed_starts_anew(taught):
    _, learnt = taught
    after = fresh(antenna_forward_m=4.0)
    relearn(after, POLES, learnt, 0)
    assert not after.terminals.rows.errors[5].any()
    assert after.terminals.rows.errors[4].any()


def test_evidence_of_poses_fades_with_its_age(taught):
    before, learnt = taught
    after = fresh()
    relearn(after, POLES, learnt, HOUR_NS)
    ratio = after.registration.evidence.information / relearnt_information(learnt)
    np.testing.assert_allclose(ratio[np.isfinite(ratio)], math.exp(-3_600.0 / FORGET_S))
    young, old = before.registration_report()["A"].sigma, after.registration_report()["A"].sigma
    assert old[1] > young[1]


def relearnt_information(learnt):
    now = fresh()
    relearn(now, POLES, learnt, 0)
    return now.registration.evidence.information


def test_numbers_that_are_none_are_refused(taught):
    _, learnt = taught
    fleet = np.full((at.N_FLEET, len(FLEET_COLUMNS)), np.nan)
    broken = msgspec.structs.replace(learnt, fleet=columns_of(FLEET_COLUMNS, fleet))
    with pytest.raises(ValueError, match="finite"):
        relearn(fresh(), POLES, broken, 0)


def test_marginalising_gives_the_others_block_of_the_inverse():
    """The information form against the covariance form, where taking a block is marginalising."""
    root = np.random.default_rng(3).normal(size=(9, 9))
    information, vector = root @ root.T, np.arange(9.0) - 4.0
    wanted, sigma = np.array([7, 0, 1]), np.full(9, 2.0)
    left, of_left = without_others(information, vector, wanted, sigma)
    whole = information.copy()
    others = [2, 3, 4, 5, 6, 8]
    whole[others, others] += sigma[others] ** -2.0
    cov = np.linalg.inv(whole)
    np.testing.assert_allclose(np.linalg.inv(left), cov[np.ix_(wanted, wanted)], rtol=1e-9)
    np.testing.assert_allclose(np.linalg.solve(left, of_left), (cov @ vector)[wanted], rtol=1e-9)
