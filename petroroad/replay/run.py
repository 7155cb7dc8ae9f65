"""One recording, or a series of files, through the pipeline: its site, RSUs and pace; outputs compared."""

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from core.collecting import only_new_collected
from core.errors import CommandError, ConfigError, RecordingError, UsageError
from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from edge.config import Site, load_site, site_of
from edge.recording.chain import Part, Readings, part_of, read_chain
from edge.recording.recorder import Reading, Recorded, named_topics, read_messages
from edge.schemas import SCHEMAS
from edge.wire import (
    SiteRecord,
    decode_site,
    decode_snapshot,
    records_of,
)
from fusion.observations import F_SPEED, GnssFixes, ObjectScan, RadarScan
from geofence.config import RulesConfig
from petroroad.replay.output import ReplayOut
from petroroad.replay.sharing import Child, End, Parent, ends_of, shared
from roadside.compare import first_difference
from roadside.gateway.routing import Router, router_of
from roadside.inputs import GatewayFixes, Input
from roadside.outputs import Output, Snapshot, report_of
from roadside.pipeline import Pipeline
from roadside.pipeline_setup import Setup
from roadside.pipeline_state import StateUnreadableError
from roadside.pipeline_state import decode as decode_state
from roadside.replay import (
    LoggedMessage,
    OnOutput,
    Replayed,
    Share,
    collector,
    refusals,
    replay_rsu,
    replay_site,
)
from roadside.setup import setups

JUMP_NS = 86_400 * 10**9  # a replay ticks through every pause; a longer one is a damaged time
CHANNELS = frozenset({*(name.partition(".")[0] for name in SCHEMAS), "config", "input", "state"})
Pace = Callable[[int], None]
Copy = Callable[[Recorded], None]


@dataclass(slots=True)
class Run:
    """A replay and the outputs that the recording itself holds."""

    path: Path  # of the first file
    replayed: Replayed = field(default_factory=Replayed)
    recorded: dict[str, list[bytes]] = field(default_factory=dict)  # violations by esn
    clocks: dict[str, dict[str, Any]] = field(default_factory=dict)  # wrong at the end, by esn
    reading: Readings = field(default_factory=Readings)  # the damages of the files
    skipped: Counter[str] = field(default_factory=Counter)  # messages of channels that are none of ours
    follows_config: bool = True  # False: rules that were published meanwhile are left out

    def difference(self) -> str | None:
        """Return the first violation and field that differ from the recorded ones; None if none does."""
        for esn in sorted(self.recorded):
            found = first_difference(self.recorded[esn], self.replayed.violations.get(esn, []))
            if found is not None:
                return f"{self.path.name}, {esn}: {found}"
        return None


def replay_file(
    path: Path,
    named: Path | Site | None,
    pace: Pace,
    out: Path | None,
    watch: OnOutput | None = None,
    jobs: int = 1,
    rules: RulesConfig | None = None,
) -> Run:
    """Replay one recording; as `replay_chain`."""
    return replay_chain((part_to_replay(path),), named, pace, out, watch, jobs, rules)


def part_to_replay(path: Path) -> Part:
    """Return what a file begins with; UsageError where it is no recording."""
    try:
        return part_of(path)
    except (RecordingError, OSError) as error:
        raise UsageError(f"{path}: no recording: {error}") from error


def replay_chain(
    parts: Sequence[Part],
    named: Path | Site | None,
    pace: Pace,
    out: Path | None,
    watch: OnOutput | None = None,
    jobs: int = 1,
    rules: RulesConfig | None = None,
) -> Run:
    """Replay files that continue each other; raises ConfigError or CommandError where they are none.

    The first one's state is restored where it continues a file that is not there.

    named : the site, in place of the recording's own
    rules : in place of the site's and of those that were published meanwhile
    watch : gets every output too, as it comes
    jobs : processes that share the RSUs of a whole site's recording; the outputs are the same, in the same
        order
    """
    site = load_site(named) if isinstance(named, Path) else named
    paths = tuple(part.path for part in parts)
    path = paths[0]
    record = site_record(path, site)
    site = site or _recorded_site(record, path)
    if rules is not None:
        site = dataclasses.replace(site, config=msgspec.structs.replace(site.config, rules=rules))
    is_live = parts[0].esn is not None and site.config.gateway is not None  # an RSU expected it
    has_gateway = is_live or any(_has_gateway(path) for path in paths)
    if record.esn is not None:
        site.place(record.esn)  # another site file may lack it
    esns = (record.esn,) if record.esn is not None else None
    made = setups(site, expects_gateway=has_gateway, esns=esns)
    run = Run(path, follows_config=rules is None)
    with only_new_collected(), ExitStack() as stack:
        collect = collector(run.replayed, _track_ids)
        writer = stack.enter_context(ReplayOut(out, record)) if out else None

        def on_output(esn: str, now_ns: int, output: Output) -> None:
            collect(esn, now_ns, output)
            if watch is not None:
                watch(esn, now_ns, output)
            if writer is not None:
                writer.write(esn, now_ns, output)

        if record.esn is not None:
            pipelines = {record.esn: Pipeline(made[record.esn])}
            messages = _watched(paths, run, writer.copy if writer else None)
            if parts[0].continues:
                messages = _continued(pipelines[record.esn], messages, path)
            steps = replay_rsu(
                pipelines[record.esn], messages, site.frame, on_output, run.replayed.rejected,
                lambda: run.reading.seam_ns,
            )  # fmt: skip
            ends = ends_of(pipelines, _paced(steps, pace))
        else:
            ends = _replay_shared(path, site, made, run, (pace, writer), on_output, jobs)
    for esn in made:
        report, counts = ends[esn]
        if report.n_terminals or report.radars or report.host is not None:
            run.clocks[esn] = report_of(report)
        run.replayed.rejected.update(refusals(counts))
    return run


