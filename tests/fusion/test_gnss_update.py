"""One message of fixes as measurements, and the usual case of their clocks, against plain NumPy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import layout as at
from fusion import timekeeping
from fusion.clocks import N_CLOCK
from fusion.config import FusionConfig, Terminal
from fusion.fix_message import N_GROUP, N_WHO, USABLE, MessageMemory, fill_fixes
from fusion.observations import SIGMA_M_MAX, SPEED_MPS_MAX, TAU_S_MAX, GnssFixes
from fusion.timekeeping import TerminalClocks

NOW = 1_700_000_000_000_000_000
NUMBER = st.one_of(st.floats(-1e4, 1e4), st.sampled_from([math.nan, math.inf, 0.0, -1.0]))


def fixes_of(n, rng, **columns):
    default = {name: rng.normal(size=n) for name in ("east_m", "north_m", "heading_rad")}
    default |= {name: np.abs(rng.normal(size=n)) for name in ("speed_mps", "sigma_m", "tau_s")}
    return GnssFixes(
        terminal=tuple(str(k) for k in range(n)),
        stamp_ns=columns.pop("stamp_ns", np.full(n, NOW)),
        arrived_ns=np.full(n, NOW),
        source_seq=columns.pop("source_seq", np.zeros(n, dtype=np.int64)),
        usable=columns.pop("usable", np.ones(n)),
        **(default | columns),
    )


@given(values=st.lists(NUMBER, min_size=7, max_size=7), whole=st.booleans(), seq=st.integers(-1, 1))
def test_fix_rows_agree_with_numpy(values, whole, seq):
    east, north, speed, heading, sigma, tau, usable = (np.array([value]) for value in values)
    config, lever_m = FusionConfig(), np.array([[1.5, -0.5]])
    seen = fixes_of(
        1, np.random.default_rng(1), east_m=east, north_m=north, speed_mps=speed, heading_rad=heading,
        sigma_m=sigma, tau_s=tau, usable=usable, stamp_ns=np.array([NOW + (not whole)]),
        source_seq=np.array([seq]),
    )  # fmt: skip
    message = MessageMemory().message_of(seen, [0])
    n_odd = fill_fixes(message, lever_m, config.gnss_sigma_m, config.gnss_tau_s, config.gnss_stamp_sigma_s)
    M, has_place = message.M, message.flags[USABLE]
    sigma_m = np.where(np.isfinite(sigma), sigma, config.gnss_sigma_m)
    tau_s = np.where(np.isfinite(tau), tau, config.gnss_tau_s)
    want = {
        at.WHAT: at.FIX, at.SOURCE: 0, at.Z_EAST: east, at.Z_NORTH: north, at.Z_HEADING: heading,
        at.Z_SPEED: np.where((speed >= 0.0) & (speed <= SPEED_MPS_MAX), speed, math.nan),
        at.Z_SIGMA: np.fmax(sigma_m, 0.02), at.Z_TAU: np.clip(tau_s, 0.1, TAU_S_MAX),
        at.Z_DELAY: config.gnss_stamp_sigma_s if whole and seq >= 0 else 0.0,
        at.Z_FORWARD: 1.5, at.Z_LEFT: -0.5,
    }  # fmt: skip
    for column, value in want.items():
        np.testing.assert_array_equal(M[0, column], np.ravel(value)[0], err_msg=str(column))
    known = (usable > 0.0) & np.isfinite(east) & np.isfinite(north) & ~(sigma > SIGMA_M_MAX)
    assert has_place.tolist() == known.tolist()
    assert n_odd == (speed > SPEED_MPS_MAX).sum()
    assert message.stated_m[0] == M[0, at.Z_SIGMA]
    assert message.numbers[N_GROUP, 0] == int(not np.isfinite(sigma[0]))


def test_a_fix_of_a_terminal_without_a_row_has_no_place():
    seen = fixes_of(2, np.random.default_rng(1))
    message = MessageMemory().message_of(seen, [-1, 0])
    fill_fixes(message, np.zeros((1, 2)), 1.5, 60.0, 0.3)
    assert message.flags[USABLE].tolist() == [False, True]
    assert message.numbers[N_WHO].tolist() == [0, 0]


@given(
    ages_s=st.lists(st.sampled_from([0.0, 0.1, 0.9, -0.2, -0.4, 1.1, 5.0, 3600.0]), min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("declared_s", [0.0, 8.0])
def test_the_usual_case_of_clocks_leaves_what_the_whole_one_does(ages_s, seed, declared_s):
    rng, n = np.random.default_rng(seed), len(ages_s)
    about = [Terminal(terminal=str(w), clock_offset_s=declared_s if w == 1 else 0.0) for w in range(5)]
    outcomes = []
    for usual in (True, False):
        clocks = TerminalClocks(2_500_000_000)
        clocks.grow(about)
        step = rng.bit_generator.state
        counts = {}
        with pytest.MonkeyPatch.context() as patch:
            if not usual:
                patch.setattr(timekeeping, "_note_prompt_once", lambda *_: False)
            for k in range(4):
                who, now_ns = rng.integers(0, 5, n), NOW + k * 10**9
                stamp_ns = now_ns - (np.array(ages_s) * 1e9).astype(np.int64)
                seen = fixes_of(n, rng, stamp_ns=stamp_ns)
                usable = rng.random(n) > 0.2
                found = clocks.step(now_ns, who, seen, usable, np.ones(n), counts)
        rng.bit_generator.state = step
        outcomes.append((*found, clocks.clocks.ints, clocks.more, clocks.place))
        assert clocks.clocks.ints.shape[1] == N_CLOCK
    for one, other in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(one, other)
