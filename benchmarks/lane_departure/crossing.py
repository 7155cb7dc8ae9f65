"""The test of the way across (geofence.crossing): what drivers who keep the lane make of it, and who leaves.

A course is the direction of a smooth way, so that the wander of these drivers is smooth (a critically damped
oscillator driven by noise), with the size and the time of the family's. Each drives with each error of the
place and each kind of course: a receiver's, whole degrees, and such as are no second witness or wrong.
`python -m benchmarks.lane_departure crossing` prints what each passes at a rate, and who is found.
"""

import math
from typing import NamedTuple

import numpy as np

from benchmarks.lane_departure.drivers import (
    FAMILY,
    MARGIN_M,
    SWERVE_M,
    SWERVE_S,
    TYPICAL,
    Driver,
    Error,
    honest,
    next_error_m,
    seed_noise,
)
from benchmarks.lane_departure.judged import SHIPPED
from benchmarks.lane_departure.levels import LANE_M, tail
from benchmarks.lane_departure.lines import show
from core.arrays import F1, F64
from core.kernel import kernel
from geofence.claim import add_increment
from geofence.crossing import JERK_MPS3, crossing_level, weigh_crossing
from geofence.detectors import CROSSING_SHARE
from geofence.scales import DISPROVED
from geofence.state import CLAIM_TRUST, CLAIM_USED, N_DRIFT

DT_S, BLOCK_S, SPEED_MPS, SEED = 0.1, 100.0, 16.0, 41
DEPARTS_MPS, DEPTH_M, LASTS_S = 0.8, 1.5, 10.0
# kinds of courses: white error; whole degrees; computed from the last two places, and averaged over 2 s;
# averaged over 1.5 s; the same value for 3 s; an error that lasts 5 s; one of a hundred is any; all the same
WHITE, DEGREES, COPIED, COPIED_SLOW, SLOW, HELD, LASTING, WILD, STUCK = range(9)
AVERAGED_S, COPIED_S, HELD_S, LASTING_S, WILD_P = 1.5, 2.0, 3.0, 5.0, 0.01
# numbers of a vehicle's state, the last of them its place a step before; then five of its terminal
WHERE, SPEED, SWERVING, BEFORE_M, SLOW_AT = range(5)
N_OWN = SLOW_AT + 5


class Course(NamedTuple):
    """A terminal's course: kind, 1 sigma of its error and its lasting offset [rad]."""

    kind: int
    sigma_rad: float
    off_rad: float


COURSES = {
    "good": Course(WHITE, 0.003, 0.0),
    "fair": Course(WHITE, 0.006, 0.0),
    "mounted": Course(WHITE, 0.003, math.radians(0.5)),
    "degrees": Course(DEGREES, 0.0, 0.0),
    "slow": Course(SLOW, 0.003, 0.0),
    "poor": Course(WHITE, 0.05, 0.0),
    "copied": Course(COPIED, 0.0, 0.0),
    "copied_slow": Course(COPIED_SLOW, 0.0, 0.0),
    "held": Course(HELD, 0.003, 0.0),
    "lasting": Course(LASTING, 0.01, 0.0),
    "wild": Course(WILD, 0.003, 0.0),
    "stuck": Course(STUCK, 0.0, 0.0),
}
ERRORS = (honest(0.2, 4.0), honest(0.3, 4.0), honest(0.5, 10.0), honest(0.4, 20.0))


@kernel(inner=True)
def drive(driver: Driver, way_m: float, own: F1) -> float:
    """Advance a driver by DT_S and return the offset from the middle; way_m : that he left his lane by."""
    t, h = driver.wander_tau_s / 2.0, DT_S / 2.0
    push = 2.0 * driver.wander_m * math.sqrt(h / t) / t
    for _ in range(2):
        own[SPEED] -= h * (2.0 * own[SPEED] / t + own[WHERE] / t**2) - push * np.random.standard_normal()
        own[WHERE] += h * own[SPEED]
    centre_m = driver.centre_m + MARGIN_M
    kept = min(max(own[WHERE], -MARGIN_M - centre_m), MARGIN_M - centre_m)
    own[SPEED] = own[SPEED] if kept == own[WHERE] else 0.0
    own[WHERE] = kept
    place = centre_m + kept
    if (
        driver.swerve_each_s > 0.0
        and own[SWERVING] < 0.0
        and np.random.random() < DT_S / driver.swerve_each_s
    ):
        own[SWERVING] = 0.0
    if own[SWERVING] >= 0.0:
        own[SWERVING] += DT_S
        turn = 2.0 * math.pi * min(own[SWERVING] / SWERVE_S, 1.0)
        place = min(place + SWERVE_M / 2.0 * (1.0 - math.cos(turn)), MARGIN_M)
        own[SWERVING] = -1.0 if own[SWERVING] >= SWERVE_S else own[SWERVING]
    return float(place + way_m)