def _paced(steps: Iterator[int], pace: Pace) -> int:
    """Run all steps; return the last one's log time."""
    end_ns = 0
    for end_ns in steps:
        pace(end_ns)
    return end_ns


def _replay_shared(
    path: Path,
    site: Site,
    made: Mapping[str, Setup],
    run: Run,
    parent: tuple[Pace, ReplayOut | None],
    on_output: OnOutput,
    jobs: int,
) -> dict[str, End]:
    """Replay a whole site's recording in some processes; return each RSU's end.

    parent : the pace and the writer of this process; the others read the same messages, and keep nothing
    """

    def work(esns: Sequence[str], share: Share) -> dict[str, End]:
        is_child = isinstance(share, Child)
        own, (pace, writer) = run, parent
        if is_child:
            own, (pace, writer) = Run(path, follows_config=run.follows_config), (pace_of("max"), None)
        copy: Copy | None = writer.copy if writer else None
        if copy is not None and isinstance(share, Parent):
            copy = share.in_turn(copy)
        pipelines = {esn: Pipeline(made[esn]) for esn in esns}
        router = router_of(site.config.rsu, site.frame, next(iter(made.values())).road)
        steps = replay_site(
            pipelines,
            _watched((path,), own, copy),
            site.frame,
            _route(site, router, own.skipped),
            share,
            own.replayed.rejected,
        )
        return ends_of(pipelines, _paced(steps, pace))

    return shared(sorted(made), jobs, on_output, work)


def _has_gateway(path: Path) -> bool:
    """Whether the recording holds messages of a gateway."""
    topics = named_topics(path)
    if topics is not None and not any(topic.startswith("/gateway/") for topic in topics):
        return False
    return any(message.topic.startswith("/gateway/") for message in read_messages(path))


def site_record(path: Path, site: Site | None = None) -> SiteRecord:
    """Return the recording's own /site; `site` replaces it where it is damaged."""
    reading = Reading()
    body, esns = None, set()
    try:
        for message in read_messages(path, reading):
            head, _, rest = message.topic.removeprefix("/").partition("/")
            if head == "site":
                body = message.body
                break
            if head in ("tracks", "violation"):
                esns.add(rest)
    except (RecordingError, OSError) as error:
        raise UsageError(f"{path}: no recording: {error}") from error
    if body is None and reading.damaged and site is not None:
        if len(esns) > 1:
            raise UsageError(f"{path}: its /site is lost, and it holds outputs of {', '.join(sorted(esns))}")
        return msgspec.structs.replace(site.record, esn=next(iter(esns), None))  # none: of a whole site
    if body is None and reading.damaged:
        raise UsageError(f"{path}: its /site is lost ({reading.text()}): name the site file with --site")
    if body is None:
        raise UsageError(f"{path}: no /site: not a recording of ours, or cut before its first whole chunk")
    try:
        return decode_site(body)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: its /site can't be read: {error}") from error


def _recorded_site(record: SiteRecord, path: Path) -> Site:
    try:
        return site_of(record, f"{path.name}:/site")
    except ConfigError as error:
        raise UsageError(f"the recording's own site does not load: {error}") from error


@lru_cache(maxsize=1_024)
def _parts(topic: str) -> tuple[str, str]:
    """Return the kind of a channel, the first part of its topic, and the rest."""
    head, _, rest = topic.removeprefix("/").partition("/")
    return head, rest


