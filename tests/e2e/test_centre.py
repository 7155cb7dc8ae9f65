"""The centre as a process on a real broker: killed at the worst moment, ended with clients, misconfigured."""

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import websockets.asyncio.client as ws

from edge import topics, wire
from edge.ask import ViolationAsk, decode_ask
from edge.config import load_site
from edge.link import Link, link_settings
from petroroad.processes.broker import start_broker
from petroroad.processes.children import Child, ChildSpec, start, until_ready
from petroroad.processes.ports import kept_port
from tests.support.centre_samples import episode_id, item, payload, violation
from tests.support.centre_site import write_site

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]
ROOT = Path(__file__).resolve().parents[2]
READY_S, TEST_S = 60.0, 60.0
STOP_S = 10.0  # how quickly it ends is one test's matter; the others only want that it does
# the centre whose answers never leave: it dies where only the commit is behind it
DIES_BEFORE_ACK = """
import os, signal, sys
from centre.ingest import Ingest
Ingest._acknowledge = lambda self, ack: os.kill(os.getpid(), signal.SIGKILL)
from petroroad.__main__ import main
sys.exit(main(["centre", "--config", sys.argv[1]]))
"""


@dataclass
class Stage:
    """A broker, a site file, and a made-up RSU that sends until it is answered."""

    folder: Path
    site: Path
    http: str
    link: Link
    owed: dict[int, bytes] = field(default_factory=dict)
    acked: Counter[int] = field(default_factory=Counter)
    asks: list[ViolationAsk] = field(default_factory=list)

    async def centre(self, code: str | None = None) -> Child:
        argv = ("-m", "petroroad", "centre", "--config") if code is None else ("-c", code)
        spec = ChildSpec(
            name="centre", argv=(sys.executable, *argv, str(self.site)), log=self.folder / "centre.log",
            env={"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        child = await start(spec)
        await until_ready(child, self.http, READY_S)
        return child

    def owe(self, seq: int) -> None:
        self.owed[seq] = payload(10, item(seq, violation(seq, esn="RSU20")))

    async def deliver(self) -> None:
        """Send what is owed until all of it is answered."""
        async with asyncio.timeout(TEST_S):
            while self.owed:
                for body in list(self.owed.values())[:20]:
                    self.link.publish(topics.violation_up("RSU20"), body)
                await asyncio.sleep(0.1)

    def heard(self, topic: str, body: bytes, _retained: bool) -> None:
        if topic == topics.violation_ask("RSU20"):
            self.asks.append(decode_ask(body))
            return
        ack = wire.decode_ack(body)
        assert not ack.conflict
        for seq in ack.stored:
            self.acked[seq] += 1
            self.owed.pop(seq, None)

    def stored(self) -> list[str]:
        with contextlib.closing(sqlite3.connect(self.folder / "centre.sqlite")) as db:
            return [row[0] for row in db.execute("SELECT id FROM violation_version ORDER BY seq")]


@contextlib.asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    with kept_port() as port, kept_port() as page_port:
        async with _stage(folder, port, f"127.0.0.1:{page_port}") as it:
            yield it


@contextlib.asynccontextmanager
async def _stage(folder: Path, port: int, http: str) -> AsyncIterator[Stage]:
    site = write_site(folder, broker=f"127.0.0.1:{port}", http=http)
    broker = await start_broker("nats", folder, "127.0.0.1", port)
    link = Link(
        link_settings(load_site(site).config.mqtt, "test-RSU20"),
        subscriptions=[(topics.violation_ack("RSU20"), 1), (topics.violation_ask("RSU20"), 1)],
        on_message=lambda *message: it.heard(*message),
    )
    it = Stage(folder, site, http, link)
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(READY_S):
            while not link.connected:
                await asyncio.sleep(0.02)
        yield it
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await broker.stop(2.0)


async def test_killed_between_commit_and_ack_it_neither_loses_nor_doubles(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        dying = await it.centre(DIES_BEFORE_ACK)
        it.owe(1)
        sending = asyncio.create_task(it.deliver())
        async with asyncio.timeout(TEST_S):
            assert (await dying.died()).status == -signal.SIGKILL
        assert it.stored() == [episode_id(1)]  # committed
        assert not it.acked  # and nobody knows
        centre = await it.centre()
        await sending
        assert it.acked[1] >= 1
        assert it.stored() == [episode_id(1)]
        async with httpx.AsyncClient(base_url=f"http://{it.http}", timeout=30.0, verify=False) as http:
            page = (await http.get("/api/violations")).json()
        assert [row["id"] for row in page["items"]] == [episode_id(1)]
        assert page["cursor"] in (1, 2)  # the desk may have taken it in already
        assert await centre.stop(STOP_S) == 0


async def test_killed_at_any_time_it_neither_loses_nor_doubles(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        for n_life in range(3):
            centre = await it.centre()
            for seq in range(40 * n_life + 1, 40 * n_life + 41):
                it.owe(seq)
            sending = asyncio.create_task(it.deliver())
            before = len(it.acked)
            async with asyncio.timeout(TEST_S):
                while len(it.acked) < before + 10:  # some are answered, most are under way
                    await asyncio.sleep(0.001)
            if n_life < 2:
                centre.signal(signal.SIGKILL)
                await centre.died()
                sending.cancel()
        await sending
        assert sorted(it.acked) == list(range(1, 121))
        assert it.stored() == [episode_id(seq) for seq in range(1, 121)]
        assert await centre.stop(STOP_S) == 0


async def test_sigterm_ends_it_within_two_seconds_with_clients(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        centre = await it.centre()
        async with (
            httpx.AsyncClient(base_url=f"http://{it.http}", timeout=30.0, verify=False) as http,
            http.stream("GET", "/api/events", timeout=TEST_S) as events,
            ws.connect(f"ws://{it.http}/api/tracks"),
        ):
            lines = events.aiter_lines()
            await anext(lines)
            begun_s = time.monotonic()
            assert await centre.stop(5.0) == 0
            assert time.monotonic() - begun_s < 2.0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('http = "127.0.0.1:', 'http = "0.0.0.0:', "centre.http"),
        ("sqlite:///", "sqlite:////nowhere", "centre.database"),
        ("[mqtt]\nbrokers = [", "[mqtt]\nbrokers = [] #", "mqtt.brokers"),
        ("[centre]", "[centre]\nhtp = 1", "centre"),
    ],
)
async def test_what_the_operator_got_wrong_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    site = write_site(tmp_path, broker="127.0.0.1:1", http="127.0.0.1:1")  # it gets as far as neither
    text = site.read_text(encoding="utf-8")
    assert old in text
    site.write_text(text.replace(old, new), encoding="utf-8")
    argv = (sys.executable, "-m", "petroroad", "centre", "--config", str(site))
    ended = await asyncio.to_thread(
        subprocess.run, argv, cwd=ROOT, capture_output=True, text=True, timeout=READY_S, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert named in ended.stderr
    assert str(site) in ended.stderr
    assert "Traceback" not in ended.stderr
