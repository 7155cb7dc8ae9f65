"""The tracker's arrays and the names of their columns; imported as `at`, used as `ints[i, at.STATUS]`.

Kernels take a few NamedTuples of wide arrays in place of fifty narrow arrays. Site metres, seconds, radians;
stamps are UTC nanoseconds.
"""

from typing import NamedTuple

from core.arrays import B1, F1, F2, F3, I1, I2, I3

# Column of X (n, N_X): the state of one track. The first N_DIM entries have a covariance, the rest is memory.
EAST, NORTH, V_EAST, V_NORTH = 0, 1, 2, 3
BEND = 4  # slow acceleration to the left of the course [m/s^2]: the bend of the road
EXTENT = 5  # from the centre to where radar sees the end that faces it [m]: see fusion.extent
BIAS_EAST, BIAS_NORTH = 6, 7  # the part of the terminal's error that lasts [m]
N_CV, N_RADAR, N_DIM = 4, 6, 8  # plain constant velocity; what radar measures; with the terminal's bias
HEADING = 8  # [rad], NaN unknown; of a fast track the course counts: see fusion.heading
AXIS = 9  # of the body while it stands: the lane where radar saw it last [rad]; NaN: it never had one
BOUND = 10  # 1: the state has a terminal's bias, N_DIM dimensions are live; 0: the first N_RADAR
BIAS_SIGMA, BIAS_TAU, BIAS_DELAY = 11, 12, 13  # of the terminal's error [m, s, s]
# Of fusion.models.manoeuvre, along the course and across it: probability of calm, fading sum of what was
# corrected of the velocity, in sigmas; how much of the sum across is left since it was added to
CALM_ALONG, CALM_CROSS, SUM_ALONG, SUM_CROSS, SUM_KEPT = 14, 15, 16, 17, 18
DRIVEN = 19  # since HEADING was looked at [m]
LANE_BEND = 20  # the part of BEND that its lane accounts for [m/s^2], NaN unknown: fusion.lane_bend
N_X = 21
# Length of a packed state in the ring: its row of X, then the upper triangle of P column by column; with the
# bias of a terminal, and without
N_PACKED = N_X + N_DIM * (N_DIM + 1) // 2
N_PACKED_RADAR = N_X + N_RADAR * (N_RADAR + 1) // 2
N_PACKED_BOUND = N_PACKED - N_PACKED_RADAR  # what a bias adds to it

# Column of `ints` (n, N_INT), int64
STATUS, STAMP, ARRIVED, BORN, SERIAL, TERMINAL, RADAR_NS, ENFORCING_NS, GNSS_NS = 0, 1, 2, 3, 4, 5, 6, 7, 8
RING_HEAD, RING_LEN, KIND, INTEGRITY, OUTLIERS, PERIOD_NS = 9, 10, 11, 12, 13, 14
# Learnt between the fixes of its terminal, 0 unknown; when its last report was accepted
FIX_PERIOD_NS, FIX_ACCEPTED_NS = 15, 16
HIDDEN_NS = 17  # last scan in whose shadows it was predicted to be, and was not found
PRESUMED = 18  # row + 1 of the terminal whose vehicle it is presumed to be; 0 none
SHOWN_NS = 19  # the tick since which it is shown; 0 it is not
POSED_BY, POSED_BY_OTHER = (
    20,
    21,
)  # 1 + row of the two radars that measured it last, 0 none: fusion.radar_pose
RADAR = 22  # row of the one radar that measured it so far, -1 none, -2 several
SCATTER_NS, SCATTER_BY = 23, 24  # stamp and 1 + row of the radar of its last sample: fusion.reflection_noise
BEGAN = 25  # how: 0 not as vehicles do, else fusion.births.ALONE or BESIDE, while its outcome is open
N_INT = 26
FREE, TENTATIVE, DUE, CONFIRMED = 0, 1, 2, 3  # STATUS; DUE: confirmed, its id not given yet
STANDBY = 4  # of a terminal whose vehicle is presumed to be a radar's track: not shown, without an id