@kernel(inner=True)
def left_m(t_s: float, leaves_s: float, depth_m: float) -> float:
    """Return how far he has left the middle; depth_m : 0, he never does."""
    reach_m = MARGIN_M + depth_m
    back_s = leaves_s + 2.0 * reach_m / DEPARTS_MPS + LASTS_S
    return min(max(DEPARTS_MPS * min(t_s - leaves_s, back_s - t_s), 0.0), reach_m) if depth_m > 0.0 else 0.0


@kernel(inner=True)
def reported_mps(
    course: Course, slip_mps: float, offset_m: float, last_m: float, dt_s: float, slow: F1
) -> float:
    """Return what the terminal reports, as a velocity across [m/s]; slow : (5,) what it remembers."""
    noise = course.sigma_rad * np.random.standard_normal()
    keep = math.exp(-dt_s / LASTING_S)
    slow[1] = keep * slow[1] + math.sqrt(1.0 - keep * keep) * noise
    copied = (offset_m - last_m) / dt_s
    slow[2] += min(dt_s / COPIED_S, 1.0) * (copied - slow[2])
    said = slip_mps + SPEED_MPS * (course.off_rad + noise)
    if course.kind == DEGREES:
        said = SPEED_MPS * math.radians(math.floor(math.degrees(slip_mps / SPEED_MPS) + slow[4]))
    elif course.kind == COPIED:
        said = copied
    elif course.kind == COPIED_SLOW:
        said = slow[2]
    elif course.kind == SLOW:
        said = slow[0] + SPEED_MPS * noise
    elif course.kind == WILD and np.random.random() < WILD_P:
        said = SPEED_MPS * math.sin(2.0 * math.pi * np.random.random())
    elif course.kind == STUCK:
        said = -0.8 * SPEED_MPS
    elif course.kind == LASTING:
        said = slip_mps + SPEED_MPS * slow[1]
    elif course.kind == HELD:
        slow[3] -= dt_s
        if slow[3] > 0.0:
            return float(slow[0])
        slow[0], slow[3] = said, HELD_S - 0.5 * dt_s
    return float(said)


@kernel(inner=True)
def begin(driver: Driver, own: F1) -> None:
    """Begin a ride: own (N_OWN,) is what driver and terminal remember."""
    for c in range(N_OWN):
        own[c] = 0.0
    own[WHERE], own[SWERVING] = driver.wander_m * np.random.standard_normal(), -1.0
    own[SLOW_AT + 4] = np.random.random()


@kernel(inner=True)
def move(driver: Driver, course: Course, way_m: float, is_first: bool, own: F1) -> tuple[float, float]:
    """Advance by DT_S; return the offset from the middle and the velocity across; way_m : as of `drive`."""
    place_m = drive(driver, way_m, own)
    slip_mps = 0.0 if is_first else (place_m - own[BEFORE_M]) / DT_S
    own[BEFORE_M] = place_m
    if course.kind == SLOW:
        own[SLOW_AT] += DT_S / AVERAGED_S * (slip_mps - own[SLOW_AT])
    return place_m, slip_mps


@kernel(inner=True)
def check_step(away_m: float, error: Error, dt_s: float, row: F1) -> None:
    """Hold a step of the place against the claim, as geofence.claim does with the tracker's velocity.

    away_m : by which it differs from the way that is known otherwise
    """
    claimed_m2 = 2.0 * error.told_sigma_m**2 * (1.0 - math.exp(-dt_s / error.told_tau_s))
    add_increment(away_m, claimed_m2, (0.1 * dt_s) ** 2 + (JERK_MPS3 * dt_s**3 / 12.0) ** 2, row)


