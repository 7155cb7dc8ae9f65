"""The fixes of one message as kernels read them, and the memory for what they make of them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import B2, F1, F2, I1, I2
from core.kernel import kernel
from fusion import layout as at
from fusion.doubt_source import Received, distrust
from fusion.doubt_table import Doubts
from fusion.layout import Fixes, Laterals, Terminals, Tracks
from fusion.observations import (
    F_ARRIVED,
    F_EAST,
    F_HEADING,
    F_NORTH,
    F_SEQ,
    F_SIGMA,
    F_SPEED,
    F_STAMP,
    F_TAU,
    F_USABLE,
    SIGMA_M_MAX,
    SPEED_MPS_MAX,
    TAU_S_MAX,
    GnssFixes,
)

SIGMA_M_MIN, TAU_S_MIN = 0.02, 0.1
N_REUSED = 32  # fixes: nearly all messages hold fewer, most of them one
# Row of Message.numbers: row of the terminal, 0 in place of -1; 0 its sigma is stated, 1 it is the
# configuration's; the stamp, corrected where that is sure; outcome; rows of tracks that changed
N_WHO, N_GROUP, N_STAMP, N_OUTCOME, N_TOUCHED, N_NUMBER = 0, 1, 2, 3, 4, 5
# Row of Message.flags: has a position that a receiver can mean, less where doubt says so; the same by the
# terminal's own word; its clock is wrong; to be fused; its identity evidence was added; fused, or refused as
# an outlier; new, of a sound clock, with a position
USABLE, PLACED, DOUBTFUL, SOUND, WEIGHED, USED, NEW, N_FLAG = 0, 1, 2, 3, 4, 5, 6, 7


class Message(NamedTuple):
    """The n fixes of one message."""

    who: I1  # (n,) rows of the terminals, -1 none
    ints: I2  # of GnssFixes
    floats: F2
    M: F2  # (n, N_MEAS)
    stated_m: F1  # (n,) sigma before doubt adds to it
    numbers: I2  # (N_NUMBER, n)
    flags: B2  # (N_FLAG, n)
    laterals: Laterals


class MessageMemory:
    """The memory of messages, one of each size up to N_REUSED, which the next message of that size fills."""

    def __init__(self) -> None:
        self._of_size: dict[int, Message] = {}

    def message_of(self, seen: GnssFixes, who: Sequence[int]) -> Message:
        """Return n fixes, with memory that `fill_fixes` fills; who : rows of the terminals, -1 none."""
        n = len(who)
        kept = self._of_size.get(n)
        if kept is None:
            kept = _memory(n)
            if n <= N_REUSED:
                self._of_size[n] = kept
        if n == 1:  # nearly always: to assign a list takes ten times as long
            kept.who[0] = who[0]
        else:
            kept.who[:] = who
        return Message(kept.who, seen.ints, seen.floats, *kept[3:])


def _memory(n: int) -> Message:
    """Return the memory of n fixes."""
    none = np.empty((0, n))
    return Message(
        who=np.empty(n, dtype=np.int64),
        ints=none.astype(np.int64),
        floats=none,
        M=np.empty((n, at.N_MEAS)),
        stated_m=np.empty(n),
        numbers=np.empty((N_NUMBER, n), dtype=np.int64),
        flags=np.empty((N_FLAG, n), dtype=np.bool_),
        laterals=Laterals(
            np.empty((at.N_LATERAL, n)), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        ),
    )


@kernel(inner=True)
def _clear(message: Message, j: int) -> None:
    """Clear the memory of fix j."""
    for a in range(at.N_MEAS):
        message.M[j, a] = 0.0
    for a in range(N_NUMBER):
        message.numbers[a, j] = 0
    for a in range(N_FLAG):
        message.flags[a, j] = False
    for a in range(at.N_LATERAL):
        message.laterals.numbers[a, j] = 0.0
    message.laterals.stamp_ns[j], message.laterals.row[j] = 0, -1


@kernel
def fill_fixes(message: Message, lever_m: F2, sigma_m: float, tau_s: float, stamp_sigma_s: float) -> int:
    """Fill M and what lies below it; return how many speeds are impossible.

    lever_m : (terminals, 2).  sigma_m, tau_s : of fixes that state none.  stamp_sigma_s : of stamps in whole
    seconds
    """
    who, ints, floats, M = message.who, message.ints, message.floats, message.M
    n_odd = 0
    for j in range(who.shape[0]):
        _clear(message, j)
        w, stated_m, stated_s = max(who[j], 0), floats[F_SIGMA, j], floats[F_TAU, j]
        east_m, north_m, speed_mps = floats[F_EAST, j], floats[F_NORTH, j], floats[F_SPEED, j]
        M[j, at.WHAT], M[j, at.SOURCE] = at.FIX, who[j]
        M[j, at.Z_EAST], M[j, at.Z_NORTH] = east_m, north_m
        M[j, at.Z_SPEED] = speed_mps if 0.0 <= speed_mps <= SPEED_MPS_MAX else math.nan
        n_odd += speed_mps > SPEED_MPS_MAX
        M[j, at.Z_HEADING] = floats[F_HEADING, j]
        M[j, at.Z_SIGMA] = max(stated_m if math.isfinite(stated_m) else sigma_m, SIGMA_M_MIN)
        M[j, at.Z_TAU] = min(max(stated_s if math.isfinite(stated_s) else tau_s, TAU_S_MIN), TAU_S_MAX)
        whole = ints[F_STAMP, j] % 1_000_000_000 == 0 and ints[F_SEQ, j] >= 0  # JT/T 808
        M[j, at.Z_DELAY] = stamp_sigma_s if whole else 0.0
        M[j, at.Z_FORWARD], M[j, at.Z_LEFT] = lever_m[w, 0], lever_m[w, 1]
        placed = math.isfinite(east_m) and math.isfinite(north_m)
        known = who[j] >= 0 and floats[F_USABLE, j] > 0.0
        # a sigma above the limit: the receiver itself states that it has no position
        message.flags[USABLE, j] = placed and known and not stated_m > SIGMA_M_MAX
        message.flags[PLACED, j] = message.flags[USABLE, j]
        message.stated_m[j] = M[j, at.Z_SIGMA]
        message.numbers[N_WHO, j] = w
        message.numbers[N_GROUP, j] = 0 if math.isfinite(stated_m) else 1
        message.numbers[N_STAMP, j] = ints[F_STAMP, j]
    return n_odd


@kernel(inner=True)
def weigh_by_doubt(tracks: Tracks, terminals: Terminals, doubts: Doubts, message: Message) -> None:
    """Lower the weight of doubtful terminals' fixes."""
    flags = message.flags
    distrust(tracks, terminals, doubts, message.who, message.ints[F_STAMP], message.M, flags[USABLE])


