"""How many rows of the database one RSU may cause that are no violations. Not thread-safe.

Violations are evidence and have no limit here; the rate at which they come in has one (`gate`). What a
transaction counts and then rolls back stays counted, so the limits hold in any case.
"""

from collections import deque

import sqlalchemy as sa

from centre.store import QUARANTINE, TRANSPORT
from edge.token_bucket import TokenBucket

QUARANTINE_ROWS_MAX = 1_000  # of one RSU, the newest
QUARANTINE_HZ, QUARANTINE_BURST = 2.0, 200.0  # further rows of one RSU; beyond, its bytes are only counted
VOIDS_MAX = 20_000  # of one RSU, of all its epochs
JOURNEYS_HZ, JOURNEYS_BURST = 2.0, 20_000.0  # new journeys of one RSU: a day's traffic at once, 170 000 a day
SENDERS_MAX = 1_024  # RSUs with state here


class RowLimits:
    """The rows of each RSU; times are arrivals, in ns."""

    def __init__(self) -> None:
        self._quarantined: dict[str, deque[int]] | None = None  # numbers of the rows by RSU, oldest first
        self._voids: dict[str, int] = {}
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    def may_quarantine(self, esn: str, now_ns: int) -> bool:
        """Return whether to keep more bytes of an RSU in the quarantine now."""
        return self._bucket("quarantine", esn, QUARANTINE_HZ, QUARANTINE_BURST, now_ns).take(
            1.0, now_ns / 1e9
        )

    def has_quarantine_room(self, esn: str, now_ns: int) -> bool:
        """Return whether `may_quarantine` would; nothing is taken."""
        bucket = self._bucket("quarantine", esn, QUARANTINE_HZ, QUARANTINE_BURST, now_ns)
        return bucket.take(0.0, now_ns / 1e9) and bucket.tokens >= 1.0

    def quarantined(self, db: sa.Connection, esn: str, n: int) -> int:
        """Note a new row of the quarantine; delete the RSU's oldest beyond its limit, and return how many."""
        if self._quarantined is None:
            self._quarantined = {}
            for row in db.execute(sa.select(QUARANTINE.c.esn, QUARANTINE.c.n).order_by(QUARANTINE.c.n)):
                self._quarantined.setdefault(row.esn, deque()).append(row.n)
            return 0
        rows = self._quarantined.setdefault(esn, deque())
        rows.append(n)
        n_dropped = 0
        while len(rows) > QUARANTINE_ROWS_MAX:
            old = (QUARANTINE.c.n == rows.popleft(), QUARANTINE.c.esn == esn)
            n_dropped += db.execute(sa.delete(QUARANTINE).where(*old)).rowcount
        return n_dropped

    def may_void(self, db: sa.Connection, esn: str) -> bool:
        """Return whether one more void of an RSU gets a row; count it."""
        if esn not in self._voids:
            if len(self._voids) >= SENDERS_MAX:
                return False
            own = (TRANSPORT.c.esn == esn, TRANSPORT.c.void.is_not(None))
            rows = sa.select(TRANSPORT.c.seq).where(*own).limit(VOIDS_MAX).subquery()
            self._voids[esn] = db.scalar(sa.select(sa.func.count()).select_from(rows)) or 0
        if self._voids[esn] >= VOIDS_MAX:
            return False
        self._voids[esn] += 1
        return True

    def may_begin_journey(self, esn: str, now_ns: int) -> bool:
        """Return whether one more new journey of an RSU gets a row now."""
        return self._bucket("journey", esn, JOURNEYS_HZ, JOURNEYS_BURST, now_ns).take(1.0, now_ns / 1e9)

    def _bucket(self, kind: str, esn: str, rate_hz: float, burst: float, now_ns: int) -> TokenBucket:
        key = (kind, esn)
        if key not in self._buckets:
            if len(self._buckets) >= 2 * SENDERS_MAX:
                del self._buckets[next(iter(self._buckets))]
            self._buckets[key] = TokenBucket.full(rate_hz, burst, now_ns / 1e9)
        return self._buckets[key]
