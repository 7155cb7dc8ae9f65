"""A truck that drives through a radio hole and uploads its fixes behind it: inputs of a blind RSU."""

import math

import numpy as np

from fusion.observations import GnssFixes
from roadside.inputs import GatewayFixes, Start
from tests.support.roadside_drive import LANE_CENTRE_M, NS, T0_NS, raised

TRUCK, LIMIT_MPS = "13900000001", 60 / 3.6
HOLE_S = (3, 21)  # of the drive: no report gets through
SENT_NS = T0_NS + 22 * NS  # when the stored ones do
LASTS_S = 60


def message(stamps_ns, speed_mps, arrived_ns, terminal=TRUCK, behind_s=0.0):
    """A message of one terminal's fixes; it began at station 10, and its clock is `behind_s` behind."""
    stamps = np.asarray(stamps_ns, dtype=np.int64)
    n = len(stamps)
    floats = np.zeros((7, n))
    floats[0] = 10.0 + speed_mps * (stamps - T0_NS) / NS + 5.5
    floats[1], floats[3], floats[4], floats[5:] = LANE_CENTRE_M - 0.3, 1.0, speed_mps, math.nan
    stamps = stamps - int(behind_s * NS)
    ints = np.array([stamps, np.full(n, arrived_ns), stamps // NS % 65_536], dtype=np.int64)
    return GatewayFixes("GW1", GnssFixes.of((terminal,) * n, ints, floats))


def drive(speed_mps=12.0, *, hole_s=HOLE_S, sent_ns=SENT_NS, seconds=28, behind_s=0.0):
    """Every input: live fixes each second but in the hole, whose fixes come in one message afterwards."""
    inputs = [(T0_NS, Start(epoch=1_800_000_000))]
    stamps = [T0_NS + k * NS for k in range(1, seconds)]
    hole = [at for at in stamps if hole_s[0] < (at - T0_NS) / NS < hole_s[1]]
    inputs += [
        (at + NS // 10, message([at], speed_mps, at + NS // 20, behind_s=behind_s))
        for at in stamps
        if at not in hole
    ]
    if hole:
        inputs.append((sent_ns + 1, message(hole, speed_mps, sent_ns, behind_s=behind_s)))
    inputs += [(T0_NS + k * NS, None) for k in range(seconds, LASTS_S)]
    return sorted(inputs, key=lambda row: row[0])


def feed(pipeline, inputs):
    """Return the outputs with the times of their steps."""
    return [(now_ns, output) for now_ns, item in inputs for output in pipeline.step(now_ns, item)]


def late_of(outputs):
    return [found for found in raised([output for _, output in outputs]) if found.late]
