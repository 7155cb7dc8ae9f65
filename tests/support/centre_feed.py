"""Broker, centre and made-up RSUs for working on the page.

    python -m tests.centre_feed [--site SITE.toml] [--http HOST:PORT] [--vehicles N]

The traffic is drawn, not judged: trucks drift over their line and back while their RSU says so. One RSU is
never seen, one goes and comes. It is a tool of the tests; no part of it is in the product.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Literal

import numpy as np

from centre.site_view import describe
from core.arrays import F64
from edge import topics, wire
from edge.clock import Clock
from edge.config import Site, load_site
from edge.link import Link, Outgoing, link_settings
from edge.stations import track_dtype, write_stations
from geofence import violation as codec
from geofence.violation import Grade, Phase, Stamps, Violation, ViolationVehicle
from petroroad.processes.broker import start_broker
from petroroad.processes.children import Child, ChildSpec, start, stop_all, until_ready
from tests.support.centre_site import write_site

State = Literal["online", "offline"]
PERIOD_NS = 100_000_000
DRIFT_EVERY_S, DRIFT_S = 8.0, 12.0
OVERLAP_M = 150.0
BROKER = "127.0.0.1:18830"
GRADES: tuple[tuple[float, Grade], ...] = ((1.0, "violation"), (0.3, "warning"), (0.0, "notice"))


class Traffic:
    """n vehicles along the lanes of a described site, as columns."""

    def __init__(self, site: Site, n: int, seed: int = 1) -> None:
        self.site, self.about = site, describe(site)
        self.lanes = [lane for lane in self.about["lanes"] if lane["direction"] and lane["allowed"]]
        chance = np.random.Generator(np.random.Philox(seed))
        self.lane = chance.integers(0, len(self.lanes), n)
        self.low, self.high = self.about["range_m"]
        self.s_m: F64 = chance.uniform(self.low, self.high, n)
        self.speed_mps: F64 = chance.uniform(14.0, 18.0, n)
        self.d_m: F64 = np.zeros(n)
        self.track = (np.uint64(1_790_000_000) << np.uint64(32)) + np.arange(1, n + 1, dtype=np.uint64)
        self.hazmat = np.array(["hazmat" in self.lanes[i]["allowed"] for i in self.lane])
        self.direction = np.array([self.lanes[i]["direction"] for i in self.lane])
        self.middle_m = np.array([sum(self.lanes[i]["offset_m"]) / 2 for i in self.lane])
        self.drift_from_s: F64 = np.full(n, np.inf)
        axis = self.about["axis"]
        self._s_axis = np.array(axis["s_m"])
        east, north = site.frame.site_from_lonlat(np.array(axis["lon"]), np.array(axis["lat"]))
        self._east, self._north = np.asarray(east), np.asarray(north)

    def step(self, t_s: float, dt_s: float) -> None:
        """Move all; a drifting truck goes 1.9 m to its left and back within DRIFT_S."""
        self.s_m += self.direction * self.speed_mps * dt_s
        self.s_m = self.low + (self.s_m - self.low) % (self.high - self.low)
        phase = np.clip((t_s - self.drift_from_s) / DRIFT_S, 0.0, 1.0)
        phase[~np.isfinite(self.drift_from_s)] = 0.0
        self.d_m = 1.9 * np.sin(np.pi * phase) ** 2 + 0.05 * np.sin(t_s / 3.0 + self.lane)

    def depth_m(self) -> F64:
        """Return how far each footprint (2.5 m wide, lanes of 3.75 m) is over its line."""
        return np.maximum(0.0, np.abs(self.d_m) + 1.25 - 1.875)

    def place(self, rows: np.ndarray) -> tuple[F64, F64, F64]:
        """Return lon, lat [deg] and course [deg] of some vehicles."""
        s, offset = self.s_m[rows], self.middle_m[rows] + self.direction[rows] * self.d_m[rows]
        ahead = np.interp(s + 1.0, self._s_axis, self._east) - np.interp(s - 1.0, self._s_axis, self._east)
        up = np.interp(s + 1.0, self._s_axis, self._north) - np.interp(s - 1.0, self._s_axis, self._north)
        heading = np.arctan2(up, ahead)
        east = np.interp(s, self._s_axis, self._east) - offset * np.sin(heading)
        north = np.interp(s, self._s_axis, self._north) + offset * np.cos(heading)
        lon, lat = self.site.frame.lonlat_from_site(east, north)
        course = (90.0 - np.degrees(heading) + np.where(self.direction[rows] < 0, 180.0, 0.0)) % 360.0
        return np.asarray(lon), np.asarray(lat), course

    def plate(self, row: int) -> str | None:
        return f"辽L·A{7000 + row}挂" if self.hazmat[row] else None


def snapshot_of(traffic: Traffic, esn: str, seq: int, stamp_ns: int, *, named: bool) -> wire.TrackSnapshot:
    """Return what an RSU sees of the traffic; named: with the plates."""
    it, (low, high) = traffic, traffic.site.rsu(esn).stretch_m
    rows = np.flatnonzero((it.s_m > low - OVERLAP_M) & (it.s_m < high + OVERLAP_M))
    owned = (it.s_m[rows] >= low) & (it.s_m[rows] < high)
    lon, lat, course = it.place(rows)
    records = np.zeros(len(rows), track_dtype(it.low))
    records["track"], records["lane"], records["sigma_cm"] = it.track[rows], it.lane[rows], 17
    records["lon_e7"], records["lat_e7"] = np.round(lon * 1e7), np.round(lat * 1e7)
    records["speed_cmps"], records["course_cdeg"] = it.speed_mps[rows] * 100, course * 100
    write_stations(records, it.s_m[rows])
    records["d_cm"] = it.d_m[rows] * 100
    records["p_lane"], records["length_dm"] = 250, np.where(it.hazmat[rows], 160, 45)
    records["class"] = np.where(it.hazmat[rows], 4, 1)
    records["flags"] = wire.FLAG_CONFIRMED | wire.FLAG_RADAR | np.where(owned, wire.FLAG_OWNED, 0)
    names = None
    if named:
        known = [int(row) for row in rows if it.hazmat[row]]
        names = wire.TrackNames(
            track=tuple(int(it.track[row]) for row in known),
            terminal=tuple(f"1390000{row:04d}" for row in known),
            plate=tuple(it.plate(row) for row in known),
            identity_p=(0.98,) * len(known),
        )
    return wire.snapshot_of(
        records, esn=esn, seq=seq, stamp_ns=stamp_ns,
        lanes=tuple(lane["lane"] for lane in it.lanes) if named else None, names=names,
    )  # fmt: skip


class Rsu:
    """One made-up RSU: its snapshots, heartbeats and violations."""

    def __init__(self, traffic: Traffic, esn: str, epoch: int) -> None:
        self.traffic, self.esn, self.epoch = traffic, esn, epoch
        self.stretch_m = traffic.site.rsu(esn).stretch_m
        self.radars = [radar.id for radar in traffic.site.rsu(esn).radar]
        self.seq, self.snapshots = 0, 0
        self.lanes = tuple(lane["lane"] for lane in traffic.lanes)
        self.open: dict[int, Violation] = {}
        self.link = self._new_link()

    def restart(self) -> None:
        """Begin a new epoch with a new link: a link that has ended does not run again."""
        self.epoch, self.seq, self.link = self.epoch + 1, 0, self._new_link()

    def _new_link(self) -> Link:
        return Link(
            link_settings(self.traffic.site.config.mqtt, f"feed-{self.esn}"),
            will=lambda connection: self._status("offline", connection),
            birth=lambda connection: self._status("online", connection),
        )

    def _status(self, state: State, connection: int) -> Outgoing:
        low = self.stretch_m[0]
        status = wire.Status(
            state=state, epoch=self.epoch, connection=connection, last_seq=self.seq, pending=(),
            outbox_depth=0, config="1", map=str(self.traffic.about["map_version"]),
            version="made up", clock_offset_ms=0.4, sensors=dict.fromkeys(self.radars, "online"),
            counts={"gnss.late": self.seq, "radar.truncated": 1},
            unjudged=(
                wire.UnjudgedStretch(
                    road="main", from_m=low, to_m=low + 200.0, reason="radar_gap", since_ns=self.epoch * 10**9
                ),
            ),
        )  # fmt: skip
        return Outgoing(topics.status(self.esn), wire.encode(status), 1, True)

    def beat(self) -> None:
        """Send a heartbeat."""
        topic, body, qos, retain = self._status("online", self.link.connection)
        self.link.publish(topic, body, qos=qos, retain=retain)

    def snapshot(self, stamp_ns: int) -> None:
        """Send all vehicles near the stretch; those on it are owned."""
        message = snapshot_of(
            self.traffic, self.esn, self.snapshots, stamp_ns, named=self.snapshots % 50 == 0
        )
        self.snapshots += 1
        self.link.publish_newest(topics.track_up(self.esn), wire.encode(message))

    def judge(self, now_ns: int) -> None:
        """Open, raise and close episodes of the trucks that are over their line on the stretch."""
        it, (low, high) = self.traffic, self.stretch_m
        depth = it.depth_m()
        for row in range(len(depth)):
            on = low <= it.s_m[row] < high and bool(it.hazmat[row])
            if (on and depth[row] > 0.02) or row in self.open:
                grade = next((grade for over, grade in GRADES if depth[row] > over), None)
                self._tell(row, grade if on else None, now_ns)

    def _tell(self, row: int, grade: Grade | None, now_ns: int) -> None:
        before = self.open.get(row)
        worst = list(codec.GRADES)
        if before is not None and grade is not None and worst.index(grade) <= worst.index(before.grade):
            return
        phase: Phase = "close" if grade is None else "open" if before is None else "update"
        found = self._violation(row, before, phase, grade or (before.grade if before else "notice"), now_ns)
        self.open[row] = found
        if phase == "close":
            del self.open[row]
        self.seq += 1
        item = wire.ViolationItem(
            seq=self.seq,
            detected_ns=now_ns + 4_000_000,
            sent_ns=now_ns + 6_000_000,
            violation=codec.encode(found),
        )
        batch = wire.ViolationBatch(epoch=self.epoch, items=(item,))
        self.link.publish(topics.violation_up(self.esn), wire.encode(batch))

    def _violation(
        self, row: int, before: Violation | None, phase: Phase, grade: Grade, now_ns: int
    ) -> Violation:
        it = self.traffic
        lon, lat, _ = it.place(np.array([row]))
        start_ns = now_ns if before is None else before.start_ns
        times = np.arange(-50, 1) * 0.1
        course = 1.9 * np.sin(np.pi * np.clip((times + 5.0) / DRIFT_S, 0, 1)) ** 2
        return Violation(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.esn} {it.track[row]} {start_ns}")),
            version=1 if before is None else before.version + 1, hop=0, phase=phase, grade=grade,
            rule="lane_departure",
            vehicle=ViolationVehicle(
                plate=it.plate(row), terminal=f"1390000{row:04d}", hazmat_class="3", un="1203",
                carrier="made up",
            ),
            identity_p=0.98, track=int(it.track[row]), esn=self.esn, start_ns=start_ns,
            confirmed_ns=None if grade == "notice" else now_ns, end_ns=now_ns if phase == "close" else None,
            lon_deg=round(float(lon[0]), 7), lat_deg=round(float(lat[0]), 7), lane=self.lanes[it.lane[row]],
            zone=None, s_m=round(float(it.s_m[row]), 2), d_m=round(float(it.d_m[row]), 2), sigma_d_m=0.17,
            p_violation=0.9994, speed_mps=round(float(it.speed_mps[row]), 2), limit_mps=None,
            map_version=str(it.about["map_version"]), rules_version="1",
            stamps=Stamps(measured_ns=now_ns - 30_000_000, arrived_ns=now_ns - 14_000_000),
            evidence={
                "stamp_ns": [now_ns + int(t * 10) * 10**8 for t in times],
                "d_m": [round(float(d), 3) for d in course],
                "sigma_d_m": [0.17] * len(times),
                "excess_m": [round(float(max(0.0, d + 1.25 - 1.875)), 3) for d in course],
                "speed_mps": [16.0] * len(times),
                "p_violation": [round(float(p), 4) for p in np.clip(course / 0.8, 0.01, 0.9994)],
            },
        )  # fmt: skip


async def gateway(site: Site, epoch: int) -> None:
    """Send a gateway's heartbeats for ever."""
    assert site.config.gateway is not None
    name = site.config.gateway.id

    def status(state: State, connection: int) -> Outgoing:
        body = wire.GatewayStatus(
            state=state, epoch=epoch, connection=connection, terminals=40, version="made up",
            clock_offset_ms=0.1, counts={},
        )  # fmt: skip
        return Outgoing(topics.gateway_status(name), wire.encode(body), 1, True)

    link = Link(
        link_settings(site.config.mqtt, f"feed-{name}"),
        will=lambda connection: status("offline", connection),
        birth=lambda connection: status("online", connection),
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(link.run())
        while True:
            await asyncio.sleep(2.0)
            topic, body, qos, retain = status("online", link.connection)
            link.publish(topic, body, qos=qos, retain=retain)


async def drive(site: Site, n_vehicles: int) -> None:
    """Send the traffic of all RSUs but the second last, which is never seen; the last comes and goes."""
    clock = Clock.from_env()
    begun_ns = clock.now_ns() // PERIOD_NS * PERIOD_NS
    traffic = Traffic(site, n_vehicles)
    esns = [rsu.esn for rsu in site.config.rsu]
    rsus = [Rsu(traffic, esn, begun_ns // 10**9) for esn in esns if len(esns) < 3 or esn != esns[-2]]
    async with asyncio.TaskGroup() as tasks:
        if site.config.gateway is not None:
            tasks.create_task(gateway(site, begun_ns // 10**9))
        links = {rsu.esn: tasks.create_task(rsu.link.run()) for rsu in rsus}
        turn = 0
        while True:
            turn += 1
            await clock.sleep_until_ns(begun_ns + turn * PERIOD_NS)
            t_s = turn * PERIOD_NS / 1e9
            if turn % int(DRIFT_EVERY_S * 10) == 10:
                trucks = np.flatnonzero(traffic.hazmat)
                traffic.drift_from_s[trucks[turn // 80 % len(trucks)]] = t_s
            traffic.step(t_s, PERIOD_NS / 1e9)
            for rsu in rsus:
                if rsu.link.connected:
                    rsu.snapshot(begun_ns + turn * PERIOD_NS)
                    rsu.judge(clock.now_ns())
                    if turn % 20 == 0:
                        rsu.beat()
            if turn % 600 == 300 and len(rsus) > 1:  # gone for 20 s of each minute
                links[rsus[-1].esn].cancel()
            if turn % 600 == 500 and len(rsus) > 1:
                rsus[-1].restart()
                links[rsus[-1].esn] = tasks.create_task(rsus[-1].link.run())


async def main(arguments: argparse.Namespace) -> None:
    """Start broker and centre, send traffic until interrupted."""
    folder = Path(tempfile.mkdtemp(prefix="centre-feed-"))
    path = arguments.site or write_site(folder, broker=BROKER, http=arguments.http)
    site = load_site(path.resolve())
    os.chdir(folder)  # where a database without a folder falls
    host, _, port = site.config.mqtt.brokers[0].rpartition(":")
    children: list[Child] = []
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        children.append(await start_broker("nats", folder, host, int(port)))
        argv = (sys.executable, "-m", "petroroad", "centre", "--config", site.where)
        children.append(await start(ChildSpec(name="centre", argv=argv, log=folder / "centre.log")))
        await until_ready(children[1], site.config.centre.http, 20.0)
        sys.stdout.write(f"the page: http://{site.config.centre.http}/   (files in {folder})\n")
        sys.stdout.flush()
        driving = asyncio.create_task(drive(site, arguments.vehicles))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((driving, stopping), return_when=asyncio.FIRST_COMPLETED)
        driving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await driving
    finally:
        await stop_all(children, 2.0)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", type=Path, help="a site file; left out: a made-up one")
    parser.add_argument("--http", default="127.0.0.1:8080")
    parser.add_argument("--vehicles", type=int, default=80)
    asyncio.run(main(parser.parse_args()))
