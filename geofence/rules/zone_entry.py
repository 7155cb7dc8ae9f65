"""`zone_entry`: a hazmat vehicle is in a zone that it must not enter."""

from geofence.rules.zones import EntryRule, ZoneConfig


class Config(ZoneConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.zone_entry]`."""

    roles: tuple[str, ...] = ("no_entry",)


class ZoneEntry(EntryRule):
    """Judges the zones that are forbidden at any time."""

    name, violation, column, Config = "zone_entry", "zone_entry", "zone_entry", Config
    windowed = False  # the others are those of `time_window`
