"""Where vehicles were, and where they pointed, from fixes with noise."""

import math

import numpy as np
import pytest

from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.observations import GnssFixes, RadarScan
from petroroad.commissioning.passes import passes_of

POSE = RadarPose(
    sensor="R1", east_m=0.0, north_m=-8.0, height_m=6.0, boresight_rad=0.0, range_m_max=300.0,
    fov_rad=2.0, sigma_range_m=0.25, sigma_azimuth_rad=0.003, sigma_range_rate_mps=0.1, accepted=False,
)  # fmt: skip


def scan(k):
    nothing = np.zeros(0)
    return RadarScan(
        sensor="R1", stamp_ns=k * 100_000_000, arrived_ns=k * 100_000_000, scan=k, range_m=nothing,
        azimuth_rad=nothing, range_rate_mps=nothing, rcs_dbsm=nothing,
    )  # fmt: skip


def drive(north_m, speed_mps):
    """One fix a second of a truck that drives to the east at 15 m/s."""
    n, unknown = len(north_m), np.full(len(north_m), np.nan)
    stamp_ns = 1_000_000_000 * np.arange(n)
    return GnssFixes(
        terminal=("T1",) * n, stamp_ns=stamp_ns, arrived_ns=stamp_ns, source_seq=np.arange(n),
        east_m=15.0 * np.arange(n), north_m=north_m, speed_mps=np.full(n, speed_mps),
        heading_rad=np.zeros(n), sigma_m=unknown, tau_s=unknown, usable=np.ones(n),
    )  # fmt: skip


@pytest.mark.parametrize("states_speed", [True, False])
def test_white_errors_of_fixes_hardly_turn_the_body(states_speed):
    # a body that points 0.04 rad beside its way scatters its end by 0.2 m, and looks shorter to least squares
    rng, off = np.random.default_rng(1), []
    for _ in range(20):
        fixes = drive(0.25 * rng.normal(size=20), 15.0 if states_speed else math.nan)
        passes = passes_of([*map(scan, range(200)), fixes], POSE, [Terminal(terminal="T1")], FusionConfig())
        places = passes.places["T1"]
        inner = (places.scan > 30) & (places.scan < 160)
        off.append(np.arctan2(places.v_north_mps, places.v_east_mps)[inner])
    assert np.std(off) < 0.015
