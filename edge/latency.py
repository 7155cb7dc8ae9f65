"""Where the time of a violation passes, from the sensor to the page: one histogram for each stage. Pure.

The stamps of a stage may be of two clocks: the sensor's and ours, or an RSU's and the centre's. The second
pair is corrected by the offset that the RSU measures; what is still negative counts as 0, and is counted.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from core.times import NS
from edge.histograms import Histograms
from geofence.violation import Grade, Stamps

Stage = Literal[
    "sensor_to_arrival", "arrival_to_decided", "decided_to_sent", "sent_to_received",
    "received_to_committed", "committed_to_shown", "total",
]  # fmt: skip
# live: nothing held it up.  waited: it was in the outbox for longer than WAITED_NS, so it measures an outage.
# late: judged from stored fixes of a blind area, long after.
Kind = Literal["live", "waited", "late"]
Ahead = Callable[[str], int]  # how far the clock of an RSU is ahead of the centre's [ns]
WAITED_NS = NS
NAME = "violation_latency_seconds"


class Delivered(NamedTuple):
    """The stamps of one version that the centre has received.

    detected_ns, sent_ns : by the RSU's clock
    """

    esn: str
    stamps: Stamps
    late: bool
    detected_ns: int
    sent_ns: int
    received_ns: int
    closed_as: Grade | None = None  # the episode's highest grade, where this version closes it
    is_timed: bool = True  # False: the RSU's clock was never set, so its stamps measure nothing

    @property
    def kind(self) -> Kind:
        return kind_of(late=self.late, waited_ns=self.sent_ns - self.detected_ns)


def kind_of(*, late: bool, waited_ns: int) -> Kind:
    """Return which kind of sample a version is."""
    if late:
        return "late"
    return "waited" if waited_ns > WAITED_NS else "live"


class ViolationLatency:
    """The histograms of one process; an RSU observes the stages that it knows, the centre all of them."""

    def __init__(self) -> None:
        self.histograms = Histograms(NAME)
        self.counts: Counter[str] = Counter()

    def decided(self, esn: str, stamps: Stamps, *, late: bool, decided_ns: int) -> None:
        """Observe the stages until an RSU has decided; a tick's decision has no observation to count from."""
        if stamps.by is None:
            kind = kind_of(late=late, waited_ns=0)
            self._observe(esn, "sensor_to_arrival", kind, stamps.arrived_ns - stamps.measured_ns)
            self._observe(esn, "arrival_to_decided", kind, decided_ns - stamps.arrived_ns)

    def sent(self, esn: str, detected_ns: int, sent_ns: int) -> None:
        """Observe how long a version waited in an RSU until it was first sent."""
        waited_ns = sent_ns - detected_ns
        self._observe(esn, "decided_to_sent", kind_of(late=False, waited_ns=waited_ns), waited_ns)

    def committed(self, versions: Iterable[Delivered], committed_ns: int, ahead: Ahead) -> None:
        """Observe all stages of the versions that one transaction of the centre has committed."""
        alike: dict[tuple[str, Kind], list[Delivered]] = {}
        for found in versions:
            if not found.is_timed:
                self.counts["latency.clock_unset"] += 1
                continue
            alike.setdefault((found.esn, found.kind), []).append(found)
        for (esn, kind), some in alike.items():
            ahead_ns = ahead(esn)
            observed = [(each.stamps, each.detected_ns) for each in some if each.stamps.by is None]
            stages: tuple[tuple[Stage, list[int]], ...] = (
                ("sensor_to_arrival", [at.arrived_ns - at.measured_ns for at, _ in observed]),
                ("arrival_to_decided", [detected_ns - at.arrived_ns for at, detected_ns in observed]),
                ("total", [committed_ns + ahead_ns - at.measured_ns for at, _ in observed]),
                ("decided_to_sent", [each.sent_ns - each.detected_ns for each in some]),
                ("sent_to_received", [each.received_ns + ahead_ns - each.sent_ns for each in some]),
                ("received_to_committed", [committed_ns - each.received_ns for each in some]),
            )
            for stage, took_ns in stages:
                if took_ns:
                    self._observe(esn, stage, kind, *took_ns)

    def shown(self, esn: str, kind: Kind, took_ns: int) -> None:
        """Observe how long after its commit a page showed a version."""
        self._observe(esn, "committed_to_shown", kind, took_ns)

    def _observe(self, esn: str, stage: Stage, kind: Kind, *took_ns: int) -> None:
        if min(took_ns) < 0:  # two clocks that differ by less than they can be compared, or one that is wrong
            self.counts[f"latency.negative.{stage}"] += sum(one_ns < 0 for one_ns in took_ns)
        self.histograms.observe((esn, stage, kind), *[max(0, one_ns) / NS for one_ns in took_ns])
