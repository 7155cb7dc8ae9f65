"""Who hides whom from a radar: trucks, for what is low behind them."""

import numpy as np

from tests.support.foreign.fleet import HIGH_M, Flags
from tests.support.foreign.geometry import F64

TARGET_M = 1.0  # height above the road of what reflects


def hidden(targets: F64, corners: F64, is_high: Flags, antenna_m: float) -> Flags:
    """Return which targets a truck hides, (k,).

    targets : (k, 2) places relative to the radar [m]; corners : (k, 4, 2) of the same vehicles' outlines
    The line of sight falls from the antenna to the target; where it passes the truck's near end below the
    truck's roof, within the truck's corners in azimuth, the target is hidden.
    """
    n = len(targets)
    out = np.zeros(n, dtype=np.bool_)
    blockers = np.flatnonzero(is_high)
    if not len(blockers) or n < 2:
        return out
    far = np.hypot(targets[:, 0], targets[:, 1])
    middle = np.arctan2(targets[blockers, 1], targets[blockers, 0])
    edge = np.arctan2(corners[blockers, :, 1], corners[blockers, :, 0]) - middle[:, None]
    edge = np.arctan2(np.sin(edge), np.cos(edge))
    near = np.hypot(corners[blockers, :, 0], corners[blockers, :, 1]).min(axis=1)
    azimuth = np.arctan2(targets[:, 1], targets[:, 0])
    off = azimuth[:, None] - middle[None, :]
    off = np.arctan2(np.sin(off), np.cos(off))
    inside = (off > edge.min(axis=1)) & (off < edge.max(axis=1))
    sight = antenna_m - (antenna_m - TARGET_M) * near[None, :] / np.maximum(far[:, None], 1.0)
    beyond = far[:, None] > near[None, :] + 1.0
    blocked = inside & beyond & (sight < HIGH_M)
    blocked[blockers, np.arange(len(blockers))] = False  # nobody hides itself
    return np.asarray(blocked.any(axis=1))
