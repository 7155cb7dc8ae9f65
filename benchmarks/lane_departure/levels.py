"""Makes geofence/level_table.py: `python -m benchmarks.lane_departure.levels [--hours 250]`.

For each sigma and tau all members of the family drive for so many hours, with AR(1) errors as stated, ten
samples a second. The largest statistic of each 100 s, while the vehicle seems to be over the line, has an
exponential tail: of the likelihood of a ramp as it is, of a place in its square, as the logarithm of a normal
density falls. Rates beyond those that were counted follow from the fitted tail. The level is that of the
worst member.

How certain a settled filter is of the place (SPREAD_M) is computed, since no sample changes it. A place
that is less certain must be as many times further out (`geofence.levels.unsettled_factor`).

What can be proved: typical drivers leave by 1.0 m at 0.8 m/s for 3 s; the largest sigma with which 90 % of
them are found within 5 s of the crossing, at the shipped rate.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np

from benchmarks.lane_departure.drivers import (
    FAMILY,
    MARGIN_M,
    N_DRIVER,
    TYPICAL,
    Driver,
    Error,
    begin,
    honest,
    next_error_m,
    place_m,
    seed_noise,
)
from benchmarks.lane_departure.judged import SHIPPED
from core.arrays import F1, F2, F64
from core.kernel import kernel
from geofence.detectors import ALL_SHARE, PLACE_SHARE, RAMP_SHARE, TAU_MIN_S, TESTS, level_sigmas
from geofence.drift import RAMP_TAU_S, lasting_tau_s, place_spread_m, weigh_drift
from geofence.levels import DEPTH_M, NEVER, WITHIN_S, Levels, level_at, place_level_m
from geofence.state import N_DRIFT

TABLE = Path(__file__).resolve().parents[2] / "geofence" / "level_table.py"
DT_S, BLOCK_STEPS = 0.1, 1_000
SIGMAS_M = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.3, 2.0)
TAUS_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 10.0, 30.0)
RATES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
SEED = 101
HOURS = 250.0
PLACE, RAMP = range(2)
LANE_M, WIDTH_M = 3.75, 2.5
TAIL_SHARE, TAIL_MIN = 0.01, 60  # of the blocks, those that show the tail
LASTS_S, V_MPS, FOUND_SHARE = 3.0, 0.8, 0.9
SETTLED_S = 900.0  # the slowest filter of the table changes no more
SETTLE_S, EPISODES, HALVINGS = 20.0, 1_000, 12
HEADER = '''"""Levels of geofence.drift: data, written by `{command}`.

From {hours:.0f} h of each driver and error; benchmarks/lane_departure/levels.py says how. PLACE_M [m over the
line] and RAMP_NATS are over (SIGMA_M, TAU_S, RATE_PER_HOUR); TAU_S is geofence.drift.lasting_tau_s.
SPREAD_M, over (SIGMA_M, TAU_S): 1 sigma of a settled filter's place, geofence.drift.place_spread_m.
SIGMA_M_MAX, over TAU_S: the largest sigma with which {share:.0%} of departures of {depth} m for {lasts:.0f} s
are found within {within:.0f} s.
"""

# fmt: off
'''


@kernel
def largest(seed: int, driver: Driver, error: Error, steps: int, own: F1, row: F1, out: F2) -> None:
    """Fill out (blocks, 2): the largest place [m] and ramp [nats] of each block of steps, 0 at least."""
    seed_noise(seed)
    begin(driver, own)
    for c in range(N_DRIFT):
        row[c] = 0.0
    e = error.sigma_m * np.random.standard_normal()
    for block in range(out.shape[0]):
        out[block, PLACE] = out[block, RAMP] = 0.0
        for _ in range(steps):
            value = place_m(driver, own, DT_S) + e
            e = next_error_m(e, error, DT_S)
            place, ramp = weigh_drift(
                value + MARGIN_M, LANE_M / 2.0, MARGIN_M, error.told_sigma_m, error.told_tau_s, DT_S, row
            )
            if abs(value + MARGIN_M) > MARGIN_M:
                out[block, PLACE] = max(out[block, PLACE], place)
                out[block, RAMP] = max(out[block, RAMP], ramp)


def tail(values: F64, rates: tuple[float, ...]) -> F64:
    """Return what the blocks' largest values (n,) pass at each rate per hour: their tail is exponential."""
    n = len(values)
    many = max(TAIL_MIN, round(TAIL_SHARE * n))
    top = np.sort(values)[-many:]
    scale = float(top.mean() - top[0])
    shares = np.array(rates) * BLOCK_STEPS * DT_S / 3600.0
    fitted = top[0] + scale * np.log(many / n / shares)
    counted = np.quantile(values, np.maximum(1.0 - shares, 0.0))
    level: F64 = np.where(shares > many / n, counted, fitted)
    return level


