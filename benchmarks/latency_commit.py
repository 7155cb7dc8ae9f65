"""The way of each violation from the deciding scan to the centre's commit, by stage, from its database."""

import contextlib
import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import Line
from edge.figures import quantile
from geofence.violation import decode as decode_violation

SHARES = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
SLOWEST = 10  # whose stages are shown


class Way(NamedTuple):
    """The stages of one violation [ms].

    judged : from the scan's due time until it is put into the outbox.  sent : until it is on the RSU's disk,
        its recording too, and given to the link.  received : until the centre has it.  committed : until it
        is stored
    """

    judged: float
    sent: float
    received: float
    committed: float

    @property
    def total(self) -> float:
        return sum(self)


def ways_of(database: Path, from_ns: int) -> list[Way]:
    """Return the ways of all violations that a scan from then on decided."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        rows = db.execute(
            "SELECT body, detected_ns, sent_ns, received_ns, committed_ns FROM violation_version"
            " WHERE decided_ns IS NOT NULL AND committed_ns IS NOT NULL"
        ).fetchall()
    ways = []
    for body, *stamps in rows:
        measured_ns = decode_violation(body).stamps.measured_ns
        if measured_ns >= from_ns:
            ends_ns = (measured_ns, *stamps)
            ways.append(Way(*((b - a) / 1e6 for a, b in pairwise(ends_ns))))
    return ways


def lines_of(kind: str, ways: list[Way], peer_ms: list[float]) -> list[Line]:
    """Return the figures; peer_ms : the latencies of the raw peer in the same minutes."""
    totals, lines = [way.total for way in ways], []
    for name, share in SHARES:
        ours, peer = quantile(totals, share) or 0.0, quantile(peer_ms, share) or 0.0
        lines.append(Line(f"latency.commit.{name}.{kind}", ours, "ms", "tcp, fdatasync", peer / ours))
    for place, stage in enumerate(Way._fields):
        mine = [way[place] for way in ways]
        for name, share in SHARES[:2]:
            lines.append(Line(f"latency.commit.{stage}.{name}.{kind}", quantile(mine, share) or 0.0, "ms"))
    slowest = sorted(ways, key=lambda way: way.total)[-SLOWEST:]
    for place, stage in enumerate(Way._fields):
        mean = sum(way[place] for way in slowest) / len(slowest)
        lines.append(Line(f"latency.commit.slowest.{stage}.{kind}", mean, f"ms, of the {SLOWEST} slowest"))
    for name, share in SHARES:
        lines.append(Line(f"latency.raw_tcp.{name}.{kind}", quantile(peer_ms, share) or 0.0, "ms"))
    lines.append(Line(f"latency.commit.samples.{kind}", len(ways), "violations"))
    return lines
