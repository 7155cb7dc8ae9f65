"""An ingest on a real database that can refuse to commit."""

import asyncio
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from centre.commands import CommitResult
from centre.ingest import Ingest
from centre.track_hub import TrackHub
from centre.unit_registry import UnitRegistry
from centre.violation_writer import ViolationWriter
from centre.writer import Writer
from edge import log, wire
from tests.support.centre_samples import T0_NS
from tests.support.ledger_databases import ledger_at


class Full(ViolationWriter):
    """A violation_writer whose disk is full for the first n commits."""

    n_failures = 0

    def commit(self, *args: Any) -> CommitResult:
        if self.n_failures:
            self.n_failures -= 1
            raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))
        return super().commit(*args)


class Bench:
    """An ingest on a real database, with what it published."""

    def __init__(self, folder: Path) -> None:
        self.engine, self.now_ns = ledger_at(folder / "centre.sqlite"), T0_NS
        self.violation_writer = Full(self.engine, lambda: self.now_ns)
        self.writer = Writer(self.violation_writer, log.setup(part="test"), self._committed)
        self.sent: list[tuple[str, wire.ViolationAck]] = []
        self.n_commits = 0
        self.idle = asyncio.Event()
        self.rsus = UnitRegistry("rsu", ["RSU001", "RSU002"], T0_NS)
        self.ingest = Ingest(
            writer=self.writer, centre="test", now_ns=lambda: self.now_ns, rsus=self.rsus,
            gateways=UnitRegistry("gateway", [], T0_NS), tracks=TrackHub(), publish=self._publish,
        )  # fmt: skip

    def _publish(self, topic: str, body: bytes, _qos: int) -> bool:
        self.sent.append((topic, wire.decode_ack(body)))
        return True

    def _committed(self) -> None:
        self.n_commits += 1
        self.idle.set()

    async def until(self, n_sent: int) -> None:
        running = asyncio.create_task(self.ingest.run())
        async with asyncio.timeout(10.0):
            while len(self.sent) < n_sent:
                await self.idle.wait()
                self.idle.clear()
        running.cancel()

    def close(self) -> None:
        self.writer.close()
        self.engine.dispose()
