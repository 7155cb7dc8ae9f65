"""What each radar has learnt of its field, by cells: how dense its false detections are, how sure it sees,
and where vehicles appear.

A cell is a band of range by a sector of azimuth, 8 by 8 over the field of view. Counts are forgotten slowly.
Rates are means of a gamma and a beta posterior: a cell starts from the mean of its radar, the radar from the
configuration (Gelman et al. 2013, 2.4 and 2.6).
"""

import math

import numpy as np

from core.arrays import F2, F3, F64, I64
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import Rings, Settings, Tracks

BANDS, SECTORS = 8, 8
SCANS_PER_HOUR = 20 * 3600  # of a fast radar: so often clutter can start a track
CELLS = BANDS * SECTORS
SUM = CELLS  # the row of `field` that holds the sums over a radar's cells
SCANS_MAX = 12_000.0  # counts are halved after so many scans, ten minutes at 20 Hz: weather and queues change
# Weight of the prior: false detections, and tracks looked for, that count as much as it does
PRIOR_FALSE, PRIOR_LOOKED = 2.0, 20.0
DENSITY_MIN, DENSITY_MAX = 1e-7, 1e-2  # [1/m^2]
# Vehicles that a radar first detects, per scan and square metre, before it has seen any: one a second (a busy
# lane each way), of 20 scans, in a field of 50 000 m^2
BORN_PER_M2 = 1e-6
RATE_SPAN_MPS = 80.0  # range rates are spread over this span, evenly before any is known
# Bins of it, at most CELLS: what stands keeps within 1 m/s, while vehicles drive at many speeds and are few
FALSE_BINS, BORN_BINS = 64, 16
PRIOR_BIN = 0.5  # Jeffreys' prior of a multinomial
P_SEEN_MIN, P_SEEN_MAX = 0.3, 0.99
# A new track has a gate of 30 m^2: the speed across the beam is not known. In one scan of a hundred it then
# holds a false detection
DENSE_PER_M2 = 3e-4
SCANS_FOUND = 60.0  # by then a new radar has found who was there: three seconds at 20 Hz
SAMPLE = (
    16  # one track of so many is looked at in a scan: misses of one fade are alike, and shadows cost time
)
HALF_FOV_MAX = 3.0  # tan(half / 2) is finite
PLACE_COLUMNS = ("radar", "cell")  # rows; of the cells in a stored state
COUNT_COLUMNS = (
    "false", "seen", "looked", "scans", "born", "false_rate", "born_rate",
    "first_true_alone", "first_false_alone", "first_true_beside", "first_false_beside",
)  # fmt: skip
COUNTS = [
    at.C_FALSE, at.C_SEEN, at.C_LOOKED, at.C_SCANS, at.C_BORN, at.C_FALSE_RATE, at.C_BORN_RATE,
    *range(at.C_FIRST_TRUE, at.N_CELL),
]  # fmt: skip
FADING = [column for column in COUNTS if column != at.C_SCANS]
SCANS_COUNT = 3  # place of the scans, which the sum alone has


@kernel(inner=True)
def cell_towards(settings: Settings, q: int, d_e: float, d_n: float) -> int:
    """Return the cell of a place relative to radar q. Sectors: equal in tan(azimuth / 2)."""
    field = settings.field
    c, s = field[q, SUM, at.C_COS], field[q, SUM, at.C_SIN]
    flat, ahead, left = math.sqrt(d_e * d_e + d_n * d_n), c * d_e + s * d_n, c * d_n - s * d_e
    aside = left / max(flat + ahead, 1e-6 * flat + 1e-9)
    sector = min(int(max(0.5 + aside * field[q, SUM, at.C_PER_ASIDE], 0.0) * SECTORS), SECTORS - 1)
    return min(int(flat * field[q, SUM, at.C_PER_M]), BANDS - 1) * SECTORS + sector


@kernel
def cell_at(settings: Settings, q: int, east_m: float, north_m: float) -> int:
    """Return the cell of radar q in which a place lies; outside of the field the nearest one."""
    return cell_towards(
        settings, q, east_m - settings.radars[q, at.R_EAST], north_m - settings.radars[q, at.R_NORTH]
    )


@kernel(inner=True)
def _rate(n: float, exposure: float, prior: float) -> float:
    """Return the mean rate after n events in an exposure, where the prior counts as PRIOR_FALSE events."""
    return (PRIOR_FALSE + n) / (PRIOR_FALSE / prior + exposure)


@kernel
def density(settings: Settings, q: int, cell: int) -> float:
    """Return the expected false detections per scan and square metre in a cell of radar q."""
    field, prior = settings.field, settings.tuning[at.CLUTTER]
    scans = field[q, SUM, at.C_SCANS]
    whole = _rate(field[q, SUM, at.C_FALSE], scans * field[q, SUM, at.C_AREA], prior)
    return min(
        max(_rate(field[q, cell, at.C_FALSE], scans * field[q, cell, at.C_AREA], whole), DENSITY_MIN),
        DENSITY_MAX,
    )


