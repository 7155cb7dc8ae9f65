"""Broker and centre as processes with certificates, and one RSU that sends as a real one; no test itself."""

import asyncio
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.delivery_site import HOST, make_secure
from core.times import NS
from edge import topics, wire
from edge.config import Site, load_site
from edge.figures import Counts
from edge.link import Link, Outgoing, link_settings
from edge.recording.names import files_of
from edge.recording.reader import read_messages
from edge.subscriptions import Incoming, Subscription, Subscriptions
from edge.tls import Holder
from geofence import violation as codec
from geofence.violation import Violation
from petroroad.processes.broker import Kind, start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.children import Child, ChildSpec, start, stop_all, until_ready
from petroroad.processes.ports import kept_port
from roadside.clip_server import ClipServer
from tests.support.evidence_stage import Recorder
from tests.support.roadside_drive import EXAMPLE, LANE_CENTRE_M, SPEED_MPS, START_M
from tests.support.series_of import EPOCH, ESN, fed

DAY_NS = 86_400 * NS
GIVEN_UP_S = 60.0  # what has not come by then never does
PERIOD_NS, BEAT_TURNS, NAMED_TURNS = NS // 10, 10, 20
DRIVE_S, LEAVES_S = 10.0, 5.0  # of the truck that drives now: until it is gone, and when it leaves its lane
TRACK = (EPOCH << 32) | 77
PLATE_NOW = "辽L·N0077"  # of the truck that drives now; yesterday's is the one of the example


