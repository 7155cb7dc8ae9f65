"""What one unit of work costs on the servers' side, in CPU and bytes: the figures of docs/scale.md.

`python -m benchmarks.unit_costs [POSTGRESQL]`: with the address of an empty database also the ledger on it,
CPU of its server included. CPU is counted, not time, so a busy machine changes little. The cluster is that
of `deploy/cluster`, with the shipped site's certificates, on this machine.
"""

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import psutil
import sqlalchemy as sa
import uvloop
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError

from benchmarks.harness import help_or_exit, print_line
from benchmarks.ledger import batches
from centre.commit_size import ITEMS_FIRST
from centre.store import open_database
from centre.track_hub import TrackHub
from centre.unit_registry import UnitRegistry
from centre.violation_writer import ViolationWriter
from edge import topics, wire
from edge.config import Site, load_site
from edge.link import Link, link_settings
from edge.queues import VIOLATIONS, inbox_of, stream_config
from edge.signing.site_guard import site_guard
from edge.tls import Holder, credentials
from petroroad.chaos.waiting import until
from petroroad.demo.site import FILES, SHIPPED
from petroroad.pki import authority as pki
from petroroad.pki.whole_site import issue_all
from petroroad.processes.children import stop_all
from petroroad.processes.cluster import HOST, Ports, keep_ports, start_cluster, write_files
from petroroad.toml_text import dumps

N_VIOLATIONS, N_STATUSES, N_SNAPSHOTS, N_TRACKS = 6_000, 3_000, 3_000, 40
COMMIT_BATCHES = ITEMS_FIRST // wire.ITEMS_MAX
N_RSUS, N_MESSAGES, RATE_HZ, IDLE_S = 16, 1_500, 150.0, 10.0
READY_S, REPEATS = 60.0, 1_000


def main() -> None:
    """Print a line for each figure."""
    help_or_exit()
    address = next((word for word in sys.argv[1:] if "://" in word), None)
    with tempfile.TemporaryDirectory(prefix="petroroad-costs-") as folder:
        ledger(f"sqlite:///{folder}/ledger.sqlite", "sqlite")
        if address is not None:
            ledger(address, "postgresql")
        messages()
        for qos_max in (1, 0):
            place = Path(folder) / f"qos-{qos_max}"
            place.mkdir()
            uvloop.run(cluster(place, qos_max))


def cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def ledger(address: str, name: str) -> None:
    """Commit violations, all of them opens, in transactions of the size with which the writer begins."""
    engine = open_database(address)
    server: list[psutil.Process] = []
    if name == "postgresql":
        with engine.begin() as db:
            backend = db.scalar(sa.text("select pg_backend_pid()"))
        postmaster = psutil.Process(backend).parent()
        assert postmaster is not None, "a backend has one"
        server = [postmaster, *postmaster.children()]
    writer = ViolationWriter(engine, time.time_ns)
    made = batches(N_VIOLATIONS, 1)
    begun_s, server_s = time.process_time(), cpu_s(server)
    for at in range(0, len(made), COMMIT_BATCHES):
        writer.commit(made[at : at + COMMIT_BATCHES], [])
    own_us = (time.process_time() - begun_s) / N_VIOLATIONS * 1e6
    print_line(f"ledger.{name}.worker_us", own_us, "us of CPU a violation")
    if server:
        used_us = (cpu_s(server) - server_s) / N_VIOLATIONS * 1e6
        print_line(f"ledger.{name}.server_us", used_us, "us of CPU a violation")
        with engine.begin() as db:
            size = db.scalar(sa.text("select pg_database_size(current_database())")) or 0
        print_line(f"ledger.{name}.bytes", size / N_VIOLATIONS, "bytes a violation, empty tables included")
    body = made[0].items[0].body
    print_line("violation.bytes", len(body), "bytes an item")
    engine.dispose()


