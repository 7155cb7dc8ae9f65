"""How seldom the cycle collector visits what the centre and its workers make of violations."""

import gc
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from centre import process, worker
from centre.commands import StoreBatches
from centre.commit_size import ITEMS_MAX, OBJECTS_PER_COLLECTION
from centre.inbox import QueuedBatch
from centre.store import open_database
from centre.violation_writer import ViolationWriter
from centre.writer import Writer
from core.collecting import only_new_collected
from edge import log, topics, wire
from edge.clock import Clock
from tests.support.centre_samples import item, payload, violation

pytestmark = pytest.mark.anyio

N_COMMITS = 4  # of the largest size


def backlog() -> list[QueuedBatch]:
    """Return a backlog of one RSU, in full batches, each violation with the columns of a usual one."""
    evidence = {f"column_{n}": [0.1 * row for row in range(30)] for n in range(9)}
    now_ns, queued = time.time_ns(), []
    for first in range(1, N_COMMITS * ITEMS_MAX, wire.ITEMS_MAX):
        items = [item(seq, violation(seq, evidence=evidence)) for seq in range(first, first + wire.ITEMS_MAX)]
        queued.append(QueuedBatch(topics.violation_up("RSU001"), "RSU001", payload(10, *items), now_ns))
    return queued


async def test_a_backlog_meets_few_collections(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'centre.sqlite'}")
    writer = Writer(ViolationWriter(engine, time.time_ns), log.setup(part="test"), lambda: None)
    waiting, n_stored, begun = backlog(), 0, []

    def note(phase: str, _info: dict[str, int]) -> None:
        begun.extend([phase] if phase == "start" else [])

    with only_new_collected(OBJECTS_PER_COLLECTION):
        gc.callbacks.append(note)
        try:
            while waiting:
                outcome = await writer.execute(StoreBatches(waiting))
                n_stored += outcome.committed.counts["violation.stored"]
                waiting = list(outcome.remaining)
        finally:
            gc.callbacks.remove(note)
    writer.close()
    engine.dispose()
    assert n_stored == N_COMMITS * ITEMS_MAX
    assert len(begun) <= 2 * N_COMMITS  # with the usual threshold 58


class Seen:
    """Notes how collections are set while a process works."""

    def __init__(self, *_: object) -> None:
        self.threshold = self.n_frozen = 0

    async def run(self, *_: object) -> None:
        self.threshold, self.n_frozen = gc.get_threshold()[0], gc.get_freeze_count()

    def close(self) -> None:
        """As what a worker closes at its end."""


async def test_a_worker_collects_seldom_and_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, usual = Seen(), gc.get_threshold()
    monkeypatch.setattr(worker, "until_there", _returning(seen))
    monkeypatch.setattr(worker, "check_addresses", lambda *_: None)
    monkeypatch.setattr(worker, "credentials", lambda *_: None)
    site: Any = SimpleNamespace(
        where="site.toml",
        config=SimpleNamespace(
            centre=SimpleNamespace(ingest="workers"), nats=SimpleNamespace(servers=()), mqtt=None
        ),
    )
    await worker.WorkerProcess(site, "w1", Clock.wall(), log.setup(part="test")).run()
    assert seen.threshold == OBJECTS_PER_COLLECTION
    assert seen.n_frozen > 0
    assert gc.get_threshold() == usual


async def test_the_centre_collects_seldom_and_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, usual = Seen(), gc.get_threshold()
    monkeypatch.setattr(process, "serve", seen.run)
    monkeypatch.setattr(process, "build", lambda *_, **__: None)
    service: Any = object.__new__(process._CentreService)
    service.centre, service.listener = SimpleNamespace(stop=None), None
    service.door = SimpleNamespace(certificate=None)
    service.section = "centre"
    site = SimpleNamespace(config=SimpleNamespace(centre=SimpleNamespace(http="127.0.0.1:0")))
    ports = SimpleNamespace(keep=lambda _key, _address, serving, _stop: serving(lambda: None))
    service.shell = SimpleNamespace(log_start=lambda *_, **__: None, site=site, on_http_end=None, ports=ports)
    await process._CentreService.work(service)
    assert seen.threshold == OBJECTS_PER_COLLECTION
    assert seen.n_frozen > 0
    assert gc.get_threshold() == usual


def _returning(value: object) -> Any:
    async def made(*_: object) -> object:
        return value

    return made
