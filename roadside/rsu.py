"""One RSU as a process: opens outbox and recording, wires the agent, and is the shell's service."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from core.collecting import only_new_collected
from edge import log, topics, wire
from edge.client_ids import wanted_centres
from edge.clock import Clock
from edge.config import Site
from edge.exposition import Samples
from edge.failover import Failover
from edge.figures import Counts, merged
from edge.link import Outgoing
from edge.memory import bound_heap, give_back
from edge.metrics import Health, Ready
from edge.open_ports import open_ports_of_rsu, warn_open_ports
from edge.outbox.outbox import Outbox
from edge.ports import PORT_CLOSED
from edge.recording.retention import Limits, Retention
from edge.recording.series import FILE_BYTES_MAX, Series
from edge.sections import RetentionConfig
from edge.service import Presence, Reporting, Service, Shell
from edge.strangers import Strangers
from edge.subscriptions import MAIN
from edge.tls import Holder
from edge.versions import versions
from geofence.episodes import renumbered, version_beyond
from geofence.journeys.journey import encoded
from roadside.agent import Agent
from roadside.centre_watch import CentreWatch
from roadside.clip_server import ClipServer
from roadside.devices.radars import radars_by_url, serve_radars
from roadside.gateway.gateway import check_secret, terminal_limits, terminal_rules
from roadside.inputs import EpisodesFound, Start
from roadside.outputs import fault_of, faults_of, registrations_of
from roadside.pipeline import Pipeline
from roadside.receivers import Terminals, serve_receiver
from roadside.rsu_metrics import EXPECTED, samples_of
from roadside.setup import setups

COMPILER = "libllvmlite"  # 65 MiB of it are read to load the kernels, and no more
TRACKS_LINK = "tracks"  # the connection of the snapshots
RECORDINGS = "recordings"  # directory within the state
FILES_MIN = 8  # into which all that is kept is split: one of them is deleted at a time
RETENTION_S = 5.0
JOURNEYS_S = 0.5  # between looks for versions to send: a board needs no more


async def run(site: Site, esn: str, state: Path, clock: Clock) -> None:
    """Serve until cancelled; a port that can't be opened is tried again, and is in the status meanwhile.

    state : directory of the outbox and the recordings
    """
    bound_heap()
    check_secret(site, [receiver.input for receiver in site.rsu(esn).gnss])
    gateway = site.config.gateway
    setup = setups(site, expects_gateway=gateway is not None, esns=(esn,))[esn]
    async with opened(site, esn, state, clock) as (outbox, recorder):
        shell = shell_of(site, esn, clock)
        agent = Agent(
            pipeline=Pipeline(setup),
            clock=clock,
            outbox=outbox,
            recorder=recorder,
            counts=Counts(),
            alerts=shell.main,
            snapshots=shell.links[TRACKS_LINK],
            gateways=None if gateway is None else frozenset((gateway.id,)),
        )
        n_behind = outbox.epochs_behind
        journeys = tuple(
            encoded(msgspec.structs.replace(journey, version=version_beyond(journey.version, n_behind)))
            for journey in agent.journeys.load(outbox.journeys)
        )
        episodes = tuple(renumbered(each, n_behind) for each in outbox.episodes)
        agent.receive_control(Start(epoch=outbox.epoch, episodes=episodes, journeys=journeys))
        outbox.on_journeys = agent.journeys.put_found
        outbox.on_episodes = lambda states, ended: agent.receive_control(
            EpisodesFound(episodes=tuple(map(renumbered, states)), ended=ended)
        )
        await shell.run(RsuService(site, agent, shell))


def shell_of(site: Site, esn: str, clock: Clock) -> Shell:
    """Return an RSU's shell; a violation never waits behind snapshots, which have their own connection."""
    clients = {MAIN: f"rsu-{esn}", TRACKS_LINK: f"rsu-{esn}-t"}
    return Shell("rsu", site, clock, log.setup(part="rsu", esn=esn), clients, Holder("rsu", esn))


