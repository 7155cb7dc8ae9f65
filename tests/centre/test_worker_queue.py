"""A worker's queue on a real nats-server with JetStream, and the centre's own ingest behind it."""

import asyncio
import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

import nats
import pytest
import sqlalchemy as sa

from centre.ingest import Ingest
from centre.store import JOURNEY, TRANSPORT, centre_name, open_database
from centre.track_hub import TrackHub
from centre.unit_registry import UnitRegistry
from centre.violation_writer import ViolationWriter
from centre.worker_queue import WorkerQueue
from centre.writer import Writer
from edge import log, queues, topics, wire
from edge.journey_messages import JourneyBatch, decode_journey_ack
from edge.queues import JOURNEYS, PER_RSU_MAX, VIOLATIONS, subject_of
from edge.sections import NatsConfig
from geofence.journeys.journey import encoded
from petroroad.processes.broker import is_listening, program
from petroroad.processes.children import ChildSpec, start
from petroroad.processes.ports import kept_port
from tests.centre.test_journeys import journey
from tests.support.centre_samples import item, payload, violation

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]
TEST_S = 20.0
ESNS = ("RSU001", "RSU002")
UP = {esn: subject_of(topics.violation_up(esn)) for esn in ESNS}
ACK = {esn: subject_of(topics.violation_ack(esn)) for esn in ESNS}


class Server:
    """A nats-server of one node, which a test may kill and start again."""

    def __init__(self, folder, port):
        self.folder, self.port, self.child = folder, port, None

    async def start(self):
        config = self.folder / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.folder}/store" }}\n'
        )
        spec = ChildSpec(name="nats", argv=(program("nats"), "-c", str(config)), log=self.folder / "nats.log")
        self.child = await start(spec)
        async with asyncio.timeout(TEST_S):
            while not await is_listening("127.0.0.1", self.port):
                await asyncio.sleep(0.02)

    async def client(self):
        return await nats.connect(f"nats://127.0.0.1:{self.port}", allow_reconnect=False)


@pytest.fixture
async def server(tmp_path):
    with kept_port() as port:
        it = Server(tmp_path, port)
        await it.start()
        yield it
        await it.child.stop(1.0)


@contextlib.asynccontextmanager
async def worker(folder, server, name="w1", **limits):
    """A worker's parts in this process; a SQLite file stands in for the database, which is another test's."""
    logger = log.setup(part="test")
    engine = open_database(f"sqlite:///{folder / 'centre.sqlite'}")
    writer = Writer(ViolationWriter(engine, time.time_ns), logger, lambda: None)
    config = NatsConfig(replicas=1, **limits)
    queue = WorkerQueue(config, [f"nats://127.0.0.1:{server.port}"], name, lambda: None, logger)
    ingest = Ingest(
        writer=writer, centre=centre_name(engine), centre_id="C1", now_ns=time.time_ns,
        rsus=UnitRegistry("rsu", ESNS, time.time_ns()), gateways=UnitRegistry("gateway", (), 0),
        tracks=TrackHub(), publish=lambda topic, body, _qos: queue.publish(topic, body), share="items",
    )  # fmt: skip

    def receive(topic, body, settle):
        ingest.subscriptions.receive(topic, body, settle=settle)

    tasks = [asyncio.create_task(part) for part in (ingest.run(), queue.run(receive))]
    try:
        yield ingest, queue, engine
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        engine.dispose()


async def until(condition):
    async with asyncio.timeout(TEST_S):
        while not condition():
            await asyncio.sleep(0.01)


async def n_waiting(client, queue=VIOLATIONS):
    answer = await client.request(f"$JS.API.STREAM.INFO.{queue.stream}", b"", timeout=5)
    return json.loads(answer.data)["state"]["messages"]


async def acknowledged(client, esn):
    """Return the list into which the seqs go that are acknowledged to an RSU."""
    found = []

    async def receive(message):
        found.extend(wire.decode_ack(message.data).stored)

    await client.subscribe(ACK[esn], cb=receive)
    await client.flush()
    return found


def batch(seq, esn="RSU001"):
    return payload(10, item(seq, violation(seq, esn=esn)))


async def test_a_message_is_stored_then_acknowledged_to_its_rsu_and_to_the_queue(tmp_path, server):
    client = await server.client()
    acks = await acknowledged(client, "RSU001")
    async with worker(tmp_path, server) as (_, queue, engine):
        await until(lambda: queue.fault is None)
        await queue.measure()
        assert queue.depths == {"violations": 0, "journeys": 0}
        for seq in (1, 2, 2, 3):  # one comes twice
            await client.publish(UP["RSU001"], batch(seq))
        await until(lambda: set(acks) == {1, 2, 3})
        with engine.begin() as db:
            assert db.scalar(sa.select(sa.func.count()).select_from(TRANSPORT)) == 3
        async with asyncio.timeout(TEST_S):
            while await n_waiting(client):
                await asyncio.sleep(0.02)
    await client.close()