@kernel(inner=True)
def _bin_of(rate_mps: float, n_bins: int) -> int:
    """Return the bin of a range rate; the outer ones take what lies beyond the span."""
    return min(max(int((rate_mps / RATE_SPAN_MPS + 0.5) * n_bins), 0), n_bins - 1)


@kernel
def rate_density(settings: Settings, q: int, column: int, n_bins: int, rate_mps: float) -> float:
    """Return how dense range rates of radar q are, relative to an even spread; 1 where none was measured.

    column : C_FALSE_RATE, in FALSE_BINS; C_BORN_RATE, in BORN_BINS.  Most of what is no vehicle stands.
    """
    if math.isnan(rate_mps):
        return 1.0
    field = settings.field
    n = PRIOR_BIN + field[q, _bin_of(rate_mps, n_bins), column]
    return float(n * n_bins / (PRIOR_BIN * n_bins + field[q, SUM, column]))


@kernel(inner=True)
def _note_rate(settings: Settings, q: int, column: int, n_bins: int, rate_mps: float) -> None:
    """Count a range rate of radar q."""
    if not math.isnan(rate_mps):
        settings.field[q, _bin_of(rate_mps, n_bins), column] += 1.0
        settings.field[q, SUM, column] += 1.0


@kernel
def birth_density(settings: Settings, q: int, cell: int) -> float:
    """Return the expected vehicles per scan and square metre that radar q first detects in a cell.

    They appear at the edge of the field, where roads begin, behind what hides them: not anywhere.
    """
    field = settings.field
    scans = field[q, SUM, at.C_SCANS]
    whole = _rate(field[q, SUM, at.C_BORN], scans * field[q, SUM, at.C_AREA], BORN_PER_M2)
    return _rate(field[q, cell, at.C_BORN], scans * field[q, cell, at.C_AREA], whole)


@kernel
def p_seen(settings: Settings, q: int, cell: int) -> float:
    """Return the probability that a scan of radar q detects a vehicle in sight in a cell."""
    field, prior = settings.field, settings.tuning[at.P_DETECT]
    whole = (PRIOR_LOOKED * prior + field[q, SUM, at.C_SEEN]) / (PRIOR_LOOKED + field[q, SUM, at.C_LOOKED])
    p = (PRIOR_LOOKED * whole + field[q, cell, at.C_SEEN]) / (PRIOR_LOOKED + field[q, cell, at.C_LOOKED])
    return float(min(max(p, P_SEEN_MIN), P_SEEN_MAX))


@kernel
def confirm_at(settings: Settings, q: int) -> float:
    """Return the log likelihood ratio at which a track of radar q is confirmed.

    Wald's test: of the false detections of an hour, each of which starts a track, as many pass as the wanted
    rate of false tracks says.
    """
    area_m2 = settings.field[q, SUM, at.C_AREA]
    whole = _rate(
        settings.field[q, SUM, at.C_FALSE],
        settings.field[q, SUM, at.C_SCANS] * area_m2,
        settings.tuning[at.CLUTTER],
    )
    starts = max(min(max(whole, DENSITY_MIN), DENSITY_MAX) * area_m2 * SCANS_PER_HOUR, 1.0)
    return math.log(max(starts / settings.tuning[at.FALSE_PER_HOUR], 2.0))


@kernel(inner=True)
def begin_scan(settings: Settings, q: int) -> None:
    """Count a scan of radar q; halve its counts when they are many."""
    field = settings.field
    field[q, SUM, at.C_SCANS] += 1.0
    if field[q, SUM, at.C_SCANS] < SCANS_MAX:
        return
    for cell in range(CELLS + 1):
        for a in range(at.N_CELL):
            if a == at.C_FALSE or a == at.C_SEEN or a == at.C_LOOKED or a >= at.C_BORN:
                field[q, cell, a] *= 0.5
    field[q, SUM, at.C_SCANS] *= 0.5


@kernel(inner=True)
def is_sampled(settings: Settings, q: int, serial: int) -> bool:
    """Return whether the track with this serial number is looked at in the present scan."""
    return (serial + int(settings.field[q, SUM, at.C_SCANS])) % SAMPLE == 0


@kernel(inner=True)
def note_looked(settings: Settings, q: int, cell: int, seen: bool) -> None:
    """Note that a vehicle in sight of radar q was detected, or was not."""
    field = settings.field
    field[q, cell, at.C_LOOKED] += 1.0
    field[q, SUM, at.C_LOOKED] += 1.0
    if seen:
        field[q, cell, at.C_SEEN] += 1.0
        field[q, SUM, at.C_SEEN] += 1.0


@kernel(inner=True)
def measured_cell(M: F2, d: int, settings: Settings) -> int:
    """Return the cell of measurement d of a radar, as far off in the plane as its slant range."""
    q = int(M[d, at.SOURCE])
    if M[d, at.WHAT] == at.POLAR:
        flat = M[d, at.Z_RANGE]
        return cell_towards(settings, q, flat * M[d, at.Z_COS], flat * M[d, at.Z_SIN])
    return cell_at(settings, q, M[d, at.Z_EAST], M[d, at.Z_NORTH])


