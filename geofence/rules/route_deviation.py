"""`route_deviation`: a vehicle is on a road that its permit does not name."""

from typing import Annotated

from msgspec import Meta

from geofence.rules.trips import TripConfig, TripRule


class Config(TripConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.route_deviation]`.

    road_p : how certain its lane must be.  for_s : for how long; a look each second
    """

    road_p: Annotated[float, Meta(gt=0.5, lt=1.0)] = 0.99
    for_s: Annotated[float, Meta(ge=1.0, le=3_600.0)] = 5.0


class RouteDeviation(TripRule):
    """Judged of vehicles with a permit that names roads."""

    name, violation, column, Config = "route_deviation", "route_deviation", "route_deviation", Config
