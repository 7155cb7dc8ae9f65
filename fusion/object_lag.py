"""How far a radar's own tracks are behind: its tracker averages, while beside the pole the beam turns.

Who passes a pole at distance d with the speed v across the beam has the range acceleration v^2 / d: 0.4 m/s^2
on a lane's course at 100 m, 20 m/s^2 abreast of the pole. A tracker with a memory of T (OBJECT_LAG_S) is
behind by T v^2 / d in the velocity, and by T^2 v^2 / d in the place once it sends the object on without a
detection, as all do below their beam. How a radar's tracker is built nobody states, so it is an error
of that sigma, of the place in all directions.
"""

from core.kernel import kernel
from fusion.config import OBJECT_LAG_S


@kernel(inner=True)
def object_lag(d: float, v_across: float) -> tuple[float, float]:
    """Return the variances of an object's place [m^2] and velocity [(m/s)^2] for what its tracker is behind.

    d : distance from the radar [m], at least 1;  v_across : speed of the vehicle across the beam [m/s]
    """
    behind_mps = OBJECT_LAG_S * v_across * v_across / d
    behind_m = OBJECT_LAG_S * behind_mps
    return behind_m * behind_m, behind_mps * behind_mps
