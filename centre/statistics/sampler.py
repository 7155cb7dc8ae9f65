"""Looks at the RSUs and the counted vehicles every few seconds, and stores what it saw each minute."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from centre.faults import NotWrittenError, UnreadableError
from centre.statistics import store
from centre.statistics.passages import Passages
from centre.statistics.watch import Hour, Watch

LOOK_S = 5.0
LOOKS_PER_STORE = 12


Aged = Callable[[Any, int], int]


def by_wall(_db: Any, now_ns: int) -> int:
    """Where nothing else is known of the time."""
    return now_ns


class Sampler:
    """Fills the tables of the statistics.

    `rows()` is the table of RSUs; `read` and `run` are those of `search.filler.Filler`.
    """

    def __init__(
        self,
        *,
        rows: Callable[[], list[dict[str, Any]]],
        passages: Passages,
        read: Callable[..., Awaitable[Any]],
        run: Callable[..., Awaitable[Any]],
        now_ns: Callable[[], int],
        aged_ns: Aged = by_wall,
    ) -> None:
        """`aged_ns(db, now_ns)`: the time by which rows grow old, of `Ages`."""

        self._rows, self._passages, self._read, self._run = rows, passages, read, run
        self._now_ns, self._aged_ns = now_ns, aged_ns
        self._watch = Watch()
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Look and store, until cancelled."""
        await self.begin()
        turn = 0
        while True:
            self._watch.look(self._rows(), self._now_ns())
            if self._watch.changes or turn % LOOKS_PER_STORE == 0:
                await self.store()
            turn += 1
            await asyncio.sleep(LOOK_S)

    async def begin(self) -> None:
        """Read the newest states, so that a start of the centre is no change of an RSU."""
        try:
            known: list[tuple[str, str, dict[str, Any]]] = await self._read(store.newest_states)
        except UnreadableError:
            return
        for esn, state, facts in known:
            self._watch.know(esn, state, facts)

    async def store(self) -> None:
        """Store what was seen; where the database can't be written it is kept for the next time."""
        watch = self._watch
        changes, hours, passages = list(watch.changes), dict(watch.hours), self._passages.take()
        watch.changes.clear()
        watch.hours.clear()
        if not (changes or hours or passages):
            return
        try:
            now_ns = self._now_ns()
            work = partial(_store, changes, hours, passages, lambda db: self._aged_ns(db, now_ns))
            dropped = await self._run(work, "statistics")
        except NotWrittenError:
            self.counts["statistics.unstored"] += 1
            watch.changes[:0] = changes[-store.STATES_MAX :]
            for key, hour in hours.items():
                _add(watch.hours[key], hour)
            self._passages.give_back(passages)
        else:
            self.counts["statistics.dropped"] += dropped


def _add(to: Hour, hour: Hour) -> None:
    for name in store.HOUR_COLUMNS:
        setattr(to, name, getattr(to, name) + getattr(hour, name))


def _store(
    changes: Any, hours: Any, passages: Any, aged_ns: Callable[[Any], int], db: Any, _found: list[Any]
) -> int:
    return store.store(db, changes, hours, passages, aged_ns(db))
