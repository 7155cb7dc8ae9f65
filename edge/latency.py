"""Where the time of a violation passes, from the sensor to the page: one histogram for each stage. Pure.

The stamps of a stage may be of two clocks: the sensor's and ours, or an RSU's and the centre's. The second
pair is corrected by the offset that the RSU measures; what is still negative counts as 0, and is counted.
"""

from collections import Counter
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

    def committed(self, found: Delivered, committed_ns: int, ahead_ns: int) -> None:
        """Observe all stages of a version that the centre has committed.

        ahead_ns : the RSU's clock ahead of the centre's
        """
        esn, kind, stamps = found.esn, found.kind, found.stamps
        if stamps.by is None:
            self._observe(esn, "sensor_to_arrival", kind, stamps.arrived_ns - stamps.measured_ns)
            self._observe(esn, "arrival_to_decided", kind, found.detected_ns - stamps.arrived_ns)
            self._observe(esn, "total", kind, committed_ns + ahead_ns - stamps.measured_ns)
        self._observe(esn, "decided_to_sent", kind, found.sent_ns - found.detected_ns)
        self._observe(esn, "sent_to_received", kind, found.received_ns + ahead_ns - found.sent_ns)
        self._observe(esn, "received_to_committed", kind, committed_ns - found.received_ns)

    def shown(self, esn: str, kind: Kind, took_ns: int) -> None:
        """Observe how long after its commit a page showed a version."""
        self._observe(esn, "committed_to_shown", kind, took_ns)

    def _observe(self, esn: str, stage: Stage, kind: Kind, took_ns: int) -> None:
        if took_ns < 0:  # two clocks that differ by less than they can be compared, or one that is wrong
            self.counts[f"latency.negative.{stage}"] += 1
            took_ns = 0
        self.histograms.observe((esn, stage, kind), took_ns / NS)
