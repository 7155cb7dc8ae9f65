"""`time_window`: a hazmat vehicle is in a zone at a time at which it must not be."""

from geofence.rules.zones import EntryRule, ZoneConfig


class Config(ZoneConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.time_window]`."""

    roles: tuple[str, ...] = ("no_entry",)


class TimeWindow(EntryRule):
    """As `zone_entry`, while a window of the zone holds; it opens for who is inside when one begins."""

    name, violation, column, Config = "time_window", "time_window", "time_window", Config
    windowed = True
