"""A centre with its page and made-up RSUs that a test drives. No broker, no processes."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from centre.api import build
from centre.app import Centre, build_centre
from centre.server import bind, serve
from centre.storage import Storage
from edge import log, topics, wire
from edge.clock import Clock
from edge.config import Site, load_site
from geofence import violation as codec
from geofence.violation import Stamps, Violation, ViolationVehicle
from tests.support.centre_feed import Traffic, snapshot_of
from tests.support.centre_samples import MS, episode_id
from tests.support.centre_site import write_site
from tests.support.ledger_databases import ledger_at

BEAT_S = 1.0
SNAPSHOT_S = 0.2
S = 1_000 * MS
EPOCH = 10
GIVEN_UP_S = 60.0  # what has not come by then never does


class _Silent:
    """Takes what the centre publishes."""

    def __init__(self) -> None:
        self.connected = True
        self.refused: str | None = None

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        return True


class Stage:
    """Nine RSUs on a made-up road; `online` beat and send snapshots until the test takes them out."""

    def __init__(self, folder: Path, more: str = "") -> None:
        """more : further tables of the site file"""
        site_file = write_site(folder, broker="127.0.0.1:1", http="127.0.0.1:1")
        site_file.write_text(site_file.read_text(encoding="utf-8") + more, encoding="utf-8")
        self.site: Site = load_site(site_file)
        self.esns = [rsu.esn for rsu in self.site.config.rsu]
        self.online: set[str] = set()
        self.depths: dict[str, int] = {}  # outbox depth that an RSU's heartbeats say
        self.degraded: dict[str, tuple[str, ...]] = {}  # that an RSU's heartbeats say
        self.gateway_online = False
        self.traffic: Traffic | None = None  # what the snapshots show; None: an empty road
        self.broker = _Silent()
        self.clock = Clock.wall()
        self._folder, self._seqs = folder, dict.fromkeys(self.esns, 0)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._resume: asyncio.Event | None = None
        self._leaving = False
        self._centre: Centre
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    def start(self) -> None:
        """Serve; `url` is the page."""
        self._thread.start()
        assert self._ready.wait(GIVEN_UP_S), "the centre does not start"

    def end(self) -> None:
        """Stop serving, also in an outage; the database stays."""

        def leave() -> None:
            self._leaving = True
            self._centre.stop.set()
            if self._resume is not None:
                self._resume.set()

        self._loop.call_soon_threadsafe(leave)
        self._thread.join(GIVEN_UP_S)
        assert not self._thread.is_alive(), "the centre does not end"
        self._loop.close()

    async def _serve(self) -> None:
        logger = log.setup(part="stage")
        storage = Storage(ledger_at(self.database), logger)
        centre = self._centre = build_centre(self.site, storage, self.clock, asyncio.Event(), logger)
        centre.broker.connect(self.broker)
        await centre.start()
        listener = bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        working = [asyncio.create_task(part) for part in (centre.run(), self._beat(), self._snapshots())]
        self._ready.set()
        await serve(build(centre), listener, centre.stop)
        while self._resume is not None:  # an outage of the pages' link only
            await self._resume.wait()
            if self._leaving:
                break
            centre.stop.clear()
            self._resume = None
            listener = bind("127.0.0.1", int(self.url.rstrip("/").rpartition(":")[2]))
            await serve(build(centre), listener, centre.stop)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        centre.close()

    @property
    def engine(self) -> sa.Engine:
        """The centre's open database."""
        return self._centre.database.engine

    @property
    def centre(self) -> Centre:
        """The running centre; what the test does with it goes through `call`."""
        return self._centre

    def call(self, act: Callable[..., object], *arguments: object) -> None:
        """Let the centre's event loop do something."""
        self._loop.call_soon_threadsafe(act, *arguments)

    @property
    def database(self) -> Path:
        """The centre's database."""
        return self._folder / "stage.sqlite"

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Serve no page meanwhile; the messages of RSUs are committed all the same."""
        resume = self._resume = asyncio.Event()
        self._loop.call_soon_threadsafe(self._centre.stop.set)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(resume.set)

    def receive(self, topic: str, message: Any) -> None:
        """Let the centre receive a message."""
        self._loop.call_soon_threadsafe(
            self._centre.ingest.subscriptions.receive, topic, wire.encode(message)
        )

    def get(self, path: str) -> Any:
        """Return what the interface answers."""
        return httpx.get(self.url.rstrip("/") + path, timeout=GIVEN_UP_S, verify=False).json()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds."""

        async def poll() -> None:
            async with asyncio.timeout(GIVEN_UP_S):
                while not await asyncio.to_thread(condition):
                    await asyncio.sleep(0.02)

        asyncio.run_coroutine_threadsafe(poll(), self._loop).result(GIVEN_UP_S + 5.0)

    def beat(self, esn: str, state: str = "online") -> None:
        """Send one RSU's status: a heartbeat, or its will."""
        self.receive(topics.status(esn), self._status(esn, state))

    def beat_gateway(self, state: str = "online") -> None:
        body = wire.GatewayStatus(
            state=state, epoch=EPOCH, connection=1, terminals=3, version="made up", clock_offset_ms=0.1,
            counts={},
        )  # fmt: skip
        assert self.site.config.gateway is not None
        self.receive(topics.gateway_status(self.site.config.gateway.id), body)

    def kill(self, *esns: str) -> None:
        """End RSUs as the broker reports it: by their will."""
        for esn in esns:
            self.online.discard(esn)
            self.beat(esn, "offline")

    def _status(self, esn: str, state: str) -> wire.Status:
        radars = [radar.id for radar in self.site.rsu(esn).radar]
        return wire.Status(
            state=state, epoch=EPOCH, connection=1, last_seq=self._seqs[esn], pending=(),
            outbox_depth=self.depths.get(esn, 0), config="1", map="synthetic-1", version="made up",
            clock_offset_ms=0.4, sensors=dict.fromkeys(radars, "online"), counts={}, unjudged=(),
            degraded=self.degraded.get(esn, ()),
        )  # fmt: skip

    async def _beat(self) -> None:
        while True:
            for esn in sorted(self.online):
                self._centre.ingest.subscriptions.receive(
                    topics.status(esn), wire.encode(self._status(esn, "online"))
                )
            if self.gateway_online:
                self.beat_gateway()
            await asyncio.sleep(BEAT_S)

    async def _snapshots(self) -> None:
        turn = 0
        while True:
            turn += 1
            if self.traffic is not None:
                self.traffic.step(turn * SNAPSHOT_S, SNAPSHOT_S)
            for esn in sorted(self.online):
                shot = self._snapshot(esn, turn, named=turn % 25 == 1)
                self._centre.ingest.subscriptions.receive(topics.track_up(esn), wire.encode(shot))
            await asyncio.sleep(SNAPSHOT_S)

    def _snapshot(self, esn: str, turn: int, *, named: bool) -> wire.TrackSnapshot:
        now_ns = self.clock.now_ns()
        if self.traffic is not None:
            return snapshot_of(self.traffic, esn, turn, now_ns, named=named)
        names = wire.TrackNames(track=(), terminal=(), plate=(), identity_p=()) if named else None
        records = np.zeros(0, wire.TRACK_DTYPE)
        return wire.snapshot_of(records, esn=esn, seq=turn, stamp_ns=now_ns, lanes=None, names=names)

    def violation(self, n: int, esn: str = "RSU22", *, ago_s: float = 1.0, **changed: Any) -> Violation:
        """Return a lane departure of truck n that began `ago_s` ago, with what is `changed`."""
        start_ns = self.clock.now_ns() - int(ago_s * S)
        low_m = self.site.rsu(esn).stretch_m[0]
        measured_ns = start_ns + 900 * MS
        fields: dict[str, Any] = {
            "id": episode_id(n), "version": 1, "hop": 0, "phase": "open", "grade": "violation",
            "rule": "lane_departure",
            "vehicle": ViolationVehicle(
                plate=f"辽L·{'ABCDEFGH'[n % 8]}{1000 + n}", terminal=f"1390000{n:04d}", hazmat_class="3",
                un="1203", carrier="made up",
            ),
            "identity_p": 0.99, "track": (1_790_000_000 << 32) | (n + 1), "esn": esn, "start_ns": start_ns,
            "confirmed_ns": start_ns + 500 * MS, "end_ns": None, "lon_deg": 122.03, "lat_deg": 41.0,
            "lane": "south-hazmat", "zone": None, "s_m": low_m + 10.0 * (n % 90), "d_m": 1.5,
            "sigma_d_m": 0.2, "p_violation": 0.9996, "speed_mps": 16.0, "limit_mps": None,
            "map_version": "synthetic-1", "rules_version": "1",
            "stamps": Stamps(measured_ns=measured_ns, arrived_ns=measured_ns + 10 * MS),
            "evidence": {
                "stamp_ns": [start_ns + i * 100 * MS for i in range(10)],
                "d_m": [1.0 + i / 20 for i in range(10)], "sigma_d_m": [0.2] * 10,
                "excess_m": [0.4 + i / 20 for i in range(10)], "p_violation": [0.9996] * 10,
            },
        }  # fmt: skip
        return Violation(**(fields | changed))

    def closed(self, found: Violation, version: int = 2) -> Violation:
        """Return the version that closes an episode, as an RSU writes it: back in its lane."""
        return msgspec.structs.replace(
            found, version=version, phase="close", grade="notice", p_violation=0.0003, d_m=0.1,
            end_ns=found.start_ns + 800 * MS, evidence={},
        )  # fmt: skip

    def send(self, *found: Violation, waited_ns: int = 0, wait: bool = True) -> None:
        """Commit violations, one batch an RSU; `waited_ns` is how long they lay in the outbox."""
        n_before = self.counts().get("violation.stored", 0) if wait else 0
        for first in range(0, len(found), 32):
            for esn in dict.fromkeys(each.esn for each in found[first : first + 32]):
                items = []
                for each in found[first : first + 32]:
                    if each.esn == esn:
                        self._seqs[esn] += 1
                        items.append(self._item(self._seqs[esn], each, waited_ns))
                self.receive(topics.violation_up(esn), wire.ViolationBatch(epoch=EPOCH, items=tuple(items)))
        if wait:
            self.until(lambda: self.counts().get("violation.stored", 0) >= n_before + len(found))

    def _item(self, seq: int, found: Violation, waited_ns: int) -> wire.ViolationItem:
        sent_ns = self.clock.now_ns()
        return wire.ViolationItem(
            seq=seq, detected_ns=sent_ns - 2 * MS - waited_ns, sent_ns=sent_ns, violation=codec.encode(found)
        )

    def refuse(self, reason: str | None) -> None:
        """Let the database's commits fail with that reason, the last one too; None: they work again."""
        writer = self._centre.writer
        vars(writer).pop("_in_thread", None)
        writer.fault = reason
        if reason is None:
            return

        def fail() -> Any:
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError(reason))

        whole = writer._in_thread
        writer._in_thread = lambda _write: whole(fail)  # type: ignore[method-assign]

    def counts(self) -> dict[str, int]:
        """Return what the centre has counted."""

        async def read() -> dict[str, int]:
            return dict(self._centre.overview.counts()["centre"])

        return asyncio.run_coroutine_threadsafe(read(), self._loop).result(GIVEN_UP_S)


@contextlib.contextmanager
def staged(folder: Path, *, online: int = 4, gateway: bool = True, more: str = "") -> Iterator[Stage]:
    """Serve a stage with so many RSUs online, with or without the gateway."""
    stage = Stage(folder, more)
    stage.online = set(stage.esns[:online])
    stage.gateway_online = gateway
    stage.start()
    try:
        yield stage
    finally:
        stage.end()
