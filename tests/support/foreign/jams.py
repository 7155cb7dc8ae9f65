"""A jam: where and when receivers lose their fixes, or become noisy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.foreign.geometry import F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Jam:
    """All receivers between two stations of the axis, of both ways, for a time."""

    from_m: float
    to_m: float
    from_s: float
    until_s: float
    kind: str  # lost, noise

    def covers(self, s_m: F64, t_s: F64) -> NDArray[np.bool_]:
        place = (self.from_m <= s_m) & (s_m <= self.to_m)
        return np.asarray(place & (self.from_s <= t_s) & (t_s < self.until_s))
