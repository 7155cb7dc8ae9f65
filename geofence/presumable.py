"""Who can be a hazmat vehicle, as far as its class shows: in a dedicated lane it is presumed to be one."""

import numpy as np

from core.arrays import I32, U8, Bools
from core.classes import TRUCK, UNKNOWN
from core.kernel import kernel


@kernel(inner=True)
def is_presumable(kind: int, vehicle: int) -> bool:
    """Return whether a vehicle can be a hazmat vehicle: radar sees a truck, not what it carries.

    vehicle : its row of the registry, -1 without one
    """
    return kind == UNKNOWN or (kind == TRUCK and vehicle < 0)


def are_presumable(kind: U8, vehicle: I32) -> Bools:
    """Return the same of n vehicles (n,)."""
    found: Bools = (kind == UNKNOWN) | ((kind == TRUCK) & (np.asarray(vehicle) < 0))
    return found
