"""Platoons, and trips that end on the road."""

from typing import Any

import msgspec
import numpy as np
import pytest

from core.arrays import F64
from core.classes import HAZMAT
from sim.settings import TrafficConfig
from sim.traffic import Traffic
from tests.support.sim_world import quiet, world


def traffic(seed: int, **asked: Any) -> Traffic:
    scenario = msgspec.structs.replace(quiet(), traffic=TrafficConfig(**asked))
    return world(scenario, seed=seed).traffic


def gaps(made: Traffic) -> tuple[F64, F64]:
    """Return bumper to bumper gaps of tank trucks ahead of platoon followers, and of all others."""
    state, found = made.state, ([], [])
    for way in (1, -1):
        rows = np.flatnonzero(state.active & (state.way == way) & (made.fleet.kind == HAZMAT))
        rows = rows[np.argsort(state.along_m[rows])]
        half_m = made.fleet.length_m[rows] / 2
        gap = np.diff(state.along_m[rows]) - half_m[1:] - half_m[:-1]
        for follows, each in zip(state.follows[rows[:-1]].tolist(), gap.tolist(), strict=True):
            found[0 if follows else 1].append(each)
    return np.array(found[0]), np.array(found[1])


@pytest.mark.parametrize("seed", [41, 42])
def test_platoons_keep_the_stated_gap(seed: int) -> None:
    made = traffic(seed, platoon=6, platoon_gap_m=8.0, vehicles=200)
    for _ in range(1_200):
        made.step()
    close, far = gaps(made)
    assert len(close) > 3 * len(far)
    assert np.median(close) == pytest.approx(8.0, abs=2.0)
    assert min(close.min(), far.min()) > 2.0  # nobody drives through another one
    assert np.median(far) > 30.0


def test_the_stated_share_of_trips_ends_on_the_road() -> None:
    made = traffic(43, ends_share=0.4)
    assert np.isfinite(made.state.ends_m[made.state.active]).mean() == pytest.approx(0.4, abs=0.12)
    n_ended = n_all = 0
    for _ in range(2_400):
        before = made.state.active.copy()
        made.step()
        for i in np.flatnonzero(before & ~made.state.active):
            at_m = made.state.along_m[i]
            end_m = made.to_m if made.state.way[i] > 0 else -made.from_m
            n_ended += bool(at_m < end_m - 5.0)
            n_all += 1
    assert n_all > 60
    assert n_ended > 0.2 * n_all
