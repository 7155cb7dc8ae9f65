"""Second echoes are found on the grid exactly where asking every vehicle of every detection finds them."""

import math

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arrays import F64, I64
from fusion import own_echoes as echoes
from fusion.grid import grid_for
from fusion.layout import (
    CONFIRMED,
    EAST,
    HEADING,
    LENGTH,
    N_DIM,
    N_FLOAT,
    N_INT,
    N_SEEN,
    N_X,
    NORTH,
    S_COS,
    S_EAST,
    S_NORTH,
    S_RANGE,
    S_RATE,
    S_SIN,
    STATUS,
    TENTATIVE,
    V_EAST,
    V_NORTH,
    WIDTH,
    States,
    Tracks,
)

SIGMA_AZIMUTH_RAD = 0.004
NAN = math.nan


@numba.njit
def marked(tracks, WX, rows, n_t, sigma_azimuth, seen, n_d, track_of, grid):
    """Call the kernel, which only kernels can."""
    echoes.own_echoes(tracks, WX, rows, n_t, sigma_azimuth, seen, n_d, track_of, grid)


def by_asking_all(ints: I64, floats: F64, WX: F64, rows: I64, seen: F64) -> list[int]:
    """Return what the kernel shall say of each detection, vehicle by vehicle, in vehicle coordinates."""
    answers = []
    for east, north, flat, cos, sin, rate in seen[:, :6]:
        echo = near = False
        for j, i in enumerate(rows):
            if ints[i, STATUS] != CONFIRMED:
                continue
            length, width = (
                known if not math.isnan(known) else usual
                for known, usual in zip(floats[i, 1:3], (6.0, 2.5), strict=True)
            )
            v = complex(WX[j, V_EAST], WX[j, V_NORTH])
            least_mps = 1.0 if math.isnan(WX[j, HEADING]) else 6.0
            course = WX[j, HEADING] if abs(v) <= least_mps else math.atan2(v.imag, v.real)
            if math.isnan(course):
                course, width = 0.0, length
            off = complex(east - WX[j, EAST], north - WX[j, NORTH]) * complex(
                math.cos(course), -math.sin(course)
            )
            across_beam = abs(math.cos(course) * cos + math.sin(course) * sin)
            beside = max(width / 2 + 1.0, min(width / 2 + 3.0 * flat * SIGMA_AZIMUTH_RAD * across_beam, 2.8))
            moves_alike = math.isnan(rate) or abs(rate - (cos * v.real + sin * v.imag)) < 3.0
            near |= abs(off) < 9.05
            echo |= abs(off.real) <= length / 2 + 2.0 and abs(off.imag) <= beside and moves_alike
        beside_one = echoes.NEAR_TRACK if near else echoes.NO_TRACK
        answers.append(echoes.OWN_ECHO if echo else beside_one)
    return answers


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from([0, 1, 300]), st.booleans())
def test_grid_and_asking_all_agree(seed, n_vehicles, n_d, alike):
    rng = np.random.default_rng(seed)
    WX, ints, floats = (
        np.zeros((n_vehicles, N_X)),
        np.zeros((64, N_INT), dtype=np.int64),
        np.zeros((64, N_FLOAT)),
    )
    rows = rng.permutation(64)[:n_vehicles]
    ints[:, STATUS] = rng.choice([CONFIRMED, CONFIRMED, TENTATIVE], 64)
    floats[:, LENGTH], floats[:, WIDTH] = (
        18.0 if alike else rng.choice([NAN, 4.2, 18.0], 64),
        rng.choice([NAN, 1.8, 4.5], 64),
    )
    WX[:, EAST], WX[:, NORTH] = rng.uniform(-120.0, 120.0, (2, n_vehicles))
    WX[:, V_EAST], WX[:, V_NORTH] = rng.choice([0.0, 0.3, 5.0, 20.0], n_vehicles) * rng.choice(
        [-1, 0, 1], (2, n_vehicles)
    )
    WX[:, HEADING] = -2.0 if alike else rng.choice([NAN, 0.4, -2.0], n_vehicles)
    seen = np.zeros((n_d, N_SEEN))
    if n_vehicles:  # most lie somewhere along a vehicle, in or near its outline
        near = rng.integers(0, n_vehicles, n_d)
        course = np.arctan2(WX[near, V_NORTH], WX[near, V_EAST])
        along, across = rng.uniform(-13.0, 13.0, n_d), rng.uniform(-3.5, 3.5, n_d)
        seen[:, S_EAST] = WX[near, EAST] + along * np.cos(course) - across * np.sin(course)
        seen[:, S_NORTH] = WX[near, NORTH] + along * np.sin(course) + across * np.cos(course)
    seen[:, S_RANGE] = np.hypot(seen[:, S_EAST], seen[:, S_NORTH])
    bearing = np.arctan2(seen[:, S_NORTH], seen[:, S_EAST])
    seen[:, S_COS], seen[:, S_SIN] = np.cos(bearing), np.sin(bearing)
    seen[:, S_RATE] = np.where(rng.random(n_d) < 0.7, NAN, rng.normal(0.0, 5.0, n_d))
    track_of = np.full(n_d, echoes.NO_TRACK)
    taken = rng.random(n_d) < 0.3
    track_of[taken] = 5
    none = np.zeros(0, dtype=np.int64)
    states = States(np.zeros((0, N_X)), np.zeros((0, N_DIM, N_DIM)))
    marked(
        Tracks(states, ints, floats, none, none), WX, rows, n_vehicles, SIGMA_AZIMUTH_RAD, seen, n_d,
        track_of,
        grid_for(64 + n_d),
    )  # fmt: skip
    assert track_of.tolist() == np.where(taken, 5, by_asking_all(ints, floats, WX, rows, seen)).tolist()
