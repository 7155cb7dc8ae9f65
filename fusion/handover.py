"""A track as it travels: to a neighbour, through a restart, into `/state`; there with the whole tracker."""

import msgspec
import numpy as np

from core.classes import N_CLASSES
from core.kernel import F64, I64
from core.times import FUTURE_NS
from fusion.config import Terminal
from fusion.duplicate_scans import Copies, Key
from fusion.layout import (
    ARRIVED,
    BIAS_SIGMA,
    BIAS_TAU,
    BORN,
    ENFORCING_NS,
    FREE,
    GNSS_NS,
    HEADING,
    IDENTITY_P,
    KIND,
    LENGTH,
    LLR,
    N_CV,
    N_DIM,
    N_FLOAT,
    N_INT,
    N_MEAS,
    N_X,
    PERIOD_NS,
    RADAR_NS,
    RING_HEAD,
    RING_LEN,
    STAMP,
    STATUS,
    TERMINAL,
    WIDTH,
)
from fusion.observations import SIZE_M_MAX, SPEED_MPS_MAX, TAU_S_MAX
from fusion.rewind import rebuild
from fusion.timekeeping import Timekeeping
from fusion.track_store import RING, Table, Terminals

UPPER = np.triu_indices(N_DIM)
# What a carried state can be; beyond it a kernel's squares overflow, or no vehicle is like that.
PLACE_M_MAX, BEND_MPS2_MAX, BIAS_M_MAX, BIAS_S_MAX = 200_000.0, 50.0, 10_000.0, TAU_S_MAX
X_MAX = np.array(  # by column of X, the heading left out
    [PLACE_M_MAX] * 2 + [SPEED_MPS_MAX] * 2 + [BEND_MPS2_MAX] + [BIAS_M_MAX] * 3 + [BIAS_S_MAX] * 2
)
HEADING_RAD_MAX, VARIANCE_MAX, LLR_MAX = 100.0, 1e8, 1e9
CARRIED_AGE_NS_MAX = 3_600_000_000_000  # repeated through an outage; older, nobody knows where it is
LAG_NS_MAX = 60_000_000_000  # of a state behind its newest fix: that of a terminal which joined since
NAME_MAX = 64


class CarriedTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One track whole: state, covariance, identity, and (for an exact restart) its ring."""

    track: int  # site-unique id, 0 while tentative
    terminal: str | None  # whose vehicle it is
    x: tuple[float | None, ...]  # row of X, fusion.layout; None for NaN, which no payload may show
    p: tuple[float, ...]  # upper triangle of P, row by row
    ints: tuple[int, ...]  # row of `ints`
    floats: tuple[float | None, ...]  # row of `floats`
    ring_stamp_ns: tuple[int, ...] = ()  # oldest first; empty: the state alone, as between RSUs
    ring_meas: bytes = b""  # (n, N_MEAS) f8; sources are rows of this RSU's own radars
    ring_base: bytes = b""  # (N_PACKED,) f8: the state after the first; the others follow from it


class TrackerState(msgspec.Struct, frozen=True, kw_only=True):
    """All that the next step of a tracker depends on."""

    rows: tuple[int, ...]  # of the tracks in the table
    tracks: tuple[CarriedTrack, ...]
    terminals: tuple["CarriedTerminal", ...]
    free: tuple[int, ...]  # rows, the next to be taken last
    tally: tuple[int, ...]
    n_ids: int
    heard_ns: tuple[int, ...]
    counts: dict[str, int]
    ended: tuple[int, ...]
    merged: tuple[tuple[int, int], ...]
    twins: tuple[tuple[int, int, int], ...]  # ids in one place, and since when
    copies: tuple[tuple[Key, ...], ...] = ()  # scans that were heard, by radar
    clocks: bytes = b""  # of the radars and the gateway


class CarriedTerminal(msgspec.Struct, frozen=True, kw_only=True):
    """One terminal's row: what is registered of it, which fixes it sent, and its identity evidence.

    Arrays that hold nothing but zeros are empty: of thousands that are registered few are ever heard here.
    """

    about: bytes  # fusion.config.Terminal
    ints: bytes
    keys: bytes
    pair_ints: bytes
    pairs: bytes
    clock: bytes = b""


def without_nan(row: list[float]) -> tuple[float | None, ...]:
    """Return the row with None for NaN; NumPy reads it back as NaN."""
    return tuple(None if value != value else value for value in row)


def carried(table: Table, terminals: Terminals, i: int, *, ring: bool) -> CarriedTrack:
    """Return row i as it travels."""
    w, n = int(table.ints[i, TERMINAL]), int(table.ints[i, RING_LEN]) if ring else 0
    order = (int(table.ints[i, RING_HEAD]) + np.arange(n)) % RING
    return CarriedTrack(
        track=int(table.track[i]),
        terminal=terminals.ids[w] if w >= 0 else None,
        x=without_nan(table.X[i].tolist()),
        p=tuple(table.P[i][UPPER].tolist()),
        ints=tuple(table.ints[i].tolist()),
        floats=without_nan(table.floats[i].tolist()),
        ring_stamp_ns=tuple(table.stamps[i, order].tolist()),
        ring_meas=table.meas[i, order].tobytes(),
        ring_base=table.states[i, order[:1]].tobytes(),
    )


def is_sound(track: CarriedTrack, now_ns: int) -> bool:
    """Whether a neighbour's track fits this version's layout and can be true by this clock.

    The neighbour may run another version or have its clock wrong; a kernel would believe every number.
    """
    sizes = (len(track.ints), len(track.floats), len(track.x), len(track.p), len(track.ring_stamp_ns))
    return (
        sizes == (N_INT, N_FLOAT, N_X, len(UPPER[0]), 0)
        and 0 < track.track < 2**64
        and (track.terminal is None or (0 < len(track.terminal) <= NAME_MAX and track.terminal.isprintable()))
        and _whole_numbers_are_sound(track.ints, now_ns)
        and _numbers_are_sound(track)
    )


def _whole_numbers_are_sound(ints: tuple[int, ...], now_ns: int) -> bool:
    seen = [ints[k] for k in (RADAR_NS, ENFORCING_NS, GNSS_NS)]
    if min(ints) < -(2**62) or max(ints) > 2**62:  # sums of two must fit int64
        return False
    return (
        max(ints[STAMP], ints[BORN], *seen) <= now_ns + FUTURE_NS
        and min(ints[BORN], ints[ARRIVED], *seen) >= 0
        and ints[STAMP] >= max(*seen, now_ns - CARRIED_AGE_NS_MAX) - LAG_NS_MAX
        and 0 <= ints[KIND] < N_CLASSES
        and abs(ints[PERIOD_NS]) <= CARRIED_AGE_NS_MAX
    )


def _numbers_are_sound(track: CarriedTrack) -> bool:
    x, floats = np.array(track.x, dtype=np.float64), np.array(track.floats, dtype=np.float64)
    p = np.zeros((N_DIM, N_DIM))
    p[UPPER] = track.p
    heading = x[HEADING]
    if not (np.abs(np.delete(x, HEADING)) <= X_MAX).all() or not (np.abs(p) <= VARIANCE_MAX).all():
        return False  # NaN fails the comparison as well
    if abs(heading) > HEADING_RAD_MAX or not (x[BIAS_SIGMA:] >= 0.0).all():
        return False  # a heading that is not known is NaN
    if x[BIAS_SIGMA] > 0.0 and x[BIAS_TAU] <= 0.0:
        return False
    spread, moving = np.linalg.eigvalsh(p, UPLO="U"), np.linalg.eigvalsh(p[:N_CV, :N_CV], UPLO="U")
    return bool(
        moving[0] > 0.0
        and spread[0] >= -1e-6 * spread[-1]  # without a terminal its bias has no spread at all
        and abs(floats[LLR]) <= LLR_MAX
        and 0.0 <= (track.floats[IDENTITY_P] or 0.0) <= 1.0
        and not (floats[[LENGTH, WIDTH]] <= 0.0).any()
        and not (floats[[LENGTH, WIDTH]] > SIZE_M_MAX).any()
    )


def load(table: Table, i: int, track: CarriedTrack) -> None:
    """Write a carried track to row i; the ring too, if it came along."""
    table.track[i] = track.track
    table.ints[i] = track.ints
    table.floats[i] = np.array(track.floats, dtype=np.float64)
    n = len(track.ring_stamp_ns)
    if n:
        table.stamps[i, :n] = track.ring_stamp_ns
        table.meas[i, :n] = np.frombuffer(track.ring_meas).reshape(n, N_MEAS)
        table.states[i, 0] = np.frombuffer(track.ring_base)
        table.ints[i, RING_HEAD] = 0
        rebuild(
            table.X, table.P, i, table.ints, table.stamps, table.meas, table.states, table.radars,
            table.tuning, table.scratch,
        )  # fmt: skip
    load_state(table.X, table.P, i, track)


def load_state(X: F64, P: F64, i: int, track: CarriedTrack) -> None:
    """Write a carried state to row i of (X, P)."""
    X[i] = np.array(track.x, dtype=np.float64)
    P[i][UPPER] = track.p
    P[i].T[UPPER] = track.p


def snapshot(
    table: Table, terminals: Terminals, n_ids: int, heard_ns: list[int], counts: dict[str, int],
    ended: list[int], merged: list[tuple[int, int]], twins: dict[tuple[int, int], int],
    copies: Copies, times: Timekeeping,
) -> TrackerState:  # fmt: skip
    """Return the whole tracker as plain data."""
    rows = np.flatnonzero(table.ints[:, STATUS] != FREE).tolist()
    return TrackerState(
        rows=tuple(rows),
        tracks=tuple(carried(table, terminals, i, ring=True) for i in rows),
        terminals=tuple(_carried_terminal(terminals, times, w) for w in range(len(terminals.ids))),
        free=tuple(table.free[: table.tally[1]].tolist()),
        tally=tuple(table.tally.tolist()),
        n_ids=n_ids,
        heard_ns=tuple(heard_ns),
        counts=dict(counts),
        ended=tuple(ended),
        merged=tuple(merged),
        twins=tuple((one, other, since_ns) for (one, other), since_ns in twins.items()),
        copies=copies.packed(),
        clocks=times.packed(),
    )


def _carried_terminal(terminals: Terminals, times: Timekeeping, w: int) -> CarriedTerminal:
    return CarriedTerminal(
        about=msgspec.msgpack.encode(terminals.about[w]),
        ints=terminals.ints[w].tobytes(),
        keys=_told(terminals.keys[w]),
        pair_ints=_told(terminals.pair_ints[w]),
        pairs=_told(terminals.pairs[w]),
        clock=times.terminals.packed(w),
    )


def _told(numbers: F64 | I64) -> bytes:
    return numbers.tobytes() if numbers.any() else b""


def restore(table: Table, terminals: Terminals, times: Timekeeping, state: TrackerState) -> None:
    """Fill an empty table with a snapshot."""
    times.unpack(state.clocks)
    for row in state.terminals:
        w = terminals.add(msgspec.msgpack.decode(row.about, type=Terminal))
        terminals.ints[w] = np.frombuffer(row.ints, dtype=np.int64)
        for numbers, told in (
            (terminals.keys[w], row.keys),
            (terminals.pair_ints[w], row.pair_ints),
            (terminals.pairs[w], row.pairs),
        ):
            if told:
                numbers[:] = np.frombuffer(told, dtype=numbers.dtype).reshape(numbers.shape)
        times.terminals.grow(terminals.about)
        times.terminals.unpack(w, row.clock)
    for i, track in zip(state.rows, state.tracks, strict=True):
        load(table, i, track)
    table.free[: len(state.free)] = state.free
    table.tally[:] = state.tally
