"""A centre's database with its writer and its reader."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from centre.batch_decoder import decode_batch
from centre.commands import CommitResult
from centre.reader import EpisodeFilter, Reader
from centre.violation_writer import ViolationWriter
from geofence.violation import Violation
from tests.support.centre_samples import MS, T0_NS, item, payload
from tests.support.ledger_databases import ledger_at

TOPIC = "v2x/v1/rsu/{}/violation/up"


class Centre:
    """A database and a clock that steps a millisecond each time it is read."""

    def __init__(self, at: Path | sa.Engine) -> None:
        """at : an open database, or the file of a SQLite one"""
        self.engine = ledger_at(at) if isinstance(at, Path) else at
        self.now_ns = T0_NS + 600 * MS
        self.violation_writer, self.reader = ViolationWriter(self.engine, self._tick), Reader(self.engine)

    def _tick(self) -> int:
        self.now_ns += MS
        return self.now_ns

    def commit(self, body: bytes, esn: str = "RSU001") -> CommitResult:
        return self.violation_writer.commit([decode_batch(TOPIC.format(esn), esn, body, self._tick())], [])

    def send(
        self, seq: int, what: Violation | bytes | str, esn: str = "RSU001", epoch: int = 10
    ) -> tuple[Any, Any]:
        (answer,) = self.commit(payload(epoch, item(seq, what)), esn).acknowledgements
        return answer.stored, answer.conflict

    def rows(self, table: sa.Table) -> int:
        with self.engine.begin() as db:
            return db.scalar(sa.select(sa.func.count()).select_from(table)) or 0

    def shown(self) -> list[dict[str, Any]]:
        return list(self.reader.episodes(EpisodeFilter())["items"])
