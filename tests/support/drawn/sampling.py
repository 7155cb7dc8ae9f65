"""Drawn drives as they are measured: with errors, gaps, samples that come twice or late."""

from typing import Any

import numpy as np

from tests.support.drawn.drives import Drive
from tests.support.geofence_world import T0_NS, World

SAMPLINGS = ("steady", "gaps", "twice", "late", "slow")
SIGMA_M, TAU_S, SIGMA_MPS = 0.08, 0.3, 0.08
GRADES = ("undecidable", "notice", "warning", "violation")


def run(drive: Drive, rng: Any, sampling: str) -> World:
    """Judge a drive, and let its tracks end."""
    world = drive.world()
    world.gateway_present = True
    errors: dict[int, Any] = {}
    pending: list[tuple[float, list[dict[str, Any]]]] = []
    silent_until_s, step_s = 0.0, 0.2 if sampling == "slow" else 0.1
    measured: list[dict[str, Any]] = []
    stamp_ns = T0_NS
    for k in range(round(drive.seconds / 0.1)):
        t_s = k * 0.1
        stamp_ns = T0_NS + k * 100_000_000
        if k % 2 == 0 and measured:
            world.tick(stamp_ns, *measured)
        if round(t_s / step_s, 6) % 1 or t_s < silent_until_s:
            continue
        if sampling == "gaps" and rng.random() < 0.03:
            silent_until_s = t_s + rng.uniform(0.2, 0.9)
        measured = [_measured(row, i, errors, rng) for i, row in enumerate(drive.at(t_s))]
        if sampling == "late" and rng.random() < 0.1:
            pending.append((t_s, measured))
            continue
        world.observe(stamp_ns, *measured)
        if sampling == "twice" and rng.random() < 0.1:
            world.observe(stamp_ns, *measured)
        while pending and rng.random() < 0.5:
            then_s, rows = pending.pop()
            world.observe(T0_NS + round(then_s * 10) * 100_000_000, *rows)
    ids = sorted({row.get("track", i + 1) for i, row in enumerate(measured)})
    world.end(stamp_ns + 2_000_000_000, ids)
    return world


def _measured(row: dict[str, Any], i: int, errors: dict[int, Any], rng: Any) -> dict[str, Any]:
    """Return a vehicle as it is seen: the error of its place is an AR(1) process, as it is stated."""
    keep = np.exp(-0.1 / TAU_S)
    error = keep * errors.get(i, np.zeros(2)) + np.sqrt(1 - keep**2) * rng.normal(0.0, SIGMA_M, 2)
    errors[i] = error
    truth = {"north": -7.625, "v_east": 16.0, "v_north": 0.0} | row
    velocity = rng.normal(0.0, SIGMA_MPS, 2)
    return truth | {
        "track": row.get("track", i + 1),
        "east": truth["east"] + error[0], "north": truth["north"] + error[1],
        "v_east": truth["v_east"] + velocity[0], "v_north": truth["v_north"] + velocity[1],
        "sigma": truth.get("sigma", 0.1), "sigma_v": 0.1, "tau": TAU_S,
    }  # fmt: skip


def complaint(drive: Drive, world: World) -> str:
    """Return what is wrong with what was raised; "": nothing."""
    episodes: dict[str, list[Any]] = {}
    for violation in world.out:
        if not (drive.is_coarse and violation.grade == "undecidable"):
            episodes.setdefault(violation.id, []).append(violation)
    said = [f"{v[0].rule} {[x.phase + ':' + x.grade for x in v]}" for v in episodes.values()]
    for versions in episodes.values():
        if versions[-1].phase != "close":
            return f"never closed: {said}"
        if [version.version for version in versions] != sorted({version.version for version in versions}):
            return f"versions out of order: {said}"
    rules = [versions[0].rule for versions in episodes.values()]
    if sorted(rules) != sorted(drive.want):
        return f"wanted {sorted(drive.want)}: {said}"
    for versions in episodes.values():
        rule = versions[0].rule
        top = max((version.grade for version in versions), key=GRADES.index)
        if GRADES.index(top) < GRADES.index(drive.want[rule]):
            return f"{rule} is {top}, not {drive.want[rule]}"
        if drive.begins_s is not None:
            late_s = (versions[0].start_ns - T0_NS) / 1e9 - drive.begins_s
            if not -0.5 <= late_s <= drive.within_s + 1.0:
                return f"{rule} begins {late_s:.2f} s after it was broken"
    return ""