def _continued(pipeline: Pipeline, messages: Iterator[Recorded], path: Path) -> Iterator[Recorded]:
    """Restore the first state, and yield the messages behind it: what is before it, damage left there."""
    for message in messages:
        if message.topic.startswith("/state/"):
            try:
                pipeline.restore(decode_state(message.body))
            except StateUnreadableError as error:
                raise UsageError(f"{path}: {error}, with the first file of the series") from error
            break
    yield from messages


def _watched(paths: Sequence[Path], run: Run, copy: Copy | None) -> Iterator[Recorded]:
    """Yield the messages; keep the violations that the live RSU sent, count its observations, copy truth."""
    last: Recorded | None = None
    for message in read_chain(paths, run.reading):
        if not STAMP_NS_MIN <= message.log_ns <= STAMP_NS_MAX:
            rule = f"the log time {message.log_ns} of a {message.topic} is no time of ours (2001 to 2096)"
            raise CommandError(f"{_newest(run)}: {rule}")
        jump_ns = 0 if last is None else message.log_ns - last.log_ns
        # a clock_step is logged by the new clock where it is live, by the old one where it marks a pause
        if last is not None and jump_ns > JUMP_NS and "/input" not in (message.topic, last.topic):
            rule = f"log times jump by {jump_ns / 3.6e12:.0f} h at a {message.topic}, without a clock_step"
            raise CommandError(f"{_newest(run)}: {rule}")
        last = message
        head, rest = _parts(message.topic)
        if head == "violation":
            run.recorded.setdefault(rest, []).append(message.body)
        if head not in CHANNELS:
            run.skipped[message.topic] += 1
        run.replayed.observations += head in ("radar", "gnss", "gateway")
        if copy is not None and head == "truth":
            copy(message)
        if run.follows_config or head != "config":
            yield message


def _newest(run: Run) -> Path:
    """Return the file that is being read."""
    return next(reversed(run.reading.parts), run.path)


def _track_ids(snapshot: Snapshot) -> list[int]:
    if snapshot.tracks is not None:
        ids: list[int] = snapshot.tracks.track.tolist()
    else:
        ids = records_of(decode_snapshot(snapshot.body))["track"].tolist()
    return ids


def _route(
    site: Site, router: Router, skipped: Counter[str]
) -> Callable[[Input, LoggedMessage], list[tuple[str, Input]]]:
    """Return where an input of a whole-site recording goes: a scan to its radar's RSU, a fix by stretch.

    skipped : counts inputs that go nowhere
    """
    owners = {radar.id: rsu.esn for rsu in site.config.rsu for radar in rsu.radar}

    def route(item: Input, message: LoggedMessage) -> list[tuple[str, Input]]:
        match item:
            case RadarScan() | ObjectScan():
                found = [owners[item.sensor]] if item.sensor in owners else []
                skipped["scan of an unknown radar"] += not found
            case GnssFixes():
                (terminal,) = item.terminal  # /gnss: one fix in each message
                east_m, north_m, _, usable = item.floats[:F_SPEED, 0].tolist()
                placed = router.route_one(terminal, usable > 0.0, east_m, north_m)
                if not placed:
                    skipped["fix beyond every stretch"] += 1
                return [(esn, item) for esn in placed]
            case GatewayFixes():  # it was meant for one RSU; a whole site's recording has /gnss
                found = []
                skipped["gateway message in a whole site's recording"] += 1
            case _:
                found = [rsu.esn for rsu in site.config.rsu]
        return [(esn, item) for esn in found]

    return route


def pace_of(rate: str) -> Pace:
    """Return the wait before each message: `max`, a factor of real time, or `step` (Enter for each)."""
    if rate == "max":
        return lambda _: None
    if rate == "step":
        if not sys.stdin.isatty():
            raise UsageError("--rate step needs a terminal: each message waits for Enter")
        return _wait_for_enter
    try:
        factor = float(rate)
    except ValueError:
        factor = 0.0
    if not 0.0 < factor < 1e6:
        raise UsageError(f"--rate {rate}: must be a factor above 0, max or step")
    return _Paced(factor)


def _wait_for_enter(log_ns: int) -> None:
    input(f"{log_ns} ")


class _Paced:
    """Waits until a message is due, counted from the first."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._first: tuple[int, float] | None = None

    def __call__(self, log_ns: int) -> None:
        now_s = time.monotonic()
        if self._first is None:
            self._first = (log_ns, now_s)
        due_s = self._first[1] + (log_ns - self._first[0]) / 1e9 / self._factor
        if due_s > now_s:
            time.sleep(due_s - now_s)
