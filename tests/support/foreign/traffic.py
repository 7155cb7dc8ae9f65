"""Car following by Gipps (1981): vehicles of a lane keep their order and never touch."""

from dataclasses import dataclass

import numpy as np

from tests.support.foreign.fleet import I64, SLOWS_S, Fleet
from tests.support.foreign.geometry import F64
from tests.support.foreign.road import HAZMAT, RAMP_FREE_M, Road

TICK_S = 0.05
STILL_GAP_M = 1.5
BRAKE_MPS2 = 3.0  # that a driver counts on
ACCELERATION_MPS2 = 0.9
HARDEST_MPS2 = 6.0
RAMP_MPS = 10.5
SLOW_BEFORE_M = 90.0  # of the ramp


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Where all drive, by tick of TICK_S and vehicle; between ticks the acceleration is constant."""

    u_m: F64  # (ticks, n) in driving direction along the lane's stations
    rate_mps: F64  # (ticks, n) of u


def drive(road: Road, fleet: Fleet) -> Runs:
    """Move all vehicles from the start to the end of the scenario."""
    n_ticks = round(road.scenario.duration_s / TICK_S) + 2
    u, rate = np.empty((n_ticks, len(fleet))), np.empty((n_ticks, len(fleet)))
    u[0], rate[0] = fleet.u_m, fleet.wanted_mps
    lanes = [np.flatnonzero(fleet.lane == i) for i in range(len(road.lanes))]
    for k in range(1, n_ticks):
        wanted = _wanted(road, fleet, u[k - 1], k * TICK_S)
        reachable = rate[k - 1] + ACCELERATION_MPS2 * TICK_S
        target = np.minimum(wanted, reachable)
        for rows in lanes:
            for queue in _queues(road, fleet, rows, u[k - 1], k * TICK_S):
                _follow(road, fleet, queue, u[k - 1], rate[k - 1], target)
        rate[k] = np.maximum(np.maximum(target, rate[k - 1] - HARDEST_MPS2 * TICK_S), 0.0)
        u[k] = u[k - 1] + (rate[k - 1] + rate[k]) / 2.0 * TICK_S
    return Runs(u_m=u, rate_mps=rate)


def _wanted(road: Road, fleet: Fleet, u: F64, t_s: float) -> F64:
    plan = road.scenario.traffic
    wave = plan.wave_mps * np.sin(2.0 * np.pi * (t_s / 40.0 - u / 900.0))
    wanted = np.where(fleet.is_hazmat, fleet.wanted_mps + wave, fleet.wanted_mps)
    wanted = wanted * (
        1.0 - np.clip((t_s - fleet.halt_s[:, 0]) / SLOWS_S, 0.0, 1.0) * (t_s < fleet.halt_s[:, 1])
    )
    slow = fleet.exits & (u > road.ramp_from_m - SLOW_BEFORE_M)
    # eases down over the last metres instead of braking at once
    share = np.clip((u - road.ramp_from_m + SLOW_BEFORE_M) / SLOW_BEFORE_M, 0.0, 1.0)
    return np.where(slow, wanted + share * (np.minimum(RAMP_MPS, wanted) - wanted), wanted)


def _queues(road: Road, fleet: Fleet, rows: I64, u: F64, t_s: float) -> list[I64]:
    """Split the vehicles of a lane into those that follow one another; the first is ahead."""
    rows = rows[fleet.vanish_s[rows] > t_s]
    if not len(rows) or road.lanes[int(fleet.lane[rows[0]])].name != HAZMAT:
        return [rows]
    away = fleet.exits[rows] & (u[rows] > road.ramp_from_m + RAMP_FREE_M)
    return [rows[~away], rows[away]]


def _follow(road: Road, fleet: Fleet, queue: I64, u: F64, rate: F64, target: F64) -> None:
    """Lower `target` (all vehicles) to what is safe behind the vehicle ahead."""
    if len(queue) < 2:
        return
    ahead, behind = queue[:-1], queue[1:]
    gap = u[ahead] - u[behind] - (fleet.length_m[ahead] + fleet.length_m[behind]) / 2.0
    plan = road.scenario.traffic
    wanted_gap = np.where(fleet.is_hazmat[behind], plan.truck_gap_m, plan.other_gap_m)
    reaction = np.clip((0.8 * wanted_gap - STILL_GAP_M) / fleet.wanted_mps[behind], 0.25, 1.0)
    brake = BRAKE_MPS2 * reaction
    inside = brake**2 + rate[ahead] ** 2 + 2.0 * BRAKE_MPS2 * (gap - STILL_GAP_M)
    target[behind] = np.minimum(target[behind], np.sqrt(np.maximum(inside, 0.0)) - brake)
