"""One RSU's snapshot in the two forms that pages receive: as it came, and apart. Pure.

A page shows four kilometres in detail and the whole road in an overview of some twenty metres per pixel.
There, twice a second and the vehicles that their RSU owns are enough; the records stay whole, since the list
shows speed and excess of every open alarm.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from edge import wire
from edge.stations import stations_m

Stretch = tuple[float, float]  # from, to [m]


class Frame:
    """A snapshot on its way to the pages; what is sent apart is packed when the first page needs it."""

    __slots__ = ("_far", "_reach", "_snapshot", "every_ms", "named", "near")

    def __init__(self, near: bytes, snapshot: wire.TrackSnapshot, every_ms: int) -> None:
        """near : the snapshot's own bytes.  every_ms : how often pages receive it apart"""
        self.near, self._snapshot, self.every_ms = near, snapshot, every_ms
        self.named = snapshot.names is not None or snapshot.lanes is not None
        self._far: bytes | None = None
        self._reach: Stretch | None = None

    @property
    def n(self) -> int:
        return self._snapshot.n

    @property
    def records(self) -> wire.Records:
        return wire.records_of(self._snapshot)

    def meets(self, stretches: Sequence[Stretch]) -> bool:
        """Return whether a vehicle of it is, or may be, in one of the stretches.

        One whose vehicles have no station, on ramps or on a site without an axis, may be anywhere.
        """
        if self._reach is None:
            self._reach = _reach(self.records)
        low, high = self._reach
        return any(low <= to_m and high >= from_m for from_m, to_m in stretches)

    @property
    def far(self) -> bytes:
        """The owned vehicles, and how often they come."""
        if self._far is None:
            records = self.records
            owned = records[(records["flags"] & wire.FLAG_OWNED) != 0]
            body = msgspec.structs.replace(self._snapshot, n=len(owned), data=owned.tobytes())
            fields = {
                name: value for name, value in msgspec.structs.asdict(body).items() if value is not None
            }
            self._far = msgspec.msgpack.encode(fields | {"every_ms": self.every_ms})
        return self._far


def _reach(records: wire.Records) -> Stretch:
    stations = stations_m(records)
    if not len(stations):
        return np.inf, -np.inf
    if np.isnan(stations).any():
        return -np.inf, np.inf
    return float(stations.min()), float(stations.max())
