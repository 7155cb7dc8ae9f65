"""A run as a recording (docs/design.md section 6): what the codecs leave, in the order of arrival."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from edge.config import Site
from edge.recording.recorder import Recorder
from edge.wire import encode
from roadside.inputs import ENCODER, Start, Stop
from sim.sensors.gnss import as_reported
from sim.truth import TrueViolation
from sim.world import Due, FixSent, ScanSent, TruthFrame, World

T0_NS = 1_767_225_600_000_000_000  # 2026-01-01 00:00 UTC: equal settings give equal bytes
EPOCH = 1
NAMES = {
    TruthFrame: "truth",
    TrueViolation: "violations",
    ScanSent: "radar.scans",
    FixSent: "terminal.reports",
}


def record(world: World, tapes: Sequence["Tape"], ticks: int, counts: Counter[str]) -> Iterator[int]:
    """Write `ticks` of the world's run to the tapes; yields the simulated time after each, for pacing."""
    try:
        for tape in tapes:
            tape.begin(world.site, world.now_ns)
        for _ in range(ticks):
            world.step()
            _add(tapes, world.pop_due(world.now_ns), counts)
            yield world.now_ns
        world.finish()
        _add(tapes, world.pop_due(2**63), counts)
        for tape in tapes:
            tape.end()
    finally:
        for tape in tapes:
            tape.close()


def _add(tapes: Sequence["Tape"], items: Iterator[Due], counts: Counter[str]) -> None:
    for due in items:
        counts[NAMES[type(due.item)]] += 1
        for tape in tapes:
            tape.add(due)


class Tape:
    """One recording of a whole site's sensors, and the truth."""

    def __init__(self, path: Path, *, truth_only: bool = False, live: bool = False) -> None:
        """Create the file; `live`: what was written is on disk soon after, whatever the simulated time."""
        self._recorder = Recorder(path, live=live)
        self._truth_only = truth_only
        self._last_ns = 0
        self._frames: Counter[int] = Counter()  # serial numbers of the terminals' frames

    def begin(self, site: Site, now_ns: int) -> None:
        """Write the site and, but for truth alone, the start of all inputs."""
        self._write("/site", encode(site.record), now_ns, now_ns)
        if not self._truth_only:
            self._write("/input", ENCODER.encode(Start(epoch=EPOCH)), now_ns, now_ns)

    def add(self, due: Due) -> None:
        """Write what happened; in order."""
        item = due.item
        match item:
            case TruthFrame():
                self._write("/truth", ENCODER.encode(item.payload), due.due_ns, item.stamp_ns)
            case TrueViolation():
                self._write("/truth/violation", ENCODER.encode(item.payload()), due.due_ns, item.start_ns)
            case ScanSent() if not self._truth_only:
                scan = msgspec.structs.replace(item.payload, arrived_ns=due.due_ns)
                self._write(f"/radar/{scan.sensor}", ENCODER.encode(scan), due.due_ns, scan.stamp_ns)
            case FixSent() if not self._truth_only:
                serial = self._frames[item.vehicle]
                self._frames[item.vehicle] += 1
                fix = as_reported(item.fix, due.due_ns, serial & 0xFFFF)
                self._write("/gnss", encode(fix), due.due_ns, fix.stamp_ns)
            case _:
                pass  # a sensor's, and this tape is the truth's alone

    def end(self) -> None:
        """Write the clean end of the inputs."""
        if not self._truth_only:
            self._write("/input", ENCODER.encode(Stop()), self._last_ns, self._last_ns + 1)

    def close(self) -> None:
        self._recorder.close()

    @property
    def refused(self) -> OSError | None:
        """The disk's error where it did not store all of a closed tape."""
        return self._recorder.refused

    def _write(self, topic: str, body: bytes, due_ns: int, publish_ns: int) -> None:
        self._last_ns = max(due_ns, self._last_ns + 1)
        self._recorder.write(topic, body, self._last_ns, publish_ns)