def levels_of(error: Error, hours: float, seed: int) -> tuple[F64, F64]:
    """Return the levels of place and ramp at each of RATES for the worst member of the family."""
    own, row = np.zeros(N_DRIVER), np.zeros(N_DRIFT)
    place, ramp = np.zeros(len(RATES)), np.zeros(len(RATES))
    for k, driver in enumerate(FAMILY.values()):
        out = np.zeros((round(hours * 3600.0 / (BLOCK_STEPS * DT_S)), 2))
        largest(seed + k, driver, error, BLOCK_STEPS, own, row, out)
        place = np.maximum(place, np.sqrt(tail(out[1:, PLACE] ** 2, RATES)))
        ramp = np.maximum(ramp, tail(out[1:, RAMP], RATES))
    return place, ramp if error.told_tau_s >= RAMP_TAU_S else np.full(len(RATES), NEVER)


@kernel
def settled_spread_m(error: Error, row: F1) -> float:
    """Return 1 sigma of the place once the filter has settled [m]."""
    for c in range(N_DRIFT):
        row[c] = 0.0
    for _ in range(int(SETTLED_S / DT_S)):
        weigh_drift(0.0, LANE_M / 2.0, MARGIN_M, error.told_sigma_m, error.told_tau_s, DT_S, row)
    return float(place_spread_m(row))


@kernel
def found_share(
    seed: int, error: Error, levels: Levels, rate: float, episodes: int, own: F1, row: F1
) -> float:
    """Return the share of departures that are found within WITHIN_S of the crossing."""
    seed_noise(seed)
    reach, found = MARGIN_M + DEPTH_M, 0
    lasting = lasting_tau_s(error.told_tau_s, DT_S)
    place_level = place_level_m(levels, error.told_sigma_m, lasting, PLACE_SHARE * rate)
    ramp_level = level_at(levels.ramp, levels, error.told_sigma_m, lasting, RAMP_SHARE * rate)
    level = error.told_sigma_m * level_sigmas(
        max(error.told_tau_s, TAU_MIN_S), DT_S, ALL_SHARE / TESTS * rate
    )
    for _ in range(episodes):
        begin(TYPICAL, own)
        for c in range(N_DRIFT):
            row[c] = 0.0
        e, crossed_s = error.sigma_m * np.random.standard_normal(), math.nan
        for k in range(int((SETTLE_S + 2.0 * reach / V_MPS + LASTS_S + WITHIN_S) / DT_S)):
            since_s = k * DT_S - SETTLE_S
            back_s = reach / V_MPS + LASTS_S
            way = V_MPS * max(min(since_s, reach / V_MPS, back_s + reach / V_MPS - since_s), 0.0)
            value = place_m(TYPICAL, own, DT_S) + way
            if math.isnan(crossed_s) and value > 0.0:
                crossed_s = since_s
            value += e
            e = next_error_m(e, error, DT_S)
            place, ramp = weigh_drift(
                value + MARGIN_M, LANE_M / 2.0, MARGIN_M, error.told_sigma_m, error.told_tau_s, DT_S, row
            )
            if since_s > crossed_s + WITHIN_S:
                break
            enough = place > place_level or ramp > ramp_level or value > level
            if since_s > 0.0 and value > 0.0 and enough:
                found += 1
                break
    return found / episodes


