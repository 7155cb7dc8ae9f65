"""Reads the database from asyncio code: queries run in threads, and a fault is remembered while it lasts."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from centre.database_file import is_damage
from centre.faults import SchemaError, UnreadableError, as_schema_error
from centre.reader import Reader
from centre.writer import ignore
from edge.log import Logger
from geofence.plausible import plain

FAULT_S = 3.0  # reading counts as failing for this long after its last failure
Result = TypeVar("Result")


class Database:
    """Runs the reader's queries in its own threads; `writer.Writer` writes."""

    def __init__(
        self,
        engine: sa.Engine,
        reader: Reader,
        commit_fault: Callable[[], str | None],
        log: Logger,
        on_damage: Callable[[str], None] = ignore,
    ) -> None:
        """`commit_fault()` returns why commits fail now, or None; `on_damage(fault)`: the bytes are wrong."""
        self._on_damage = on_damage
        self.reader = reader
        self.engine, self._commit_fault, self.log = engine, commit_fault, log
        self._threads = ThreadPoolExecutor(2, "centre.reader")
        self._unread = ("", float("-inf"))  # how reading last failed, and when [monotonic, s]
        self._faulty_since_ns: int | None = None  # None: reading and committing work

    async def read(self, query: Callable[..., Result], *args: object) -> Result:
        """Run a query of the reader in a thread.

        Raises UnreadableError where a later try may succeed, SchemaError where the tables don't fit.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, query, *args)
        except SQLAlchemyError as error:
            fault = as_schema_error(error)
            if isinstance(fault, SchemaError):
                raise fault from error
            text = plain(str(getattr(error, "orig", error)))
            if self.fault is None:
                self.log.error("read.failed", error=text)
            self._unread = (text, time.monotonic())
            self.reader.counts["read.failed"] += 1
            if is_damage(error):
                self._on_damage(text)
            raise UnreadableError(text) from error

    async def bounds(self) -> tuple[int, int]:
        """Return the newest and the oldest number of the feed."""
        return await self.read(self.reader.bounds)

    @property
    def fault(self) -> str | None:
        """Why committing or reading fails now; None where both work."""
        text, at_s = self._unread
        return self._commit_fault() or (text if time.monotonic() - at_s < FAULT_S else None)

    def state(self, now_ns: int) -> dict[str, Any] | None:
        """Return `database` of `/api/summary`: None while it works."""
        fault = self.fault
        if fault is None:
            self._faulty_since_ns = None
            return None
        self._faulty_since_ns = self._faulty_since_ns or now_ns
        return {"fault": fault, "since_ns": self._faulty_since_ns}

    def close(self) -> None:
        """End the threads after the queries that they have accepted, then the connections."""
        self._threads.shutdown()
        self.engine.dispose()
