"""The rules by which other systems judge a fix against a fence, in their documented terms. Kernels.

Each is written from its description and settings, for a lane as the fence. A place is that of the edge of the
footprint over the line: their users draw the fence where a vehicle's middle may be.

- Traccar 6 (`geofenceExit` of events, traccar.org/documentation): the newest valid position is outside a
  geofence that the one before was in. No delay, no hysteresis (issues 2189, 3609 and 6019 ask for them). Its
  filters drop positions whose stated accuracy is too bad, and duplicates; here all state the same.
- Tile38 1.3x (tile38.com/commands/setchan, `DETECT exit`): the last two positions lie on different sides.
  Against flapping its maintainer advises two nested fences (issue 816): out of the outer one, in again at the
  inner one.
- ThingsBoard 3.x and 4.x (rule node "gps geofencing events"): `Outside` once it has been outside for longer
  than `minOutsideDuration`, by the server's clock; `Left` at once is as Traccar's.
"""

from typing import NamedTuple

import numpy as np

from core.arrays import B1, F1, I1
from core.kernel import kernel

# how far beyond the line the fence is drawn, and for how long a vehicle must be outside: the settings that
# their users have. The first of each is what one begins with.
BUFFERS_M = (0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4)
DURATIONS_S = (1.0, 2.0, 5.0, 10.0)


class Setting(NamedTuple):
    """One rule with one setting."""

    rule: str
    buffer_m: float
    again_m: float  # a vehicle is inside again where its edge is no further out
    for_s: float


class Fences(NamedTuple):
    """The settings (n,) as columns, and what each remembers of one vehicle."""

    buffer_m: F1
    again_m: F1
    for_s: F1
    since_s: F1  # since when it is outside, negative: inside
    is_raised: B1
    raised: I1  # 1 where the last fix raised an event


def settings() -> list[Setting]:
    """Return all rules with all their settings."""
    found = [Setting("traccar", buffer_m, buffer_m, 0.0) for buffer_m in BUFFERS_M]
    found += [Setting("tile38", buffer_m, 0.0, 0.0) for buffer_m in BUFFERS_M]
    found += [
        Setting("thingsboard", buffer_m, buffer_m, for_s) for for_s in DURATIONS_S for buffer_m in BUFFERS_M
    ]
    return found


def fences_of(rows: list[Setting]) -> Fences:
    """Return the settings for the kernels, with an empty memory."""
    buffer_m, again_m, for_s = np.array([row[1:] for row in rows], dtype=np.float64).T.copy()
    n = len(rows)
    inside = np.full(n, -1.0), np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.int64)
    return Fences(buffer_m, again_m, for_s, *inside)


@kernel(inner=True)
def forget_vehicle(fences: Fences) -> None:
    """Begin with another vehicle, which is inside."""
    for k in range(fences.since_s.shape[0]):
        fences.since_s[k], fences.is_raised[k] = -1.0, False


@kernel(inner=True)
def judge_fences(value_m: float, t_s: float, fences: Fences) -> None:
    """Judge one fix by each setting."""
    raised = fences.raised
    for k in range(fences.since_s.shape[0]):
        raised[k] = 0
        if value_m > fences.buffer_m[k]:
            if fences.since_s[k] < 0.0:
                fences.since_s[k] = t_s
            if not fences.is_raised[k] and t_s - fences.since_s[k] >= fences.for_s[k]:
                fences.is_raised[k], raised[k] = True, 1
            continue
        if value_m <= fences.again_m[k] or not fences.is_raised[k]:
            fences.since_s[k], fences.is_raised[k] = -1.0, False
