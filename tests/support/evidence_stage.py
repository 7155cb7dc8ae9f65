"""A centre of a signed site and an RSU's real recording, joined without a broker, for tests of evidence."""

import asyncio
import atexit
import contextlib
import functools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from centre.api import PAGE, build
from centre.app import Centre, build_centre
from centre.server import bind, serve
from centre.storage import Storage
from centre.store import open_database
from edge import log, topics, wire
from edge.clock import Clock
from edge.config import load_site
from edge.recording.names import files_of
from edge.recording.reader import Recorded, read_messages
from edge.subscriptions import Subscriptions
from geofence import violation as codec
from petroroad.pki import authority as pki
from roadside.clip_server import ClipServer
from tests.support.centre_samples import payload
from tests.support.roadside_drive import EXAMPLE
from tests.support.series_of import EPOCH, ESN, fed

KEYS = """
ca_file = "pki/ca.crt"
cert_file = "pki/{role}-{name}.crt"
key_file = "pki/{role}-{name}.key"
"""


class Recorder:
    """As much of one as the clips need: all is written already."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def close_chunk(self) -> None:
        """Nothing waits in memory."""


@dataclass
class Wire:
    """The broker's stand-in: hands the centre's commands to the RSU, and loses what it is asked to lose."""

    connected: bool = True
    refused: str | None = None
    is_lost: Callable[[str], bool] = lambda topic: False
    rsu: Subscriptions | None = None
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    on_gateway: Callable[[bytes], None] = lambda body: None

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        self.sent.append((topic, payload))
        if self.is_lost(topic):
            return True
        if topic.endswith("/command/down") and "/gateway/" in topic:
            self.on_gateway(payload)
        elif topic.endswith("/command/down") and self.rsu is not None:
            self.rsu.receive(topic, payload)
        return True

    async def publish_confirmed(self, topic: str, payload: bytes) -> bool:
        if self.is_lost(topic):
            return False
        self.sent.append((topic, payload))
        return True


@dataclass
class Joined:
    """The running parts."""

    centre: Centre
    http: httpx.AsyncClient
    wire: Wire
    raised: list[Recorded]
    id: str

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.http.post(path, json=body or {})

    async def made(self, job: str) -> dict[str, Any]:
        """Wait until a file is ready or failed."""
        async with asyncio.timeout(20.0):
            while (row := (await self.http.get(f"/api/evidence/{job}")).json())["state"] == "waiting":
                await asyncio.sleep(0.02)
        return row

    async def evidence(self, path: Path) -> dict[str, Any]:
        """Ask for the file of the violation, wait for it and fetch it."""
        asked = await self.post(f"/api/violations/{self.id}/evidence")
        assert asked.status_code == 202, asked.text
        row = await self.made(asked.json()["id"])
        assert row["state"] == "ready", row
        answer = await self.http.get(f"/api/evidence/{row['id']}/file")
        assert answer.status_code == 200, answer.text
        path.write_bytes(answer.content)
        return row | {"disposition": answer.headers["content-disposition"]}


def signed_site(folder: Path, more: str = "") -> Path:
    """Write the example site with certificates into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pki.create(folder / "pki", "example", None)
    with pki.opened(folder / "pki", None) as authority:
        authority.issue(authority.identity("centre", "centre"), (), 365)
    for path in EXAMPLE.parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    text = EXAMPLE.read_text(encoding="utf-8")
    text = text.replace('brokers = ["127.0.0.1:1883"]', 'brokers = ["127.0.0.1:1883"]' + KEYS)
    text = text.replace('http = "127.0.0.1:8080"', 'http = "127.0.0.1:8080"\nalarm_topic = true')
    text = text.replace("sqlite:///centre.sqlite", f"sqlite:///{folder / 'centre.sqlite'}")
    (folder / "site.toml").write_text(text + more, encoding="utf-8")
    return folder / "site.toml"


@functools.cache
def recorded() -> Path:
    """Return the directory of the recording, made once."""
    folder = Path(tempfile.mkdtemp(prefix="petroroad-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    fed(folder / "recordings", 13.0)
    return folder / "recordings"


@contextlib.asynccontextmanager
async def serving(
    site_file: Path, wire_: Wire, raised: list[Recorded], *, page: bool = False
) -> AsyncIterator[Joined]:
    """Serve a centre; at its end it is closed as at the end of a process."""
    site, logger = load_site(site_file), log.setup(part="test")
    storage = Storage(open_database(site.config.centre.database), logger)
    clock = Clock.paced(raised[-1].log_ns + 10**9)  # the recording is of another day
    centre = build_centre(site, storage, clock, asyncio.Event(), logger)
    centre.broker.connect(wire_)
    await centre.start()
    listener = bind("127.0.0.1", 0)
    directory = PAGE if page else site_file.parent / "static"
    work = asyncio.create_task(centre.run())
    web = asyncio.create_task(serve(build(centre, directory), listener, centre.stop))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=10.0, verify=False) as http:
            yield Joined(centre, http, wire_, raised, codec.decode(raised[0].body).id)
    finally:
        centre.stop.set()
        await web
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        centre.close()


async def commit(joined: Joined) -> None:
    """Let the centre commit the violations of the recording, as their RSU would send them."""
    items = tuple(
        wire.ViolationItem(
            seq=seq, detected_ns=one.log_ns, sent_ns=one.log_ns + 1_000_000, violation=one.body
        )
        for seq, one in enumerate(joined.raised, start=1)
    )
    joined.centre.ingest.subscriptions.receive(topics.violation_up(ESN), payload(EPOCH, *items))
    async with asyncio.timeout(10.0):
        while not any(topic == topics.violation_ack(ESN) for topic, _ in joined.wire.sent):
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def joined(
    folder: Path, *, with_rsu: bool = True, more: str = "", page: bool = False
) -> AsyncIterator[Joined]:
    """Serve a signed centre that holds the violations of a truck that left its lane, and their RSU.

    page : serve the built page too
    """
    recordings = folder / "rsu" / "recordings"
    await asyncio.to_thread(shutil.copytree, recorded(), recordings)
    (path,) = files_of(recordings, ESN)
    raised = [one for one in read_messages(path) if one.topic == f"/violation/{ESN}"]
    wire_ = Wire()
    site_file = signed_site(folder / "centre", more)
    async with serving(site_file, wire_, raised, page=page) as it:
        await commit(it)
        server: asyncio.Task[None] | None = None
        if with_rsu:

            def answer(topic: str, body: bytes) -> bool:
                if not wire_.is_lost(topic):
                    it.centre.ingest.subscriptions.receive(topic, body)
                return True

            clips = ClipServer(ESN, Recorder(path), answer, lambda reason: None, 0)  # type: ignore[arg-type]
            wire_.rsu = Subscriptions(clips.subscriptions(), lambda: None)
            server = asyncio.create_task(clips.run())
        try:
            yield it
        finally:
            if server is not None:
                server.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await server
