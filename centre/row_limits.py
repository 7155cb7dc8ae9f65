"""How many rows of the database one RSU may cause that are no violations. Not thread-safe.

Violations are evidence and have no limit here; the rate at which they come in has one (`gate`). What a
transaction counts and then rolls back stays counted, so the limits hold in any case. The rates are those of
one process; where several write one database, each has its own.
"""

import sqlalchemy as sa

from centre.store import TRANSPORT
from edge.token_bucket import TokenBucket

QUARANTINE_HZ, QUARANTINE_BURST = 2.0, 200.0  # further rows of one RSU; beyond, its bytes are only counted
VOIDS_MAX = 20_000  # of one RSU, of all its epochs
VOIDS_COUNTED_AGAIN = 500  # so many added, and they are counted in the database again
JOURNEYS_HZ, JOURNEYS_BURST = 2.0, 20_000.0  # new journeys of one RSU: a day's traffic at once, 170 000 a day
SENDERS_MAX = 1_024  # RSUs with state here


class RowLimits:
    """The rows of each RSU; times are arrivals, in ns."""

    def __init__(self) -> None:
        self._voids: dict[str, tuple[int, int]] = {}  # by RSU: counted in the database, and added since
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    def may_quarantine(self, esn: str, now_ns: int) -> bool:
        """Return whether to keep more bytes of an RSU in the quarantine now."""
        return self._bucket("quarantine", esn, QUARANTINE_HZ, QUARANTINE_BURST, now_ns).take(
            1.0, now_ns / 1e9
        )

    def may_void(self, db: sa.Connection, esn: str) -> bool:
        """Return whether one more void of an RSU gets a row; count it."""
        known = self._voids.get(esn)
        if known is None and len(self._voids) >= SENDERS_MAX:
            return False
        if known is None or known[1] >= VOIDS_COUNTED_AGAIN:  # another process may have added some
            own = (TRANSPORT.c.esn == esn, TRANSPORT.c.void.is_not(None))
            rows = sa.select(TRANSPORT.c.seq).where(*own).limit(VOIDS_MAX).subquery()
            known = (db.scalar(sa.select(sa.func.count()).select_from(rows)) or 0, 0)
        counted, added = known
        if counted + added >= VOIDS_MAX:
            return False
        self._voids[esn] = (counted, added + 1)
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
