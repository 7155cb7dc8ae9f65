"""What is wrong with terminals, and jamming: who, how, from when until when; what it does to reports.

Truth knows all of it. A wrong clock is no manipulation: it stands in `/truth`, the others in
`/truth/violation`.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tests.support.foreign.chance import random_of
from tests.support.foreign.fleet import Flags
from tests.support.foreign.geometry import F64
from tests.support.foreign.jams import Jam
from tests.support.foreign.motion import Motion

if TYPE_CHECKING:  # it applies what is defined here
    from tests.support.foreign.receivers import Reports

SETTLE_S = (12.0, 20.0)  # so long a terminal is sound first
LASTS_S = (14.0, 22.0)  # frozen, replayed: then it is sound again
LEAST_S = 35.0  # who is on the road for less has no fault
DRAG_MPS, DRAG_M_MAX = (0.1, 0.5), 40.0
SLOW_MPS, SLOW_LEAST_S = (0.1, 0.1), 75.0  # so slow a drag needs time to be one
DRAGS = ("drag", "slow")
REPLAY_S = (5.0, 12.0)  # so old is what is replayed
CLOCKS_S = (0.7, -0.6, 2.4, 3_600.0, -1.6)  # ahead positive; one after another
DRIFT_PPM = 200.0  # of every second wrong clock
STATED_SHARE = 0.2  # of the true sigma, by the overconfident
NOISE = 10.0  # times as much, when jammed and not lost
SPEECHLESS_SHARE = 0.25  # of the jammed terminals whose place is lost: they say nothing at all
STANDS_MPS = 0.3  # below, some receivers hold their place: sound, if the truck stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One terminal's fault."""

    kind: str  # drag, slow (a drag), frozen, overconfident, clock, replay
    from_s: float = 0.0
    until_s: float = np.inf
    size: float = 0.0  # drag, slow [m/s], clock [s], replay [s]
    drift: float = 0.0  # of a clock

    @property
    def manipulates(self) -> bool:
        return self.kind != "clock"


def faults_of(motion: Motion, seed: int) -> dict[int, Fault]:
    """Draw faults by row; a terminal has one at most."""
    plan, fleet = motion.road.scenario.faults, motion.fleet
    rng, end_s = random_of(seed, "faults"), motion.road.scenario.duration_s
    stays = np.minimum(motion.until_s, end_s) - motion.from_s
    rows = rng.permutation(np.flatnonzero(fleet.reports & fleet.is_hazmat & (stays > LEAST_S))).tolist()
    kinds = [kind for kind, n in plan for _ in range(n)]
    if "slow" in kinds:  # those that stay for long come first
        rows.sort(key=lambda row: bool(stays[row] < SLOW_LEAST_S))
    drawn = {}
    for k, (row, kind) in enumerate(zip(rows, kinds, strict=False)):
        from_s = float(motion.from_s[row]) + float(rng.uniform(*SETTLE_S))
        lasts_s = float(rng.uniform(*LASTS_S))
        if kind == "clock":
            n = kinds[:k].count("clock")
            drift = DRIFT_PPM * 1e-6 * (n % 2)
            drawn[row] = Fault(kind=kind, size=CLOCKS_S[n % len(CLOCKS_S)], drift=drift)
        elif kind == "overconfident":
            drawn[row] = Fault(kind=kind)
        else:
            size = float(rng.uniform(*{"drag": DRAG_MPS, "slow": SLOW_MPS}.get(kind, REPLAY_S)))
            until_s = np.inf if kind in DRAGS else from_s + lasts_s
            drawn[row] = Fault(kind=kind, from_s=from_s, until_s=until_s, size=size)
    return drawn


def past_of(motion: Motion, row: int, stamps: F64, fault: Fault | None) -> F64:
    """Return of which instants the terminal reports the place: its stamps, or an earlier part of its way."""
    if fault is None or fault.kind != "replay":
        return stamps
    replayed = (fault.from_s <= stamps) & (stamps < fault.until_s)
    return np.where(replayed, np.maximum(stamps - fault.size, motion.from_s[row]), stamps)


def with_fault(made: "Reports", fault: Fault | None, rng: np.random.Generator) -> "Reports":
    """Return what the terminal reports with its fault."""
    if fault is None:
        return made
    t = made.stamp_s
    now = (fault.from_s <= t) & (t < fault.until_s)
    if fault.kind in DRAGS:
        way = rng.uniform(0.0, 2.0 * np.pi)
        slid = np.minimum(fault.size * np.maximum(t - fault.from_s, 0.0), DRAG_M_MAX)
        off = slid[:, None] * np.array([np.cos(way), np.sin(way)])
        return replace(
            made, east_m=made.east_m + off[:, 0], north_m=made.north_m + off[:, 1],
            error_m=made.error_m + off, fault=fault,
        )  # fmt: skip
    if fault.kind == "frozen":
        return replace(_held(made, now, speed_too=bool(rng.random() < 0.5)), fault=fault)
    if fault.kind == "overconfident":
        return replace(made, told_share=made.told_share * STATED_SHARE, fault=fault)
    if fault.kind == "clock":
        return replace(made, clock_s=fault.size + fault.drift * t, fault=fault)
    return replace(made, fault=fault)


def standing_held(made: "Reports", true_mps: F64) -> "Reports":
    """Return the reports of a receiver that holds its place while it stands: sound, and equal fixes."""
    return _held(made, true_mps < STANDS_MPS, speed_too=True)


def _held(made: "Reports", when: Flags, *, speed_too: bool) -> "Reports":
    """Return the reports with each place of `when` (k,) as the one before."""
    source = np.arange(len(when))
    for k in np.flatnonzero(when[1:]).tolist():
        source[k + 1] = source[k]
    moved = np.stack([made.east_m, made.north_m], axis=1)
    held = moved[source]
    speed = made.speed_mps[source] if speed_too else made.speed_mps
    return replace(
        made, east_m=held[:, 0], north_m=held[:, 1], error_m=made.error_m + held - moved, speed_mps=speed,
        course_deg=made.course_deg[source],
    )  # fmt: skip


def jammed(made: "Reports", s_m: F64, jams: tuple[Jam, ...], rng: np.random.Generator) -> "Reports":
    """Return the reports with what jamming does at stations s_m (k,)."""
    speechless = bool(rng.random() < SPEECHLESS_SHARE)
    keep = np.ones(len(s_m), dtype=np.bool_)
    for jam in jams:
        hit = jam.covers(s_m, made.stamp_s)
        if not hit.any():
            continue
        if jam.kind == "noise":
            more = np.where(hit, NOISE, 1.0)[:, None] * made.error_m - made.error_m
            made = replace(
                made, east_m=made.east_m + more[:, 0], north_m=made.north_m + more[:, 1],
                error_m=made.error_m + more, jammed=made.jammed | hit,
            )  # fmt: skip
            continue
        made = replace(_held(made, hit, speed_too=True), jammed=made.jammed | hit, lost=made.lost | hit)
        keep &= ~(hit & speechless)
    columns = (
        "stamp_s", "arrival_s", "east_m", "north_m", "error_m", "speed_mps", "course_deg", "clock_s",
        "jammed", "lost",
    )  # fmt: skip
    return replace(made, **{name: getattr(made, name)[keep] for name in columns})
