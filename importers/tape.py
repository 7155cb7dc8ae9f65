"""Writes an import as a recording: the site, a start, the inputs in their order, a stop."""

from collections import Counter
from pathlib import Path

from edge.recording.recorder import Recorder
from edge.wire import SiteRecord, encode
from roadside.inputs import ENCODER, ClockStep, Start, Stop

ESN = "IMPORT"
EPOCH = 1
GAP_NS = 60_000_000_000  # a longer pause is recorded as a clock step: a replay would tick through it
MOMENT_NS = 1_700_000_000_000_000_000  # of a recording without any input


class InputTape:
    """One file under way; a context whose end raises OSError where the disk did not store all.

    Log times grow strictly, whatever the stamps do.
    """

    def __init__(self, path: Path, site: SiteRecord, first_ns: int | None) -> None:
        self.counts: Counter[str] = Counter()
        self._recorder = Recorder(path)
        self._last_ns = (MOMENT_NS if first_ns is None else first_ns) - 2
        self._recorder.write("/site", encode(site), self._last_ns)
        self._input(Start(epoch=EPOCH))

    def __enter__(self) -> "InputTape":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._input(Stop())
        self._recorder.close()
        if kind is None and self._recorder.refused is not None:
            raise self._recorder.refused

    def add_input(self, topic: str, body: bytes, due_ns: int, publish_ns: int) -> None:
        """Write one input under its time of arrival, or just after the one before if that is later."""
        if due_ns - self._last_ns > GAP_NS:
            self.counts["time_gap"] += 1
            self._input(ClockStep(from_ns=self._last_ns, to_ns=due_ns - 1))
        self._write(topic, body, max(due_ns, self._last_ns + 1), publish_ns)

    def truth(self, body: bytes, stamp_ns: int) -> None:
        """Write a `/truth`, which is no input."""
        self._recorder.write("/truth", body, max(stamp_ns, self._last_ns), stamp_ns)

    def _input(self, control: Start | ClockStep | Stop) -> None:
        self._write("/input", ENCODER.encode(control), self._last_ns + 1, self._last_ns + 1)

    def _write(self, topic: str, body: bytes, log_ns: int, publish_ns: int) -> None:
        self._last_ns = log_ns
        self._recorder.write(topic, body, log_ns, publish_ns)
