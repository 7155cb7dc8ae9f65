"""A track in named fields, as it is sent to a neighbour and stored.

Fields of another version: one that is unknown is ignored, one that is missing starts fresh.
"""

from itertools import combinations_with_replacement, product

import msgspec
import numpy as np

from core.arrays import F64
from core.classes import N_CLASSES
from core.times import FUTURE_NS
from fusion import layout as at
from fusion.body_sizes import UNKNOWN_EXTENT_M, UNKNOWN_EXTENT_SIGMA_M
from fusion.doubt_table import DoubtTable
from fusion.handover_doubt import PLACE_M_MAX, CarriedDoubt, carried_doubt
from fusion.handover_doubt import is_sound as is_sound_doubt
from fusion.layout import States
from fusion.models.manoeuvre import SUM_MAX
from fusion.observations import SIZE_M_MAX, SPEED_MPS_MAX, TAU_S_MAX
from fusion.track_store import TerminalTable, TrackStore

# Limits of a carried state: beyond them squares overflow, or no vehicle is like that.
BEND_MPS2_MAX, BIAS_M_MAX, BIAS_S_MAX = 50.0, 10_000.0, TAU_S_MAX
HEADING_RAD_MAX, VARIANCE_MAX, CARRIED_OUTLIERS_MAX = 100.0, 1e8, 2**31
CARRIED_AGE_NS_MAX = 3_600_000_000_000  # an outage delays handovers; an older position is useless
LAG_NS_MAX = 60_000_000_000  # a state may be so much older than its newest fix: the terminal was bound since
NAME_MAX = 64
LOG_SCALE_MAX = 1e6
FRESH_POSITION_M, FRESH_SPEED_MPS, FRESH_BEND_MPS2 = 5.0, 12.0, 0.5  # 1 sigma without a covariance

Vector = tuple[float, float]
Block = tuple[float, ...]
POSITION, VELOCITY = (at.EAST, at.NORTH), (at.V_EAST, at.V_NORTH)
BEND, BIAS = (at.BEND,), (at.BIAS_EAST, at.BIAS_NORTH)
EXTENT = (at.EXTENT,)
# Field of Covariance: dimensions of its rows and of its columns; a block of one group has its upper triangle
BLOCKS = {
    "position": (POSITION, POSITION), "velocity": (VELOCITY, VELOCITY), "bend": (BEND, BEND),
    "bias": (BIAS, BIAS), "position_velocity": (POSITION, VELOCITY), "position_bend": (POSITION, BEND),
    "velocity_bend": (VELOCITY, BEND), "position_bias": (POSITION, BIAS), "velocity_bias": (VELOCITY, BIAS),
    "bend_bias": (BEND, BIAS), "extent": (EXTENT, EXTENT), "position_extent": (POSITION, EXTENT),
    "velocity_extent": (VELOCITY, EXTENT), "bend_extent": (BEND, EXTENT), "extent_bias": (EXTENT, BIAS),
}  # fmt: skip


class Covariance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The covariance in blocks, row by row, in m, m/s, m/s^2; symmetric ones as their upper triangle.

    Empty: not known. Without its own block a quantity starts at a wide prior, uncorrelated with the others.
    """

    position: Block = ()  # east-east, east-north, north-north
    velocity: Block = ()
    bend: Block = ()
    bias: Block = ()
    position_velocity: Block = ()  # rows of position, columns of velocity
    position_bend: Block = ()
    velocity_bend: Block = ()
    position_bias: Block = ()
    velocity_bias: Block = ()
    bend_bias: Block = ()
    extent: Block = ()
    position_extent: Block = ()
    velocity_extent: Block = ()
    bend_extent: Block = ()
    extent_bias: Block = ()


class CarriedBias(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The lasting part of a terminal's position error, and the errors that the terminal states."""

    offset_m: Vector  # east, north
    sigma_m: float
    tau_s: float
    delay_s: float = 0.0  # 1 sigma of its stamps' error


