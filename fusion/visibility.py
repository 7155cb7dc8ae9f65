"""The field of view of a radar."""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at


@kernel(inner=True)
def is_in_field(radars: F2, q: int, east_m: float, north_m: float) -> bool:
    """Return whether a place lies in the field of view of radar q."""
    d_e, d_n = east_m - radars[q, at.R_EAST], north_m - radars[q, at.R_NORTH]
    flat = math.sqrt(d_e * d_e + d_n * d_n)
    sight = radars[q, at.R_BORESIGHT]
    ahead = d_e * math.cos(sight) + d_n * math.sin(sight)
    return bool(flat <= radars[q, at.R_RANGE] and ahead >= flat * math.cos(radars[q, at.R_HALF_FOV]))
