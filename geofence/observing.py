"""One observation in one compiled step: its owned tracks are measured by all rules, and tested."""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import B1, F1, F2, F3, I1, I2, I32x1
from core.kernel import checked_once, kernel
from geofence.batch import Batch, Site
from geofence.claim import check_claim
from geofence.continuity import Sightings, follow, hold_step_s, is_named
from geofence.detectors import (
    FREE_M,
    N_ACROSS,
    OFFSET_M,
    S_SIGMA,
    S_TAU,
    S_VALUE,
    SPAN_M,
    Thresholds,
    Tracks,
    Windows,
    step,
)
from geofence.drift import trusted_sigma_m
from geofence.keeping import p_over_line
from geofence.limits import Asked as AskedLimits
from geofence.limits import Rows, lowest
from geofence.locate import Question, find_places
from geofence.located import U_EAST, U_NORTH
from geofence.measuring import Measures, measure
from geofence.own_way import follow_way
from geofence.shifts import weigh_fix
from geofence.state import (
    BORN,
    CLAIM_USED,
    CROSS_SPAN,
    CROSSED,
    CROSSES,
    DOUBTED,
    JUDGED,
    LAST,
    LIFE_NS,
    MOVED_S,
    R_P_OUT,
    R_VALUE,
    SEEN,
)

APART_SIGMAS = 4.0  # a fix that is so far from the track across the lane says another place than the track


class Seen(NamedTuple):
    """The n tracks of an observation."""

    owned: B1  # (n,) judged here
    confirmed: B1
    rows: I1  # (n,) of the State, -1 for tentative tracks
    batch: Batch
    sightings: Sightings


class Findings(NamedTuple):
    """Memory for what is found of n tracks at most, of which m are owned, confirmed and tested."""

    mine: I1  # (>= n,) places of the m tracks
    grade: I2  # (>= n, rules) of the m tracks: the grades that hold, -1: not judged
    active: B1  # (>= n,) of the m tracks: a grade holds, or an episode is open
    samples: F3  # (>= n, rules, 3) of the n tracks, those in `mine` filled; S_VALUE NaN: not judged
    columns: F2  # (>= n, ring columns) of the n tracks, those in `mine` filled
    across: F2  # (>= n, N_ACROSS) the same, see detectors.Tracks
    step_s: F1  # (>= n,) of the n tracks, as of detectors.Tracks, and the next two
    vouched: B1
    lived: B1
    anew: B1  # its evidence starts anew: this observation adds none


class Found(NamedTuple):
    """What `observe` counted, which returns it unnamed: Numba unpickles the class of a name in each call."""

    mine: int
    stale: int  # not newer than what was judged before
    is_active: bool  # whether any of Findings.active holds


def findings(n: int, n_rules: int) -> Findings:
    """Return memory for n tracks."""
    return Findings(
        mine=np.zeros(n, dtype=np.int64),
        grade=np.zeros((n, n_rules), dtype=np.int64),
        active=np.zeros(n, dtype=np.bool_),
        samples=np.zeros((n, n_rules, 3)),
        columns=np.zeros((n, R_VALUE + 2 * n_rules)),
        across=np.zeros((n, N_ACROSS)),
        step_s=np.zeros(n),
        vouched=np.zeros(n, dtype=np.bool_),
        lived=np.zeros(n, dtype=np.bool_),
        anew=np.zeros(n, dtype=np.bool_),
    )


@kernel(inner=True)
def _show_departure(
    i: int, row: int, stamp_ns: int, rule: int, n_rules: int, windows: Windows, out: Findings
) -> None:
    """Show of track i the sigma that the tests of a departure trust, and how probable the departure is.

    A sample that is not judged, or not newer than the last one that was, advances nothing.
    """
    shown, drift, judged_ns = out.columns[i], windows.drift[row], windows.evidence_ns[row, rule, JUDGED]
    sigma_m = trusted_sigma_m(shown[R_VALUE + n_rules + rule], drift)
    shown[R_VALUE + n_rules + rule] = sigma_m
    is_new = out.samples[i, rule, S_VALUE] == out.samples[i, rule, S_VALUE] and judged_ns > 0
    dt_s = max((stamp_ns - judged_ns) * 1e-9, 0.0) if is_new else 0.0
    shown[R_P_OUT] = math.nan
    if shown[R_VALUE + rule] == shown[R_VALUE + rule]:
        tau_s, free_m = out.samples[i, rule, S_TAU], out.across[i, FREE_M]
        shown[R_P_OUT] = p_over_line(shown[R_VALUE + rule], sigma_m, tau_s, free_m, dt_s, drift)


