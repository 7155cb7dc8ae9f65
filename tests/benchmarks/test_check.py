"""What counts as a regression."""

import pytest

from benchmarks.check import faults

REFERENCE = {"fusion.cv": 2000.0}


@pytest.mark.parametrize(
    ("ratio", "n_faults"),
    [(4000.0, 0), (1000.0, 0), (999.0, 1), (None, 1)],  # twice as good; just half; below; not measured
)
def test_half_of_the_reference_is_the_floor(ratio, n_faults):
    lines = [{"name": "fusion.cv", "ratio": ratio}, {"name": "latency.p50", "ratio": None}]
    assert len(faults(lines, REFERENCE)) == n_faults


def test_a_new_benchmark_needs_no_reference():
    assert faults([{"name": "fusion.cv", "ratio": 2000.0}, {"name": "new", "ratio": 0.1}], REFERENCE) == []
