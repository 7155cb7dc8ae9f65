"""One RSU as a process: opens what the agent needs, runs its tasks, ends cleanly."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from edge import log, topics, wire
from edge.bugs import until_bug
from edge.clock import Clock
from edge.config import Site
from edge.errors import ConfigError
from edge.link import Link, Outgoing, link_settings
from edge.metrics import Counts, Health, Ready, merged
from edge.outbox.outbox import Outbox
from edge.recording.recorder import Recorder
from edge.versions import versions
from roadside.agent import Agent
from roadside.clock_faults import fault_of, faults_of
from roadside.devices.jt808.session import SessionRules
from roadside.devices.radars import open_radar_ports
from roadside.gateway.gateway import terminal_rules
from roadside.inputs import Start
from roadside.pipeline import Pipeline
from roadside.probe import ClockProbe
from roadside.receivers import serve_receiver
from roadside.setup import setups

STATUS_S = 2.0
DRAIN_S = 0.8  # a clean end waits this long for the centre's acknowledgements
# counted in the ordinary course: on the page, not in the log
USUAL = (
    "link.connected", "tracks.link.connected", "tracks.link.replaced", "identity.", "handover.created",
    "handover.joined", "opened.", "judge.stale", "nmea.skipped.", "location.item.",
)  # fmt: skip


async def run(site: Site, esn: str, state: Path, clock: Clock) -> None:
    """Serve until cancelled; ConfigError where a port can't be opened.

    state : directory of the outbox and the recordings
    """
    setup = setups(site, expects_gateway=site.config.gateway is not None, esns=(esn,))[esn]
    async with _opened(site, esn, state, clock) as (outbox, recorder):
        agent = Agent(
            pipeline=Pipeline(setup), clock=clock, outbox=outbox, recorder=recorder, counts=Counts()
        )
        unit = Unit(site, agent)
        agent.hear_control(Start(epoch=outbox.epoch, episodes=outbox.episodes))
        await unit.serve()


@asynccontextmanager
async def _opened(site: Site, esn: str, state: Path, clock: Clock) -> AsyncIterator[tuple[Outbox, Recorder]]:
    """Open outbox and recording; closed in the order that loses nothing."""
    pending: list[Recorder] = []
    unit: list[Outbox] = []
    outbox = await Outbox.open(
        state / site.config.outbox.directory / f"{esn}.sqlite",
        clock=clock,
        ballast_bytes=site.config.outbox.ballast_mib * 2**20,
        before_commit=lambda: pending[0].close_chunk() if pending else None,
        on_epoch=lambda: unit[0].resend() if unit else None,
    )
    unit.append(outbox)
    recorder = Recorder(state / "recordings" / f"{esn}-{outbox.epoch}.mcap", live=True)
    pending.append(recorder)
    record = msgspec.structs.replace(site.record, esn=esn)
    recorder.write("/site", wire.encode(record), clock.now_ns())
    try:
        yield outbox, recorder
    finally:
        await outbox.close()
        recorder.close()


class Unit:
    """The tasks around an agent: sockets, links, status, health."""

    def __init__(self, site: Site, agent: Agent) -> None:
        self.site, self.agent = site, agent
        self.config = site.rsu(agent.esn)
        esn, mqtt = agent.esn, site.config.mqtt
        self.link = Link(
            link_settings(mqtt, f"rsu-{esn}", site.where),
            subscriptions=self._subscriptions(),
            on_message=self._on_message,
            will=lambda connection: self._status("offline", connection),
            birth=lambda connection: self._status("online", connection),
            on_up=agent.outbox.resend,
        )
        self.tracks = Link(link_settings(mqtt, f"rsu-{esn}-t", site.where))
        agent.alerts, agent.snapshots = self.link, self.tracks
        self.probe = ClockProbe(agent.clock)
        self.receiver_counts: Counter[str] = Counter()
        self.epoch = agent.outbox.epoch
        self.listening = False
        self.log = log.setup(part="rsu", esn=esn)

    def _subscriptions(self) -> list[tuple[str, int]]:
        esn = self.agent.esn
        wanted = [
            (topics.gnss_down(esn), 0),
            (topics.violation_ack(esn), 1),
            (topics.clock_rsp(esn), 0),
        ]
        for neighbour in self.config.neighbours:
            wanted += [(topics.handover(neighbour, esn), 1), (topics.handover_ack(neighbour, esn), 1)]
        return wanted

    def _on_message(self, topic: str, body: bytes, retained: bool) -> None:
        if topic == topics.clock_rsp(self.agent.esn):
            self.probe.hear(body, self.agent.counts.add)
        else:
            self.agent.hear_message(topic, body, retained)

    async def serve(self) -> None:
        """Run until cancelled: first the senses end, then what was raised last is delivered, then the rest.

        A failure of one task ends all.
        """
        agent = self.agent
        async with asyncio.TaskGroup() as delivery:
            tasks = [
                delivery.create_task(self.link.run(), name="rsu.link"),
                delivery.create_task(self.tracks.run(), name="rsu.tracks"),
                delivery.create_task(agent.outbox.run(self._send), name="rsu.outbox"),
                delivery.create_task(self._report(), name="rsu.status"),
                delivery.create_task(self._serve_health(), name="rsu.health"),
                delivery.create_task(until_bug(agent.counts.add), name="rsu.bug"),
            ]
            try:
                await self._sense()
            finally:
                agent.finish()
                with contextlib.suppress(TimeoutError):  # the outbox keeps what the centre did not answer
                    async with asyncio.timeout(DRAIN_S):
                        await agent.outbox.drained()
                for task in tasks:
                    task.cancel()

    async def _sense(self) -> None:
        """Hear, tick and think until cancelled."""
        agent = self.agent
        transports = await open_radar_ports(
            self.site, agent.esn, agent.clock, agent.hear_scan, agent.counts.add
        )
        self.listening = True
        log.tell_unapplied(self.log, self.site.unapplied)
        self.log.info("started", epoch=agent.outbox.epoch, recording=str(agent.recorder.path))
        try:
            async with asyncio.TaskGroup() as senses:
                senses.create_task(agent.think(), name="rsu.think")
                senses.create_task(agent.beat(), name="rsu.beat")
                rules = terminal_rules(self.site)
                for i, receiver in enumerate(self.config.gnss):
                    task = self._hear_receiver(i, receiver.input, rules)
                    senses.create_task(task, name=f"rsu.receiver.{receiver.input}")
        finally:
            for transport in transports:
                transport.close()

    async def _hear_receiver(self, i: int, url: str, rules: SessionRules) -> None:
        agent = self.agent
        try:
            await serve_receiver(url, agent.clock, agent.hear_fix, self.receiver_counts, rules)
        except OSError as error:
            key = f"rsu[{self.site.place(agent.esn)}].gnss[{i}].input"
            raise ConfigError(self.site.where, key, f"can't be opened: {error}", url) from error

    def _send(self, batch: bytes) -> bool:
        return self.link.publish(topics.violation_up(self.agent.esn), batch)

    async def _report(self) -> None:
        """Publish the heartbeat, probe the clock, and log what was counted since the last one."""
        counted = log.CountsLog(self.log, USUAL)
        while True:
            await asyncio.sleep(STATUS_S)
            if self.agent.outbox.epoch != self.epoch:  # a conflict: the will must carry the new epoch
                self.epoch = self.agent.outbox.epoch
                self.link.reconnect()
            self.link.publish(*self._status("online", self.link.connection)[:2], retain=True)
            self.link.publish(topics.clock_req(self.agent.esn), self.probe.ask(), qos=0)
            counted.tell(self.counts())

    def _status(self, state: str, connection: int) -> Outgoing:
        agent, outbox = self.agent, self.agent.outbox
        setup, now_ns = agent.pipeline.setup, agent.clock.now_ns()
        clocks = agent.pipeline.clock_report(now_ns)
        status = wire.Status(
            state="online" if state == "online" else "offline",
            epoch=outbox.epoch,
            connection=connection,
            last_seq=outbox.last_seq,
            pending=outbox.pending,
            outbox_depth=outbox.depth,
            config=setup.rules.version,
            map=setup.road.version,
            version=versions()["petroroad"],
            clock_offset_ms=self.probe.offset_ms,
            sensors=dict(agent.pipeline.monitor.sensor_states),
            counts=self.counts(),
            unjudged=agent.pipeline.unjudged,
            degraded=outbox.degraded,
            stamp_ns=now_ns,
            clocks=faults_of(clocks.terminals),
            clocks_n=clocks.n_terminals,
            radar_clocks=faults_of(clocks.radars),
            host_clock=None if clocks.host is None else fault_of(clocks.host),
        )
        return Outgoing(topics.status(agent.esn), wire.encode(status), 1, True)

    def counts(self) -> dict[str, int]:
        """Everything that was counted in this process, by reason."""
        agent = self.agent
        return merged(
            agent.counts(),
            self.receiver_counts,
            agent.pipeline.all_counts(),
            agent.outbox.counts,
            agent.recorder.counts,
            self.link.counts,
            {f"tracks.{reason}": n for reason, n in self.tracks.counts.items()},
        )

    async def _serve_health(self) -> None:
        key = f"rsu[{self.site.place(self.agent.esn)}].health"
        await self._health().serve(self.config.health, self.site.where, key)

    def _health(self) -> Health:
        def ready() -> Ready:
            facts = {
                "listening": self.listening,
                "link": self.link.connected,
                "tracks": self.tracks.connected,
            }
            # a full disk is no reason to take it out of service: it goes on, and says so
            return all(facts.values()), facts | {"degraded": list(self.agent.outbox.degraded)}

        def gauges() -> dict[str, float]:
            return {
                "inbox_depth": self.agent.inbox.qsize(),
                "outbox_depth": self.agent.outbox.depth,
                "clock_offset_ms": self.probe.offset_ms or 0.0,
            }

        return Health(ready, self.counts, gauges)
