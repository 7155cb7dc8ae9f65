"""`missed_exit`: a vehicle has passed the exit that its permit names."""

from typing import Annotated

from msgspec import Meta

from geofence.rules.trips import TripConfig, TripRule


class Config(TripConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.missed_exit]`.

    beyond_m : past the gate's station: further than the gate's line can lie from where its ramp leaves
    pass_p : how certain that must be
    """

    beyond_m: Annotated[float, Meta(ge=10.0, le=10_000.0)] = 100.0
    pass_p: Annotated[float, Meta(gt=0.5, lt=1.0)] = 0.99


class MissedExit(TripRule):
    """Judged of vehicles with a permit that names an exit."""

    name, violation, column, Config = "missed_exit", "missed_exit", "missed_exit", Config
