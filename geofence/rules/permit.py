"""`permit`: a vehicle drives without a permit for this way and time, although its cargo needs one."""

from geofence.rules.trips import TripConfig, TripRule


class Config(TripConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.permit]`.

    goods : classes (or divisions) of cargo that need one: explosives and fireworks, toxic and radioactive
        goods may drive only where and when the police approved (order 29 of six ministries, art. 48)
    """

    goods: tuple[str, ...] = ("1", "2.3", "6.1", "7")


class Permit(TripRule):
    """Its causes: see geofence.journeys.permits."""

    name, violation, column, Config = "permit", "permit", "permit", Config
