"""What p50 and p99 mean, in the library and where the centre shows them."""

import pytest

from centre.views.figures import Sample, latency
from edge.figures import quantile


@pytest.mark.parametrize(("share", "want"), [(0.5, 2.0), (0.51, 3.0), (0.99, 4.0), (0.0, 1.0), (1.0, 4.0)])
def test_quantile_is_the_nearest_rank(share, want):
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == want
    assert quantile([], share) is None


def test_the_centre_shows_the_same():
    hundred = [Sample("RSU-1", i * 1_000_000, deferred=False) for i in range(100, 0, -1)]
    assert latency(hundred) == {"p50_ms": 50.0, "p99_ms": 99.0, "n": 100, "deferred": 0}
    assert latency([]) == {"p50_ms": None, "p99_ms": None, "n": 0, "deferred": 0}
