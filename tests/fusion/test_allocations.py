"""A scan allocates nothing in its kernels, and what Python allocates around them does not grow with it."""

import tracemalloc
from collections.abc import Iterator

import numba
import numpy as np
import pytest
from numba.core.runtime import _nrt_python as statistics
from numba.core.runtime import rtsys

from fusion.config import FusionConfig
from fusion.observations import RadarScan
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, pose, scan

N_SCANS, PERIOD_NS = 30, 50_000_000


@pytest.fixture
def counted() -> Iterator[None]:
    """Let Numba's runtime count what it allocates."""
    statistics.memsys_enable_stats()
    yield
    statistics.memsys_disable_stats()


def scans(n: int) -> tuple[Tracker, list[RadarScan]]:
    """Return a tracker of one radar, and scans of n vehicles that drive away from it, side by side."""
    radar = pose("R", 0.0, 0.0, 0.0)
    tracker = Tracker(FusionConfig(), [radar], [], id_base=0)
    place = np.zeros((n, 4))
    place[:, 0], place[:, 1], place[:, 2] = 50.0 + 8.0 * (np.arange(n) // 8), 4.0 * (np.arange(n) % 8), 15.0
    seen = []
    for k in range(N_SCANS):
        place[:, 0] += 15.0 * PERIOD_NS * 1e-9
        seen.append(scan(radar, T0_NS + k * PERIOD_NS, place))
    return tracker, seen


def test_kernels_of_a_scan_allocate_nothing(counted: None) -> None:
    tracker, seen = scans(60)
    for one in seen[:-1]:
        tracker.step(one.stamp_ns, one)
    before = rtsys.get_allocation_stats()
    touched = tracker.step(seen[-1].stamp_ns, seen[-1]).touched
    assert len(touched) >= 50, "a real scan"
    assert rtsys.get_allocation_stats() == before


def test_the_runtime_counts_what_a_compiled_function_allocates(counted: None) -> None:
    @numba.njit
    def allocating(n: int) -> float:
        return np.zeros(n).sum()

    before = rtsys.get_allocation_stats()
    allocating(3)
    assert rtsys.get_allocation_stats().alloc > before.alloc


def blocks_of_a_scan(n: int) -> int:
    """Return how many blocks of memory the last scan leaves: those of its result."""
    tracker, seen = scans(n)
    for one in seen[:-1]:
        tracker.step(one.stamp_ns, one)
    tracemalloc.start()
    try:
        update = tracker.step(seen[-1].stamp_ns, seen[-1])
        taken = sum(entry.count for entry in tracemalloc.take_snapshot().statistics("filename"))
    finally:
        tracemalloc.stop()
    assert len(update.touched) >= 0.8 * n
    return taken


def test_a_scan_of_many_leaves_no_more_blocks_than_one_of_few() -> None:
    assert blocks_of_a_scan(80) <= blocks_of_a_scan(8) + 8, "nothing is allocated for each vehicle"