@kernel(inner=True)
def _follow_course(i: int, row: int, rule: int, seen: Seen, windows: Windows, out: Findings) -> None:
    """Weigh the way across that the newest fix of track i shows, where only fixes measure it."""
    drift, b, fix, last_ns = windows.drift[row], seen.batch, seen.sightings, windows.stamps[row, LAST]
    drift[CROSSED], stamp_ns = 0.0, b.stamp_ns[i]
    if stamp_ns <= last_ns:
        return
    if not (drift[CLAIM_USED] > 0.0 and fix.is_fix[i] and fix.fix_ns[i] == stamp_ns):
        drift[CROSSES] = drift[CROSS_SPAN] = 0.0
        if drift[CLAIM_USED] == 0.0:  # radar shows the error
            drift[DOUBTED] = drift[MOVED_S] = 0.0
        return
    speed_mps, course_rad = fix.speed_mps[i], fix.course_rad[i]
    e, n = b.found[i, U_EAST], b.found[i, U_NORTH]
    slip_mps = speed_mps * (math.sin(course_rad) * e - math.cos(course_rad) * n)
    # the fix's own place: what the tracker made of it has another error
    aside_m = fix.off_m[i] * (e * math.sin(fix.axis_rad[i]) - n * math.cos(fix.axis_rad[i]))
    across = out.across[i, OFFSET_M] + aside_m, out.across[i, SPAN_M], out.across[i, FREE_M]
    error = out.samples[i, rule, S_SIGMA], out.samples[i, rule, S_TAU]
    dt_s = (stamp_ns - last_ns) * 1e-9 if last_ns > 0 else 0.0
    weigh_fix(across, error, (speed_mps, slip_mps), dt_s, drift, windows.evidence[row, rule])
    # the tracker refused it, or has not followed yet: the track is not where the terminal says
    if abs(aside_m) > APART_SIGMAS * error[0]:
        drift[DOUBTED] = 1.0


@kernel
def observe(
    seen: Seen, site: Site, thresholds: Thresholds, windows: Windows, flags: F2, out: Findings
) -> tuple[int, int, bool]:
    """Measure and test the owned, confirmed tracks; advance their rows of the State."""
    mine, rows, stamps, b = out.mine, seen.rows, windows.stamps, seen.batch
    n_mine = n_stale = 0
    for i in range(rows.shape[0]):
        if seen.confirmed[i] and rows[i] >= 0:
            last_ns = stamps[rows[i], SEEN]
            out.anew[i] = follow(i, rows[i], b.stamp_ns[i], seen.sightings, windows, flags)
            out.vouched[i] = is_named(i, seen.sightings)
            out.lived[i] = b.stamp_ns[i] - stamps[rows[i], BORN] >= LIFE_NS
            out.step_s[i] = hold_step_s(i, b.stamp_ns[i], seen.sightings)
            check_claim(i, b.stamp_ns[i], b.x, seen.sightings, windows.drift[rows[i]], stamps[rows[i]])
            follow_way(i, last_ns, b.stamp_ns[i], b.found, b.x, seen.sightings, windows.drift[rows[i]])
        if seen.owned[i] and seen.confirmed[i] and rows[i] >= 0:
            mine[n_mine] = i
            n_mine += 1
            n_stale += stamps[rows[i], LAST] >= b.stamp_ns[i]
    measured = Measures(out.samples, out.columns, out.across)
    measure(mine[:n_mine], rows, b, site, stamps, flags, windows.drift, measured)
    departure, n_rules = thresholds.departures.rule, out.samples.shape[1]
    for k in range(n_mine):
        i = mine[k]
        _follow_course(i, rows[i], departure, seen, windows, out)
        _show_departure(i, rows[i], b.stamp_ns[i], departure, n_rules, windows, out)
        if windows.drift[rows[i], DOUBTED] > 0.0:  # its error may have moved with this very fix
            out.samples[i, departure, S_VALUE] = math.nan
        if out.anew[mine[k]]:
            for r in range(n_rules):
                out.samples[mine[k], r, S_VALUE] = math.nan
    tracks = Tracks(
        mine, rows, b.stamp_ns, out.samples, out.columns, out.across, out.step_s, out.vouched, out.lived
    )
    is_active = step(tracks, n_mine, thresholds, windows, out.grade, out.active)
    return n_mine, n_stale, is_active


observe_once = checked_once(observe)


class Asked(NamedTuple):
    """What else of an observation's tracks is computed between their places and their tests."""

    limits_of: AskedLimits
    limit_mps: F1  # (n,) is filled
    layer: I32x1  # (n,) is filled


@kernel
def _locate_and_observe(
    question: Question, asked: Asked, rows: Rows, seen: Seen, site: Site, thresholds: Thresholds,
    windows: Windows, out: Findings,
) -> tuple[int, int, bool]:  # fmt: skip
    """Locate the tracks, then as `observe`: the usual site has no zones, which are looked up in between."""
    find_places(
        question.seen, question.registry, question.strips, question.axis, question.limits, question.scratch,
        question.memory, question.out,
    )  # fmt: skip
    lowest(asked.limits_of, rows, asked.limit_mps, asked.layer)
    return observe(seen, site, thresholds, windows, question.memory.flags, out)


locate_and_observe = checked_once(_locate_and_observe)
