"""What TLS and signatures cost: on the path to and from a broker, and of a violation's whole way.

`python -m benchmarks.tls [--quick]`; the latter ends within a minute.

`tls.BROKER.CASE.MESSAGE`: publisher and subscriber are two links of this process, so that one clock stamps
both ends; 500 messages/s, a violation's (QoS 1, 3 kB) or a gateway's to an RSU (QoS 0, 1 kB). The cases
`plain`, `tls` (mutual, with Ed25519 certificates, a revocation list and the rights of each part) and `signed`
(each message too) take turns; `cpu_us` is this process's CPU for one message sent and received.

`tls.path_cpu_us`: CPU of RSU, broker and centre for a violation of a backlog that drains (batches of 32, as
`benchmarks.delivery` has them), plain, with TLS, and with signatures too (`secure`), by part. The cases take
turns, the least of each counts. `tls.path_share` is what both add, `tls.path_share.tls_alone` what TLS adds.
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
from functools import partial
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks import delivery
from benchmarks.brokers import KINDS
from benchmarks.delivery_site import Security, running
from benchmarks.harness import help_or_exit, is_quick, print_line
from edge import topics
from edge.config import Site, load_site
from edge.figures import quantile
from edge.link import Link, LinkSettings, link_settings
from edge.mqtt_client import OnMessage
from edge.tls import Holder
from petroroad.chaos.waiting import until
from petroroad.demo.site import FILES, SHIPPED
from petroroad.pki import authority as pki
from petroroad.processes.broker import Kind, start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.ports import kept_port
from petroroad.toml_text import dumps

RATE_HZ = 500
DRAINED, QUICK_DRAINED = 12_000, 2_000
ROUNDS, QUICK_ROUNDS, ROUND_S = 6, 2, 3.0
ROOM_S, ROOM_POLL_S = 10.0, 0.001
ESN, CENTRE = "RSU-23", "centre"
GATEWAY = "GW1"
CASES: tuple[Security, ...] = ("plain", "tls", "signed")
HEAD = b"\x81\xa1b\xc5"  # a map of one binary, which can be signed; its length is never looked at
AT = len(HEAD)


class Way(NamedTuple):
    """A kind of message: who sends it to whom."""

    name: str
    topic: str
    qos: int
    n_bytes: int
    sender: Holder
    receiver: Holder


WAYS = (
    Way("violation", topics.violation_up(ESN), 1, 3_000, Holder("rsu", ESN), Holder("centre", CENTRE)),
    Way("gateway", topics.gnss_down(ESN), 0, 1_000, Holder("gateway", GATEWAY), Holder("rsu", ESN)),
)


class Case(NamedTuple):
    """A broker that runs, and its site."""

    name: str
    site: Site

    def settings(self, holder: Holder) -> LinkSettings:
        """Return how a part reaches the broker."""
        name = f"bench-{holder.role}"
        return link_settings(self.site.config.mqtt, name, self.site.where, holder)


class Found(NamedTuple):
    """Of one round."""

    latencies_ms: list[float]
    cpu_us: float
    up_ms: list[float]


async def main() -> None:
    """Measure all cases in turn and print a line for each."""
    help_or_exit()
    async with contextlib.AsyncExitStack() as stack:
        cases = [
            await stack.enter_async_context(case(kind, security)) for kind in KINDS for security in CASES
        ]
        rounds = [
            (f"{one.name}.{way.name}", await measured(one, way))
            for _ in range(QUICK_ROUNDS if is_quick() else ROUNDS)
            for way in WAYS
            for one in cases
        ]
    for name in dict.fromkeys(name for name, _ in rounds):
        mine = [found for other, found in rounds if name == other]
        latencies = [value for found in mine for value in found.latencies_ms]
        for what, share in (("p50", 0.5), ("p99", 0.99)):
            print_line(f"tls.{name}.latency_ms_{what}", quantile(latencies, share) or 0.0, "ms")
        print_line(f"tls.{name}.cpu_us", statistics.median(found.cpu_us for found in mine), "us")
        up_ms = [value for found in mine for value in found.up_ms]
        print_line(f"tls.{name}.connect_ms", statistics.median(up_ms), "ms")
    for kind in KINDS:
        found = [{each: await path_cpu_us(kind, each) for each in CASES} for _ in range(path_rounds())]
        for each in CASES:
            by_part = [one[each] for one in found]
            for part in by_part[0]:
                least_us = min(one[part] for one in by_part)
                print_line(f"tls.path_cpu_us.{each}.{part}.{kind}", least_us, "us/violation")
        plain_us, tls_us, signed_us = [min(sum(one[each].values()) for one in found) for each in CASES]
        print_line(f"tls.path_cpu_us.plain.{kind}", plain_us, "us/violation")
        print_line(f"tls.path_cpu_us.secure.{kind}", signed_us, "us/violation")
        print_line(f"tls.path_share.tls_alone.{kind}", 100.0 * (tls_us / plain_us - 1.0), "% more")
        print_line(f"tls.path_share.{kind}", 100.0 * (signed_us / plain_us - 1.0), "% more")


def path_rounds() -> int:
    """Return how often each case drains, in turn; the least of each counts: other programs only add to it."""
    return QUICK_ROUNDS if is_quick() else ROUNDS // 2


async def path_cpu_us(kind: Kind, security: Security) -> dict[str, float]:
    """Return the CPU of RSU, broker and centre for one violation of a backlog."""
    n = QUICK_DRAINED if is_quick() else DRAINED
    with tempfile.TemporaryDirectory() as name, kept_port() as port, kept_port() as page:
        folder = Path(name)
        async with (
            running(kind, folder, delivery.ESNS, port, f"127.0.0.1:{page}", security=security) as site,
            delivery.units_of(site.path, folder) as units,
        ):
            lines = await delivery.drain(kind, site, units, n, folder)
    start = "drain.cpu_us."
    return {
        line.name.removeprefix(start).partition(".")[0]: line.value or 0.0
        for line in lines
        if line.name.startswith(start)
    }


@contextlib.asynccontextmanager
async def case(kind: Kind, security: Security) -> AsyncIterator[Case]:
    """Start a broker."""
    with tempfile.TemporaryDirectory() as name, kept_port() as port:
        folder = Path(name)
        site = _site(folder, kind, port, security)
        child = await start_broker(kind, folder, "127.0.0.1", port, server_tls(site, "broker"))
        try:
            yield Case(f"{kind}.{security}", site)
        finally:
            await child.stop(2.0)


def _site(folder: Path, kind: Kind, port: int, security: Security) -> Site:
    """Write the shipped site with another broker, and the certificates of both ends."""
    config = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    files = {key: path for key, path in FILES.items() if security == "signed" or key != "parts_file"}
    config["mqtt"] = {"brokers": [f"127.0.0.1:{port}"], "embedded": kind}
    if security != "plain":
        config["mqtt"] |= files
    config["gateway"] = config.get("gateway", {}) | {"id": GATEWAY}
    for table, key in ((config["site"], "map"), (config, "registry")):
        shutil.copyfile(SHIPPED.parent / table[key], folder / table[key])
    path = folder / "site.toml"
    path.write_text(dumps(config), encoding="utf-8")
    pki.create(folder / "pki", "bench", None)
    with pki.opened(folder / "pki", None) as authority:
        for role, part in (("rsu", ESN), ("centre", CENTRE), ("gateway", GATEWAY)):
            authority.issue(authority.identity(role, part), (), 1.0)
        authority.issue(authority.identity("broker", "broker"), ("127.0.0.1",), 1.0)
    return load_site(path)


async def measured(one: Case, way: Way) -> Found:
    """Connect both ends, send at the rate for one round, and leave."""
    latencies_ms: list[float] = []
    n_sent, whole = round(RATE_HZ * ROUND_S), asyncio.Event()

    def receive(_topic: str, payload: bytes, _retained: bool) -> None:
        sent_ns = int.from_bytes(payload[AT : AT + 8])
        latencies_ms.append((time.perf_counter_ns() - sent_ns) / 1e6)
        if len(latencies_ms) == n_sent:
            whole.set()

    publishing = linked(one.settings(way.sender), [], None)
    subscribing = linked(one.settings(way.receiver), [(way.topic, way.qos)], receive)
    async with subscribing as (_, a_ms), publishing as (link, b_ms):
        cpu_s, begun_s = _cpu_s(), time.perf_counter()
        for i in range(n_sent):
            await asyncio.sleep(max(0.0, begun_s + i / RATE_HZ - time.perf_counter()))
            body = HEAD + time.perf_counter_ns().to_bytes(8) + bytes(way.n_bytes - AT - 8)
            # no room: too much is in flight, this machine can't keep up
            if not await until(partial(link.publish, way.topic, body, qos=way.qos), ROOM_S, ROOM_POLL_S):
                raise TimeoutError(f"{one.name} takes no {way.name} within {ROOM_S:.0f} s")
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
