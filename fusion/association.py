"""Association: which detections of a scan belong to which track, in four steps.

predict   the tracks that the radar can see, to the time of the scan
gate      pairs of a track and a detection that lies near it; a hashed grid finds them
assign    the likeliest choice among the pairs (fusion.assignment)
echoes    detections that are left over and lie on a tracked vehicle: multipath, which starts no track
"""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.assignment import assign
from fusion.body_sizes import known_length
from fusion.extent import dot, row_of, spread
from fusion.flank import CHANCE_MIN, CHANCE_RIVAL, chance_of_flank, is_beside
from fusion.grid import GRID_CELL_M, cell_of, fill, first_in
from fusion.heading import axis_of
from fusion.layout import Assignment, Detections, Grid, Rings, Scratch, Settings, States, Tracks
from fusion.measurement import rate_of, row_of_rate, seen_point
from fusion.models import load, predict_to, times
from fusion.object_lag import object_lag
from fusion.own_echoes import own_echoes
from fusion.radar_field import FALSE_BINS, RATE_SPAN_MPS, cell_towards, density, p_seen, rate_density
from fusion.rate_gate import moves_alike
from fusion.rewind import past_state
from fusion.stated_size import Size, size_cost, stated_of
from fusion.visibility import body_m, is_followed, is_surely_in_field, is_surely_outside, within_edge_m

GATE_M_MAX = 60.0  # no gate is wider
VIEW_EDGE = VIEW_EDGE_RAD, VIEW_EDGE_M = 0.05, 10.0  # so far outside its field of view a radar detects
# Beside a pole a lorry of unknown extent may be metres off, and the beam turns. The update takes the circle
# for a straight line: so far round it is wrong by 3 % of the distance, a range's sigma at 8 m; further, it
# throws the track aside
TURNED_RAD_MAX = 0.25
VIEW_SIGMAS = 3.0  # of the extent: a centre that far aside of it may be of a vehicle that is seen already

