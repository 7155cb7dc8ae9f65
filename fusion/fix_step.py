"""One message of fixes in one compiled step: received, fused, its terminals' identity decided, read out.

It stops where Python must act, and is called again for what follows. It does all of a message of sound clocks
that changes no identity: what is between the parts costs more than most of them.
"""

from typing import NamedTuple

import numpy as np

from core.arrays import B1, F2, I1, I64, U64, U64x1
from core.kernel import checked_once, kernel
from fusion import layout as at
from fusion.doubt_table import Doubts
from fusion.fix_message import N_STAMP, N_TOUCHED, WEIGHED, Message, note_shown
from fusion.gnss_update import fuse_fixes, receive
from fusion.identity_decision import PRESUMES, STAYS, decide
from fusion.identity_joint import Joint, joint_memory
from fusion.identity_presumption import presume
from fusion.lateral import fill_of_fixes
from fusion.layout import Rings, Scratch, Settings, Terminals, Tracks, Vehicles
from fusion.prompt_clocks import UsualClocks
from fusion.tracks import Columns, read_out

# The parts of a step, in their order. Where Python must act, the step returns the part to begin with after
# that: FUSE where a clock is not beyond doubt or a speed is impossible; IDENTIFY where a fix was refused, a
# clock was found wrong or a track is due for its id; IDENTIFY_NEXT where the identity of a terminal changes;
# READ where there is memory for another number of tracks than are shown
RECEIVE, FUSE, IDENTIFY, IDENTIFY_NEXT, READ, DONE = range(6)
# Numbers of `Memory.report`, for Python. R_ODD: how many speeds were impossible. R_REFUSED: whether a fix was
# refused. R_TIMED: whether a clock is in doubt; after FUSE, whether one was found wrong. R_NEXT: the place of
# the fix that IDENTIFY_NEXT begins with. R_WHAT, R_PAIR, R_HAS_RADAR: what `decide` returned of the terminal
# of the fix before that one. R_TRACKS: how many tracks are shown
R_ODD, R_REFUSED, R_TIMED, R_NEXT, R_WHAT, R_PAIR, R_HAS_RADAR, R_TRACKS, N_REPORT = range(9)

DECIDED = slice(R_WHAT, R_HAS_RADAR + 1)


class Wanted(NamedTuple):
    """The settings of the configuration that a step needs."""

    sigma_m: float  # of fixes that state none, as is tau_s
    tau_s: float
    stamp_sigma_s: float  # of stamps in whole seconds
    timeout_ns: float  # of radar
    accept_p: float  # to be bound
    drop_odds: float  # below them a bound track is not its vehicle


class Memory(NamedTuple):
    """What a step decides, for Python."""

    joint: Joint
    report: I1  # (N_REPORT,)
    ids: U64x1  # (2,) of the last presumed name: which is gone, and which survives


def memory() -> Memory:
    """Return the memory of one tracker's steps."""
    report: I64 = np.zeros(N_REPORT, dtype=np.int64)
    ids: U64 = np.zeros(2, dtype=np.uint64)
    return Memory(joint_memory(), report, ids)


@kernel(inner=True)
def _acts(
    w: int, t_ns: int, now_ns: int, tracks: Tracks, terminals: Terminals, doubts: Doubts, track: U64x1,
    n_terminals: int, wanted: Wanted, memory: Memory,
) -> bool:  # fmt: skip
    """Decide the identity of terminal w; return whether Python must act."""
    own, report, ids = terminals.ints[w, at.ROW], memory.report, memory.ids
    if own < 0:
        return False
    what, k, has_radar = decide(
        tracks, terminals, doubts, n_terminals, w, t_ns, now_ns, wanted.timeout_ns, wanted.accept_p,
        wanted.drop_odds, memory.joint,
    )  # fmt: skip
    report[R_WHAT], report[R_PAIR], report[R_HAS_RADAR] = what, k, int(has_radar)
    if what == STAYS:
        return False
    if what != PRESUMES:
        return True
    ids[0], ids[1] = presume(tracks, terminals, track, w, memory.joint.p, now_ns)
    is_merged = ids[0] != 0 and ids[1] != 0 and ids[0] != ids[1]
    return bool(is_merged or tracks.ints[own, at.STATUS] == at.DUE)


@kernel
def _step(
    begin: int, now_ns: int, message: Message, tracks: Tracks, rings: Rings, terminals: Terminals,
    doubts: Doubts, settings: Settings, scratch: Scratch, track: U64x1, vehicles: Vehicles,
    n_terminals: int, clocks: UsualClocks, wanted: Wanted, memory: Memory, out: Columns, numbers: F2,
    stamp_ns: I1, is_fix: B1,
) -> int:  # fmt: skip
    """Do the parts from `begin` on, until Python must act; return the part to begin with after that, or DONE.

    track : ids by row
    out, numbers, stamp_ns, is_fix : are filled; for as many tracks as there are fixes, or as R_TRACKS says
    """
    report, flags = memory.report, message.flags
    if begin == RECEIVE:
        report[R_ODD], is_prompt = receive(
            message, tracks, terminals, doubts, settings.radars, vehicles.lever_m, vehicles.length_m, now_ns,
            clocks, wanted.sigma_m, wanted.tau_s, wanted.stamp_sigma_s,
        )  # fmt: skip
        if report[R_ODD] > 0 or not is_prompt:
            report[R_TIMED] = int(not is_prompt)
            return FUSE
    if begin <= FUSE:
        is_refused, is_timed = fuse_fixes(
            tracks, rings, terminals, doubts, now_ns, message, settings, scratch
        )
        report[R_REFUSED], report[R_TIMED], report[R_NEXT] = int(is_refused), int(is_timed), 0
        if is_refused or is_timed or tracks.tally[at.T_DUE] > 0:
            return IDENTIFY
    if begin < READ:
        for j in range(report[R_NEXT], flags.shape[1]):
            w, t_ns = message.who[j], message.numbers[N_STAMP, j]
            if flags[WEIGHED, j] and _acts(
                w, t_ns, now_ns, tracks, terminals, doubts, track, n_terminals, wanted, memory
            ):
                report[R_NEXT] = j + 1
                return IDENTIFY_NEXT
    # a binding may have moved a terminal to another row
    n, rows = note_shown(message, terminals, tracks), message.numbers[N_TOUCHED]
    if n != out.track.shape[0]:
        report[R_TRACKS] = n
        return READ
    fill_of_fixes(message.laterals, message.who, rows, n, tracks.ints, numbers, stamp_ns, is_fix)
    read_out(tracks, track, rows, n, 0, settings.tuning, scratch.predicted, out)
    return DONE


step_of_fixes = checked_once(_step)
