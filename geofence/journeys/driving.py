"""How long a vehicle has been driven, by what journeys show: without a rest, in 24 hours, at night. Pure.

What is driven outside the road, or where nobody saw the vehicle, is in no sum, and an unseen time may have
been a rest: each figure is a lower bound ("at least"). Who sits at the wheel is not seen: two drivers may
share a vehicle's time.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from geofence.episodes import Stamp
from geofence.rules.driving_time import Config

NS = 1_000_000_000
HOUR_NS, DAY_HOURS = 3_600 * NS, 24
ZONE_NS = 8 * HOUR_NS  # UTC+8, as of all local times of the site
HOURS_MAX = DAY_HOURS + 1
Seconds = Annotated[float, Meta(ge=0.0, le=1e7)]


class Driving(msgspec.Struct, kw_only=True):
    """The driving time of one terminal's vehicle."""

    stamp_ns: Stamp = 0
    driven_s: Seconds = 0.0
    night_s: Seconds = 0.0
    rested_s: Seconds = 0.0
    hours: Annotated[list[tuple[int, float]], Meta(max_length=HOURS_MAX)] = []


def drive(driving: Driving, t_ns: int, moving_s: float, standing_s: float, config: Config) -> None:
    """Add the time since the last look, as far as it was seen; the rest of it may have been a rest.

    moving_s, standing_s : of that time
    """
    unseen_s = (t_ns - driving.stamp_ns) / NS - moving_s - standing_s if driving.stamp_ns else 0.0
    driving.stamp_ns = t_ns
    if moving_s > 0.0:
        _rest(driving, max(unseen_s, 0.0), config)
        driving.driven_s += moving_s
        driving.night_s = driving.night_s + moving_s if is_night(t_ns, config) else 0.0
        driving.rested_s = 0.0
        _add_hour(driving, t_ns // HOUR_NS, moving_s)
    _rest(driving, standing_s + (max(unseen_s, 0.0) if moving_s <= 0.0 else 0.0), config)


def _rest(driving: Driving, rest_s: float, config: Config) -> None:
    driving.rested_s += rest_s
    if driving.rested_s >= config.rest_s:
        driving.driven_s = driving.night_s = 0.0


def _add_hour(driving: Driving, hour: int, moving_s: float) -> None:
    if driving.hours and driving.hours[-1][0] == hour:
        driving.hours[-1] = (hour, driving.hours[-1][1] + moving_s)
    else:
        driving.hours = [*driving.hours, (hour, moving_s)][-HOURS_MAX:]


def is_night(t_ns: int, config: Config) -> bool:
    """Return whether a time is in the night of the site, which may span midnight."""
    hour = (t_ns + ZONE_NS) // HOUR_NS % DAY_HOURS
    first, last = config.night
    return first <= hour < last if first <= last else hour >= first or hour < last


def in_a_day_s(driving: Driving) -> float:
    """Return the driving time of the last 24 hours, of whole hours: at least so much."""
    newest = driving.stamp_ns // HOUR_NS
    return sum(moving_s for hour, moving_s in driving.hours if newest - DAY_HOURS < hour <= newest)


def limits_broken(driving: Driving, config: Config) -> dict[str, float | None]:
    """Return by cause 1.0 where a limit is exceeded for certain, None where it is not."""
    return {
        "driving_continuous": 1.0 if driving.driven_s > config.continuous_s else None,
        "driving_daily": 1.0 if in_a_day_s(driving) > config.daily_s else None,
        "driving_night": 1.0 if driving.night_s > config.night_s else None,
    }


def copied(driving: Driving) -> Driving:
    """Return a copy that shares nothing that changes."""
    return msgspec.structs.replace(driving, hours=list(driving.hours))


def is_of_now(driving: Driving, t_ns: int) -> bool:
    """Say whether driving time from elsewhere can be true at a time: of the past, with hours that are hours.

    An hour may hold the seconds of a gap before it, a day of them at most.
    """
    newest = t_ns // HOUR_NS + 1
    return driving.stamp_ns <= t_ns + NS and all(
        0 <= hour <= newest and 0.0 <= moving_s <= DAY_HOURS * 3_600.0 for hour, moving_s in driving.hours
    )
