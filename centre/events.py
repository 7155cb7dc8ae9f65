"""What the feed's rows say to a page: committed changes as server-sent events."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from centre import postgresql
from centre.beside import Beside
from centre.database import Database
from centre.event_stream import Event, lines_of
from centre.faults import UnreadableError
from centre.overview import Overview
from centre.reader import Change
from centre.shown import Shown

Present = dict[str, Callable[[str], Awaitable[dict[str, Any] | None]]]  # by kind: the data of a key


@dataclass(frozen=True, slots=True)
class Events:
    """Makes the events of one centre; a unit's is its present row.

    present : what the feed announces besides violations and units
    """

    database: Database
    overview: Callable[[], Overview]
    shown: Shown
    present: Present
    beside: Beside

    async def after(self, cursor: int, limit: int) -> list[Event]:
        """Return the events of the next changes after a cursor; raises UnreadableError."""
        found = await self.database.read(self.database.reader.changes, cursor, limit)
        return [await self._shown(change) for change in found]

    async def _shown(self, change: Change) -> Event:
        try:
            data = await self._data(change)
            if data is not None:
                return Event(change.n, lines_of(change.kind, msgspec.json.encode(data), change.n))
        except UnreadableError:
            raise
        except Exception as error:  # one row that can't be shown hides no other
            self.beside.note(f"event.{change.kind}", error)
        return Event(change.n, b"id: %d\n\n" % change.n)  # moves the cursor, shows nothing

    async def _data(self, change: Change) -> dict[str, Any] | None:
        if change.kind in self.present:
            return await self.present[change.kind](change.key)
        if change.kind == "violation":
            if change.data is not None:
                self.shown.announce(change.n, change.data)
            return change.data
        if postgresql.is_postgresql(self.database.engine):
            await self.overview().read_unit(change.kind, change.key)
        return self.overview().unit(change.kind, change.key)