class CarriedManoeuvre(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How much the vehicle manoeuvres along its course and across it: fusion/models/manoeuvre.py."""

    calm: Vector = (0.0, 0.0)  # probability
    corrections: Vector = (0.0, 0.0)  # fading sums of what was corrected of the velocity, in their sigmas
    kept: float = 0.0  # how much of the sum across is left since it was added to


class CarriedState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The estimated state of a vehicle and its covariance."""

    position_m: Vector  # site frame, east and north, of the vehicle's centre
    velocity_mps: Vector
    bend_mps2: float = 0.0  # slow acceleration to the left of the course
    heading_rad: float | None = None  # counter-clockwise from east
    lane_rad: float | None = None  # direction of the lane where radar saw it last
    lane_bend_mps2: float | None = None  # the part of bend_mps2 that the lane accounts for
    driven_m: float = 0.0  # since its heading was looked at
    extent_m: float | None = None  # from the centre to where radar sees the end that faces it
    covariance: Covariance = Covariance()
    bias: CarriedBias | None = None  # of the bound terminal's fixes; None: not bound
    manoeuvre: CarriedManoeuvre = CarriedManoeuvre()


class CarriedTrack(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One track: state, identity and the times of its sources (0: never)."""

    track: int  # site-unique id, 0 while tentative
    stamp_ns: int  # of the state
    state: CarriedState
    terminal: str | None = None  # the bound terminal; None: not bound
    identity_p: float = 0.0
    length_m: float | None = None
    width_m: float | None = None
    kind: int = 0  # class of docs/design.md section 7
    integrity: bool = False  # GNSS and radar contradict each other
    outliers: int = 0  # fixes in a row that were refused
    born_ns: int | None = None
    arrived_ns: int = 0  # of the observation that made the state
    radar_ns: int = 0  # last measurement of a radar, of a commissioned one, last fix
    enforcing_ns: int = 0
    gnss_ns: int = 0
    period_ns: int = 0  # of the sensor that measured it last
    hidden_ns: int = 0  # last scan in whose shadows it lay
    missed: float = 0.0  # log probability of the misses in radar's sight since it was last seen
    fix_period_ns: int = 0  # learnt between the fixes of its terminal; 0: not yet
    fix_accepted_ns: int = 0  # when its last report was accepted
    pose_m2: float = 0.0  # variance per axis that the poses of its radars leave, the mean of both axes
    pose_spread_m2: Block = ()  # its covariance: east-east, east-north, north-north; empty: equal axes
    face_m2: float = 0.0  # variance across its axis that the face at which radar saw it leaves open
    sigma_scales: Block = ()  # log likelihoods of the scales of its terminal's sigma: fusion/sigma_scale.py
    sigma_weight: float = 0.0  # effective number of errors behind them
    doubt: CarriedDoubt | None = None  # what is held against its terminal; None: the sender does not say


def _pairs(rows: tuple[int, ...], columns: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the entries of a block in their order."""
    return list(combinations_with_replacement(rows, 2) if rows == columns else product(rows, columns))


ENTRIES = {name: _pairs(*dimensions) for name, dimensions in BLOCKS.items()}


def carried_state(states: States, i: int) -> CarriedState:
    """Return the state of row i in named fields."""
    x, p = states.X[i].tolist(), states.P[i].tolist()
    bound = x[at.BOUND] != 0.0
    blocks = {
        name: tuple([p[a][b] for a, b in entries])
        for name, entries in ENTRIES.items()
        if bound or BIAS not in BLOCKS[name]
    }
    bias = CarriedBias(
        offset_m=(x[at.BIAS_EAST], x[at.BIAS_NORTH]), sigma_m=x[at.BIAS_SIGMA], tau_s=x[at.BIAS_TAU],
        delay_s=x[at.BIAS_DELAY],
    )  # fmt: skip
    return CarriedState(
        position_m=(x[at.EAST], x[at.NORTH]),
        velocity_mps=(x[at.V_EAST], x[at.V_NORTH]),
        bend_mps2=x[at.BEND],
        heading_rad=_number(x[at.HEADING]),
        lane_rad=_number(x[at.AXIS]),
        lane_bend_mps2=_number(x[at.LANE_BEND]),
        driven_m=x[at.DRIVEN],
        extent_m=x[at.EXTENT],
        covariance=Covariance(**blocks),
        bias=bias if bound else None,
        manoeuvre=CarriedManoeuvre(
            calm=(x[at.CALM_ALONG], x[at.CALM_CROSS]),
            corrections=(x[at.SUM_ALONG], x[at.SUM_CROSS]),
            kept=x[at.SUM_KEPT],
        ),
    )


def carried(
    store: TrackStore, terminals: TerminalTable, i: int, doubts: DoubtTable | None = None
) -> CarriedTrack:
    """Return track i in named fields, with the doubt in its terminal for a neighbour."""
    ints, floats = store.ints[i].tolist(), store.floats[i].tolist()
    w, pose = ints[at.TERMINAL], _pose_spread(floats)
    return CarriedTrack(
        track=int(store.track[i]),
        stamp_ns=ints[at.STAMP],
        state=carried_state(store.tracks.states, i),
        terminal=terminals.ids[w] if w >= 0 else None,
        identity_p=floats[at.IDENTITY_P],
        length_m=_number(floats[at.LENGTH]),
        width_m=_number(floats[at.WIDTH]),
        kind=ints[at.KIND],
        integrity=ints[at.INTEGRITY] != 0,
        outliers=ints[at.OUTLIERS],
        born_ns=ints[at.BORN],
        arrived_ns=ints[at.ARRIVED],
        radar_ns=ints[at.RADAR_NS],
        enforcing_ns=ints[at.ENFORCING_NS],
        gnss_ns=ints[at.GNSS_NS],
        period_ns=ints[at.PERIOD_NS],
        hidden_ns=ints[at.HIDDEN_NS],
        missed=floats[at.MISSED],
        fix_period_ns=ints[at.FIX_PERIOD_NS],
        fix_accepted_ns=ints[at.FIX_ACCEPTED_NS],
        pose_m2=(pose[0] + pose[2]) / 2.0,
        pose_spread_m2=pose,
        face_m2=floats[at.FACE],
        sigma_scales=tuple(terminals.rows.errors[w, : at.N_SCALES].tolist()) if w >= 0 else (),
        sigma_weight=float(terminals.rows.errors[w, at.E_WEIGHT]) if w >= 0 else 0.0,
        doubt=carried_doubt(doubts, w) if doubts is not None and w >= 0 else None,
    )


def _pose_spread(floats: list[float]) -> Block:
    """Return what fusion.radar_pose.pose_spread does, of a row of `floats`."""
    share = floats[at.POSED_SHARE]
    return tuple(
        share**2 * floats[at.POSE + a] + (1.0 - share) ** 2 * floats[at.POSE_OTHER + a] for a in range(3)
    )


def _is_spread(spread: Block) -> bool:
    """Whether a carried covariance of a place can be one."""
    if not all(abs(value) <= VARIANCE_MAX for value in spread):
        return False
    return not spread or (
        len(spread) == 3
        and min(spread[0], spread[2]) >= 0.0
        and spread[1] ** 2 <= spread[0] * spread[2] * (1.0 + 1e-9)
    )


def _number(value: float) -> float | None:
    """Return None for NaN, which no payload may show."""
    return None if value != value else value


def arrays_of(state: CarriedState) -> tuple[F64, F64]:
    """Return a carried state as X (N_X,) and P (N_DIM, N_DIM); missing quantities start at a wide prior."""
    x, p, bias = np.zeros(at.N_X), np.zeros((at.N_DIM, at.N_DIM)), state.bias
    x[list(POSITION)], x[list(VELOCITY)], x[at.BEND] = state.position_m, state.velocity_mps, state.bend_mps2
    x[at.HEADING] = np.nan if state.heading_rad is None else state.heading_rad
    x[at.AXIS] = np.nan if state.lane_rad is None else state.lane_rad
    x[at.LANE_BEND] = np.nan if state.lane_bend_mps2 is None else state.lane_bend_mps2
    x[at.DRIVEN] = state.driven_m
    x[at.EXTENT] = UNKNOWN_EXTENT_M if state.extent_m is None else state.extent_m
    if bias is not None:
        x[list(BIAS)], x[at.BOUND] = bias.offset_m, 1.0
        x[at.BIAS_SIGMA], x[at.BIAS_TAU], x[at.BIAS_DELAY] = bias.sigma_m, bias.tau_s, bias.delay_s
    x[at.CALM_ALONG : at.CALM_CROSS + 1] = state.manoeuvre.calm
    x[at.SUM_ALONG : at.SUM_CROSS + 1], x[at.SUM_KEPT] = state.manoeuvre.corrections, state.manoeuvre.kept
    sigma = {POSITION: FRESH_POSITION_M, VELOCITY: FRESH_SPEED_MPS, BEND: FRESH_BEND_MPS2}
    sigma[EXTENT] = UNKNOWN_EXTENT_SIGMA_M
    if bias is not None:
        sigma[BIAS] = min(abs(bias.sigma_m), BIAS_M_MAX)
    known = {group for name, (group, other) in BLOCKS.items() if group == other and _block(state, name)}
    for group in sigma.keys() - known:
        p[list(group), list(group)] = sigma[group] ** 2
    for name, groups in BLOCKS.items():
        if set(groups) <= known and set(groups) <= sigma.keys():
            for (a, b), value in zip(ENTRIES[name], _block(state, name), strict=False):
                p[a, b] = p[b, a] = value
    return x, p


def _block(state: CarriedState, name: str) -> Block:
    block: Block = getattr(state.covariance, name)
    return block


def is_sound(track: CarriedTrack, now_ns: int) -> bool:
    """Whether a neighbour's track can be true by this clock.

    The neighbour may run another version, or its clock may be wrong; kernels check nothing.
    """
    return (
        0 < track.track < 2**64
        and (track.terminal is None or (0 < len(track.terminal) <= NAME_MAX and track.terminal.isprintable()))
        and all(len(_block(track.state, name)) in (0, len(entries)) for name, entries in ENTRIES.items())
        and _whole_numbers_are_sound(track, now_ns)
        and _numbers_are_sound(track)
        and is_sound_doubt(track.doubt, now_ns)
    )


def _whole_numbers_are_sound(track: CarriedTrack, now_ns: int) -> bool:
    seen = (track.radar_ns, track.enforcing_ns, track.gnss_ns)
    born_ns = track.stamp_ns if track.born_ns is None else track.born_ns
    return (
        max(track.stamp_ns, born_ns, *seen) <= now_ns + FUTURE_NS
        and min(born_ns, track.arrived_ns, *seen) >= 0
        and track.arrived_ns <= 2**62  # sums of two must fit int64
        and track.stamp_ns >= max(*seen, now_ns - CARRIED_AGE_NS_MAX) - LAG_NS_MAX
        and 0 <= track.kind < N_CLASSES
        and 0 <= track.outliers <= CARRIED_OUTLIERS_MAX
        and abs(track.period_ns) <= CARRIED_AGE_NS_MAX
        and 0 <= track.fix_period_ns <= CARRIED_AGE_NS_MAX
        and 0 <= track.hidden_ns <= now_ns + FUTURE_NS
        and 0 <= track.fix_accepted_ns <= now_ns + FUTURE_NS
    )


def _numbers_are_sound(track: CarriedTrack) -> bool:
    state, bias, heading_rad = track.state, track.state.bias, track.state.heading_rad
    manoeuvre = state.manoeuvre
    sizes = [size for size in (track.length_m, track.width_m) if size is not None]
    limits: list[tuple[Block, float]] = [  # NaN fails each comparison as well
        (state.position_m, PLACE_M_MAX),
        (state.velocity_mps, SPEED_MPS_MAX),
        ((state.bend_mps2,), BEND_MPS2_MAX),
        ((state.extent_m or 0.0,), SIZE_M_MAX),
        (() if state.lane_rad is None else (state.lane_rad,), HEADING_RAD_MAX),
        (() if state.lane_bend_mps2 is None else (state.lane_bend_mps2,), BEND_MPS2_MAX),
        (manoeuvre.corrections, SUM_MAX),
        (() if heading_rad is None else (heading_rad,), HEADING_RAD_MAX),
        *((_block(state, name), VARIANCE_MAX) for name in BLOCKS),
    ]
    if bias is not None:
        limits += [((*bias.offset_m, bias.sigma_m), BIAS_M_MAX), ((bias.tau_s, bias.delay_s), BIAS_S_MAX)]
    if not all(abs(value) <= limit for values, limit in limits for value in values):
        return False
    if bias is not None and not (bias.sigma_m > 0.0 and bias.tau_s > 0.0 and bias.delay_s >= 0.0):
        return False
    _, p = arrays_of(state)
    spread = np.linalg.eigvalsh(p, UPLO="U")
    moving = np.linalg.eigvalsh(p[: at.N_CV, : at.N_CV], UPLO="U")
    return bool(
        moving[0] > 0.0
        and spread[0] >= -1e-6 * spread[-1]  # without a terminal its bias has no spread at all
        and all(0.0 <= p <= 1.0 for p in (track.identity_p, *manoeuvre.calm, manoeuvre.kept))
        and track.missed <= 0.0
        and 0.0 <= state.driven_m <= PLACE_M_MAX
        and 0.0 <= track.pose_m2 <= VARIANCE_MAX
        and _is_spread(track.pose_spread_m2)
        and 0.0 <= track.face_m2 <= VARIANCE_MAX
        and len(track.sigma_scales) in (0, at.N_SCALES)
        and all(abs(value) <= LOG_SCALE_MAX for value in track.sigma_scales)
        and 0.0 <= track.sigma_weight <= LOG_SCALE_MAX
        and all(0.0 < size <= SIZE_M_MAX for size in sizes)
    )


def load(store: TrackStore, i: int, track: CarriedTrack) -> None:
    """Write a carried track to row i, but for its id and its terminal."""
    ints, floats = store.ints[i], store.floats[i]
    ints[at.STAMP], ints[at.ARRIVED] = track.stamp_ns, track.arrived_ns
    ints[at.BORN] = track.stamp_ns if track.born_ns is None else track.born_ns
    ints[at.RADAR_NS], ints[at.ENFORCING_NS] = track.radar_ns, track.enforcing_ns
    ints[at.GNSS_NS], ints[at.PERIOD_NS] = track.gnss_ns, track.period_ns
    ints[at.HIDDEN_NS], floats[at.MISSED] = track.hidden_ns, track.missed
    ints[at.FIX_PERIOD_NS], ints[at.FIX_ACCEPTED_NS] = track.fix_period_ns, track.fix_accepted_ns
    ints[at.KIND], ints[at.INTEGRITY], ints[at.OUTLIERS] = track.kind, track.integrity, track.outliers
    floats[at.IDENTITY_P] = track.identity_p
    floats[at.POSED_SHARE], floats[at.POSE_OTHER : at.POSE_OTHER + 3] = 1.0, 0.0
    floats[at.POSE : at.POSE + 3] = track.pose_spread_m2 or (track.pose_m2, 0.0, track.pose_m2)
    floats[at.FACE] = track.face_m2
    floats[at.LENGTH] = np.nan if track.length_m is None else track.length_m
    floats[at.WIDTH] = np.nan if track.width_m is None else track.width_m
    load_state(store.tracks.states, i, track.state)


def load_state(states: States, i: int, state: CarriedState) -> None:
    """Write a carried state to row i."""
    states.X[i], states.P[i] = arrays_of(state)
