"""What a worker shows to Prometheus and to its centre, on a real PostgreSQL server; its cluster is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from centre.settings import ask_since_ns
from centre.storage import open_storage
from centre.store import open_database
from centre.violation_writer import ViolationWriter
from centre.worker import WorkerProcess, _Work
from centre.worker_queue import WorkerQueue
from centre.workers.store import beats
from edge import log, topics
from edge.clock import Clock
from edge.config import load_site
from edge.tls import Holder
from geofence.violation import Stamps
from tests.centre.test_unit_registry import receive, reporters
from tests.centre.test_worker import SERVERS, site_with
from tests.support.centre_samples import T0_NS, item, payload, status, violation
from tests.support.scraping import Samples, check_names, samples_of
from tests.support.serving_centre import running

pytestmark = pytest.mark.anyio
MS, S = 1_000_000, 1_000_000_000
LATENCY = "petroroad_violation_latency_seconds"
TEST_S = 10.0


@contextlib.asynccontextmanager
async def working(folder: Path, address: str) -> AsyncIterator[_Work]:
    site = load_site(site_with(folder, f'database = "{address}"\ningest = "workers"\n', SERVERS))
    process = WorkerProcess(site, "w1", Clock.wall(), log.setup(part="test"))
    storage = open_storage(address, process.log, T0_NS)
    queue = WorkerQueue(site.config.nats, ["nats://127.0.0.1:9"], "w1", lambda: None, process.log)
    work = _Work(process, storage, queue, None, Holder("worker", "w1"))
    running_it = asyncio.create_task(work.run())
    try:
        yield work
    finally:
        process.stop.set()
        await asyncio.wait_for(running_it, TEST_S)
        work.close()


def shown(work: _Work) -> Samples:
    text = work.health.metrics().decode()
    check_names("worker", text)
    return samples_of(text)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TEST_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_worker_observes_the_way_of_what_it_commits(
    tmp_path: Path, postgresql: Callable[[], str]
) -> None:
    address = postgresql()
    engine = open_database(address)
    ask_since_ns(engine, T0_NS)
    registry = reporters()  # the centre's; R1's clock is 2 s ahead
    registry = type(registry)("rsu", ["R1"], T0_NS)
    change = receive(registry, status(clock_offset_ms=2_000.0), esn="R1")
    assert change is not None
    ViolationWriter(engine, Clock.wall().now_ns).commit([], [change])
    async with working(tmp_path, address) as work:
        await until(lambda: work.rsus.rows()["R1"].status is not None)
        now_ns = Clock.wall().now_ns() + 2 * S
        stamps = Stamps(measured_ns=now_ns - 90 * MS, arrived_ns=now_ns - 50 * MS)
        found = violation(
            1, esn="R1", stamps=stamps, start_ns=now_ns, confirmed_ns=now_ns, evidence={}, phase="close",
            grade="undecidable",
        )  # fmt: skip
        each = msgspec.structs.replace(item(1, found), detected_ns=now_ns - 20 * MS, sent_ns=now_ns - 10 * MS)
        work.ingest.subscriptions.receive(topics.violation_up("R1"), payload(10, each))
        await until(lambda: (f"{LATENCY}_count", "live", "R1", "total") in shown(work))
        seen = shown(work)
        assert 0.09 < seen[f"{LATENCY}_sum", "live", "R1", "total"] < TEST_S  # not 2 s, nor 0 for a negative
        assert seen[f"{LATENCY}_sum", "live", "R1", "sent_to_received"] < 1.0
        assert seen["petroroad_episodes_closed_total", "undecidable", "R1"] == 1.0
        assert seen["petroroad_commit_seconds_count",] >= 1.0
        assert seen["petroroad_database_up",] == 1.0
        assert seen["petroroad_link_up", "queue"] == 0.0
        assert "petroroad_queue_depth" not in {key[0] for key in seen}, "unknown is not 0"
        (row,) = beats(engine)
        assert (row.id, row.queued) == ("w1", None)
        await until(lambda: beats(engine)[0].beat_ns > row.beat_ns)
        assert beats(engine)[0].fault is not None, "it says that it has no node"
    assert beats(engine) == [], "it signs off"
    engine.dispose()


async def test_the_page_names_absent_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("centre.workers.watch.SILENT_NS", S // 2)
    monkeypatch.setattr("centre.app.SUMMARY_S", 0.1)
    async with running(tmp_path, ingest="workers") as centre:
        centre.app.broker._link.connected = True  # type: ignore[union-attr,misc]
        engine = centre.app.database.engine

        async def summary() -> list[str]:
            found = await centre.get("/api/summary")
            return [each["kind"] for each in found["warnings"]]

        async with asyncio.timeout(TEST_S):
            while await summary() != ["workers_absent"]:
                await asyncio.sleep(0.05)
        answer = await centre.http.get("/readyz")
        assert (answer.status_code, answer.json()["workers"]) == (503, [])
        assert samples_of((await centre.http.get("/metrics")).text)["petroroad_workers_online",] == 0.0
        with engine.begin() as db:
            row = {"id": "w1", "started_ns": 1, "beat_ns": 2, "queued": 3}
            db.execute(sa.insert(sa.table("worker", *map(sa.column, row))).values(row))
        async with asyncio.timeout(TEST_S):
            while await summary() != []:
                await asyncio.sleep(0.05)
        assert (await centre.get("/readyz"))["workers"] == ["w1"]
        (worker,) = (await centre.get("/api/summary"))["workers"]
        assert worker == {"worker": "w1", "state": "online", "queued": 3, "fault": None}
        async with asyncio.timeout(TEST_S):
            while await summary() != ["workers_absent"]:
                await asyncio.sleep(0.05)


def test_an_offset_that_moved_is_stored_now_and_then() -> None:
    it = reporters()
    assert receive(it, status(clock_offset_ms=None)) is not None  # the first word
    assert receive(it, status(clock_offset_ms=3.0), T0_NS + 2 * S) is not None  # the first offset
    for at_s, offset_ms, is_stored in (
        (4, 80.0, False),
        (33, 4.0, False),
        (33, 80.0, True),
        (35, 4.0, False),
    ):
        change = receive(it, status(clock_offset_ms=offset_ms), T0_NS + at_s * S)
        assert (change is not None) == is_stored, (at_s, offset_ms)
        assert change is None or not change.announce