def messages() -> None:
    """Receive statuses and snapshots as the page's centre does, beside the broker's client."""
    registry, hub = UnitRegistry("rsu", ["R1"], time.time_ns()), TrackHub()
    status = wire.Status(
        state="online", epoch=10, connection=1, last_seq=0, pending=(), outbox_depth=0, config="1", map="1",
        version="0.1.0", clock_offset_ms=0.1, sensors={"a": "online", "b": "online"},
        counts={f"reason.{i}": i for i in range(40)}, unjudged=(),
    )  # fmt: skip
    bodies = [wire.encode(msgspec.structs.replace(status, last_seq=i)) for i in range(N_STATUSES)]
    now_ns = time.time_ns()

    def receive_statuses() -> None:
        for body in bodies:
            registry.receive_status("R1", body, retained=False, now_ns=now_ns)

    print_line("status.us", _cpu_us(receive_statuses, N_STATUSES), "us of CPU")
    print_line("status.bytes", len(bodies[-1]), "bytes, with 40 counters")
    records = np.zeros(N_TRACKS, wire.TRACK_DTYPE)
    shots = [
        wire.encode(wire.snapshot_of(records, esn="R1", seq=i, stamp_ns=now_ns + i * 10**8, lanes=None))
        for i in range(N_SNAPSHOTS)
    ]

    def receive_snapshots() -> None:
        for shot in shots:
            hub.receive_snapshot("R1", shot, now_ns)

    print_line("snapshot.us", _cpu_us(receive_snapshots, N_SNAPSHOTS), f"us of CPU, {N_TRACKS} tracks")
    print_line("snapshot.bytes", len(shots[0]) / N_TRACKS, "bytes a track")


def _cpu_us(run: Callable[[], None], n: int) -> float:
    begun_s = time.process_time()
    run()
    return (time.process_time() - begun_s) / n * 1e6


async def cluster(folder: Path, qos_max: int) -> None:
    """What three nodes need for a connected RSU, and for each kind of message, at QoS up to qos_max."""
    with contextlib.ExitStack() as held:
        ports = keep_ports(held)
        site = _site(folder, ports, qos_max)
        nodes = await start_cluster(folder, ports)
        try:
            await _measured(site, [psutil.Process(node.process.pid) for node in nodes])
        finally:
            await stop_all(nodes, 2.0)


def _site(folder: Path, ports: tuple[Ports, ...], qos_max: int) -> Site:
    """Write the shipped site for this cluster, with all its certificates."""
    config = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    brokers = [f"127.0.0.1:{each.mqtt}" for each in ports]
    config["mqtt"] = {"brokers": brokers, "cluster": qos_max == 0} | FILES
    config["nats"] = {"servers": [f"{HOST}:{each.clients}" for each in ports]}
    for table, key in ((config["site"], "map"), (config, "registry")):
        shutil.copyfile(SHIPPED.parent / table[key], folder / table[key])
    path = folder / "site.toml"
    path.write_text(dumps(config), encoding="utf-8")
    site = load_site(path)
    pki.create(folder / "pki", "bench", None)
    with pki.opened(folder / "pki", None) as authority:
        issue_all(authority, site, (HOST, "127.0.0.1"), 30.0)
    write_files(folder, site)
    return site


