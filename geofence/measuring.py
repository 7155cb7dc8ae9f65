"""Measures the owned tracks of an observation by all measured rules, in one compiled step.

A rule's own formula (`Rule.measure`, in the rule's file) is a plain function of one vehicle's numbers; it is
compiled here. A new measured rule adds two lines: its kernel below and its call in `measure`.
"""

import math
from typing import NamedTuple

from core.arrays import F2, F3, I1, I2
from core.kernel import kernel
from geofence.batch import Batch, Site, vehicle_of
from geofence.detectors import FREE_M, OFFSET_M, S_SIGMA, S_TAU, S_VALUE, SPAN_M
from geofence.located import ACROSS, ACROSS_ANY, HALF_SPAN, HALF_SPAN_ANY, LEFT, RIGHT, SIGMA, S
from geofence.rules.illegal_stop import IllegalStop
from geofence.rules.lane_departure import LaneDeparture
from geofence.rules.off_dedicated_road import OffDedicatedRoad
from geofence.rules.overspeed import Overspeed
from geofence.rules.unauthorised_vehicle import UnauthorisedVehicle
from geofence.rules.wrong_way import WrongWay
from geofence.sample import Sample
from geofence.state import R_D, R_EAST, R_NORTH, R_S, R_SIGMA_D, R_SPEED, R_VALUE

_lane_departure = kernel(inner=True)(LaneDeparture.measure)
_off_dedicated_road = kernel(inner=True)(OffDedicatedRoad.measure)
_wrong_way = kernel(inner=True)(WrongWay.measure)
_overspeed = kernel(inner=True)(Overspeed.measure)
_illegal_stop = kernel(inner=True)(IllegalStop.measure)
_unauthorised_vehicle = kernel(inner=True)(UnauthorisedVehicle.measure)
# as `measure` calls them
COMPILED = (LaneDeparture, OffDedicatedRoad, WrongWay, Overspeed, IllegalStop, UnauthorisedVehicle)


class Measures(NamedTuple):
    """What `measure` fills for the owned tracks of n; rows of others stay as they are.

    samples : (n, rules, 3), S_VALUE NaN where it is not judged.  columns : (n, ring columns)
    """

    samples: F3
    columns: F2
    across: F2  # (n, N_ACROSS), see geofence.detectors


@kernel(inner=True)
def _put(sample: Sample, seen: bool, i: int, rule: int, n_rules: int, out: Measures) -> None:
    samples, columns = out.samples, out.columns
    columns[i, R_VALUE + rule], columns[i, R_VALUE + n_rules + rule] = sample.value, sample.sigma
    samples[i, rule, S_VALUE] = sample.value if seen and sample.judged else math.nan
    samples[i, rule, S_SIGMA], samples[i, rule, S_TAU] = sample.sigma, sample.tau_s


@kernel
def measure(
    mine: I1, rows: I1, b: Batch, site: Site, stamps: I2, flags: F2, drift: F2, out: Measures
) -> None:  # fmt: skip
    """Measure the tracks in `mine` of n; rows (n,) are theirs in the state's arrays."""
    n_rules, columns = out.samples.shape[1], out.columns
    for i in mine:
        v = vehicle_of(b, site, i, rows[i], stamps, flags, drift)
        columns[i, R_EAST], columns[i, R_NORTH] = b.x[i, 0], b.x[i, 1]
        columns[i, R_S], columns[i, R_D] = b.found[i, S], (b.found[i, RIGHT] - b.found[i, LEFT]) / 2
        columns[i, R_SIGMA_D], columns[i, R_SPEED] = b.found[i, SIGMA], v.speed_mps
        middle, half = (ACROSS_ANY, HALF_SPAN_ANY) if v.is_ordinary else (ACROSS, HALF_SPAN)  # as of the rule
        out.across[i, OFFSET_M], out.across[i, SPAN_M] = b.found[i, middle], b.found[i, half]
        out.across[i, FREE_M] = b.found[i, half] - v.half_width_m
        seen = not b.coasting[i]
        _put(_lane_departure(v), seen, i, 0, n_rules, out)
        _put(_off_dedicated_road(v), seen, i, 1, n_rules, out)
        _put(_wrong_way(v), seen, i, 2, n_rules, out)
        _put(_overspeed(v), seen, i, 3, n_rules, out)
        _put(_illegal_stop(v), seen, i, 4, n_rules, out)
        _put(_unauthorised_vehicle(v), seen, i, 5, n_rules, out)