async def test_what_cannot_be_read_or_is_no_rsus_is_taken_from_the_queue_too(tmp_path, server):
    client = await server.client()
    async with worker(tmp_path, server) as (ingest, queue, _):
        await until(lambda: queue.fault is None)
        await client.publish(UP["RSU001"], b"no batch")
        await client.publish(UP["RSU001"].replace("RSU001", "RSU999"), batch(1))
        await until(lambda: queue.counts["queue.received"] == 2)
        async with asyncio.timeout(TEST_S):
            while await n_waiting(client):
                await asyncio.sleep(0.02)
        assert ingest.counts["stranger.violation/up"] == 1
    await client.close()


async def test_a_server_that_was_killed_is_connected_again(tmp_path, server):
    async with worker(tmp_path, server) as (_, queue, _):
        await until(lambda: queue.fault is None)
        await server.child.stop(0.0)
        await until(lambda: queue.fault is not None)
        await server.start()
        await until(lambda: queue.fault is None)
        client = await server.client()
        acks = await acknowledged(client, "RSU001")
        await client.publish(UP["RSU001"], batch(1))
        await until(lambda: acks == [1])
        await client.close()


async def test_journeys_of_a_worker_that_was_killed_come_again(tmp_path, server, monkeypatch):
    monkeypatch.setattr(queues, "ACK_WAIT_S", 1.0)
    (tmp_path / "killed").mkdir()
    words = (str(server.port), str(tmp_path / "killed"), "1.0")
    argv = (sys.executable, "-m", "tests.support.journey_worker_killed", *words)
    spec = ChildSpec(name="killed", argv=argv, log=tmp_path / "killed.log", env={"PYTHONPATH": str(ROOT)})
    dying = await start(spec)
    client = await server.client()
    async with asyncio.timeout(TEST_S):
        while dying.running:
            with contextlib.suppress(nats.errors.Error, KeyError):  # the worker makes the queue
                if not await n_waiting(client, JOURNEYS):
                    body = wire.encode(JourneyBatch(journeys=(encoded(journey()),)))
                    await client.publish(subject_of(topics.journey_up("RSU001")), body)
            await asyncio.sleep(0.1)
    assert await n_waiting(client, JOURNEYS) == 1, "it was not acknowledged to the queue before its commit"
    acks = []

    async def receive(message):
        acks.extend(key.id for key in decode_journey_ack(message.data).stored)

    await client.subscribe(subject_of(topics.journey_ack("RSU001")), cb=receive)
    await client.flush()
    async with worker(tmp_path, server) as (_, _, engine):
        await until(lambda: acks == [journey().id])
        with engine.begin() as db:
            assert db.scalar(sa.select(sa.func.count()).select_from(JOURNEY)) == 1
        async with asyncio.timeout(TEST_S):
            while await n_waiting(client, JOURNEYS):
                await asyncio.sleep(0.02)
    await client.close()


async def test_other_limits_change_the_queue_that_is_there(tmp_path, server):
    client = await server.client()
    for queue_s in (60.0, 30.0):
        async with worker(tmp_path, server, queue_s=queue_s) as (_, queue, _):
            await until(lambda queue=queue: queue.fault is None)
        answer = await client.request(f"$JS.API.STREAM.INFO.{VIOLATIONS.stream}", b"", timeout=5)
        config = json.loads(answer.data)["config"]
        assert (config["max_age"], config["max_msgs_per_subject"]) == (queue_s * 1e9, PER_RSU_MAX)
    await client.close()


async def test_a_flood_of_one_rsu_delays_another_by_less_than_two_seconds(tmp_path, server):
    client = await server.client()
    acks = await acknowledged(client, "RSU001")
    async with worker(tmp_path, server) as (ingest, queue, _):
        await until(lambda: queue.fault is None)

        flooded = asyncio.Event()

        async def flood():
            seq = 0
            while not flooded.is_set():  # no cancel: the client's flush may swallow it, and publish once more
                for _ in range(50):
                    seq += 20
                    body = payload(10, *(item(seq + i, "x" * 100) for i in range(20)))
                    await client.publish(UP["RSU002"], body)
                await client.flush()
                await asyncio.sleep(0.02)

        flooding = asyncio.create_task(flood())
        await until(lambda: ingest.waiting[0] > 10)  # the flood is faster than the database
        waits_s = []
        for seq in range(1, 6):
            begun_s = time.monotonic()
            sent_s = 0.0
            async with asyncio.timeout(TEST_S):
                while seq not in acks:
                    if time.monotonic() - sent_s > 1.0:  # as an outbox does
                        sent_s = time.monotonic()
                        await client.publish(UP["RSU001"], batch(seq))
                    await asyncio.sleep(0.005)
            waits_s.append(time.monotonic() - begun_s)
        flooded.set()
        await flooding
        assert statistics.median(waits_s) < 2.0, waits_s  # one of them may wait for a busy machine
    await client.close()
