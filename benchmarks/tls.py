"""What TLS costs on the path to and from a broker: the handshake, and 500 messages/s with and without.

Publisher and subscriber are two links of this process, so that one clock stamps both ends; QoS 1, 300 bytes,
mutual TLS with Ed25519 certificates, a revocation list and the rights of each part. The cases take turns,
`cpu_us` is this process's CPU for one message sent and received. `--quick` ends within half a minute.
"""

import asyncio
import contextlib
import resource
import shutil
import statistics
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, NamedTuple

import uvloop

from benchmarks.harness import is_quick, print_line
from edge import topics
from edge.config import Site, load_site
from edge.figures import quantile
from edge.link import Link, LinkSettings, link_settings
from edge.mqtt_client import OnMessage
from edge.tls import Holder
from petroroad.demo.site import FILES, SHIPPED, kept_port
from petroroad.pki import authority as pki
from petroroad.processes.broker import start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.toml_text import dumps

RATE_HZ, BODY_BYTES = 500, 300
ROUNDS, QUICK_ROUNDS, ROUND_S = 6, 2, 3.0
ESN, CENTRE = "RSU-23", "centre"
Kind = Literal["nats", "mosquitto"]
KINDS: tuple[Kind, ...] = ("nats", "mosquitto")


class Case(NamedTuple):
    """A broker that runs, and how both ends reach it."""

    name: str
    publisher: LinkSettings
    subscriber: LinkSettings


class Found(NamedTuple):
    """Of one round."""

    latencies_ms: list[float]
    cpu_us: float
    up_ms: list[float]


async def main() -> None:
    """Measure all cases in turn and print a line for each."""
    async with contextlib.AsyncExitStack() as stack:
        cases = [
            await stack.enter_async_context(case(kind, secure)) for kind in KINDS for secure in (False, True)
        ]
        rounds = [
            (one.name, await measured(one))
            for _ in range(QUICK_ROUNDS if is_quick() else ROUNDS)
            for one in cases
        ]
    for one in cases:
        mine = [found for name, found in rounds if name == one.name]
        latencies = [value for found in mine for value in found.latencies_ms]
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            print_line(f"tls.{one.name}.latency_ms_{name}", quantile(latencies, share) or 0.0, "ms")
        print_line(f"tls.{one.name}.cpu_us", statistics.median(found.cpu_us for found in mine), "us")
        up_ms = [value for found in mine for value in found.up_ms]
        print_line(f"tls.{one.name}.connect_ms", statistics.median(up_ms), "ms")


@contextlib.asynccontextmanager
async def case(kind: Kind, secure: bool) -> AsyncIterator[Case]:
    """Start a broker with or without TLS."""
    with tempfile.TemporaryDirectory() as name, kept_port() as port:
        folder = Path(name)
        site = _site(folder, kind, port, secure)
        tls = server_tls(site, "broker")
        child = await start_broker(kind, folder, "127.0.0.1", port, tls)
        mqtt, where = site.config.mqtt, site.where
        try:
            yield Case(
                f"{kind}.{'tls' if secure else 'plain'}",
                link_settings(mqtt, "bench-rsu", where, Holder("rsu", ESN)),
                link_settings(mqtt, "bench-centre", where, Holder("centre", CENTRE)),
            )
        finally:
            await child.stop(2.0)


def _site(folder: Path, kind: Kind, port: int, secure: bool) -> Site:
    """Write the shipped site with another broker, and the certificates of both ends."""
    config = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    config["mqtt"] = {"brokers": [f"127.0.0.1:{port}"], "embedded": kind} | (FILES if secure else {})
    for table, key in ((config["site"], "map"), (config, "registry")):
        shutil.copyfile(SHIPPED.parent / table[key], folder / table[key])
    path = folder / "site.toml"
    path.write_text(dumps(config), encoding="utf-8")
    pki.create(folder / "pki", "bench", None)
    with pki.opened(folder / "pki", None) as authority:
        for role, part in (("rsu", ESN), ("centre", CENTRE)):
            authority.issue(authority.identity(role, part), (), 1.0)
        authority.issue(authority.identity("broker", "broker"), ("127.0.0.1",), 1.0)
    return load_site(path)


async def measured(one: Case) -> Found:
    """Connect both ends, send at the rate for one round, and leave."""
    latencies_ms: list[float] = []
    topic, n_sent, whole = topics.violation_up(ESN), round(RATE_HZ * ROUND_S), asyncio.Event()

    def receive(_topic: str, payload: bytes, _retained: bool) -> None:
        latencies_ms.append((time.perf_counter_ns() - int.from_bytes(payload[:8])) / 1e6)
        if len(latencies_ms) == n_sent:
            whole.set()

    publishing, subscribing = linked(one.publisher, [], None), linked(one.subscriber, [(topic, 1)], receive)
    async with subscribing as (_, a_ms), publishing as (link, b_ms):
        cpu_s, begun_s = _cpu_s(), time.perf_counter()
        for i in range(n_sent):
            await asyncio.sleep(max(0.0, begun_s + i / RATE_HZ - time.perf_counter()))
            while not link.publish(  # noqa: ASYNC110  # the link has no event for room
                topic, time.perf_counter_ns().to_bytes(8) + bytes(BODY_BYTES - 8)
            ):
                await asyncio.sleep(0.001)  # too much in flight: this machine can't keep up
        async with asyncio.timeout(10.0):
            await whole.wait()
        return Found(latencies_ms, (_cpu_s() - cpu_s) / n_sent * 1e6, [a_ms, b_ms])


@contextlib.asynccontextmanager
async def linked(
    settings: LinkSettings, subscriptions: list[tuple[str, int]], receive: OnMessage | None
) -> AsyncIterator[tuple[Link, float]]:
    """A link that is up, and how long that lasted [ms]."""
    up = asyncio.Event()
    link = Link(settings, subscriptions=subscriptions, on_message=receive, on_up=up.set)
    begun_s = time.perf_counter()
    task = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(10.0):
            await up.wait()
        yield link, (time.perf_counter() - begun_s) * 1e3
    finally:
        task.cancel()
        await asyncio.wait([task])


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    uvloop.run(main())
