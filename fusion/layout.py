"""Which column of which array means what: kernels take a few wide arrays, not fifty narrow ones."""

# Row of X (n, N_X): the state of one track. The first N_DIM entries have a covariance, the rest is memory.
EAST, NORTH, V_EAST, V_NORTH = 0, 1, 2, 3
BEND = 4  # slow acceleration to the left of the course [m/s^2]: what a bend asks for
BIAS_EAST, BIAS_NORTH = 5, 6  # the part of the terminal's error that lasts [m]
N_CV, N_RADAR, N_DIM = 4, 5, 7  # plain constant velocity; with the bend; with the terminal's bias
HEADING = 7  # where it points [rad], NaN unknown; a fast one where it goes: see fusion.heading
BIAS_SIGMA, BIAS_TAU, BIAS_DELAY = 8, 9, 10  # of the terminal's error [m, s, s]; sigma 0: no terminal yet
N_X = 11
N_PACKED = (
    N_X + N_DIM * (N_DIM + 1) // 2
)  # a state in the ring: X row, then P up to its diagonal, column by column

# Row of `ints` (n, N_INT), int64
STATUS, STAMP, ARRIVED, BORN, SERIAL, TERMINAL, RADAR_NS, ENFORCING_NS, GNSS_NS = 0, 1, 2, 3, 4, 5, 6, 7, 8
RING_HEAD, RING_LEN, KIND, INTEGRITY, OUTLIERS, FIRST_RADAR, PERIOD_NS = 9, 10, 11, 12, 13, 14, 15
N_INT = 16
FREE, TENTATIVE, DUE, CONFIRMED = 0, 1, 2, 3  # STATUS; DUE: confirmed, its id not given yet

# Row of `floats` (n, N_FLOAT)
LLR, LENGTH, WIDTH, IDENTITY_P = 0, 1, 2, 3
N_FLOAT = 4

# Row of a measurement in the ring (N_MEAS,)
WHAT, SOURCE = 0, 1  # one of the below; radar row or terminal row
Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8 = 2, 3, 4, 5, 6, 7, 8, 9, 10
N_MEAS = 11
BASE, POLAR, OBJECT, FIX = 0, 1, 2, 3
# POLAR: azimuth, range, range rate, cosine and sine of the bearing.  OBJECT: east, north, v_east, v_north.
# FIX: east, north, speed, heading, sigma, tau, delay sigma, antenna forward, antenna left.

# Row of `radars` (m, N_POSE)
R_EAST, R_NORTH, R_DROP, R_BORESIGHT, R_RANGE, R_HALF_FOV, R_S_RANGE, R_S_AZIMUTH, R_S_RATE, R_ACCEPTED = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
)  # fmt: skip
N_POSE = 10

# Row of `seen` (N_SEEN,): where a detection lies [site metres], and what it measured
S_EAST, S_NORTH, S_RANGE, S_COS, S_SIN, S_RATE, S_DROP = 0, 1, 2, 3, 4, 5, 6
N_SEEN = 8  # a cache line

# Row of `tuning` (N_TUNING,): FusionConfig as a kernel sees it
Q_ALONG, Q_CROSS, BEND_SIGMA, BEND_TAU, GATE_2, GATE_3, P_DETECT, CLUTTER, LLR_CONFIRM, LLR_DROP = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
)  # fmt: skip
S_SPEED, HISTORY_NS, RADAR_TIMEOUT_NS, S_V_PRIOR = 10, 11, 12, 13
N_TUNING = 14

# Row of `terminals` (n, N_TERMINAL), int64
ROW, HEARD_NS, WEIGHED_NS, N_KEYS = 0, 1, 2, 3  # its track's row or -1; stamps; how many keys were remembered
N_TERMINAL = 4
