"""Duplicate scans: a mirroring switch or a bonded link doubles datagrams, which are no new evidence. Pure."""

import zlib
from collections.abc import Sequence

from fusion.observations import ObjectScan, RadarScan

REMEMBERED_MAX = 256  # scans of one radar: the history of one at 100 Hz; what is older is late by then

Key = tuple[int, int, int]  # stamp, scan, checksum of the targets


class SeenScans:
    """Remembers the newest scans of each radar, in the order of their arrival."""

    def __init__(self, n_radars: int) -> None:
        self._known: list[dict[Key, None]] = [{} for _ in range(n_radars)]

    def note(self, q: int, seen: RadarScan | ObjectScan) -> bool:
        """Remember a scan of radar q; say whether it is a copy of one before.

        A scan sent in parts has the same stamp and may have the same number, but not the same targets.
        """
        known = self._known[q]
        column = seen.range_m if isinstance(seen, RadarScan) else seen.x_m
        key = (seen.stamp_ns, seen.scan, zlib.crc32(column.tobytes()))
        if key in known:
            return True
        known[key] = None
        if len(known) > REMEMBERED_MAX:
            del known[next(iter(known))]
        return False

    def packed(self) -> tuple[tuple[Key, ...], ...]:
        """Return what is known, by radar."""
        return tuple(tuple(known) for known in self._known)

    def unpack(self, rows: Sequence[Sequence[Key]]) -> None:
        """Restore what `packed` returned."""
        for known, keys in zip(self._known, rows, strict=False):
            known.update(dict.fromkeys(keys))
