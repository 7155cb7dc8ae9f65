"""The judgement of a track by name, as a handover and `/state` carry it.

A reader ignores unknown names; missing ones start fresh. So RSUs of different versions can hand vehicles
over.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from core.arrays import F64
from geofence.crossing import OFF_RAD
from geofence.episodes import OpenEpisode
from geofence.shifts import KNOWN_S
from geofence.state import (
    AWAY,
    CALM_S,
    CHECKS,
    CLAIM_FIX,
    CLAIM_WHOSE,
    CLEAR_S,
    COURSE_OFF,
    COURSE_SCORE,
    COURSE_VAR,
    CROSSED,
    CROSSES,
    CUSUM,
    DRIVER,
    ENOUGH,
    EXCUSED,
    HELD,
    HINT,
    JUDGED,
    KEPT_FOR_S,
    KEPT_S,
    KNOWN,
    LAST_OVER,
    LAST_VALUE,
    LEAVING,
    LOOK,
    MOVED,
    MOVED_S,
    N_DRIFT,
    N_KNOWN,
    N_OF_ONSET,
    NIS,
    OWN_WAY,
    PLACE,
    PRESUMED,
    R_VALUE,
    RAMP,
    RING_LAST,
    RING_LENGTH,
    RING_ROWS,
    SCORE_MAX,
    SINCE,
    SPAN,
    STEP_M,
    State,
)

CARRIED_FLAGS = {"moved": MOVED, "presumed_hazmat": PRESUMED, "excused": EXCUSED, "left_road": AWAY}
# the ring's first ones
HISTORY_COLUMNS = ("east_m", "north_m", "s_m", "d_m", "sigma_d_m", "speed_mps", "p_departure")
N_CUSUM, N_HELD, N_RULE_STAMPS = ENOUGH - CUSUM, CLEAR_S - HELD, LAST_OVER - SINCE


class CarriedEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The accumulated evidence of one rule."""

    cusum: tuple[float, ...] = (0.0,) * N_CUSUM
    cusum_since_ns: tuple[int, ...] = (0,) * N_RULE_STAMPS
    enough: bool = False  # a test has passed
    held_s: tuple[float, ...] = (0.0,) * N_HELD  # two hold timers for each grade
    clear_s: float = 0.0  # for how long the rule has been kept
    last_value: float = 0.0  # that was judged
    kept_s: float = 0.0  # for how long it was ever seen to be kept
    last_over_ns: int = 0
    judged_ns: int = 0


class CarriedDrift(msgspec.Struct, frozen=True, kw_only=True):
    """What the tests of a departure know, as numbers of State.drift; of other lengths, they start fresh."""

    place: tuple[float, ...] = ()  # place, speed and error across the lane, and their covariance
    driver: tuple[float, ...] = ()  # wander, error and line of a driver who keeps it, and theirs
    nis: tuple[float, ...] = ()  # what the innovations say of sigma, and of how many
    span_m: float = 0.0  # half the width of the lanes that permit it
    ramps: tuple[float, ...] = ()
    claim: tuple[float, ...] = ()  # the terminal's last fix, what is trusted of its claim, and why
    leaving: float = 0.0  # the probability that it leaves its lane; 0: as of any vehicle
    crossing: tuple[float, ...] = ()  # what its course is worth, and the ways across since each onset
    shift: tuple[float, ...] = ()  # the last step of places and course; since when the error is another
    way: tuple[float, ...] = ()  # whether it was on its own way last, and what its course shows since


class CarriedHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The last seconds, oldest first. A column is m little-endian f8, since NaN (not known) is no number."""

    stamp_ns: tuple[int, ...] = ()
    columns: dict[str, bytes] = {}  # by the names in HISTORY_COLUMNS
    value: dict[str, bytes] = {}  # by rule: how far over its limit
    sigma: dict[str, bytes] = {}


class CarriedJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a monitor keeps of one track."""

    track: int
    rules: dict[str, CarriedEvidence] = {}  # by name
    stamps_ns: dict[str, int] = {}  # by the names of State.stamp: since when something lasts; 0: it doesn't
    moved: bool = False
    presumed_hazmat: bool = False
    excused: bool = False
    left_road: bool = False
    lane_held: str | None = None  # by its name in the map
    drift: CarriedDrift = CarriedDrift()
    history: CarriedHistory = CarriedHistory()
    episodes: tuple[OpenEpisode, ...] = ()


class MonitorState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on which a monitor's next step depends."""

    judgements: tuple[CarriedJudgement, ...] = ()
    waiting: tuple[tuple[OpenEpisode, int], ...] = ()  # since a restart, each until a stamp
    taken: dict[str, int] = {}  # ids of episodes that waited at neighbours: hop under which each was ours
    to_close: tuple[OpenEpisode, ...] = ()  # superseded by those of merged tracks
    unjudged_since: tuple[tuple[float, float, str, int], ...] = ()
    counts: dict[str, int] = {}


