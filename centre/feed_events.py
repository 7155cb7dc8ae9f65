"""What the feed's committed changes say to pages: each change as an event, in its order."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from centre import postgresql
from centre.beside import OnBug
from centre.database import Database
from centre.event_stream import Event, lines_of
from centre.faults import UnreadableError
from centre.overview import Overview
from centre.reader import Change
from centre.shown import Shown

# by kind: the data of keys, those that there are; what changes often reads all its keys at once
Read = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
Present = dict[str, Read]


def one_by_one(
    read: Callable[[str], Awaitable[Any]],
) -> Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]:
    """Return what reads many keys from what reads one, and may return None."""

    async def many(keys: Sequence[str]) -> Mapping[str, Any]:
        found = [(key, await read(key)) for key in keys]
        return {key: data for key, data in found if data is not None}

    return many


class FeedEvents:
    """Reads the committed changes after a number of the feed, as server-sent events.

    One row that can't be shown hides no other: its event moves the cursor and shows nothing.
    """

    def __init__(
        self,
        database: Database,
        overview: Callable[[], Overview],
        shown: Shown,
        present: Present,
        on_bug: OnBug,
    ) -> None:
        """`present` may grow until the first event is read."""
        self._database, self._overview, self._shown, self._present = database, overview, shown, present
        self._on_bug = on_bug

    async def read(self, after: int, limit: int) -> list[Event]:
        """Return the next events: of a unit and of the desk the present rows; raises UnreadableError."""
        changes: list[Change] = await self._database.read(self._database.reader.changes, after, limit)
        keys: dict[str, dict[str, None]] = {}
        for change in changes:
            if change.kind != "violation":
                keys.setdefault(change.kind, {})[change.key] = None
        # the same change of one row, announced twice, is read and encoded once
        encoded = {kind: await self._encoded(kind, list(found)) for kind, found in keys.items()}
        return [self._event(change, encoded.get(change.kind, {})) for change in changes]

    async def _encoded(self, kind: str, keys: list[str]) -> dict[str, bytes]:
        """Return the rows of some keys as JSON: read at once, or where that fails one by one."""
        read = self._present.get(kind, one_by_one(self._unit_of(kind)))
        try:
            return {key: msgspec.json.encode(data) for key, data in (await read(keys)).items()}
        except UnreadableError:
            raise
        except Exception as error:
            self._on_bug(f"event.{kind}", error)
        if len(keys) == 1:
            return {}
        return {key: row for each in keys for key, row in (await self._encoded(kind, [each])).items()}

    def _event(self, change: Change, encoded: Mapping[str, bytes]) -> Event:
        data = encoded.get(change.key)
        if change.data is not None:
            try:
                data = msgspec.json.encode(change.data)
                self._shown.announce(change.n, change.data)  # the last: a figure must not hide an alarm
            except Exception as error:
                self._on_bug(f"event.{change.kind}", error)
        if data is None:
            return Event(change.n, b"id: %d\n\n" % change.n)  # moves the cursor, shows nothing
        return Event(change.n, lines_of(change.kind, data, change.n))

    def _unit_of(self, kind: str) -> Callable[[str], Awaitable[Any]]:
        async def read(name: str) -> Any:
            if postgresql.is_postgresql(self._database.engine):
                await self._overview().read_unit(kind, name)
            return self._overview().unit(kind, name)

        return read
