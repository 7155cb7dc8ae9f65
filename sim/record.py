"""A run as a recording (DESIGN section 4): what the codecs leave, in the order of arrival."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge.config import Site
from edge.recording import Recorder
from edge.wire import encode
from roadside.inputs import ENCODER, Start, Stop
from sim.sensors.gnss import as_reported
from sim.truth import TrueViolation
from sim.world import Due, FixSent, ScanSent, TruthFrame, World

T0_NS = 1_767_225_600_000_000_000  # 2026-01-01 00:00 UTC: equal settings give equal bytes
EPOCH = 1


def record(world: World, site: Site, path: Path, ticks: int) -> Iterator[int]:
    """Write `ticks` of the world's run to path; yields the simulated time after each, for pacing."""
    tape = Tape(path)
    try:
        tape.begin(site, world.now_ns)
        for _ in range(ticks):
            world.step()
            tape.add(world.take(world.now_ns))
            yield world.now_ns
        world.finish()
        tape.add(world.take(2**63))
        tape.end()
    finally:
        tape.close()


class Tape:
    """One recording of a whole site's sensors, and the truth."""

    def __init__(self, path: Path, *, truth_only: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self._recorder = Recorder(path, live=truth_only)
        self._truth_only = truth_only
        self._last_ns = 0
        self._frames: Counter[int] = Counter()  # serial numbers of the terminals' frames

    def begin(self, site: Site, now_ns: int) -> None:
        """Write the site and, but for truth alone, the start of all inputs."""
        self._write("/site", encode(site.record), now_ns, now_ns)
        if not self._truth_only:
            self._write("/input", ENCODER.encode(Start(epoch=EPOCH)), now_ns, now_ns)

    def add(self, items: Iterator[Due]) -> None:
        """Write what happened, in order."""
        for due in items:
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
                    continue
            self.counts[type(item).__name__] += 1

    def end(self) -> None:
        """Write the clean end of the inputs."""
        if not self._truth_only:
            self._write("/input", ENCODER.encode(Stop()), self._last_ns, self._last_ns + 1)

    def close(self) -> None:
        self._recorder.close()

    def _write(self, topic: str, body: bytes, due_ns: int, publish_ns: int) -> None:
        self._last_ns = max(due_ns, self._last_ns + 1)
        self._recorder.write(topic, body, self._last_ns, publish_ns)
