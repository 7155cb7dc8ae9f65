"""Closed roads and lanes, as the site's data names them. Imports nothing heavy."""

from typing import Annotated

import msgspec
from msgspec import Meta

from geofence.map.windows import windows_of


class Closure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of `[[rules.closed_road.closures]]`."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]  # the violation's `zone`
    roads: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()
    time_window: str = ""  # as of a zone; empty: until the row is removed
    source: str = ""  # for people

    def __post_init__(self) -> None:
        """Refuse a row that closes nothing, and a time that is none."""
        if not (self.roads or self.lanes):
            raise ValueError("a closure names roads or lanes")
        if self.time_window:
            windows_of(self.time_window)