def carried_row(
    state: State, row: int, track: int, lanes: Sequence[str], episodes: Sequence[OpenEpisode]
) -> CarriedJudgement:
    """Return a row of the state by name.

    lanes : names of the map's lanes, by number.  episodes : the track's open ones
    """
    held = int(state.flags[row, HINT]) - 1
    flags: dict[str, Any] = {
        name: bool(state.flags[row, column] > 0.0) for name, column in CARRIED_FLAGS.items()
    }
    return CarriedJudgement(
        track=track,
        rules={
            name: _carried_evidence(state.evidence[row, r].tolist(), state.evidence_ns[row, r].tolist())
            for name, r in state.graded.items()
            if state.evidence[row, r].any() or state.evidence_ns[row, r].any()
        },
        stamps_ns={name: int(state.stamps[row, column]) for name, column in state.stamp.items()},
        **flags,
        lane_held=lanes[held] if held >= 0 else None,
        drift=_carried_drift(state.drift[row].tolist()),
        history=_carried_history(state, row),
        episodes=tuple(episodes),
    )


def _carried_evidence(numbers: Sequence[float], stamps: Sequence[int]) -> CarriedEvidence:
    return CarriedEvidence(
        cusum=tuple(numbers[CUSUM:ENOUGH]),
        cusum_since_ns=tuple(stamps[SINCE:LAST_OVER]),
        enough=numbers[ENOUGH] > 0.0,
        held_s=tuple(numbers[HELD:CLEAR_S]),
        clear_s=numbers[CLEAR_S],
        last_value=numbers[LAST_VALUE],
        kept_s=numbers[KEPT_S],
        last_over_ns=stamps[LAST_OVER],
        judged_ns=stamps[JUDGED],
    )


def _carried_drift(numbers: Sequence[float]) -> CarriedDrift:
    if not any(numbers):
        return CarriedDrift()
    return CarriedDrift(
        place=tuple(numbers[PLACE:DRIVER]), driver=tuple(numbers[DRIVER:NIS]), nis=tuple(numbers[NIS:SPAN]),
        span_m=numbers[SPAN], ramps=tuple(numbers[RAMP:CLAIM_FIX]), claim=_carried_claim(numbers),
        leaving=numbers[LEAVING], crossing=_carried_crossing(numbers), shift=_carried_shift(numbers),
        way=tuple(numbers[OWN_WAY:N_DRIFT]) if any(numbers[OWN_WAY:N_DRIFT]) else (),
    )  # fmt: skip


def _drift_row(carried: CarriedDrift) -> list[float]:
    """Return the row's numbers; zeros, which start the tests, where another version has more or fewer."""
    numbers = [*carried.place, *carried.driver, *carried.nis, carried.span_m, *carried.ramps]
    lengths = len(carried.place), len(carried.driver), len(carried.nis), len(carried.ramps)
    if (
        lengths != (DRIVER - PLACE, NIS - DRIVER, SPAN - NIS, CLAIM_FIX - RAMP)
        or not np.isfinite(numbers).all()
    ):
        numbers = [0.0] * CLAIM_FIX
    leaving = carried.leaving if 0.0 <= carried.leaving < 1.0 else 0.0
    claim, crossing, shift = (
        _claim_row(carried.claim), _crossing_row(carried.crossing), _shift_row(carried.shift)
    )  # fmt: skip
    way = carried.way if len(carried.way) == N_DRIFT - OWN_WAY and np.isfinite(carried.way).all() else None
    return [*numbers, *claim, leaving, *crossing, 0.0, *shift, *(way or [0.0] * (N_DRIFT - OWN_WAY))]


def _carried_crossing(numbers: Sequence[float]) -> tuple[float, ...]:
    carried = tuple(numbers[COURSE_OFF:CROSSED])
    return carried if any(carried) else ()


def _crossing_row(carried: tuple[float, ...]) -> list[float]:
    """Return the row's numbers; zeros, of a course that is not known, where they can't be ours."""
    scores = carried[COURSE_SCORE - COURSE_OFF : CROSSES - COURSE_OFF]
    if (
        len(carried) != CROSSED - COURSE_OFF
        or not np.isfinite(carried).all()
        or not 0.0 <= carried[COURSE_VAR - COURSE_OFF] <= OFF_RAD**2
        or not all(-SCORE_MAX <= score <= 0.0 for score in scores)
        or min(carried[LOOK - COURSE_OFF :: N_OF_ONSET]) < 0.0  # ages
    ):
        return [0.0] * (CROSSED - COURSE_OFF)
    return list(carried)


def _carried_shift(numbers: Sequence[float]) -> tuple[float, ...]:
    carried = tuple(numbers[STEP_M:OWN_WAY])
    return carried if any(carried) else ()


def _shift_row(carried: tuple[float, ...]) -> list[float]:
    """Return the row's numbers; zeros, of an error that did not move, where they can't be ours."""
    n = OWN_WAY - STEP_M
    if len(carried) != n or not np.isfinite(carried).all():
        return [0.0] * n
    times = carried[MOVED_S - STEP_M], carried[CALM_S - STEP_M]
    known = carried[KNOWN - STEP_M :]
    variances = known[1], known[1 + N_KNOWN]
    can_be = (
        min(times) >= 0.0
        and abs(carried[KEPT_FOR_S - STEP_M]) <= KNOWN_S
        and max(map(abs, known)) <= SCORE_MAX
        and all(0.0 <= variance <= OFF_RAD**2 for variance in variances)
    )
    return list(carried) if can_be else [0.0] * n