@kernel(inner=True)
def entry_cell(tracks: Tracks, rings: Rings, i: int, k: int, settings: Settings) -> tuple[int, int, float]:
    """Return radar, cell and range rate (NaN: none) of entry k of ring i; (-1, -1, NaN): it is no radar's."""
    meas = rings.meas
    slot = (tracks.ints[i, at.RING_HEAD] + k) % rings.stamps.shape[1]
    what = meas[i, slot, at.WHAT]
    if what != at.POLAR and what != at.OBJECT:
        return -1, -1, math.nan
    rate = meas[i, slot, at.Z_RATE] if what == at.POLAR else math.nan
    return int(meas[i, slot, at.SOURCE]), measured_cell(meas[i], slot, settings), rate


@kernel
def note_false(tracks: Tracks, rings: Rings, i: int, settings: Settings) -> None:
    """Note that tentative track i was no vehicle: each of its detections was a false one of its radar."""
    for k in range(tracks.ints[i, at.RING_LEN]):
        q, cell, rate = entry_cell(tracks, rings, i, k, settings)
        if q >= 0:
            settings.field[q, cell, at.C_FALSE] += 1.0
            settings.field[q, SUM, at.C_FALSE] += 1.0
            _note_rate(settings, q, at.C_FALSE_RATE, FALSE_BINS, rate)


@kernel
def note_born(tracks: Tracks, rings: Rings, i: int, settings: Settings) -> None:
    """Note that track i, now confirmed, is a vehicle that appeared where its ring begins.

    Those that were there already when the radar began to scan did not appear: they would make the odds of
    clutter a hundred times too high.
    """
    q, cell, rate = entry_cell(tracks, rings, i, 0, settings)
    if q >= 0 and settings.field[q, SUM, at.C_SCANS] >= SCANS_FOUND:
        settings.field[q, cell, at.C_BORN] += 1.0
        settings.field[q, SUM, at.C_BORN] += 1.0
        _note_rate(settings, q, at.C_BORN_RATE, BORN_BINS, rate)


@kernel
def birth_odds(tracks: Tracks, rings: Rings, i: int, settings: Settings) -> float:
    """Return the log odds that the first detection of radar's track i was a vehicle, against a false one.

    In dense clutter -inf: there a track takes the best of several, and its likelihoods overstate.
    """
    q, cell, rate = entry_cell(tracks, rings, i, 0, settings)
    if q < 0 or density(settings, q, cell) > DENSE_PER_M2:
        return -math.inf
    born = birth_density(settings, q, cell) * rate_density(settings, q, at.C_BORN_RATE, BORN_BINS, rate)
    false = density(settings, q, cell) * rate_density(settings, q, at.C_FALSE_RATE, FALSE_BINS, rate)
    return math.log(born / false)


def areas_of(radars: F2) -> F3:
    """Return `field` (m, CELLS + 1, N_CELL) of radars that have learnt nothing yet: the areas alone."""
    field = np.zeros((len(radars), CELLS + 1, at.N_CELL))
    for q, radar in enumerate(radars):
        edge = math.tan(min(float(radar[at.R_HALF_FOV]), HALF_FOV_MAX) / 2.0)
        angles = 2.0 * np.arctan(edge * np.linspace(-1.0, 1.0, SECTORS + 1))
        ends = float(radar[at.R_RANGE]) * np.arange(BANDS + 1) / BANDS
        area = np.outer(np.diff(ends**2) / 2.0, np.diff(angles))
        field[q, :CELLS, at.C_AREA] = area.ravel()
        field[q, SUM, at.C_AREA] = area.sum()
        field[q, SUM, at.C_COS] = math.cos(radar[at.R_BORESIGHT])
        field[q, SUM, at.C_SIN] = math.sin(radar[at.R_BORESIGHT])
        field[q, SUM, at.C_PER_ASIDE], field[q, SUM, at.C_PER_M] = (
            0.5 / max(edge, 1e-9),
            BANDS / max(ends[-1], 1.0),
        )
    return field


def learnt_cells(field: F64) -> tuple[I64, F64]:
    """Return the cells that have counts: PLACE_COLUMNS (n, 2), and their COUNT_COLUMNS (n, 11)."""
    learnt = (field[:, :, FADING] != 0.0).any(axis=2)
    learnt[:, SUM] |= field[:, SUM, at.C_SCANS] != 0.0
    radars, cells = np.nonzero(learnt)
    counts = field[radars, cells][:, COUNTS]
    counts[cells != SUM, SCANS_COUNT] = 0.0  # of the sum only: a cell's place holds nothing
    return np.column_stack([radars, cells]), np.ascontiguousarray(counts)


def restore_cells(field: F64, places: I64, counts: F64) -> None:
    """Write back what `learnt_cells` returned; places of another layout are left out."""
    good = (places >= 0).all(axis=1) & (places[:, 0] < len(field)) & (places[:, 1] <= CELLS)
    if len(places) == len(counts):
        for a, column in enumerate(COUNTS):
            if column != at.C_SCANS:
                field[places[good, 0], places[good, 1], column] = counts[good, a]
        sums = good & (places[:, 1] == SUM)
        field[places[sums, 0], SUM, at.C_SCANS] = counts[sums, SCANS_COUNT]
