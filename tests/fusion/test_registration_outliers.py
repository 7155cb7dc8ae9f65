"""Fixes that are far off in a truck's passage say nothing of the radar; where all are, the radar is."""

import math

import numba
import numpy as np
import pytest

from fusion.registration import Registration
from fusion.registration_filter import ODD_MAX, P_N, _add_fix, _passage, conclude
from fusion.registration_sight import EAST, NORTH, RANGE, ROTATION, TIME
from tests.support.fusion_world import pose

RADAR = pose("R", 0.0, 8.0, 0.0, sigma_place_m=None, sigma_boresight_rad=None)
SPEED_MPS, SIGMA_M, TAU_S = 14.0, 0.6, 10.0
NS = 10**9


@numba.njit
def add(passages, w, evidence, t_ns, z, work):
    p = _passage(passages, w, 0, t_ns)
    _add_fix(passages, p, evidence, 0, t_ns, (SIGMA_M, TAU_S, 0.01), z, work)
    return p


def look(work, east_m: float) -> None:
    """Write how a radar sees a truck at this place."""
    ground = math.hypot(east_m, 8.0)
    c, s = east_m / ground, -8.0 / ground
    work.beam[0] = c, s
    for a, (b_e, b_n) in enumerate(((c, s), (-s, c))):
        row = work.J[a]
        row[EAST], row[NORTH], row[ROTATION] = b_e, b_n, ground if a else 0.0
        row[TIME], row[RANGE] = b_e * SPEED_MPS, 0.0 if a else -1.0
    work.var[0] = 0.02, 0.02, 0.02, 0.02, 0.2, 0.02


def passed(odd: dict[int, float], *, trucks: int = 6, offset_m: float = 0.0):
    """Return what the radar's errors are taken for after trucks have come up, passed and driven away.

    odd : by number of the fix, how far ahead that of the second truck is [m];  offset_m : all fixes, east
    """
    registration, rng = Registration([RADAR], "report"), np.random.default_rng(2)
    passages, evidence, work = registration.passages, registration.evidence, registration._work
    for w in range(trucks):
        error = SIGMA_M * rng.normal(size=2)
        for k in range(14):
            t_ns = (w * 60 + k) * NS
            look(work, SPEED_MPS * k - 90.0)
            c, s = work.beam[0]
            off = error + 0.1 * rng.normal(size=2) + [offset_m + (odd.get(k, 0.0) if w == 1 else 0.0), 0.0]
            p = add(
                passages,
                w,
                evidence,
                t_ns,
                np.array([c * off[0] + s * off[1], c * off[1] - s * off[0]]),
                work,
            )
        left_out = ODD_MAX if w == 0 and offset_m else len(odd) if w == 1 else 0
        assert passages.ints[p, P_N] == 14 - left_out
        conclude(passages, evidence, t_ns + 30 * NS, 1.0, work)
        registration._estimate()
    return registration.report()["R"]


@pytest.mark.parametrize("odd", [{0: 9.0}, {0: 9.0, 1: -7.0}, {5: 12.0}, {2: 12.0, 3: 12.0, 9: -12.0}])
def test_fixes_that_are_far_off_move_no_radar(odd):
    found, sound = passed(odd), passed({})
    assert np.abs(np.array(found.estimate) - sound.estimate)[[EAST, NORTH, RANGE]].max() < 0.1
    assert found.sigma[RANGE] < 1.5 * sound.sigma[RANGE]


def test_fixes_that_are_all_far_off_are_used():
    assert passed({}, offset_m=6.0).estimate[EAST] > 0.3, "the trucks may share it, as receivers do"
