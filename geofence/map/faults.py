"""What is wrong with a map: errors, of which services refuse some, and warnings."""

from typing import Literal, NamedTuple

from core.arrays import F64
from geofence.map.frames import SiteFrame

NAMED_MAX = 100  # of one kind of fault; a map that breaks a rule everywhere breaks it for one reason


class Fault(NamedTuple):
    """One fault: what it is in, what is wrong, and where."""

    level: Literal["error", "warning"]
    where: str  # feature, or lane, gate, zone, axis by name
    rule: str
    place: tuple[float, float] | None = None  # lon_deg, lat_deg
    # a service does not start with it: who drives right would be accused. Other errors it survives, and a map
    # that has served for months must not stop a site after an update
    is_refused: bool = False

    @property
    def text(self) -> str:
        """The fault in words, with its place."""
        at = "" if self.place is None else f" at [{self.place[0]:.7f}, {self.place[1]:.7f}]"
        return (f"{self.where}: {self.rule}" if self.rule else self.where) + at


class Faults:
    """Collects faults found in site metres."""

    def __init__(self, frame: SiteFrame) -> None:
        self.found: list[Fault] = []
        self._frame = frame

    def refuse(self, where: str, rule: str, place_m: F64 | None = None) -> None:
        """Add an error by which who drives right would be accused; place_m : (2,)."""
        self.found.append(Fault("error", where, rule, self._lonlat(place_m), is_refused=True))

    def error(self, where: str, rule: str, place_m: F64 | None = None) -> None:
        """Add what can't be meant, or hides a violation."""
        self.found.append(Fault("error", where, rule, self._lonlat(place_m)))

    def warning(self, where: str, rule: str, place_m: F64 | None = None) -> None:
        """Add what is probably a mistake, and may be meant."""
        self.found.append(Fault("warning", where, rule, self._lonlat(place_m)))

    def _lonlat(self, place_m: F64 | None) -> tuple[float, float] | None:
        if place_m is None:
            return None
        lon, lat = self._frame.lonlat_from_site(place_m[:1], place_m[1:2])
        return float(lon[0]), float(lat[0])
