"""Drives drawn at random, each with its truth: one case where a rule is clearly broken, else none."""

import numpy as np
import pytest

from tests.support.drawn.drives import DRIVES
from tests.support.drawn.more_drives import MORE_DRIVES
from tests.support.drawn.sampling import SAMPLINGS, complaint, run

DRAWN = DRIVES | MORE_DRIVES
SHORT = {("steady", 0), ("gaps", 1), ("twice", 2), ("late", 3), ("slow", 4)}


def marked(sampling, seed):
    """Return the pair; those that a short run leaves out are marked."""
    marks = () if (sampling, seed) in SHORT else (pytest.mark.long,)
    return pytest.param(sampling, seed, marks=marks)


@pytest.mark.parametrize(("sampling", "seed"), [marked(s, n) for s in SAMPLINGS for n in range(12)])
@pytest.mark.parametrize("name", DRAWN)
def test_a_clear_breach_is_one_case_and_who_keeps_the_rules_is_none(name, sampling, seed):
    drive = DRAWN[name](np.random.default_rng([seed, 1]))
    assert complaint(drive, run(drive, np.random.default_rng([seed, 2]), sampling)) == ""
