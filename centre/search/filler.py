"""Lets `backfill` work beside everything else: a part at a time, each a transaction of its own."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from centre.faults import NotWrittenError, UnreadableError
from centre.search import backfill
from edge.log import Logger

PAUSE_S = 0.05  # between two parts: commits of new violations come first
RETRY_S = 5.0


class Filler:
    """Fills `episode_key` of an older database once, after the start.

    `read(query, *args)` runs `query(db, *args)` in a reader's thread, `run(work, *names)` is `Writer.run`.
    """

    def __init__(
        self, read: Callable[..., Awaitable[Any]], run: Callable[..., Awaitable[Any]], log: Logger
    ) -> None:
        self._read, self._run, self._log = read, run, log
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Fill what is missing; it ends when each episode has its row."""
        after: int | None = 0
        n = 0
        if await self._tried(self._read, backfill.is_complete):
            return
        self._log.info("search.filling")
        while after is not None:
            found: backfill.Missing = await self._tried(self._read, backfill.missing, after)
            if found.ids:
                names = tuple(f"episode {each}" for each in found.ids)
                n += await self._tried(self._run, partial(_fill, found.ids, self.counts), *names)
                self.counts["search.filled"] = n
            after = found.after
            await asyncio.sleep(PAUSE_S)
        self._log.info("search.filled", n=n)

    async def _tried(self, call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Try again until the database can be used."""
        while True:
            try:
                return await call(*args)
            except (NotWrittenError, UnreadableError):
                await asyncio.sleep(RETRY_S)


def _fill(ids: tuple[str, ...], counts: Counter[str], db: Any, _found: list[Any]) -> int:
    return backfill.fill(db, ids, counts)
