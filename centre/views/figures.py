"""Figures of `/api/summary` over all episodes in the database, not only those that a page has loaded."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from centre.statements import WARNING
from centre.store import EPISODE, VERSION
from edge.figures import quantile_ms

LATENCY_SAMPLES_MAX = 1_000
DEFERRED_NS = 1_000_000_000  # from detected to sent; a longer one waited in the RSU's outbox
BIN_NS = 600_000_000_000
BINS = 12


class Sample(NamedTuple):
    """One alarm's latency from the arrival of the deciding observation to the commit, and its RSU."""

    esn: str
    latency_ns: int
    deferred: bool  # it waited in the RSU's outbox


def sections(db: sa.Connection) -> dict[str, int]:
    """Return the number of episodes in each section of the list: open alarms, ended alarms, the record."""
    found = {"open": 0, "ended": 0, "record": 0, "record_open": 0}
    counted = sa.select(EPISODE.c.grade_max, EPISODE.c.open, sa.func.count())
    for grade_max, is_open, n in db.execute(counted.group_by(EPISODE.c.grade_max, EPISODE.c.open)).all():
        if grade_max >= WARNING:
            found["open" if is_open else "ended"] += n
        else:
            found["record"] += n
            found["record_open"] += n if is_open else 0
    return found


class AlarmBins:
    """Counts the alarms of the last two hours by ten minutes; it reads older episodes only once."""

    def __init__(self) -> None:
        self._older_n = 0  # episodes up to this number are older than two hours

    def read(self, db: sa.Connection, now_ns: int) -> dict[str, Any]:
        """Return `alarms` of `/api/summary`, by the arrival of each alarm's first version."""
        since_ns = now_ns - BINS * BIN_NS
        number, came_ns = EPISODE.c.n, EPISODE.c.first_received_ns
        older = sa.select(sa.func.max(number)).where(number > self._older_n, came_ns < since_ns)
        self._older_n = db.scalar(older) or self._older_n
        at = (came_ns - since_ns) // BIN_NS
        counted = sa.select(at, sa.func.count()).where(
            number > self._older_n, came_ns >= since_ns, EPISODE.c.grade_max >= WARNING
        )
        bins = [0] * BINS
        for i, n in db.execute(counted.group_by(at)).all():
            bins[min(int(i), BINS - 1)] += n  # one that arrived just now
        return {"last_10_min": bins[-1], "last_hour": sum(bins[-6:]), "per_10_min": bins}


def latencies(db: sa.Connection, since_ns: int) -> list[Sample]:
    """Return the newest samples of episodes whose alarm was committed since then."""
    sampled = (  # the version from which the episode has its latency
        (VERSION.c.id == EPISODE.c.id)
        & (VERSION.c.esn == EPISODE.c.latency_esn)
        & (VERSION.c.committed_ns - VERSION.c.decided_ns == EPISODE.c.latency_ns)
    )
    waited_ns = VERSION.c.sent_ns - VERSION.c.detected_ns
    query = (
        sa.select(EPISODE.c.n, EPISODE.c.latency_esn, EPISODE.c.latency_ns, waited_ns.label("waited_ns"))
        .select_from(EPISODE.join(VERSION, sampled))
        .where(EPISODE.c.latency_ns.is_not(None), VERSION.c.committed_ns >= since_ns)
        .order_by(EPISODE.c.n.desc())
        .limit(LATENCY_SAMPLES_MAX)
    )
    found = {
        row.n: Sample(row.latency_esn, row.latency_ns, row.waited_ns > DEFERRED_NS)
        for row in db.execute(query).all()
    }
    return list(found.values())


def by_esn(samples: Sequence[Sample]) -> Mapping[str, Sequence[Sample]]:
    """Return the latency samples of each RSU."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.esn].append(sample)
    return found


def latency(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return p50 and p99 [ms], and of how many samples.

    A sample that waited in an outbox measures an outage, not the latency, so it is only counted.
    """
    samples_ns = [sample.latency_ns for sample in samples if not sample.deferred]
    n, p50_ms, p99_ms = len(samples_ns), quantile_ms(samples_ns, 0.50), quantile_ms(samples_ns, 0.99)
    return {"p50_ms": p50_ms, "p99_ms": p99_ms, "n": n, "deferred": len(samples) - n}
