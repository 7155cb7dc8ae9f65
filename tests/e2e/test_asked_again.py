"""`violation/ask` between both real sides: an RSU's outbox with recordings, a centre that lost some."""

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centre.database_file import SUFFIXES, beside
from edge import topics, wire
from edge.ask import decode_ask
from edge.clock import Clock
from edge.outbox.outbox import Outbox
from edge.recording.recorder import Recorder
from geofence import violation as codec
from tests.e2e.test_centre import STOP_S, TEST_S, Stage, stage
from tests.e2e.test_centre_storage import petroroad, until
from tests.support.centre_samples import episode_id, status, violation

pytestmark = [pytest.mark.anyio, pytest.mark.e2e, pytest.mark.long]
ESN = "RSU20"


class Rsu:
    """The delivering half of an RSU: outbox, recording, acknowledgements, asks and heartbeats."""

    def __init__(self, it: Stage) -> None:
        self.it, self.clock, self.n = it, Clock.wall(), 0
        self.outbox: Outbox
        self.path = it.folder / "state" / "outbox" / f"{ESN}.sqlite"
        self.recordings = it.folder / "state" / "recordings"

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """One life of it, from its start to its end."""
        self.outbox = outbox = await Outbox.open(
            self.path, clock=self.clock, recordings=self.recordings, esn=ESN
        )
        self.recorder = Recorder(self.recordings / f"{ESN}-{outbox.epoch}-00000.mcap", live=True)
        outbox.start(
            self.recorder.close_chunk,
            record=lambda body: self.recorder.write(f"/delivery/{ESN}", body, self.clock.now_ns()),
        )
        self.it.heard = self._receive  # type: ignore[method-assign]
        work = [
            asyncio.create_task(
                outbox.run(lambda body: self.it.link.publish(topics.violation_up(ESN), body))
            ),
            asyncio.create_task(self._beat()),
        ]
        try:
            yield
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await outbox.close()
            self.recorder.close()

    def _receive(self, topic: str, body: bytes, _retained: bool) -> None:
        if topic == topics.violation_ask(ESN):
            self.outbox.answer(decode_ask(body))
        else:
            self.outbox.acknowledge(wire.decode_ack(body))

    async def _beat(self) -> None:
        while True:
            beat = status(
                epoch=self.outbox.epoch, last_seq=self.outbox.last_seq, pending=self.outbox.pending,
                outbox_depth=self.outbox.depth, stamp_ns=self.clock.now_ns(),
            )  # fmt: skip
            self.it.link.publish(topics.status(ESN), wire.encode(beat))
            await asyncio.sleep(0.5)

    def raise_(self, n: int) -> None:
        for _ in range(n):
            self.n += 1
            body = codec.encode(violation(self.n, esn=ESN))
            self.recorder.write(f"/violation/{ESN}", body, self.clock.now_ns())
            self.outbox.put(body, self.clock.now_ns(), f"id-{self.n}", None)

    async def drained(self) -> None:
        await asyncio.sleep(0.1)  # what was put is on its way to the disk
        async with asyncio.timeout(TEST_S):
            await self.outbox.drained()
        await asyncio.sleep(0.6)  # the acknowledgements' chunk


def _delete_rows(path: Path, first: int, last: int) -> None:
    """Take violations and their keys out of the database, as somebody might by hand."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        ids = [episode_id(n) for n in range(first, last + 1)]
        marks = ",".join("?" * len(ids))
        db.execute(f"DELETE FROM transport WHERE seq BETWEEN {first} AND {last}")
        for table in ("violation_version", "episode"):
            db.execute(f"DELETE FROM {table} WHERE id IN ({marks})", ids)


def _damage(path: Path) -> None:
    for suffix in SUFFIXES:
        if beside(path, suffix).exists():
            os.truncate(beside(path, suffix), beside(path, suffix).stat().st_size // 2)


async def _all(it: Stage, n: int) -> None:
    """Wait until the centre has each of n violations, each once."""
    wanted = sorted(episode_id(each) for each in range(1, n + 1))
    async with asyncio.timeout(TEST_S):
        while sorted(await asyncio.to_thread(it.stored)) != wanted:
            await asyncio.sleep(0.1)
    await until(it, "/api/summary", missing=0)


async def test_what_either_side_loses_comes_back_from_the_other_s_files(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        rsu, path, backup = Rsu(it), it.folder / "centre.sqlite", tmp_path / "backup.sqlite"
        centre = await it.centre()
        async with rsu.run():
            rsu.raise_(20)
            await rsu.drained()
            taken = await asyncio.to_thread(
                petroroad, "centre", "backup", "--config", str(it.site), "--to", str(backup)
            )
            assert taken.returncode == 0, taken.stderr
            rsu.raise_(20)
            await rsu.drained()
            await _all(it, 40)

            assert await centre.stop(STOP_S) == 0
            _delete_rows(path, 11, 15)
            centre = await it.centre()
            await _all(it, 40)  # asked for by key: the heartbeat's last seq counts them

            centre.signal(signal.SIGKILL)
            await centre.died()
            restored = await asyncio.to_thread(
                petroroad, "centre", "restore", "--config", str(it.site), "--from", str(backup)
            )
            assert restored.returncode == 0, restored.stderr
            rsu.raise_(5)  # while the centre is off
            await asyncio.sleep(0.5)
        _damage(rsu.path)  # what waits there, too
        async with rsu.run():  # another epoch: no heartbeat names the first one's items any more
            centre = await it.centre()
            await _all(it, 45)
            assert rsu.outbox.counts["outbox.recovered"] >= 20
            await rsu.drained()
        assert await centre.stop(STOP_S) == 0
