"""A centre that serves over real sockets without a broker, and clients of its streams; no test itself."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec
import numpy as np
import websockets.asyncio.client as ws

from centre.api import build
from centre.app import Centre, build_centre
from centre.server import bind, serve
from centre.storage import Storage
from edge import log, topics, wire
from edge.clock import Clock
from edge.config import parse_site
from geofence.violation import Violation
from tests.support.centre_road import MAP, SITE
from tests.support.centre_samples import item, payload, violation
from tests.support.ledger_databases import ledger_at

TEST_S = 60.0  # until what never comes is given up; no test says by it how long something takes
Events = AsyncIterator[tuple[int | None, str, Any]]  # (id, event, data)


@dataclass
class FakeBroker:
    """Takes what is published."""

    connected: bool = False
    refused: str | None = None
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        self.sent.append((topic, payload))
        return True


@dataclass
class Running:
    """A centre that serves, without a broker: `send` gives it a violation, `sent` is what it published."""

    app: Centre
    port: int
    serving: asyncio.Task[None]
    http: httpx.AsyncClient
    sent: list[tuple[str, bytes]]

    def send(self, seq: int, what: Violation, esn: str = "RSU001") -> None:
        self.app.ingest.subscriptions.receive(topics.violation_up(esn), payload(10, item(seq, what)))

    async def until_sent(self, n: int) -> None:
        async with asyncio.timeout(TEST_S):
            while len(self.sent) < n:
                await asyncio.sleep(0.005)

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @contextlib.asynccontextmanager
    async def events(self, after: int | None = None) -> AsyncIterator[Events]:
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        async with self.http.stream("GET", "/api/events", headers=headers, timeout=TEST_S) as answer:
            assert answer.status_code == 200
            yield _parsed(answer.aiter_lines())


async def _parsed(lines: AsyncIterator[str]) -> Events:
    found: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            found[name] = value
        else:
            number = int(found["id"]) if "id" in found else None
            yield number, found["event"], json.loads(found["data"])
            found = {}


@contextlib.asynccontextmanager
async def running(directory: Path, ingest: Literal["self", "workers"] = "self") -> AsyncIterator[Running]:
    site = parse_site(SITE, MAP, None, "site.toml", {})
    # parsed without: workers need PostgreSQL, and here nobody but the test writes their rows
    config = msgspec.structs.replace(site.config.centre, ingest=ingest)
    site = replace(site, config=msgspec.structs.replace(site.config, centre=config))
    storage = Storage(ledger_at(directory / "centre.sqlite"), log.setup(part="test"))
    centre = build_centre(site, storage, Clock.wall(), asyncio.Event(), log.setup(part="test"))
    broker = FakeBroker()
    centre.broker.connect(broker)
    await centre.start()
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    work = asyncio.create_task(centre.run())
    serving = asyncio.create_task(serve(build(centre, directory / "static"), listener, centre.stop))
    # without TLS: to read all certificates of this machine costs as much as the centre itself
    base_url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base_url, timeout=TEST_S, verify=False) as http:
        try:
            yield Running(centre, port, serving, http, broker.sent)
        finally:
            centre.stop.set()
            await serving
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            centre.close()


def parsed(message: str | bytes) -> tuple[int | None, str, Any]:
    """Return (id, event, data) of one text message."""
    assert isinstance(message, str)
    fields = dict(line.split(": ", 1) for line in message.splitlines() if line)
    number = int(fields["id"]) if "id" in fields else None
    return number, fields["event"], json.loads(fields["data"])


@contextlib.asynccontextmanager
async def streaming(centre: Running, after: int | str | None = None) -> AsyncIterator[Events]:
    query = "" if after is None else f"?after={after}"
    address = f"ws://127.0.0.1:{centre.port}/api/stream{query}"
    async with ws.connect(address, max_queue=None) as opened:  # a full queue would hold up its close
        yield (parsed(message) async for message in opened)


async def only(stream: Events, name: str, n: int) -> AsyncIterator[Any]:
    async for _, event, data in stream:
        if event == name:
            yield data
            n -= 1
            if n == 0:
                return


async def follow_with_breaks(
    centre: Running, connect: Callable[[int, int], AbstractAsyncContextManager[Events]]
) -> None:
    """Law: however often the stream breaks, the ids of its changes are 1, 2, … without a gap or a repeat.

    connect(turn, after) : the n-th connection, with its cursor
    """
    numbers: list[int] = []
    versions: list[int] = []
    for n in range(1, 21):
        centre.send(n, violation(1, version=n))
    await centre.until_sent(20)
    turn = 0
    while len(versions) < 40:  # connect again after each third change, while more arrive
        turn += 1
        async with connect(turn, numbers[-1] if numbers else 0) as stream:
            async for n, name, data in stream:
                if n is None:
                    continue
                numbers.append(n)
                if name != "violation":  # the desk's handling of the same episode
                    continue
                versions.append(data["version"])
                if len(versions) == 10:
                    for more in range(21, 41):
                        centre.send(more, violation(1, version=more))
                if len(versions) % 3 == 0 or len(versions) == 40:
                    break
    assert numbers == list(range(1, len(numbers) + 1))
    assert versions == list(range(1, 41))


def snapshot(seq: int, esn: str = "RSU001", names: bool = False) -> bytes:
    stamp_ns = Clock.wall().now_ns() // 100_000_000 * 100_000_000
    records = np.zeros(2, wire.TRACK_DTYPE)
    records["track"], records["flags"], records["class"] = (1, 2), (1, 0), (4, 1)
    lanes = ("south",) if names else None
    return wire.encode(wire.snapshot_of(records, esn=esn, seq=seq, stamp_ns=stamp_ns, lanes=lanes))
