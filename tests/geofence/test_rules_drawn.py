"""Drives drawn at random, each with its truth: one case where a rule is clearly broken, else none."""

import numpy as np
import pytest

from tests.support.drawn.drives import DRIVES
from tests.support.drawn.more_drives import MORE_DRIVES
from tests.support.drawn.sampling import SAMPLINGS, complaint, run
from tests.support.drawn.short_runs import pairs

DRAWN = DRIVES | MORE_DRIVES
SHORT = {("steady", 0), ("gaps", 1), ("twice", 2), ("late", 3), ("slow", 4)}


@pytest.mark.parametrize(("sampling", "seed"), pairs(SAMPLINGS, 12, SHORT))
@pytest.mark.parametrize("name", DRAWN)
def test_a_clear_breach_is_one_case_and_who_keeps_the_rules_is_none(name, sampling, seed):
    drive = DRAWN[name](np.random.default_rng([seed, 1]))
    assert complaint(drive, run(drive, np.random.default_rng([seed, 2]), sampling)) == ""
