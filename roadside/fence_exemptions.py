"""For whom a zone is open: a terminal must not alarm its driver there. Pure."""

from collections.abc import Sequence

import msgspec

from geofence.calendar import Cargo, Exemption
from geofence.config import RulesConfig, VehicleConfig, section_of
from geofence.map.reading import Zone
from geofence.map.windows import day_of
from geofence.permits import PermitConfig

NS = 1_000_000_000
DAY_S, LOCAL_S = 86_400, 8 * 3_600


def local_day(now_ns: int) -> int:
    """Return the days since 1970 in the site's country."""
    return (now_ns // NS + LOCAL_S) // DAY_S


def opened_zones(
    zones: Sequence[Zone],
    rules: RulesConfig,
    vehicles: Sequence[VehicleConfig],
    permits: Sequence[PermitConfig],
    terminal: str | None,
    now_ns: int,
) -> dict[str, str]:
    """Return which zones are open to a terminal's vehicle, now or later, and why.

    terminal : None: no terminal is named, so that whom a zone is open to is not known
    """
    cargo = next(
        (Cargo(v.class_, v.hazmat_class, v.un, v.terminal) for v in vehicles if v.terminal == terminal),
        Cargo("unknown", None, None, terminal or ""),
    )
    found: dict[str, str] = {}
    section, today = section_of(rules, "time_window"), local_day(now_ns)
    exempt = [row for row in section.exempt if not row.last or day_of(row.last) >= today]
    for zone in zones:
        rows = exempt if zone.windows and not set(zone.roles).isdisjoint(section.roles) else []
        if any(_covers(row, zone.zone, None if terminal is None else cargo) for row in rows):
            found[zone.zone] = "it is open to some vehicles: name a terminal"
            if terminal is not None:
                found[zone.zone] = "its vehicle is exempt"
    for permit in permits:
        if permit.end_ns > now_ns and terminal in (None, permit.terminal):
            why = "a permit opens it" if terminal else "permits open it to some vehicles: name a terminal"
            found |= dict.fromkeys(permit.zones, why)
    return found


def _covers(row: Exemption, zone: str, cargo: Cargo | None) -> bool:
    """Return whether an exemption holds for a zone on any day; cargo : None: of whomever it is."""
    if cargo is None:
        return not row.zones or zone in row.zones
    return msgspec.structs.replace(row, first="", last="").covers(zone, cargo, 0)