@asynccontextmanager
async def opened(site: Site, esn: str, state: Path, clock: Clock) -> AsyncIterator[tuple[Outbox, Series]]:
    """Open outbox and recording; close them in the order that loses nothing."""
    outbox = await Outbox.open(
        state / site.config.outbox.directory / f"{esn}.sqlite",
        clock=clock,
        ballast_bytes=site.config.outbox.ballast_mib * 2**20,
        recordings=state / RECORDINGS,
        esn=esn,
    )
    outbox.destinations.wanted = wanted_centres(site.config)
    record = wire.encode(msgspec.structs.replace(site.record, esn=esn))
    limits = limits_of(site.config.retention)
    recorder = Series(
        state / RECORDINGS, esn, outbox.epoch, record, clock.now_ns(),
        file_bytes_max=min(FILE_BYTES_MAX, limits.total_bytes // FILES_MIN),
    )  # fmt: skip
    recorder.retention = Retention(recorder.directory, esn, limits, recorder.count)
    recorder.start()

    def record_delivery(body: bytes) -> None:
        recorder.write(f"/delivery/{esn}", body, clock.now_ns())

    outbox.start(before_commit=recorder.make_durable, record=record_delivery)
    try:
        yield outbox, recorder
    finally:
        await outbox.close()
        recorder.close()


def limits_of(retention: RetentionConfig) -> Limits:
    """Return how much of an RSU's recordings is kept."""
    return Limits(
        age_s=retention.recordings_days * 86_400.0,
        total_bytes=int(retention.recordings_gib * 2**30),
        free_bytes=retention.free_mib * 2**20,
    )


class RsuService(Service):
    """The sensors, the agent's tasks and the status of one RSU."""

    usual = (
        "link.connected", "tracks.link.connected", "tracks.link.replaced", "identity.", "handover.created",
        "handover.joined", "opened.", "judge.stale", "nmea.skipped.", "location.item.", "journeys.opened",
        "journeys.closed.", "clip.begun", "http.no_request", "learnt.kept",
    )  # fmt: skip

    def __init__(self, site: Site, agent: Agent, shell: Shell) -> None:
        self.site, self.agent, self.shell = site, agent, shell
        self.config = site.rsu(agent.esn)
        self.subscriptions = agent.subscriptions(self.config.neighbours)
        self.watch = CentreWatch(agent.esn, agent.outbox, agent.clock, agent.counts.add, self._resend)
        self.watch.offset_ms = lambda: shell.probe.offset_ms
        if shell.main.guard is not None:
            self.watch.on_replayed = shell.main.guard.refuse
        self.failover = Failover(
            shell.main, tuple(link for link in shell.links.values() if link is not shell.main),
            self.watch.unanswered_s, self.watch.centres.any_serves, shell.log.warning,
            is_old=self.watch.centres.is_old,
        )  # fmt: skip
        shell.main.on_down = self.watch.disconnected
        self.watch.takeovers.on_begin = self._log_takeover
        for link in shell.links.values():
            link.hold_s = self.watch.hold_s
        agent.on_acknowledged = self.watch.acknowledged
        free_bytes = (site.config.retention or RetentionConfig()).free_mib * 2**20
        tracks = shell.links[TRACKS_LINK]
        self.clips = ClipServer(
            agent.esn, agent.recorder, lambda topic, body: tracks.publish(topic, body, qos=0),
            agent.counts.add, free_bytes,
        )  # fmt: skip
        for row in (*self.watch.subscriptions(), *self.clips.subscriptions()):
            self.subscriptions.add(row)
        agent.outbox.on_first_sent = lambda detected, sent: agent.latency.sent(agent.esn, detected, sent)
        self.health = Health(
            self._ready, self.counts, self._gauges,
            histograms=(agent.latency.histograms, agent.tick_times), expected=EXPECTED,
        )  # fmt: skip
        self.receiver_counts: Counter[str] = Counter()
        self.strange_radars, self.strange_terminals = Strangers(), Strangers()

    @property
    def health_at(self) -> tuple[str | None, str]:
        return self.config.health, f"rsu[{self.site.place(self.agent.esn)}].health"

    @property
    def reporting(self) -> Reporting:
        esn = self.agent.esn
        return Reporting(
            status=self.status,
            epoch=lambda: self.agent.outbox.epoch,
            clock_req=topics.clock_req(esn),
            clock_rsp=topics.clock_rsp(esn),
        )

    def count(self, reason: str) -> None:
        self.agent.counts.add(reason)

    def counts(self) -> dict[str, int]:
        """Return all counters of this process, by reason."""
        agent = self.agent
        return merged(
            agent.counts(),
            self.receiver_counts,
            agent.pipeline.all_counts(),
            agent.outbox.counts,
            agent.recorder.counts,
            agent.journeys.counts,
            agent.latency.counts,
            self.watch.centres.counts,
            self.failover.counts,
            self.shell.link_counts(),
        )

    def progress(self) -> int | None:
        return self.agent.last_ns  # grows with each input and tick that the pipeline's task accepts

    def on_connected(self) -> None:
        self.watch.connected()
        self._resend()

    def _log_takeover(self) -> None:
        self.count("link.taken_over")
        self.shell.log.error("link.taken_over", remedy=f"two RSUs are called {self.agent.esn}: rename one")

    def _resend(self) -> None:
        self.agent.outbox.resend()
        self.agent.journeys.again()

    def background(self) -> dict[str, Coroutine[Any, Any, None]]:
        return {"outbox": self.agent.outbox.run(self._send), "failover": self.failover.run()}

    async def work(self) -> None:
        """Receive, tick and run the pipeline until cancelled."""
        agent = self.agent
        async with asyncio.TaskGroup() as tasks:
            keys = []
            for key, address, listening in self._inputs():
                tasks.create_task(self.shell.ports.keep(key, address, listening), name=f"rsu.{key}")
                keys.append(key)
            await self.shell.ports.tried(*keys)
            self.shell.log_start("started", epoch=agent.outbox.epoch, recording=str(agent.recorder.path))
            warn_open_ports(self.shell.log, open_ports_of_rsu(self.config))
            give_back(COMPILER)
            with only_new_collected():
                await self._run_tasks()

    def _inputs(self) -> Iterator[tuple[str, str, Callable[[Callable[[], None]], Awaitable[None]]]]:
        """Yield key in the site file, address and service of each port that observations arrive at."""
        agent, place = self.agent, self.site.place(self.agent.esn)
        names = [radar.id for radar in self.config.radar]
        for url, radars in radars_by_url(self.config.radar).items():
            key = f"rsu[{place}].radar[{names.index(radars[0].id)}].input"
            yield (
                key,
                url,
                partial(
                    serve_radars,
                    url,
                    radars,
                    agent.clock,
                    agent.receive_scan,
                    agent.counts.add,
                    strangers=self.strange_radars,
                ),
            )
        own = Terminals(terminal_rules(self.site), terminal_limits(self.site), self.strange_terminals)
        for i, receiver in enumerate(self.config.gnss):
            yield (
                f"rsu[{place}].gnss[{i}].input",
                receiver.input,
                partial(
                    serve_receiver,
                    receiver,
                    agent.clock,
                    agent.receive_fix,
                    self.receiver_counts,
                    own,
                ),
            )

    async def _run_tasks(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.agent.run_pipeline(), name="rsu.pipeline")
            tasks.create_task(self.agent.run_ticks(), name="rsu.ticks")
            tasks.create_task(self.agent.run_publications(), name="rsu.publications")
            tasks.create_task(self._send_journeys(), name="rsu.journeys")
            tasks.create_task(self._keep_needed(), name="rsu.retention")
            tasks.create_task(self.clips.run(), name="rsu.clips")

    async def drain(self) -> None:
        """Step the queued inputs, then wait for the centre; the outbox keeps unacknowledged items."""
        self.agent.finish()
        self._send_due_journeys()
        await self.agent.outbox.drained()

    async def _keep_needed(self) -> None:
        """Let the recordings of violations that the centre lacks be kept."""
        while True:
            self.agent.recorder.keep_since(
                self.agent.outbox.oldest_ns, is_clock_shown_right=self.shell.probe.agrees
            )
            await asyncio.sleep(RETENTION_S)

    async def _send_journeys(self) -> None:
        """Send the versions of journeys that wait for the centre."""
        while True:
            self._send_due_journeys()
            await asyncio.sleep(JOURNEYS_S)

    def _send_due_journeys(self) -> None:
        if not self.shell.main.connected:
            return
        for message in self.agent.journeys.due(time.monotonic()):
            self.shell.main.publish(topics.journey_up(self.agent.esn), message)

    def _send(self, batch: bytes) -> bool:
        return self.shell.main.publish(topics.violation_up(self.agent.esn), batch)

    def status(self, presence: Presence) -> Outgoing:
        """Return birth, heartbeat or will."""
        agent, outbox = self.agent, self.agent.outbox
        setup, now_ns = agent.pipeline.setup, agent.clock.now_ns()
        clocks = agent.pipeline.tracker.clock_report(now_ns)
        registration = agent.pipeline.tracker.registration_report()
        faults = ("registration",) if any(one.is_alarm for one in registration.values()) else ()
        status = wire.Status(
            state=presence.state,
            epoch=outbox.epoch,
            connection=presence.connection,
            last_seq=outbox.last_seq,
            pending=outbox.pending,
            outbox_depth=outbox.depth,
            config=setup.rules.version,
            map=setup.road.version,
            version=versions()["petroroad"],
            clock_offset_ms=presence.clock_offset_ms,
            sensors=self._sensors(),
            counts=self.counts(),
            unjudged=agent.pipeline.unjudged,
            degraded=(*self._degraded(), *self.watch.degraded, *faults),
            stamp_ns=presence.stamp_ns,
            clocks=faults_of(clocks.terminals),
            clocks_n=clocks.n_terminals,
            radar_clocks=faults_of(clocks.radars),
            host_clock=None if clocks.host is None else fault_of(clocks.host),
            registration=registrations_of(registration),
            configured=agent.pipeline.config.state.answered,
            centres=self.watch.centres.seen(time.monotonic()),
            strange_terminals=self.strange_terminals.shown(time.monotonic()),
            strange_radars=self.strange_radars.shown(time.monotonic()),
            terminal_only=agent.pipeline.alarms.terminal_only(),
        )
        return Outgoing(topics.status(agent.esn), wire.encode(status), 1, True)

    def _sensors(self) -> dict[str, str]:
        """Return the state of each radar; one whose port can't be opened is `port_closed`."""
        closed = set(self.shell.ports.closed.values())
        shut = {radar.id: PORT_CLOSED for radar in self.config.radar if radar.input in closed}
        return dict(self.agent.pipeline.sensor_states) | shut

    def _ready(self) -> Ready:
        connected = {name: link.connected for name, link in self.shell.links.items()}
        facts = {"listening": not self.shell.ports.closed} | connected
        # a full disk does not make it unready: it still serves, and reports the disk
        return all(facts.values()), facts | {"degraded": list(self._degraded())}

    def _degraded(self) -> tuple[str, ...]:
        agent = self.agent
        return (*agent.outbox.degraded, *agent.recorder.degraded, *self.shell.faults())

    def _gauges(self) -> Samples:
        places = {"outbox": self.agent.outbox.path.parent, "recordings": self.agent.recorder.path.parent}
        return samples_of(self.agent, (*self._degraded(), *self.watch.degraded), places)