# Of a track: its point from the radar (east, north), bearing (cosine, sine), slant range, range rate;
# variance across the beam, along it given that, of the rate given both; the regressions along : across,
# rate : across, rate : along [m, m/s]
Expected = tuple[
    float, float, float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip
# Of a face: height of the radar above it, 1 flank or 0 end, its cost, axis of the body, the first pair, size
Face = tuple[float, float, float, tuple[float, float], int, Size]
NO_SIZE: Size = (math.nan, math.nan)


@kernel(inner=True)
def _locate(detections: Detections, n_d: int, settings: Settings, q: int) -> None:
    """Write place and polar numbers of each detection to `seen`; those of a radar's objects are computed."""
    M, seen, radars = detections.M, detections.seen, settings.radars
    r_e, r_n = radars[q, at.R_EAST], radars[q, at.R_NORTH]
    for d in range(n_d):
        if M[d, at.WHAT] == at.OBJECT:
            d_e, d_n = M[d, at.Z_EAST] - r_e, M[d, at.Z_NORTH] - r_n
            flat = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
            seen[d, at.S_RANGE], seen[d, at.S_COS], seen[d, at.S_SIN] = flat, d_e / flat, d_n / flat
            seen[d, at.S_DROP] = 0.0
            seen[d, at.S_RATE] = (M[d, at.Z_V_EAST] * d_e + M[d, at.Z_V_NORTH] * d_n) / flat
            seen[d, at.S_EAST], seen[d, at.S_NORTH] = M[d, at.Z_EAST], M[d, at.Z_NORTH]
        else:
            drop = radars[q, at.R_DROP]
            c, s = M[d, at.Z_COS], M[d, at.Z_SIN]
            flat = math.sqrt(max(M[d, at.Z_RANGE] ** 2 - drop * drop, 1.0))
            seen[d, at.S_RANGE], seen[d, at.S_COS], seen[d, at.S_SIN] = M[d, at.Z_RANGE], c, s
            seen[d, at.S_RATE], seen[d, at.S_DROP] = M[d, at.Z_RATE], drop
            seen[d, at.S_EAST], seen[d, at.S_NORTH] = r_e + flat * c, r_n + flat * s
        cell = cell_towards(settings, q, seen[d, at.S_EAST] - r_e, seen[d, at.S_NORTH] - r_n)
        seen[d, at.S_CLUTTER] = density(settings, q, cell) * rate_density(
            settings, q, at.C_FALSE_RATE, FALSE_BINS, seen[d, at.S_RATE]
        )


@kernel(inner=True)
def expected(states: States, i: int, radars: F2, q: int, drop: float, flank: float) -> Expected:
    """Return what radar q would measure of predicted track i, with its covariance in triangular form.

    drop : height of the radar above its targets; 0 for a radar's own objects, which are places in the plane
    flank : 1 of its flank, 0 of the end that faces the radar
    """
    state = load(states, i)
    point = seen_point(states.X, i, state, radars[q, at.R_EAST], radars[q, at.R_NORTH], flank)
    p_e, p_n = point[0], point[1]
    flat = max(math.sqrt(p_e * p_e + p_n * p_n), 1.0)
    c, s = p_e / flat, p_n / flat
    slant = math.sqrt(flat * flat + drop * drop)
    slope = flat / slant
    now = radars[q, at.R_ALONG_WHITE] + radars[q, at.R_ALONG_SLOW]
    glint = radars[q, at.R_ACROSS_WHITE] + radars[q, at.R_ACROSS_SLOW]
    across, along, both = spread(point, c, s, (now, 1.0, glint))
    h_t, h_r = row_of(point, -s, c), row_of(point, slope * c, slope * s)
    of_rate = rate_of(point, state, drop)
    h_v, rate = row_of_rate(point, of_rate), of_rate[0]
    of_v = of_rate[1] * point[2] + of_rate[2] * point[3]  # of a metre along the body's axis
    scatter_v = (now * point[7] + point[8]) * of_v
    g_t, g_r = times(state, h_t), times(state, h_r)
    q_tt, q_rr = dot(h_t, g_t) + across, dot(h_r, g_r) + slope * slope * along
    s_tr = dot(h_r, g_t) + slope * both
    s_tv = dot(h_v, g_t) + scatter_v * (c * point[3] - s * point[2])
    s_rv = dot(h_v, g_r) + scatter_v * slope * (c * point[2] + s * point[3])
    s_vv = dot(h_v, times(state, h_v)) + scatter_v * of_v + radars[q, at.R_S_RATE] ** 2 + of_rate[5]
    # second order (Bar-Shalom 2001, 10.3.2): near a radar, a lorry of unknown extent turns the beam
    bent, v_across = q_tt / (flat * flat), c * state[at.V_NORTH] - s * state[at.V_EAST]
    s_tt = q_tt + bent * q_rr + (flat * radars[q, at.R_S_AZIMUTH]) ** 2
    s_rr = q_rr + 0.5 * bent * q_tt + radars[q, at.R_S_RANGE] ** 2
    s_vv += 0.5 * (bent * rate) ** 2 + bent * q_rr * v_across * v_across / (flat * flat)
    if drop == 0.0:
        behind, slower = object_lag(flat, v_across)
        s_tt, s_rr, s_vv = s_tt + behind, s_rr + behind, s_vv + slower
    of_t = s_tr / s_tt
    s_rr -= of_t * s_tr
    s_rv -= of_t * s_tv
    s_vv -= s_tv * s_tv / s_tt + s_rv * s_rv / s_rr
    return p_e, p_n, c, s, slant, rate, s_tt, s_rr, s_vv, of_t, s_tv / s_tt, s_rv / s_rr


@kernel(inner=True)
def pair_cost(of: Expected, seen: F2, d: int, radars: F2, q: int, p_detect: float) -> tuple[float, float]:
    """Return (squared Mahalanobis distance, cost) of detection d for a track.

    of : what `expected` returns for the track
    cost = -2 ln(P_D N(innovation; 0, S) / clutter density); innovation along and across the beam [m], [m/s]
    """
    p_e, p_n, c, s, slant, rate, s_tt, s_rr, s_vv, of_t, v_of_t, v_of_r = of
    z_e, z_n = (
        seen[d, at.S_EAST] - radars[q, at.R_EAST] - p_e,
        seen[d, at.S_NORTH] - radars[q, at.R_NORTH] - p_n,
    )
    z_t = c * z_n - s * z_e
    z_r = seen[d, at.S_RANGE] - slant - of_t * z_t
    d2 = z_t * z_t / s_tt + z_r * z_r / s_rr
    # vehicle to clutter, but for the density of the innovation
    odds = p_detect / (2.0 * math.pi * seen[d, at.S_CLUTTER])
    volume = s_tt * s_rr
    if not math.isnan(seen[d, at.S_RATE]):
        z_v = seen[d, at.S_RATE] - rate - v_of_t * z_t - v_of_r * z_r
        d2 += z_v * z_v / s_vv
        odds *= RATE_SPAN_MPS / math.sqrt(2.0 * math.pi)
        volume *= s_vv
    return d2, d2 + math.log(volume / (odds * odds))


@kernel(inner=True)
def _is_in(seen: F2, d: int, a: int, b: int) -> bool:
    east, north = seen[d, at.S_EAST], seen[d, at.S_NORTH]
    return bool(math.floor(east / GRID_CELL_M) == a and math.floor(north / GRID_CELL_M) == b)


@kernel(inner=True)
def _add_pair(
    assignment: Assignment, room: tuple[int, int], who: tuple[int, int], cost: float, flank: float
) -> int:
    """Add a pair of a track and a detection, or replace its dearer one; return the end of the pairs.

    room : where the pairs of the track begin and end
    """
    pairs, costs = assignment.pairs, assignment.costs
    p, n_p = room
    while flank != 0.0 and p < n_p and pairs[1, p] != who[1]:
        p += 1
    if flank == 0.0 or p == n_p:
        p = n_p
        n_p += 1
    elif costs[p] <= cost:
        return n_p
    pairs[0, p], pairs[1, p], pairs[2, p], costs[p] = who[0], who[1], int(flank), cost
    return n_p


@kernel(inner=True)
def _pair_faces(
    states: States, j: int, drop: float, settings: Settings, q: int, detections: Detections, grid: Grid,
    assignment: Assignment, n_p: int, p_detect: float, size: Size,
) -> int:  # fmt: skip
    """Add the pairs of predicted track j with the detections of radar q; return the new n_p.

    size : what the radar would state of its length
    """
    first, axis = n_p, axis_of(states.X, j)
    chance = chance_of_flank(states, j, settings.radars, q, axis)
    end: Face = (drop, 0.0, -2.0 * math.log(max(1.0 - chance, CHANCE_MIN)), axis, first, size)
    n_p = _pair(states, j, end, settings, q, detections, grid, assignment, n_p, p_detect)
    if chance > CHANCE_MIN and (n_p == first or chance > CHANCE_RIVAL):
        flank: Face = (drop, 1.0, -2.0 * math.log(chance), axis, first, size)
        n_p = _pair(states, j, flank, settings, q, detections, grid, assignment, n_p, p_detect)
    return n_p


@kernel(inner=True)
def _pair(
    states: States, j: int, face: Face, settings: Settings, q: int, detections: Detections, grid: Grid,
    assignment: Assignment, n_p: int, p_detect: float,
) -> int:  # fmt: skip
    """Add the pairs of a face of predicted track j with the detections of radar q; return the new n_p.

    A detection that is paired already with the end keeps the cheaper of both.
    """
    drop, flank, cost_of_face, axis, first, size = face
    radars, costs, seen = settings.radars, assignment.costs, detections.seen
    gate_3 = settings.tuning[at.GATE_3]
    of = expected(states, j, radars, q, drop, flank)
    east, north = radars[q, at.R_EAST] + of[0], radars[q, at.R_NORTH] + of[1]
    widest = of[6] + of[7] + of[9] * of[9] * of[6]  # variances across and along: no axis has a larger one
    slope = max(1.0 - drop * drop / (of[4] * of[4]), 0.01)  # squared: of a metre of range on the road
    gate2 = min(gate_3 * widest / slope, GATE_M_MAX * GATE_M_MAX)  # beyond, no detection passes the gate
    reach = math.sqrt(gate2)
    straight_m = TURNED_RAD_MAX * math.sqrt(of[0] * of[0] + of[1] * of[1])
    low, top = math.floor((north - reach) / GRID_CELL_M), math.floor((north + reach) / GRID_CELL_M)
    for a in range(math.floor((east - reach) / GRID_CELL_M), math.floor((east + reach) / GRID_CELL_M) + 1):
        for b in range(low, top + 1):
            d = first_in(grid, cell_of(a, b))
            while d >= 0:
                off2 = (seen[d, at.S_EAST] - east) ** 2 + (seen[d, at.S_NORTH] - north) ** 2
                # the list holds detections of other cells, too
                if (
                    off2 < gate2
                    and n_p < costs.shape[0]
                    and _is_in(seen, d, a, b)
                    and (flank == 0.0 or is_beside(states, j, axis, seen[d, at.S_EAST], seen[d, at.S_NORTH]))
                ):
                    d2, cost = pair_cost(of, seen, d, radars, q, p_detect)
                    turned_m = abs(
                        of[2] * (seen[d, at.S_NORTH] - north) - of[3] * (seen[d, at.S_EAST] - east)
                    )
                    if (
                        d2 < gate_3
                        and (turned_m < straight_m or flank != 0.0)
                        and moves_alike(states, j, seen, d, radars, q, gate_3)
                    ):
                        cost += cost_of_face + size_cost(size, detections.about[d, at.A_LENGTH])
                        n_p = _add_pair(assignment, (first, n_p), (j, d), cost, flank)
                d = grid.next_of[d]
    return n_p


@kernel
def gate(
    tracks: Tracks, rings: Rings, t_ns: int, detections: Detections, n_d: int, settings: Settings, q: int,
    scratch: Scratch,
) -> tuple[int, int]:  # fmt: skip
    """Predict the tracks that radar q can see to t_ns and pair them with the first n_d detections.

    Writes scratch.predicted and scratch.rows: the tracks in play; scratch.assignment: pairs, costs and miss.
    Returns (tracks in play, pairs). Pairs for which there is no room are left out.
    """
    ints, radars, tuning, grid = tracks.ints, settings.radars, settings.tuning, scratch.grid
    predicted, seen, assignment = scratch.predicted, detections.seen, scratch.assignment
    _locate(detections, n_d, settings, q)
    fill(grid, seen, n_d)
    r_e, r_n, half_fov = radars[q, at.R_EAST], radars[q, at.R_NORTH], radars[q, at.R_HALF_FOV]
    cos_sight, sin_sight = math.cos(radars[q, at.R_BORESIGHT]), math.sin(radars[q, at.R_BORESIGHT])
    cos_fov = math.cos(half_fov)
    cos_edge = math.cos(min(half_fov + VIEW_EDGE_RAD, math.pi))
    of_objects = n_d > 0 and detections.M[0, at.WHAT] == at.OBJECT
    drop = 0.0 if of_objects else radars[q, at.R_DROP]
    n_t = n_p = 0
    for i in range(tracks.tally[at.T_HIGH]):
        if ints[i, at.STATUS] == at.FREE or not is_followed(ints, i, t_ns, tuning[at.RADAR_TIMEOUT_NS]):
            continue
        if t_ns < ints[i, at.STAMP]:
            if not past_state(tracks, rings, i, t_ns, predicted, n_t, tuning):
                continue
        else:
            dt_s = (t_ns - ints[i, at.STAMP]) * 1e-9
            if is_surely_outside(radars, q, tracks.states, i, dt_s, VIEW_EDGE, VIEW_SIGMAS):
                continue
            predict_to(tracks.states, i, predicted, n_t, dt_s, tuning)
        d_e, d_n = predicted.X[n_t, at.EAST] - r_e, predicted.X[n_t, at.NORTH] - r_n
        flat = math.sqrt(d_e * d_e + d_n * d_n)
        ahead = d_e * cos_sight + d_n * sin_sight
        if flat > radars[q, at.R_RANGE] + VIEW_EDGE_M:
            continue
        if ahead < flat * cos_edge and -within_edge_m(radars, q, d_e, d_n) > body_m(
            predicted, n_t, VIEW_SIGMAS
        ):
            continue
        inside = flat <= radars[q, at.R_RANGE] and ahead >= flat * cos_fov
        if inside and ints[i, at.STATUS] == at.CONFIRMED:
            inside = is_surely_in_field(radars, q, predicted, n_t)
        p_detect = p_seen(settings, q, cell_towards(settings, q, d_e, d_n))
        assignment.miss[n_t] = -2.0 * math.log(1.0 - p_detect) if inside else 0.0
        scratch.rows[n_t] = i
        size = NO_SIZE
        if of_objects:
            length, var = known_length(tracks, i)
            size = stated_of(radars, q, length, var)
        n_p = _pair_faces(
            predicted, n_t, drop, settings, q, detections, grid, assignment, n_p, p_detect, size
        )
        n_t += 1
    return n_t, n_p


@kernel(inner=True)
def associate(
    tracks: Tracks, rings: Rings, t_ns: int, detections: Detections, n_d: int, settings: Settings, q: int,
    scratch: Scratch,
) -> int:  # fmt: skip
    """Associate the first n_d detections, all of radar q at t_ns, with the tracks; return the tracks in play.

    Writes scratch.rows and scratch.predicted: the tracks in play and their predictions; scratch.assignment:
    det_of, track_of, and in `miss` the cost of each track's detection, or of having none.
    """
    tally, assignment = tracks.tally, scratch.assignment
    n_t, n_p = gate(tracks, rings, t_ns, detections, n_d, settings, q, scratch)
    tally[at.T_PAIRS] = n_p
    tally[at.T_FALLEN] = assign(n_t, n_d, n_p, assignment)
    own_echoes(
        tracks, scratch.predicted.X, scratch.rows, n_t, settings.radars[q, at.R_S_AZIMUTH], detections.seen,
        n_d, assignment.track_of, scratch.grid,
    )  # fmt: skip
    for p in range(n_p):
        t = assignment.pairs[0, p]
        if assignment.det_of[t] == assignment.pairs[1, p]:
            assignment.miss[t] = assignment.costs[p]
            detections.M[assignment.pairs[1, p], at.Z_FLANK] = assignment.pairs[2, p]
    return n_t
