"""A track as it travels: to a neighbour, through a restart, into `/state`; there with the whole tracker."""

import msgspec
import numpy as np

from core.classes import N_CLASSES
from core.kernel import F64, I64
from core.times import FUTURE_NS
from fusion import layout as at
from fusion.config import Terminal
from fusion.duplicate_scans import Copies, Key
from fusion.layout import States
from fusion.observations import SIZE_M_MAX, SPEED_MPS_MAX, TAU_S_MAX
from fusion.rewind import rebuild
from fusion.timekeeping import Timekeeping
from fusion.track_store import RING, TerminalTable, TrackStore

UPPER = np.triu_indices(at.N_DIM)
# What a carried state can be; beyond it a kernel's squares overflow, or no vehicle is like that.
PLACE_M_MAX, BEND_MPS2_MAX, BIAS_M_MAX, BIAS_S_MAX = 200_000.0, 50.0, 10_000.0, TAU_S_MAX
X_MAX = np.array(  # by column of X, the heading left out
    [PLACE_M_MAX] * 2
    + [SPEED_MPS_MAX] * 2
    + [BEND_MPS2_MAX]
    + [BIAS_M_MAX] * 2
    + [1.0, BIAS_M_MAX]
    + [BIAS_S_MAX] * 2
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
    ring_meas: bytes = b""  # (n, at.N_MEAS) f8; sources are rows of this RSU's own radars
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


def carried(store: TrackStore, terminals: TerminalTable, i: int, *, ring: bool) -> CarriedTrack:
    """Return row i as it travels."""
    w, n = int(store.ints[i, at.TERMINAL]), int(store.ints[i, at.RING_LEN]) if ring else 0
    order = (int(store.ints[i, at.RING_HEAD]) + np.arange(n)) % RING
    return CarriedTrack(
        track=int(store.track[i]),
        terminal=terminals.ids[w] if w >= 0 else None,
        x=without_nan(store.X[i].tolist()),
        p=tuple(store.P[i][UPPER].tolist()),
        ints=tuple(store.ints[i].tolist()),
        floats=without_nan(store.floats[i].tolist()),
        ring_stamp_ns=tuple(store.rings.stamps[i, order].tolist()),
        ring_meas=store.rings.meas[i, order].tobytes(),
        ring_base=store.rings.packed[i, order[:1]].tobytes(),
    )


def is_sound(track: CarriedTrack, now_ns: int) -> bool:
    """Whether a neighbour's track fits this version's layout and can be true by this clock.

    The neighbour may run another version or have its clock wrong; a kernel would believe every number.
    """
    sizes = (len(track.ints), len(track.floats), len(track.x), len(track.p), len(track.ring_stamp_ns))
    return (
        sizes == (at.N_INT, at.N_FLOAT, at.N_X, len(UPPER[0]), 0)
        and 0 < track.track < 2**64
        and (track.terminal is None or (0 < len(track.terminal) <= NAME_MAX and track.terminal.isprintable()))
        and _whole_numbers_are_sound(track.ints, now_ns)
        and _numbers_are_sound(track)
    )


def _whole_numbers_are_sound(ints: tuple[int, ...], now_ns: int) -> bool:
    seen = [ints[k] for k in (at.RADAR_NS, at.ENFORCING_NS, at.GNSS_NS)]
    if min(ints) < -(2**62) or max(ints) > 2**62:  # sums of two must fit int64
        return False
    return (
        max(ints[at.STAMP], ints[at.BORN], *seen) <= now_ns + FUTURE_NS
        and min(ints[at.BORN], ints[at.ARRIVED], *seen) >= 0
        and ints[at.STAMP] >= max(*seen, now_ns - CARRIED_AGE_NS_MAX) - LAG_NS_MAX
        and 0 <= ints[at.KIND] < N_CLASSES
        and abs(ints[at.PERIOD_NS]) <= CARRIED_AGE_NS_MAX
    )


def _numbers_are_sound(track: CarriedTrack) -> bool:
    x, floats = np.array(track.x, dtype=np.float64), np.array(track.floats, dtype=np.float64)
    p = np.zeros((at.N_DIM, at.N_DIM))
    p[UPPER] = track.p
    heading = x[at.HEADING]
    if not (np.abs(np.delete(x, at.HEADING)) <= X_MAX).all() or not (np.abs(p) <= VARIANCE_MAX).all():
        return False  # NaN fails the comparison as well
    if abs(heading) > HEADING_RAD_MAX or not (x[at.BOUND :] >= 0.0).all():
        return False  # a heading that is not known is NaN
    if x[at.BOUND] != 0.0 and x[at.BIAS_TAU] <= 0.0:
        return False
    spread, moving = np.linalg.eigvalsh(p, UPLO="U"), np.linalg.eigvalsh(p[: at.N_CV, : at.N_CV], UPLO="U")
    return bool(
        moving[0] > 0.0
        and spread[0] >= -1e-6 * spread[-1]  # without a terminal its bias has no spread at all
        and abs(floats[at.LLR]) <= LLR_MAX
        and 0.0 <= (track.floats[at.IDENTITY_P] or 0.0) <= 1.0
        and not (floats[[at.LENGTH, at.WIDTH]] <= 0.0).any()
        and not (floats[[at.LENGTH, at.WIDTH]] > SIZE_M_MAX).any()
    )


def load(store: TrackStore, i: int, track: CarriedTrack) -> None:
    """Write a carried track to row i; the ring too, if it came along."""
    store.track[i] = track.track
    store.ints[i] = track.ints
    store.floats[i] = np.array(track.floats, dtype=np.float64)
    n = len(track.ring_stamp_ns)
    if n:
        store.rings.stamps[i, :n] = track.ring_stamp_ns
        store.rings.meas[i, :n] = np.frombuffer(track.ring_meas).reshape(n, at.N_MEAS)
        store.rings.packed[i, 0] = np.frombuffer(track.ring_base)
        store.ints[i, at.RING_HEAD] = 0
        rebuild(store.tracks, store.rings, i, store.settings, store.scratch.vector)
    load_state(store.tracks.states, i, track)


def load_state(states: States, i: int, track: CarriedTrack) -> None:
    """Write a carried state to row i."""
    X, P = states
    X[i] = np.array(track.x, dtype=np.float64)
    P[i][UPPER] = track.p
    P[i].T[UPPER] = track.p


def snapshot(
    store: TrackStore, terminals: TerminalTable, n_ids: int, heard_ns: list[int], counts: dict[str, int],
    twins: dict[tuple[int, int], int],
    copies: Copies, times: Timekeeping,
) -> TrackerState:  # fmt: skip
    """Return the whole tracker as plain data."""
    rows = np.flatnonzero(store.ints[:, at.STATUS] != at.FREE).tolist()
    return TrackerState(
        rows=tuple(rows),
        tracks=tuple(carried(store, terminals, i, ring=True) for i in rows),
        terminals=tuple(_carried_terminal(terminals, times, w) for w in range(len(terminals.ids))),
        free=tuple(store.tracks.free[: store.tally[at.T_FREE]].tolist()),
        tally=tuple(store.tally.tolist()),
        n_ids=n_ids,
        heard_ns=tuple(heard_ns),
        counts=dict(counts),
        twins=tuple((one, other, since_ns) for (one, other), since_ns in twins.items()),
        copies=copies.packed(),
        clocks=times.packed(),
    )


def _carried_terminal(terminals: TerminalTable, times: Timekeeping, w: int) -> CarriedTerminal:
    return CarriedTerminal(
        about=msgspec.msgpack.encode(terminals.about[w]),
        ints=terminals.rows.ints[w].tobytes(),
        keys=_told(terminals.rows.keys[w]),
        pair_ints=_told(terminals.rows.pair_ints[w]),
        pairs=_told(terminals.rows.pairs[w]),
        clock=times.terminals.packed(w),
    )


def _told(numbers: F64 | I64) -> bytes:
    return numbers.tobytes() if numbers.any() else b""


def restore(store: TrackStore, terminals: TerminalTable, times: Timekeeping, state: TrackerState) -> None:
    """Fill an empty table with a snapshot."""
    times.unpack(state.clocks)
    for row in state.terminals:
        w = terminals.add(msgspec.msgpack.decode(row.about, type=Terminal))
        terminals.rows.ints[w] = np.frombuffer(row.ints, dtype=np.int64)
        for numbers, told in (
            (terminals.rows.keys[w], row.keys),
            (terminals.rows.pair_ints[w], row.pair_ints),
            (terminals.rows.pairs[w], row.pairs),
        ):
            if told:
                numbers[:] = np.frombuffer(told, dtype=numbers.dtype).reshape(numbers.shape)
        times.terminals.grow(terminals.about)
        times.terminals.unpack(w, row.clock)
    for i, track in zip(state.rows, state.tracks, strict=True):
        load(store, i, track)
    store.tracks.free[: len(state.free)] = state.free
    store.tally[:] = state.tally