# Column of `floats` (n, N_FLOAT)
LLR, LENGTH, WIDTH, IDENTITY_P = 0, 1, 2, 3
MISSED = 4  # log probability of the misses in radar's sight since it last saw the vehicle
ECHO_ODDS = 12  # log odds of a lorry by its echoes; beyond +-DECIDED the extent knows it
OFF_ALONG, OFF_ACROSS = 13, 14  # innovation of that sample along and across the axis [m]
EXTENT_PRIOR, EXTENT_PRIOR_VAR = 15, 16  # that the state contains [m, m^2]; 0 unknown: fusion.extent_prior
# Share of the state that POSED_BY determined; covariances that the poses of the two leave in its place [m^2]:
# three columns each, east-east, east-north, north-north
POSED_SHARE, POSE, POSE_OTHER = 5, 6, 9
FACE = 17  # variance across its axis that the face at which it was first seen leaves open [m^2]: fusion.flank
BEGAN_ODDS = 18  # log odds that its first detection was a vehicle, as known then: fusion.births
N_FLOAT = 19

# Place of `tally`: persistent counters first, then the results of one call
T_SERIAL, T_FREE, T_HIGH, T_TOUCHED, T_FALLEN, T_FULL, T_LATE, T_PAIRS, T_DUE = 0, 1, 2, 3, 4, 5, 6, 7, 8
N_TALLY = 9

# Column of a measurement (N_MEAS,), in M and in the ring
WHAT, SOURCE = 0, 1  # one of the below; radar row or terminal row
N_MEAS = 16
BASE, POLAR, OBJECT, FIX = 0, 1, 2, 3
Z_AZIMUTH, Z_RANGE, Z_RATE, Z_COS, Z_SIN = 2, 3, 4, 5, 6  # POLAR; cosine and sine of the bearing
Z_EAST, Z_NORTH, Z_V_EAST, Z_V_NORTH = 2, 3, 4, 5  # OBJECT; FIX has its first two as well
Z_SPEED, Z_HEADING, Z_SIGMA, Z_TAU, Z_DELAY, Z_FORWARD, Z_LEFT = 4, 5, 6, 7, 8, 9, 10  # FIX; of its antenna
# POLAR and OBJECT: direction of the lane there [rad], NaN unknown; 1: it is driven both ways; scatter of
# the reflecting point along the axis, as a factor, and across it [m^2], as it counts in a mean over scans;
# for how many scans a place of it counts
Z_LANE, Z_BOTH_WAYS, Z_ALONG, Z_ACROSS, Z_OFTEN = 7, 8, 9, 10, 13
Z_BEND = 15  # POLAR and OBJECT: curvature of the lane there, to the left of its direction [1/m], NaN unknown
Z_FLANK = 14  # POLAR and OBJECT: 1 it is a point of the flank, 0 of the end: fusion.flank
Z_EXTENT, Z_EXTENT_SIGMA = 11, 12  # all: mean and sigma of EXTENT of a track that starts here [m]
Z_FRESH = 13  # FIX: 1 sigma per axis of what is new in each [m]: fusion.fresh_errors

# Column of `about` (n, N_ABOUT): size and class of a target as the radar states them; NaN and 0 unknown
A_LENGTH, A_WIDTH, A_KIND = 0, 1, 2
A_ECHO_ODDS = 3  # of a lorry, by the strength of this echo
N_ABOUT = 4