def _carried_claim(numbers: Sequence[float]) -> tuple[float, ...]:
    """Return the row's numbers of a claim; which of our terminals' it is has no meaning elsewhere."""
    carried = (*numbers[CLAIM_FIX:CLAIM_WHOSE], *numbers[CHECKS:LEAVING])
    return carried if any(carried) else ()


def _claim_row(carried: tuple[float, ...]) -> list[float]:
    """Return the row's numbers; zeros, of a claim that was not checked, where they can't be ours."""
    n_fix = CLAIM_WHOSE - CLAIM_FIX
    trust, scores = carried[n_fix + 1 : n_fix + 3], carried[n_fix + 3 :]
    if (
        len(carried) != LEAVING - CLAIM_FIX - 1
        or not np.isfinite(carried).all()
        or not all(number == 0.0 or number >= 1.0 for number in trust)
        or max(map(abs, scores)) > SCORE_MAX
    ):
        return [0.0] * (LEAVING - CLAIM_FIX)
    return [*carried[:n_fix], 0.0, *carried[n_fix:]]


def _carried_history(state: State, row: int) -> CarriedHistory:
    ring, ring_ns = state.newest(row)
    n_rules = len(state.measured)
    columns = np.ascontiguousarray(ring.T)
    return CarriedHistory(
        stamp_ns=tuple(ring_ns.tolist()),
        columns={name: columns[c].tobytes() for c, name in enumerate(HISTORY_COLUMNS)},
        value={name: columns[R_VALUE + c].tobytes() for name, c in state.measured.items()},
        sigma={name: columns[R_VALUE + n_rules + c].tobytes() for name, c in state.measured.items()},
    )


def restore_row(state: State, track: int, judgement: CarriedJudgement, lanes: Mapping[str, int]) -> int:
    """Give a track a fresh row with the carried judgement; return the row's number.

    lanes : numbers of the map's lanes by name.  ValueError, OverflowError: columns of another length
    """
    rules = {name: carried for name, carried in judgement.rules.items() if name in state.graded}
    rows = {name: _evidence_row(carried) for name, carried in rules.items()}
    ring = history_rows(judgement.history, tuple(state.measured))
    row = state.fresh(track)
    for name, (numbers, stamps) in rows.items():
        state.evidence[row, state.graded[name]] = numbers
        state.evidence_ns[row, state.graded[name]] = stamps
    state.drift[row] = _drift_row(judgement.drift)
    for name, column in state.stamp.items():
        state.stamps[row, column] = judgement.stamps_ns.get(name, 0)
    for name, column in CARRIED_FLAGS.items():
        state.flags[row, column] = getattr(judgement, name)
    state.flags[row, HINT] = lanes.get(judgement.lane_held or "", -1) + 1
    stamp_ns = judgement.history.stamp_ns[-RING_LENGTH:]
    state.ring[row, : len(ring)], state.ring_ns[row, : len(ring)] = ring[-RING_LENGTH:], stamp_ns
    state.stamps[row, RING_ROWS] = len(stamp_ns)
    state.stamps[row, RING_LAST] = stamp_ns[-1] if stamp_ns else 0
    return row


def _evidence_row(carried: CarriedEvidence) -> tuple[list[float], list[int]]:
    """Return the row's numbers and stamps; ValueError where another version has more or fewer."""
    lengths = len(carried.cusum), len(carried.held_s), len(carried.cusum_since_ns)
    if lengths != (N_CUSUM, N_HELD, N_RULE_STAMPS):
        raise ValueError("evidence of another shape")
    numbers = [*carried.cusum, float(carried.enough), *carried.held_s, carried.clear_s]
    numbers += [carried.last_value, carried.kept_s]
    return numbers, [*carried.cusum_since_ns, carried.last_over_ns, carried.judged_ns]


def history_rows(history: CarriedHistory, measured: Sequence[str]) -> F64:
    """Return a history as rows of the ring (m, ring columns); a missing value is NaN, a missing sigma 0.

    ValueError: a column of another length than the stamps
    """
    n = len(history.stamp_ns)
    rows = np.full((n, R_VALUE + 2 * len(measured)), np.nan)
    rows[:, R_VALUE + len(measured) :] = 0.0
    places = [(history.columns, name, c) for c, name in enumerate(HISTORY_COLUMNS)]
    places += [(history.value, name, R_VALUE + c) for c, name in enumerate(measured)]
    places += [(history.sigma, name, R_VALUE + len(measured) + c) for c, name in enumerate(measured)]
    for columns, name, place in places:
        if name in columns:
            column = np.frombuffer(columns[name])
            if len(column) != n:
                raise ValueError(f"the history's {name} is of another length than its stamps")
            rows[:, place] = column
    return rows
