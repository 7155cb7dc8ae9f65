"""Holidays of a site, and who is exempt from its bans. Imports nothing heavy."""

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from geofence.map.windows import day_of

DAYS_MAX = 31  # of one holiday: a year is a slip


class Holiday(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of `[[rules.holidays]]`: a day, or several on end."""

    first: str  # a date, 2026-10-01
    last: str = ""  # as well; empty: the same
    name: str = ""  # for people

    def __post_init__(self) -> None:
        """Refuse what is no date, and days in the wrong order or too many."""
        if not 0 <= day_of(self.last or self.first) - day_of(self.first) < DAYS_MAX:
            raise ValueError(f"a holiday has 1 to {DAYS_MAX} days")


class Cargo(NamedTuple):
    """A vehicle of the registry, as far as limits and bans ask for it."""

    kind: str  # its class
    hazmat_class: str | None
    un: str | None = None
    terminal: str = ""


class Exemption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of `[[rules.time_window.exempt]]`: whom a ban leaves out, as a province's order states."""

    zones: tuple[str, ...] = ()  # names; empty: all
    hazmat_classes: tuple[str, ...] = ()  # of the registry: "2" holds for 2.1 as well; empty: all
    un: tuple[str, ...] = ()  # numbers; empty: all
    terminals: tuple[str, ...] = ()  # of vehicles with a permit; empty: all
    first: str = ""  # dates between which it is in force; empty: open
    last: str = ""
    source: Annotated[str, Meta(max_length=200)] = ""  # the order or permit; for people

    def __post_init__(self) -> None:
        """Refuse one that exempts everybody, and what is no date."""
        if not (self.hazmat_classes or self.un or self.terminals):
            raise ValueError("an exemption names hazmat_classes, un or terminals")
        if self.first and self.last and day_of(self.last) < day_of(self.first):
            raise ValueError("an exemption's last day is before its first")
        for text in (self.first, self.last):
            if text:
                day_of(text)

    def covers(self, zone: str, cargo: Cargo, day: int) -> bool:
        """Return whether a vehicle is exempt in a zone on a day (since 1970)."""
        return (
            (not self.zones or zone in self.zones)
            and (not self.hazmat_classes or is_among(cargo.hazmat_class, self.hazmat_classes))
            and (not self.un or cargo.un in self.un)
            and (not self.terminals or cargo.terminal in self.terminals)
            and (not self.first or day_of(self.first) <= day)
            and (not self.last or day <= day_of(self.last))
        )


def is_among(hazmat_class: str | None, names: Iterable[str]) -> bool:
    """Return whether a class of cargo is one of the names, or a division of one: 2.1 is of 2."""
    cargo = hazmat_class or ""
    return any(cargo == name or cargo.startswith(f"{name}.") for name in names)


def days_of(holidays: Iterable[Holiday]) -> frozenset[int]:
    """Return all days of holidays, since 1970."""
    return frozenset(
        day for row in holidays for day in range(day_of(row.first), day_of(row.last or row.first) + 1)
    )