@kernel(inner=True)
def fixes_of(message: Message) -> Fixes:
    """Return the fixes as they are fused; SOUND says which."""
    numbers, ints = message.numbers, message.ints
    return Fixes(
        message.M, numbers[N_WHO], numbers[N_STAMP], ints[F_ARRIVED], ints[F_SEQ], message.flags[SOUND],
        numbers[N_GROUP],
    )  # fmt: skip


@kernel(inner=True)
def received_of(message: Message) -> Received:
    """Return the fixes as doubt weighs them; NEW says which."""
    numbers = message.numbers
    return Received(message.M, message.stated_m, numbers[N_WHO], numbers[N_STAMP], message.flags[NEW])


@kernel
def note_shown(message: Message, terminals: Terminals, tracks: Tracks) -> int:
    """Write the rows of the shown tracks that the fixes touched to N_TOUCHED; return how many."""
    touched, n = message.numbers[N_TOUCHED], 0
    for j in range(message.who.shape[0]):
        w = message.who[j]
        if not message.flags[USED, j]:
            continue
        i, is_new = terminals.ints[w, at.ROW], True
        for k in range(n):
            is_new = is_new and touched[k] != i  # no two terminals have one track
        if i >= 0 and is_new and tracks.ints[i, at.STATUS] != at.STANDBY:
            touched[n] = i
            n += 1
    return n