@kernel
def ride(
    seed: int, driver: Driver, error: Error, course: Course, hz: int, plan: tuple[float, float, float],
    own: F1, row: F1, most: F1,
) -> float:  # fmt: skip
    """Drive; fill most (m,) with the largest statistic of each BLOCK_S, or return it while he is outside.

    plan : how long, when he leaves, how deep [s, s, m].  own, row : memory
    """
    seed_noise(seed)
    lasts_s, leaves_s, depth_m = plan
    slow, every, dt_s = own[SLOW_AT:], 10 // hz, 1.0 / hz
    for c in range(N_DRIFT):
        row[c] = 0.0
    begin(driver, own)
    leaves_s += np.random.random()
    e, outside, out_s = error.sigma_m * np.random.standard_normal(), 0.0, -1e9
    last_m, last_slip = 0.0, 0.0
    row[CLAIM_USED] = 1.0
    for k in range(round(lasts_s / DT_S)):
        t_s = k * DT_S
        place_m, slip_mps = move(driver, course, left_m(t_s, leaves_s, depth_m), k == 0, own)
        e = next_error_m(e, error, DT_S)
        out_s = t_s if place_m > MARGIN_M else out_s
        if k % every:
            continue
        offset_m = place_m + e
        said = reported_mps(course, slip_mps, offset_m, last_m if k > 0 else offset_m, dt_s, slow)
        if k > 0:
            check_step(offset_m - last_m - 0.5 * dt_s * (said + last_slip), error, dt_s, row)
            row[CLAIM_USED] = row[CLAIM_TRUST]
        last_m, last_slip = offset_m, said
        across = offset_m, LANE_M / 2.0, MARGIN_M
        nats = weigh_crossing(
            across, (error.told_sigma_m, error.told_tau_s), (SPEED_MPS, said), dt_s if k > 0 else 0.0, row
        )
        nats = nats if row[CLAIM_TRUST] < DISPROVED else 0.0  # else its vehicle is not judged
        if depth_m == 0.0:
            most[int(t_s / BLOCK_S)] = max(most[int(t_s / BLOCK_S)], nats)
        elif t_s - out_s <= 1.0 and offset_m > MARGIN_M:
            outside = max(outside, nats)
    return outside


def memory() -> tuple[F64, F64]:
    """Return memory for `ride`."""
    return np.zeros(N_OWN), np.zeros(N_DRIFT)


def passed(driver: Driver, error: Error, course: Course, hz: int, hours: int) -> F64:
    """Return the largest statistic of each BLOCK_S of so many hours; each hour is another vehicle."""
    n = round(3600.0 / BLOCK_S)
    most = np.zeros((hours, n))
    for hour in range(hours):
        ride(SEED + hour, driver, error, course, hz, (3600.0, 0.0, 0.0), *memory(), most[hour])
    return most.ravel()


def leaving(error: Error, course: Course, hz: int, leaves_s: float, n: int) -> F64:
    """Return the largest statistic of n typical drivers (n,) while they are outside, or a second later."""
    lasts_s = leaves_s + 2.0 * (MARGIN_M + DEPTH_M) / DEPARTS_MPS + LASTS_S + 3.0
    plan = lasts_s, leaves_s, DEPTH_M
    return np.array(
        [ride(SEED + i, TYPICAL, error, course, hz, plan, *memory(), np.zeros(1)) for i in range(n)]
    )


@kernel
def shipped_level() -> float:
    """Return the level that departures are judged by."""
    return crossing_level(CROSSING_SHARE * SHIPPED)


def lines(hours: int, n: int) -> None:
    """Print of each driver and course what the worst error passes at 1e-4 an hour, and who is found."""
    level = shipped_level()
    for course, about in COURSES.items():
        for name, driver in FAMILY.items():
            each = [passed(driver, error, about, 1, hours) for error in ERRORS]
            passes = sum(int((most > level).sum()) for most in each)
            show(
                f"crossing.{course}.{name}", max(float(tail(most, (1e-4,))[0]) for most in each), "nats",
                hours=float(hours * len(ERRORS)), level=level, alarms=float(passes),
            )  # fmt: skip
        for hz in (1, 10):
            for leaves_s in (25.0, 60.0):
                found = leaving(honest(0.4, 20.0), about, hz, leaves_s, n) > level
                show(
                    f"crossing.{course}.s04_tau20_{hz}hz_after_{leaves_s:.0f}s",
                    float(found.mean()),
                    "",
                    n=float(n),
                )