# Column of `radars` (m, N_POSE)
R_EAST, R_NORTH, R_DROP, R_BORESIGHT, R_RANGE, R_HALF_FOV, R_S_RANGE, R_S_AZIMUTH, R_S_RATE, R_ACCEPTED = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
)  # fmt: skip
R_S_PLACE, R_S_TURN = (
    10,
    11,
)  # what the site states that is not known of its pose: place per axis [m], boresight [rad]
# For how many scans one reflecting point counts; mean and variance of the share: see fusion.extent
R_OFTEN, R_SHARE, R_SHARE_VAR = 12, 13, 14
# Parts of its scatter along and across the axis, and the weight of that: see fusion.reflection_noise
R_ALONG_WHITE, R_ALONG_SLOW, R_ALONG_N, R_ACROSS_WHITE, R_ACROSS_SLOW, R_ACROSS_N = 15, 16, 17, 18, 19, 20
# Covariance of what is not known of its pose: place east and north [m], boresight [rad]; fusion.registration
R_C_EE, R_C_EN, R_C_NN, R_C_ET, R_C_NT, R_C_TT = 21, 22, 23, 24, 25, 26
# Of the six, which errors of fusion.registration_sight they belong to
POSE_COVARIANCES = (
    (R_C_EE, 0, 0),
    (R_C_EN, 0, 1),
    (R_C_NN, 1, 1),
    (R_C_ET, 0, 2),
    (R_C_NT, 1, 2),
    (R_C_TT, 2, 2),
)
R_STAYS = 27  # correlation time of its scatter [s]
# Detections of flanks, and how many of the fused ones Lambert's law makes such: see fusion.flank
R_FLANKS, R_FLANKS_DUE = 28, 29
R_SIZE, R_SIZE_N = 30, 31  # lengths over what its objects state, and the weight of that: fusion.stated_size
N_POSE = 32

# Column of `seen` (n, N_SEEN): the place of a detection [site metres], and its polar numbers
S_EAST, S_NORTH, S_RANGE, S_COS, S_SIN, S_RATE, S_DROP = 0, 1, 2, 3, 4, 5, 6
S_CLUTTER = 7  # density of false detections there [1/m^2], as if their range rates were spread evenly
N_SEEN = 8  # a cache line

# Place of `tuning` (N_TUNING,): FusionConfig in the numbers that kernels use
Q_ALONG, Q_CROSS, BEND_SIGMA, BEND_TAU, GATE_2, GATE_3, P_DETECT, CLUTTER, FALSE_PER_HOUR, LLR_DROP = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
)  # fmt: skip
S_SPEED, HISTORY_NS, RADAR_TIMEOUT_NS, S_V_PRIOR = 10, 11, 12, 13
Q_CALM_ALONG, Q_CALM_CROSS = 14, 15
N_TUNING = 16

# Column of `Terminals.ints` (n, N_TERMINAL): row of its track or -1; stamps of its newest fix and of the last
# fix that was weighed; count of its fixes
ROW, NEWEST_NS, WEIGHED_NS, N_KEYS = 0, 1, 2, 3
OTHER_ROW = 4  # row + 1 of the radar's track that is presumed to be its vehicle; 0 none
LEARNT_NS = 5  # stamp of the last fix that its `errors` have learnt from
ALONE_NS = 6  # the last tick at which it was a ghost and radar saw no vehicle that may be its own; 0 never
N_TERMINAL = 7

# Column of `Terminals.errors` (n, N_ERROR), see fusion.terminal_errors; the first N_SCALES are the log
# likelihoods of scales of the stated sigma
N_SCALES = 9
E_WEIGHT = 9  # effective number of errors that were compared
E_BIAS_EAST, E_BIAS_NORTH, E_BIAS_VAR = 10, 11, 12  # the lasting error that radar showed, variance per axis
E_GROUP = 13  # 0: its sigma is stated; 1: it is the configuration's
# Log likelihoods of what is new in each fix: fusion.fresh_errors
E_FRESH, N_FRESH = 14, 7
N_ERROR = E_FRESH + N_FRESH
# Column of `fleet`: the weights; errors noted since they were learnt; log probability of each centre; weights
# of what is new in each fix; fixes noted since these were learnt, 0: never yet
F_FRESH = 2 * N_SCALES + 1
F_FRESH_N = F_FRESH + N_FRESH
N_FLEET = F_FRESH_N + 1
# Column of `field` (m, CELLS + 1, N_CELL), see fusion.radar_field; the last row is the radar's sum
C_AREA, C_FALSE, C_SEEN, C_LOOKED = 0, 1, 2, 3  # area [m^2]; false detections; tracks seen, tracks looked for
# Of the last row only: scans so far; cosine and sine of the boresight, sectors per aside, bands per metre
C_SCANS, C_COS, C_SIN, C_PER_ASIDE, C_PER_M = 4, 5, 6, 7, 8
C_BORN = 9  # confirmed tracks that began there
# In these two columns a row is not a cell but a bin of range rate: row k counts the false detections, and the
# births, of the whole field whose range rate lies in bin k. The last row is the sum of all bins
C_FALSE_RATE, C_BORN_RATE = 10, 11
# First detections in the cell that moved as vehicles do: how many became a vehicle, how many did not. These
# two count those with no tracked vehicle beside them, the next two those beside one (fusion.births)
C_FIRST_TRUE, C_FIRST_FALSE = 12, 13
N_CELL = 16