class Rsu:
    """One RSU on its link: heartbeats, a truck's snapshots, violations until acknowledged, and clips."""

    def __init__(self, site: Site, recordings: Path) -> None:
        self.site, self.acked, self.began_ns = site, set[int](), 0
        (path,) = files_of(recordings, ESN)
        self.yesterday = [one for one in read_messages(path) if one.topic == f"/violation/{ESN}"]
        self.clips = ClipServer(ESN, Recorder(path), self._answer, Counts().add, 0)  # type: ignore[arg-type]
        acks = Subscription(topics.violation_ack(ESN), 1, self._receive_ack)
        inward = Subscriptions([*self.clips.subscriptions(), acks], lambda: None)
        settings = link_settings(site.config.mqtt, f"rsu-{ESN}", site.where, Holder("rsu", ESN))
        self.link = Link(
            settings, subscriptions=inward.filters(), on_message=inward.receive,
            will=lambda n: self._status("offline", n), birth=lambda n: self._status("online", n),
        )  # fmt: skip
        self._seq = 0

    def _receive_ack(self, message: Incoming) -> None:
        self.acked.update(wire.decode_ack(message.payload).stored)

    def _answer(self, topic: str, body: bytes) -> bool:
        return self.link.publish(topic, body, qos=0)

    def _status(self, state: Any, connection: int) -> Outgoing:
        radars = [radar.id for radar in self.site.rsu(ESN).radar]
        body = wire.Status(
            state=state, epoch=EPOCH, connection=connection, last_seq=self._seq, pending=(), outbox_depth=0,
            config="1", map="1", version="made up", clock_offset_ms=0.4,
            sensors=dict.fromkeys(radars, "online"), counts={}, unjudged=(),
        )  # fmt: skip
        return Outgoing(topics.status(ESN), wire.encode(body), 1, True)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in (self.link.run(), self.clips.run(), self._drive()):
                tasks.create_task(part)

    async def _drive(self) -> None:
        """Send heartbeats for ever; the truck drives once, from the first connection on."""
        while not self.link.connected:
            await asyncio.sleep(0.02)
        self.began_ns = (time.time_ns() // NS + 1) * NS
        turn = 0
        while True:
            due_ns = self.began_ns + turn * PERIOD_NS
            await asyncio.sleep(max(0.0, (due_ns - time.time_ns()) / NS))
            if turn % BEAT_TURNS == 0:
                self.link.send(self._status("online", self.link.connection))
            shot = self._snapshot(turn, due_ns)
            self.link.publish(topics.track_up(ESN), wire.encode(shot), qos=0)
            turn += 1

    def _snapshot(self, turn: int, stamp_ns: int) -> wire.TrackSnapshot:
        at_s = turn * PERIOD_NS / NS
        named = turn % NAMED_TURNS == 0
        if at_s > DRIVE_S:
            none = wire.TrackNames(track=(), terminal=(), plate=(), identity_p=()) if named else None
            return wire.snapshot_of(
                np.zeros(0, wire.TRACK_DTYPE), esn=ESN, seq=turn, stamp_ns=stamp_ns, lanes=None, names=none
            )
        east_m = START_M + SPEED_MPS * at_s
        lon_deg, lat_deg = self.site.frame.lonlat_from_site(np.array([east_m]), np.array([LANE_CENTRE_M]))
        records = np.zeros(1, wire.TRACK_DTYPE)
        records["track"], records["class"], records["length_dm"] = TRACK, 4, 160
        records["lon_e7"], records["lat_e7"] = np.round(lon_deg * 1e7), np.round(lat_deg * 1e7)
        records["s_dm"], records["d_cm"] = round(east_m * 10), 150 if at_s > LEAVES_S else 0
        records["speed_cmps"], records["course_cdeg"] = round(SPEED_MPS * 100), 9_000
        records["sigma_cm"], records["p_lane"] = 17, 250
        records["flags"] = wire.FLAG_OWNED | wire.FLAG_CONFIRMED | wire.FLAG_RADAR
        names = wire.TrackNames(
            track=(TRACK,), terminal=("13900000077",), plate=(PLATE_NOW,), identity_p=(0.99,)
        )
        return wire.snapshot_of(
            records, esn=ESN, seq=turn, stamp_ns=stamp_ns, lanes=("hazmat",) if named else None,
            names=names if named else None,
        )  # fmt: skip

    async def deliver(self, *bodies: bytes) -> None:
        """Send violations as an outbox does: again each second until the centre has acknowledged them."""
        first, now_ns = self._seq + 1, time.time_ns()
        self._seq += len(bodies)
        items = tuple(
            wire.ViolationItem(seq=seq, detected_ns=now_ns, sent_ns=now_ns, violation=body)
            for seq, body in enumerate(bodies, start=first)
        )
        body = wire.encode(wire.ViolationBatch(epoch=EPOCH, items=items))
        async with asyncio.timeout(GIVEN_UP_S):
            while not self.acked.issuperset(range(first, self._seq + 1)):
                self.link.publish(topics.violation_up(ESN), body)
                for _ in range(50):
                    if self.acked.issuperset(range(first, self._seq + 1)):
                        return
                    await asyncio.sleep(0.02)

    def violation_now(self, id_: str, plate: str = PLATE_NOW) -> Violation:
        """Return the departure of the truck that drives now, or of one of another plate in its place."""
        start_ns = self.began_ns + int(LEAVES_S * NS)
        first = codec.decode(self.yesterday[0].body)
        vehicle = codec.ViolationVehicle(
            plate=plate,
            terminal=f"1390000{plate[-4:]}",
            hazmat_class="3",
            un="1203",
            carrier="example carrier",
        )
        columns = {
            "stamp_ns": [start_ns + i * PERIOD_NS for i in range(10)], "d_m": [1.5] * 10,
            "sigma_d_m": [0.2] * 10, "excess_m": [0.8] * 10, "p_violation": [0.999] * 10,
        }  # fmt: skip
        return msgspec.structs.replace(
            first, id=id_, version=1, phase="open", grade="violation", rule="lane_departure", vehicle=vehicle,
            track=TRACK, start_ns=start_ns, confirmed_ns=start_ns + 5 * PERIOD_NS, end_ns=None,
            s_m=START_M + SPEED_MPS * LEAVES_S, d_m=1.5, p_violation=0.999, evidence=columns,
            stamps=codec.Stamps(measured_ns=start_ns, arrived_ns=start_ns + NS // 100),
        )  # fmt: skip


class RealCentre:
    """The running parts, in a thread of their own; `url` is the page, `site` the site file."""

    def __init__(self, folder: Path, kind: Kind, prepare: Callable[[Path], None]) -> None:
        self.folder, self.site, self.url = folder, folder / "site.toml", ""
        self.rsu: Rsu
        self._kind, self._prepare = kind, prepare
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._end = asyncio.Event()
        self._failure: BaseException | None = None
        self._children: list[Child] = []
        self._thread = threading.Thread(target=self._run, daemon=True)  # a stuck one must not hold pytest

    def start(self) -> None:
        """Start all; raises RuntimeError, from what failed, if they do not come up."""
        self._thread.start()
        if not self._ready.wait(GIVEN_UP_S * 4):  # its steps have limits of their own, which say more
            raise RuntimeError("the parts do not start in time")
        failure, self._failure = self._failure, None
        if failure is not None:
            raise RuntimeError("the parts do not start") from failure

    def end(self) -> None:
        """End all; raises RuntimeError, from what failed, if a part failed while the block ran."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(GIVEN_UP_S)
        assert not self._thread.is_alive(), "the parts do not end"
        self._loop.close()
        if self._failure is not None:
            raise RuntimeError("a part failed") from self._failure

    def call(self, work: Any) -> Any:
        """Run a coroutine on the parts' loop."""
        return self.begin(work).result(GIVEN_UP_S)

    def begin(self, work: Any) -> Future[Any]:
        """Begin a coroutine on the parts' loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def kill_centre(self) -> None:
        """Kill -9: it gets no signal before that on which it could end well."""
        self.call(self._kill(self._children[-1]))

    def start_centre(self) -> None:
        """Start it again, and wait until it is ready."""
        self.call(self._start_centre())

    @staticmethod
    async def _kill(child: Child) -> None:
        child.signal(signal.SIGKILL)
        await child.process.wait()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._failure = error
        self._ready.set()

    async def _start_centre(self) -> None:
        argv = (sys.executable, "-m", "petroroad", "centre", "--config", str(self.site))
        child = await start(ChildSpec(name="centre", argv=argv, log=self.folder / "centre.log"))
        self._children[1:] = [child]
        await until_ready(child, self.url.split("/")[2], GIVEN_UP_S)

    async def _serve(self) -> None:
        with kept_port() as port, kept_port() as page_port:
            self.url = f"http://{HOST}:{page_port}/"
            _write_site(self.folder, port, page_port, self._kind)
            site = load_site(self.site)
            self._prepare(self.site)
            t0_ns = (time.time_ns() - DAY_NS) // NS * NS
            await asyncio.to_thread(fed, self.folder / "recordings", 13.0, t0_ns=t0_ns)
            try:
                tls = server_tls(site, "broker")
                self._children.append(await start_broker(self._kind, self.folder, HOST, port, tls))
                await self._start_centre()
                await self._serve_rsu(Rsu(site, self.folder / "recordings"))
            finally:
                await stop_all(self._children[::-1], 5.0)

    async def _serve_rsu(self, rsu: Rsu) -> None:
        """Run the RSU until the end; its failure, and a link that never connects, is raised."""
        serving, ended = asyncio.create_task(rsu.run()), asyncio.create_task(self._end.wait())
        try:
            await _until_it_drives(rsu, serving)
            await rsu.deliver(*(one.body for one in rsu.yesterday))
            self.rsu = rsu
            self._ready.set()
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            serving.cancel()
            ended.cancel()
            await asyncio.gather(serving, ended, return_exceptions=True)


async def _until_it_drives(rsu: Rsu, serving: asyncio.Task[None]) -> None:
    """Wait for the RSU's first connection; raises what its task failed with, or TimeoutError."""
    async with asyncio.timeout(GIVEN_UP_S):
        while not rsu.began_ns:
            if serving.done():
                serving.result()
            await asyncio.sleep(0.02)


def _write_site(folder: Path, port: int, page_port: int, kind: Kind) -> None:
    """Write the example site with certificates and these addresses."""
    for path in EXAMPLE.parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    text = EXAMPLE.read_text(encoding="utf-8")
    for old, new in (
        ("127.0.0.1:1883", f"{HOST}:{port}"), ("127.0.0.1:8080", f"{HOST}:{page_port}"),
        ("sqlite:///centre.sqlite", f"sqlite:///{folder / 'centre.sqlite'}"),
    ):  # fmt: skip
        assert old in text, old
        text = text.replace(old, new)
    (folder / "site.toml").write_text(text, encoding="utf-8")
    make_secure(folder / "site.toml", kind, signed=True)


@contextlib.contextmanager
def real_centre(folder: Path, kind: Kind, prepare: Callable[[Path], None]) -> Iterator[RealCentre]:
    """Run broker, centre and RSU until the block ends; prepare(site file) is called before the centre."""
    running = RealCentre(folder, kind, prepare)
    try:
        running.start()
        yield running
    finally:
        running.end()
