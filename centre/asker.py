"""Asks RSUs for what the database lacks: single items, and all of a time after the database was lost."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping

from centre.asking import Asking, Key
from centre.commands import StoreAsk
from centre.database import Database
from centre.faults import NotWrittenError, UnreadableError
from centre.settings import NOTHING_TO_ASK
from centre.unit_registry import UnitRegistry
from centre.writer import Writer
from core.times import STAMP_NS_MIN
from edge import topics
from edge.ask import ViolationAsk
from edge.wire import ACKNOWLEDGED_MAX, Status, encode

TURN_S = 1.0
SINCE_TIMES_MAX = 2  # the RSU reads all its recordings for each
SINCE_AGAIN_NS = 300 * 10**9
DAY_NS = 86_400 * 10**9

Publish = Callable[[str, bytes, int], bool]  # topic, payload, QoS


class Asker:
    """Sends `violation/ask` to RSUs that are online; the answers come as ordinary `violation/up`."""

    def __init__(
        self,
        *,
        centre: str,
        since_ns: int,
        database: Database,
        writer: Writer,
        rsus: UnitRegistry,
        gaps: Callable[[], Mapping[str, tuple[int, int]]],
        publish: Publish,
        now_ns: Callable[[], int],
        kept_ns: int = 30 * DAY_NS,
    ) -> None:
        """since_ns : ask each RSU for its violations since then.  `gaps()`: (stored, missing) by RSU
        kept_ns : how long RSUs keep their recordings
        """
        self._kept_ns = kept_ns
        self._centre, self._since_ns, self._database, self._writer = centre, since_ns, database, writer
        self._rsus, self._gaps, self._publish, self._now_ns = rsus, gaps, publish, now_ns
        self._asking: dict[str, Asking] = {}
        self._since: dict[str, tuple[int, int]] | None = None  # times asked, and when; None: not yet read
        self.counts: Counter[str] = Counter()

    def figures(self, esn: str) -> dict[str, int]:
        """Return how many missing items of an RSU were asked for, and how many such ones came."""
        asking = self._asking.get(esn, Asking())
        return {"asked": asking.n_asked, "recovered": asking.n_recovered}

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await asyncio.sleep(TURN_S)
            with contextlib.suppress(UnreadableError, NotWrittenError):
                await self.turn(time.monotonic())

    async def turn(self, now_s: float) -> None:
        """Look at each RSU once. Raises UnreadableError or NotWrittenError."""
        gaps = self._gaps()
        for esn in list(self._rsus.rows()):
            if gaps.get(esn, (0, 0))[1] or esn in self._asking:
                await self._ask_by_key(esn, now_s)
            await self._ask_since(esn)

    async def _ask_by_key(self, esn: str, now_s: float) -> None:
        read, reader = self._database.read, self._database.reader
        asking = self._asking.setdefault(esn, Asking())
        keys = [Key(*key) for key in await read(reader.missing, esn, ACKNOWLEDGED_MAX)]
        came = asking.update(now_s, keys)
        if came:
            n_lost = await read(reader.count_lost, esn, came)
            asking.n_recovered += len(came) - n_lost
            self.counts["ask.recovered"] += len(came) - n_lost
            self.counts["ask.lost"] += n_lost
        depth = self._depth(esn)
        if depth is None:
            return
        due = asking.next_ask(now_s, depth)
        if due and self._send(esn, epoch=due[0].epoch, seqs=tuple(key.seq for key in due)):
            asking.asked(now_s, due)
            self.counts["ask.items"] += len(due)

    async def _ask_since(self, esn: str) -> None:
        if self._since_ns == NOTHING_TO_ASK or self._depth(esn) is None:
            return
        if self._since is None:
            self._since = await self._database.read(self._database.reader.asks, self._since_ns)
        now_ns = self._now_ns()
        times, asked_ns = self._since.get(esn, (0, 0))
        if times >= SINCE_TIMES_MAX or (times and 0 <= now_ns - asked_ns < SINCE_AGAIN_NS):
            return
        if self._send(esn, since_ns=self._since_by(esn, now_ns)):
            self._since[esn] = (times + 1, now_ns)
            await self._writer.execute(StoreAsk(esn, self._since_ns, times + 1, now_ns))

    def _since_by(self, esn: str, now_ns: int) -> int:
        """Return since when an RSU is asked, by its own clock, which its recordings have.

        Where that differs from ours by a day, or has not come so far yet, `since_ns` is of a wrong clock:
        asked for what came since 2032, the RSU would send nothing. It is asked for all that it keeps. An
        offset has no age: one from before our clock was set right points beyond now, where nothing is yet.
        """
        status = self._rsus.rows()[esn].status
        offset_ms = None if status is None else status.clock_offset_ms
        offset_ns = int((offset_ms or 0.0) * 1e6)
        if abs(offset_ns) <= DAY_NS and self._since_ns <= now_ns + offset_ns:
            return self._since_ns
        return max(STAMP_NS_MIN, now_ns + min(0, offset_ns) - self._kept_ns)

    def _depth(self, esn: str) -> int | None:
        """Return the depth of an RSU's outbox by its last heartbeat; None where it is not online."""
        state, stale = self._rsus.state(esn, self._now_ns())
        status = self._rsus.rows()[esn].status
        if state != "online" or stale or not isinstance(status, Status):
            return None
        return status.outbox_depth

    def _send(
        self, esn: str, *, epoch: int | None = None, seqs: tuple[int, ...] = (), since_ns: int | None = None
    ) -> bool:
        message = ViolationAsk(centre=self._centre, epoch=epoch, seqs=seqs, since_ns=since_ns)
        sent = self._publish(topics.violation_ask(esn), encode(message), 1)
        self.counts["ask.sent" if sent else "ask.unsent"] += 1
        return sent