# Column of `Terminals.pair_ints` (n, PAIRS, N_PAIR_INT)
P_SLOT, P_SERIAL, P_N, P_NS, P_SINCE, N_PAIR_INT = 0, 1, 2, 3, 4, 5
# Column of `Terminals.pairs` (n, PAIRS, N_PAIR), see fusion.identity_likelihood:
# L_ONE, L_BESIDE, L_APART: log likelihoods of the three hypotheses; L_WIDE: of "one vehicle" with a wide
# error relative to "beside", computed once; L_UNSEEN: of radar missing the terminal's own vehicle for so long
# ONE, BESIDE: per axis (along, across) mean and variance of the error, of the offset; LAST: east, north
L_ONE, L_BESIDE, L_APART, L_WIDE, L_UNSEEN, ONE, BESIDE, LAST = 0, 1, 2, 3, 4, 5, 9, 13
WIDE_PLACE = 15  # of L_WIDE, what the place where "beside" began adds to it
EXTENT_TAKEN, N_PAIR = 16, 17  # extent that the differences assume [m]: see fusion.identity_extent; 0 unknown

# Row of `Laterals.numbers` (N_LATERAL, m), see fusion.lateral: offset from the track's place and its sigma
# [m], direction in which it counts [rad], the track's place [site metres], sigma of the error that lasts [m],
# speed and course that a fix reports
Y_OFFSET, Y_SIGMA, Y_AXIS, Y_EAST, Y_NORTH, Y_LASTING = 0, 1, 2, 3, 4, 5
Y_SPEED, Y_COURSE, N_LATERAL = 6, 7, 8

# Column of `Shadows.bodies` (n, N_BODY), a cache line: centre [site metres], axis, half of length and width,
# height [m]
B_EAST, B_NORTH, B_COS, B_SIN, B_LENGTH, B_WIDTH, B_HEIGHT, N_BODY = 0, 1, 2, 3, 4, 5, 6, 8


class States(NamedTuple):
    """n states of the motion model, one a row."""

    X: F2  # (n, N_X)
    P: F3  # (n, N_DIM, N_DIM)


class Tracks(NamedTuple):
    """The tracks; a row is free, or one track's until it ends."""

    states: States
    ints: I2  # (n, N_INT)
    floats: F2  # (n, N_FLOAT)
    free: I1  # (n,) the free rows; the last is used first
    tally: I1  # (N_TALLY,)


class Rings(NamedTuple):
    """The ring of each track: its last measurements, and the state after each of them."""

    stamps: I2  # (n, RING) [ns]
    meas: F3  # (n, RING, N_MEAS)
    packed: F3  # (n, RING, N_PACKED_RADAR)
    bound: F3  # (n, RING, N_PACKED_BOUND): in memory for tracks with a terminal only


class Terminals(NamedTuple):
    """The terminals: the keys of their last fixes, and the likelihoods of their pairs with tracks."""

    ints: I2  # (n, N_TERMINAL)
    keys: I3  # (n, KEYS, 2) stamp and serial number of its last fixes
    pair_ints: I3  # (n, PAIRS, N_PAIR_INT)
    pairs: F3  # (n, PAIRS, N_PAIR)
    errors: F2  # (n, N_ERROR) what radar showed of their errors
    fleet: (
        F2  # (2, N_SCALES) weight of each scale among all terminals: stated sigmas, and the configuration's
    )


