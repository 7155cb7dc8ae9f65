"""How wide a vehicle without a stated width can be, by the registry. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from core.classes import HAZMAT, TRUCK

WIDEST_M = 2.55  # the law's limit of trucks (GB 1589)


class Widths(NamedTuple):
    """Widths of vehicles whose own is not known [m]."""

    unknown_m: float  # of no known class
    hazmat_m: float  # of the narrowest hazmat vehicle of the registry
    truck_m: float  # of the narrowest truck, with hazmat or without
    hazmat_most_m: float  # of the widest hazmat vehicle


def widths_of(vehicles: Sequence[tuple[int, float | None]], unknown_m: float) -> Widths:
    """Return the widths that the registry leaves possible.

    vehicles : class and stated width of each
    unknown_m : of a vehicle whose width nothing states, narrow on purpose; as a truck's it is uncertain
    """
    hazmat = [width for kind, width in vehicles if kind == HAZMAT]
    trucks = [width for kind, width in vehicles if kind in (HAZMAT, TRUCK)]
    return Widths(
        unknown_m=unknown_m,
        hazmat_m=min((width or unknown_m for width in hazmat), default=unknown_m),
        truck_m=min((width or unknown_m for width in trucks), default=unknown_m),
        hazmat_most_m=max((width or WIDEST_M for width in hazmat), default=WIDEST_M),
    )
