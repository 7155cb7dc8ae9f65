"""Wakes the feed when another process has committed a change: PostgreSQL notifies each commit of the feed.

A notification says only that there may be more: what the feed shows it reads from the table, so one that is
lost costs a second at most.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from centre import postgresql
from edge.log import Logger
from geofence.plausible import plain

POLL_S = 1.0  # between two looks at the feed without a notification, and between two tries to connect


class FeedListener:
    """Listens on a connection of its own; `wake()` makes the feed read the table."""

    def __init__(self, engine: sa.Engine, wake: Callable[[], None], log: Logger) -> None:
        self._engine, self._wake, self._log = engine, wake, log
        self.counts: Counter[str] = Counter()
        self._listens = True  # so that the first fault is logged

    async def run(self) -> None:
        """Listen until cancelled; without a connection, look each second."""
        import psycopg  # here, since only PostgreSQL's users have it installed

        while True:
            try:
                await self._listen(psycopg.AsyncConnection)
            except (psycopg.Error, OSError) as error:
                self.counts["listen.failed"] += 1
                if self._listens:
                    self._log.error("listen.failed", error=plain(str(error)))
                self._listens = False
            self._wake()
            await asyncio.sleep(POLL_S)

    async def _listen(self, connections: Any) -> None:
        _, arguments = self._engine.dialect.create_connect_args(self._engine.url)
        timed = {name: value for name, value in postgresql.CONNECTION.items() if name not in arguments}
        async with await connections.connect(**arguments, **timed, autocommit=True) as connection:
            await connection.execute(f"LISTEN {postgresql.CHANNEL}")
            self.counts["listen.connected"] += 1
            self._listens = True
            while True:
                self._wake()  # also for what was committed before we listened
                async for _ in connection.notifies(timeout=POLL_S):
                    self.counts["listen.notified"] += 1
                    self._wake()
