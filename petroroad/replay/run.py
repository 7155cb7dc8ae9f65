"""One recording, or a series of files, through the pipeline: its site, RSUs and pace; outputs compared."""

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from core.collecting import only_new_collected
from core.errors import ConfigError, RecordingError, UsageError
from edge.config import Site, load_site, site_of
from edge.recording.chain import Part, Readings, part_of, read_chain
from edge.recording.recorder import Reading, named_topics, read_messages
from edge.schemas import kind_of
from edge.wire import (
    SiteRecord,
    decode_site,
    decode_snapshot,
    records_of,
)
from geofence.config import RulesConfig
from petroroad.replay.ahead import BYTES_MIN, Ahead
from petroroad.replay.output import ReplayOut
from petroroad.replay.routes import SiteRoutes
from petroroad.replay.sharing import Child, End, Parent, ends_of, n_shares, shared
from petroroad.replay.source import Source
from roadside.arrivals import Block, LoggedMessage, Own, Routes
from roadside.compare import first_difference
from roadside.outputs import Output, Snapshot, report_of
from roadside.pipeline import Pipeline
from roadside.pipeline_setup import Setup
from roadside.pipeline_state import StateUnreadableError
from roadside.pipeline_state import decode as decode_state
from roadside.replay import (
    OnOutput,
    Replayed,
    Share,
    arrivals_of,
    collector,
    refusals,
    replay_rsu,
    replay_site,
)
from roadside.setup import setups

Pace = Callable[[int], None]
# Collections as often as Python has them were 5 % of a replay's time, and found hardly any cyclic garbage
OBJECTS_PER_COLLECTION = 50_000


@dataclass(slots=True)
class Run:
    """A replay and the outputs that the recording itself holds."""

    path: Path  # of the first file
    replayed: Replayed = field(default_factory=Replayed)
    recorded: dict[str, list[bytes]] = field(default_factory=dict)  # violations by esn
    clocks: dict[str, dict[str, Any]] = field(default_factory=dict)  # wrong at the end, by esn
    reading: Readings = field(default_factory=Readings)  # the damages of the files
    skipped: Counter[str] = field(default_factory=Counter)  # messages of channels that are none of ours

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
    run = Run(path)
    with only_new_collected(OBJECTS_PER_COLLECTION), ExitStack() as stack:
        collect = collector(run.replayed, _track_ids)
        writer = stack.enter_context(ReplayOut(out, record)) if out else None

        def on_output(esn: str, now_ns: int, output: Output) -> None:
            collect(esn, now_ns, output)
            if watch is not None:
                watch(esn, now_ns, output)
            if writer is not None:
                writer.write(esn, now_ns, output)

        source = Source(
            paths, site.frame, _routes(site, record, made), follows_config=rules is None,
            keeps_truth=writer is not None, begins_behind_state=parts[0].continues,
        )  # fmt: skip
        n = n_shares(made, jobs)
        # a second process pays where there is a core for it, and enough to be read
        is_ahead = jobs > 1 and sum(path.stat().st_size for path in paths) >= BYTES_MIN
        ahead = stack.enter_context(Ahead(source, n)) if is_ahead else None

        def work(esns: Sequence[str], share: Share) -> dict[str, End]:
            blocks = source.blocks() if ahead is None else ahead.blocks(share.number)
            return _replayed(record, source, blocks, {esn: made[esn] for esn in esns}, share, (pace, writer))

        ends = shared(sorted(made), n, on_output, work)
    found = source.found
    run.recorded, run.reading, run.skipped = found.recorded, found.reading, found.skipped
    run.replayed.observations = found.observations
    run.replayed.rejected.update(found.unread)
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


def _routes(site: Site, record: SiteRecord, made: Mapping[str, Setup]) -> Callable[[Counter[str]], Routes]:
    """Return what makes the routes of a recording's inputs, given the counter of those that go nowhere."""
    if record.esn is not None:
        own = Own(record.esn)
        return lambda _: own
    road = next(iter(made.values())).road
    return lambda skipped: SiteRoutes(site, road, skipped)


def _replayed(
    record: SiteRecord,
    source: Source,
    blocks: Iterator[Block],
    made: Mapping[str, Setup],
    share: Share,
    parent: tuple[Pace, ReplayOut | None],
) -> dict[str, End]:
    """Replay the RSUs of this process; return each one's end.

    parent : the pace and the writer of the first process; the others keep nothing
    """
    pace, writer = (pace_of("max"), None) if isinstance(share, Child) else parent
    copy: Callable[[LoggedMessage], None] | None = writer.copy if writer else None
    if copy is not None and isinstance(share, Parent):
        copy = share.in_turn(copy)
    pipelines = {esn: Pipeline(setup) for esn, setup in made.items()}
    # those that are decoded here; `found` has those that are decoded where the blocks are made
    unread = source.found.unread
    arrivals = arrivals_of(blocks, pipelines, source.frame, unread, copy)
    if record.esn is None:
        return ends_of(pipelines, _paced(replay_site(pipelines, arrivals, share), pace))
    pipeline = pipelines[record.esn]
    if source.begins_behind_state:
        _restore(pipeline, source.paths)
    steps = replay_rsu(pipeline, arrivals, share.emit, lambda: source.found.reading.seam_ns)
    return ends_of(pipelines, _paced(steps, pace))


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
            head, rest = kind_of(message.topic)
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


def _restore(pipeline: Pipeline, paths: Sequence[Path]) -> None:
    """Restore the first state of the files, where they have one."""
    for message in read_chain(paths):
        if message.topic.startswith("/state/"):
            try:
                pipeline.restore(decode_state(message.body))
            except StateUnreadableError as error:
                raise UsageError(f"{paths[0]}: {error}, with the first file of the series") from error
            return


def _track_ids(snapshot: Snapshot) -> list[int]:
    if snapshot.tracks is not None:
        ids: list[int] = snapshot.tracks.track.tolist()
    else:
        ids = records_of(decode_snapshot(snapshot.body))["track"].tolist()
    return ids


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
