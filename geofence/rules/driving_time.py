"""`driving_time`: a hazmat vehicle was driven too long without a rest, in 24 hours, or at night.

Sources: 4 h, then 20 min of rest (Regulation of the Road Traffic Safety Law, art. 62); 8 h in 24 h and 2 h at
night (道路运输车辆动态监督管理办法).
"""

from typing import Annotated, Literal

from msgspec import Meta

from geofence.rules.trips import TripConfig, TripRule

Seconds = Annotated[float, Meta(gt=0.0, le=86_400.0)]
Hour = Annotated[int, Meta(ge=0, le=24)]


class Config(TripConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.driving_time]`.

    grade : a warning, since nobody sees who drives: two drivers may share the time
    """

    grade: Literal["notice", "warning", "violation"] = "warning"
    continuous_s: Seconds = 14_400.0
    rest_s: Seconds = 1_200.0
    daily_s: Seconds = 28_800.0
    night_s: Seconds = 7_200.0
    night: tuple[Hour, Hour] = (22, 6)


class DrivingTime(TripRule):
    """Judged by what journeys show (geofence.journeys.driving), and by the terminal's own alarm."""

    name, violation, column, Config = "driving_time", "driving_time", "driving_time", Config