class Vehicles(NamedTuple):
    """The vehicles of the terminals."""

    lever_m: F2  # (n, 2) antenna forward and left of the centre
    length_m: F1  # (n,) NaN unknown


class LaneCells(NamedTuple):
    """The directions and bends of the map's lanes on a grid of squares over the radars' fields."""

    frame: F1  # (3,) east and north of the grid's corner, side of a square [m]
    direction: F2  # (n_e, n_n) driving direction [rad] from east; NaN off the lanes, and where they cross
    both_ways: F2  # (n_e, n_n) 1: lanes lead in both directions there
    bend: F2  # (n_e, n_n) curvature [1/m], positive to the left of `direction`; NaN where that is


class Settings(NamedTuple):
    """The numbers of the site file, and what was learnt about each radar."""

    radars: F2  # (m, N_POSE)
    tuning: F1  # (N_TUNING,)
    field: F3  # (m, CELLS + 1, N_CELL)
    lanes: LaneCells


class Detections(NamedTuple):
    """One scan's targets; the first n rows are in use."""

    M: F2  # (n, N_MEAS)
    about: F2  # (n, N_ABOUT)
    seen: F2  # (n, N_SEEN)


class Fixes(NamedTuple):
    """One message's fixes as columns (n,), with their measurements."""

    M: F2  # (n, N_MEAS)
    terminal: I1  # row
    stamp_ns: I1
    arrived_ns: I1
    source_seq: I1
    usable: B1
    group: I1  # 0 its sigma is stated, 1 it is the configuration's


class Grid(NamedTuple):
    """A hashed grid over the plane, see fusion.grid."""

    first: I1  # (CELLS,) the first of each cell's list, and the turn in which it was put there
    next_of: I1  # (n,) the next in the list, -1 none
    turn: I1  # (1,) how often the grid was emptied: entries of earlier turns count no more


class Shadows(NamedTuple):
    """The vehicles that hide others from one radar, see fusion.shadows."""

    bodies: F2  # (n, N_BODY) in the order of the tracks
    sectors: I2  # (2, n) begin and end of each body's sector as the radar sees it
    words: I2  # (2, n) begin and number of each, by begin; the second row is scratch
    latest: I1  # (>= 4 n,) a tree over them: the greatest end of each half of each half
    buckets: I1  # (BUCKETS,) scratch
    size: I1  # (2,) how many bodies; leaves of the tree, 0: it is not built yet


class Assignment(NamedTuple):
    """The gated pairs of one scan, their association, and scratch; see fusion.assignment."""

    pairs: I2  # (3, n) track and detection of each gated pair; 1: it is of the flank
    costs: F1  # (n,) of each pair [-2 ln likelihood]
    miss: F1  # (>= n_t,) cost of having no detection
    det_of: I1  # (>= n_t,) the detection of each track, -1 none
    track_of: I1  # (>= n_d,) the track of each detection, -1 none
    parent: I1  # (>= n_t + n_d + 1,)
    order: I1  # (>= n,)
    start: I1  # (>= n_t + n_d + 1,)
    names: I1  # (>= 2 CAP_TRACKS + 2 CAP_DETECTIONS,)
    cost: F2  # (CAP_TRACKS, CAP_TRACKS + CAP_DETECTIONS)
    work: F2  # (5, >= CAP_TRACKS + CAP_DETECTIONS + 1)


class Laterals(NamedTuple):
    """What the measurements of one observation say across the courses of their tracks; see fusion.lateral."""

    numbers: F2  # (N_LATERAL, >= m)
    stamp_ns: I1  # (>= m,) of the measurement
    row: I1  # (>= m,) the track's row; -1: it measured nothing across the course


class Scratch(NamedTuple):
    """Memory that each call overwrites."""

    predicted: States  # the states of the tracks in play at the scan's time
    rows: I1  # (n,) their rows
    assignment: Assignment
    grid: Grid
    touched: I1  # rows that changed
    vector: F1  # (>= N_DIM,)
    laterals: Laterals  # of a scan, in the order of `touched`
    shadows: Shadows