def _filters(esn: str, neighbours: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return what an RSU subscribes to, with the QoS."""
    alone = (topics.violation_ack, topics.violation_ask, topics.journey_ack, topics.config_down)
    found = [(make(esn), 1) for make in (*alone, topics.epoch_down, topics.status)]
    found += [(topics.centre_status("+"), 1), (topics.gnss_down(esn), 0), (topics.clock_rsp(esn), 0)]
    for other in neighbours:
        found += [(topics.handover(other, esn), 1), (topics.handover_ack(other, esn), 1)]
    return found


async def _measured(site: Site, nodes: list[psutil.Process]) -> None:
    mqtt, name = site.config.mqtt, "cluster.qos_0" if site.config.mqtt.cluster else "cluster.qos_1"
    queue = await _make_queue(site)
    before_mib = [node.memory_info().rss / 2**20 for node in nodes]
    links, running, n_filters = [], [], 0
    for rsu in site.config.rsu[:N_RSUS]:
        settings = link_settings(mqtt, f"rsu-{rsu.esn}", site.where, Holder("rsu", rsu.esn))
        filters = _filters(rsu.esn, rsu.neighbours)
        n_filters += sum(qos for _, qos in filters)
        up = asyncio.Event()
        links.append(Link(settings, subscriptions=filters, on_message=lambda *_: None, on_up=up.set))
        running.append(asyncio.create_task(links[-1].run()))
        await asyncio.wait_for(up.wait(), READY_S)
    print_line(f"{name}.filters_per_rsu", n_filters / N_RSUS, "filters that are of QoS 1 where they may")
    used_mib = sum(node.memory_info().rss / 2**20 for node in nodes) - sum(before_mib)
    print_line(f"{name}.rsu_mib", used_mib / N_RSUS, "MiB on three nodes, for one connected RSU")
    begun_s = cpu_s(nodes)
    await asyncio.sleep(IDLE_S)
    idle_ms = (cpu_s(nodes) - begun_s) / IDLE_S * 1e3
    print_line(f"{name}.idle_ms_per_s", idle_ms / N_RSUS, "ms of CPU a second on three nodes, for one RSU")
    kinds = (("status", 1, 600), ("track/up", 0, 1_000), ("violation/up", 1, 3_000))
    for tail, qos, size in kinds:
        begun_s, from_s = cpu_s(nodes), time.monotonic()
        for i in range(N_MESSAGES):
            link, rsu = links[i % N_RSUS], site.config.rsu[i % N_RSUS]
            send = partial(link.publish, topics.rsu(rsu.esn, tail), bytes(size), qos=qos)
            if not await until(send, READY_S):  # too much in flight
                raise TimeoutError(f"the cluster takes no {tail} within {READY_S:.0f} s")
            await asyncio.sleep(max(0.0, from_s + i / RATE_HZ - time.monotonic()))
        await asyncio.sleep(1.0)
        took_s = time.monotonic() - from_s
        own_us = (cpu_s(nodes) - begun_s - idle_ms / 1e3 * took_s) / N_MESSAGES * 1e6
        print_line(f"{name}.{tail.replace('/', '_')}_us", own_us, f"us of CPU on three nodes, {size} bytes")
    _signatures(site)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await queue.close()


async def _make_queue(site: Site) -> Client:
    """Make the workers' queue, so that violations are captured as in service."""
    held = credentials(site.config.mqtt, site.where, Holder("worker", "w1"))
    assert held is not None, "the site has TLS"
    client = Client()
    await client.connect(
        servers=[f"tls://{address}" for address in site.config.nats.servers],
        tls=held.context,
        inbox_prefix=inbox_of("w1").encode(),
    )
    body = json.dumps(stream_config(VIOLATIONS, site.config.nats)).encode()
    until_s = time.monotonic() + READY_S
    while time.monotonic() < until_s:
        with contextlib.suppress(NatsTimeoutError):  # the nodes have elected no leader yet
            answer = await client.request(f"$JS.API.STREAM.CREATE.{VIOLATIONS.stream}", body, timeout=3)
            if "error" not in json.loads(answer.data):
                return client
        await asyncio.sleep(1.0)
    raise TimeoutError("the cluster makes no stream")


def _signatures(site: Site) -> None:
    """Sign and check one batch many times."""
    mqtt = msgspec.structs.replace(site.config.mqtt, parts_file="pki/parts.pem")
    esn = site.config.rsu[0].esn
    ours = site_guard(mqtt, site.where, Holder("rsu", esn))
    theirs = site_guard(mqtt, site.where, Holder("worker", "w1"))
    assert ours is not None
    assert theirs is not None
    topic, body = topics.violation_up(esn), wire.encode(wire.ViolationBatch(epoch=1, items=()))
    sealed = ours.guard.signed(topic, body)
    assert theirs.guard.accepts(topic, sealed)
    check_us = _cpu_us(lambda: _repeat(theirs.guard.accepts, topic, sealed), REPEATS)
    print_line("signature.check_us", check_us, "us of CPU a message")
    make_us = _cpu_us(lambda: _repeat(ours.guard.signed, topic, body), REPEATS)
    print_line("signature.make_us", make_us, "us of CPU a message")


def _repeat(run: Callable[[str, bytes], object], topic: str, body: bytes) -> None:
    for _ in range(REPEATS):
        run(topic, body)


if __name__ == "__main__":
    main()
