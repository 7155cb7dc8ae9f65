"""`time_window`: a hazmat vehicle is in a zone at a time at which it must not be."""

from geofence.rules.zone_entry import Config as EntryConfig
from geofence.rules.zone_entry import ZoneEntry


class Config(EntryConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.time_window]`: of zones with `time_window`; the others are those of `zone_entry`."""


class TimeWindow(ZoneEntry):
    """As `zone_entry`, while a window of the zone holds; it opens for who is inside when one begins."""

    name, violation, column, Config = "time_window", "time_window", "time_window", Config
    windowed = True
