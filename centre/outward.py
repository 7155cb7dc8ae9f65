"""What the centre gives to others: evidence files, warnings of drivers, events for other platforms."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from centre.broker import BrokerLink
from centre.database import Database
from centre.evidence.building import build_evidence
from centre.evidence.jobs import Evidence
from centre.feed_events import Present, one_by_one
from centre.ingest import Ingest
from centre.outreach.building import build_outreach
from centre.outreach.drivers import Drivers
from centre.outreach.sender import Sender
from centre.writer import Writer
from edge.config import Site
from edge.log import Logger


@dataclass(frozen=True, slots=True)
class Outward:
    """These parts of one centre."""

    evidence: Evidence
    drivers: Drivers
    sender: Sender

    @property
    def counts(self) -> tuple[Counter[str], ...]:
        """The counters of each."""
        return (self.evidence.counts, self.evidence.clips.counts, self.drivers.counts, self.sender.counts)

    @property
    def presents(self) -> Present:
        """Return what the feed's events of evidence files and warnings carry, by their keys."""
        return {"evidence": one_by_one(self.evidence.row), "warning": one_by_one(self.drivers.row)}

    @property
    def works(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What each does while the centre runs, by name."""
        return {"evidence": self.evidence.run, "drivers": self.drivers.run, "outreach": self.sender.run}


def build_outward(
    site: Site, database: Database, writer: Writer, ingest: Ingest, broker: BrokerLink,
    now_ns: Callable[[], int], log: Logger,
) -> Outward:  # fmt: skip
    """Build these parts and connect them to their topics."""
    evidence = build_evidence(site, database, writer, ingest, broker.publish, now_ns, log)
    return Outward(evidence, *build_outreach(site, database, writer, ingest, broker, now_ns, log))