def sigma_max_m(tau_s: float, levels: Levels) -> float:
    """Return the largest sigma with which enough departures are found (bisection of its logarithm)."""
    own, row = np.zeros(N_DRIVER), np.zeros(N_DRIFT)
    low, high = math.log(SIGMAS_M[0]), math.log(SIGMAS_M[-1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        error = honest(math.exp(middle), tau_s)
        share = found_share(SEED, error, levels, SHIPPED, EPISODES, own, row)
        low, high = (middle, high) if share >= FOUND_SHARE else (low, middle)
    return math.exp(low)


def spreads_m() -> F64:
    """Return the spreads of settled filters over SIGMAS_M and TAUS_S."""
    row = np.zeros(N_DRIFT)
    return np.array(
        [[settled_spread_m(honest(sigma_m, tau_s), row) for tau_s in TAUS_S] for sigma_m in SIGMAS_M]
    )


def text_of(name: str, table: F64) -> str:
    """Return a table as the text of a constant: a line for each sigma, or for each sigma and tau."""
    if table.ndim == 2:
        lines = [" (" + ", ".join(f"{value:.4g}" for value in row) + "),\n" for row in table]
        return f"{name} = (\n" + "".join(lines) + ")\n"
    rows = [
        "(" + ", ".join(f"{value:.4g}" for value in row) + ")" for row in table.reshape(-1, table.shape[-1])
    ]
    per = table.shape[1]
    groups = [",\n  ".join(rows[i : i + per]) for i in range(0, len(rows), per)]
    return f"{name} = (\n" + "".join(f" ({group}),\n" for group in groups) + ")\n"


def table_text(place: F64, ramp: F64, spread: F64, hours: float) -> str:
    """Return the module's text; find out what can be proved with the levels."""
    lasting_s = [lasting_tau_s(tau_s, DT_S) for tau_s in TAUS_S]
    levels = Levels(
        np.log(SIGMAS_M), np.log(lasting_s), np.log(RATES), place, spread, ramp, np.zeros(len(TAUS_S))
    )
    most_m = [sigma_max_m(tau_s, levels) for tau_s in TAUS_S]
    asked = "" if hours == HOURS else f" --hours {hours:g}"
    command = "python -m benchmarks.lane_departure.levels" + asked
    text = HEADER.format(
        command=command, hours=hours, share=FOUND_SHARE, depth=DEPTH_M, lasts=LASTS_S, within=WITHIN_S
    )
    shown_s = tuple(round(tau_s, 4) for tau_s in lasting_s)
    for name, axis in (("SIGMA_M", SIGMAS_M), ("TAU_S", shown_s), ("RATE_PER_HOUR", RATES)):
        text += f"{name} = {axis}\n"
    text += text_of("PLACE_M", place) + text_of("SPREAD_M", spread) + text_of("RAMP_NATS", ramp)
    return text + "SIGMA_M_MAX = (" + ", ".join(f"{sigma_m:.3g}" for sigma_m in most_m) + ")\n"


def main() -> None:
    """Make the table; say how far it is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lane_departure.levels", description=__doc__)
    parser.add_argument("--hours", type=float, default=HOURS, help="of each driver and error")
    hours = parser.parse_args().hours
    place, ramp = (np.zeros((len(SIGMAS_M), len(TAUS_S), len(RATES))) for _ in range(2))
    for i, sigma_m in enumerate(SIGMAS_M):
        for j, tau_s in enumerate(TAUS_S):
            seed = SEED + 100 * (i * len(TAUS_S) + j)
            place[i, j], ramp[i, j] = levels_of(honest(sigma_m, tau_s), hours, seed)
        sys.stderr.write(f"sigma {sigma_m} m\n")
    TABLE.write_text(table_text(place, ramp, spreads_m(), hours), encoding="utf-8")


if __name__ == "__main__":
    main()
