"""Fixes to `gnss/down` messages (docs/design.md section 7): drop duplicates, route, batch, number. Pure."""

from collections import Counter
from collections.abc import Sequence

from edge.wire import FIXES_MAX, GnssDown, GnssFix, columns_of
from roadside.gateway.routing import Router
from roadside.gateway.seen import Seen

REMEMBERED_NS = 300_000_000_000  # at least, where they are fewer than `Seen` has room for
MESSAGE_FIXES_MAX = 1_024  # the largest fixes make 300 kB of it, far below a broker's limit
EMPTY_AFTER_NS = 500_000_000  # "at least each second": half of it, so that one late message does no harm
BEAT_MAX = 32  # at once: a burst for a whole long road would crowd fixes out of the link

Routed = tuple[str, GnssDown]  # the RSU that it is for, and the message


class GatewayFeed:
    """Collects fixes and makes messages for each RSU of them."""

    def __init__(
        self, router: Router, gateway: str, epoch: int, esns: Sequence[str], counts: Counter[str]
    ) -> None:
        self._router = router
        self._gateway = gateway
        self._epoch = epoch
        self._counts = counts
        self._pending: list[GnssFix] = []
        self._seen = Seen()  # by Python's hash, salted in each process: nobody can craft two that collide
        self._seen_since_ns: int | None = None
        self._seq = dict.fromkeys(esns, 0)
        self._sent_ns = dict.fromkeys(esns, 0)

    @property
    def n_pending(self) -> int:
        return len(self._pending)

    def add_fixes(self, fixes: Sequence[GnssFix]) -> None:
        """Add fixes in the order of arrival; duplicates and those beyond the limit are counted instead."""
        for fix in fixes:
            # the place too: with a stopped clock and no numbers, only the place distinguishes reports
            stamp_ns = fix.stamp_ns if fix.device_stamp_ns is None else fix.device_stamp_ns
            key = hash((fix.terminal, stamp_ns, fix.source_seq, fix.lon_deg, fix.lat_deg))
            if self._seen.holds(key):
                self._counts["fix.duplicate"] += 1
            elif len(self._pending) >= FIXES_MAX:
                self._counts["fix.full"] += 1
            else:
                if self._seen.add(key):
                    self._seen_since_ns = None
                self._pending.append(fix)
                self._counts["fix.taken"] += 1

    def flush(self, now_ns: int) -> list[Routed]:
        """Return the pending fixes as messages to the RSUs of their stretches."""
        if self._seen_since_ns is None:
            self._seen_since_ns = now_ns
        elif abs(now_ns - self._seen_since_ns) >= REMEMBERED_NS:  # of either sign: a clock may be set back
            self._seen.turn()
            self._seen_since_ns = now_ns
        pending, self._pending = self._pending, []
        by_rsu: dict[str, list[GnssFix]] = {}
        for fix, esns in zip(pending, self._router.route(pending), strict=True):
            if not esns:
                self._counts["fix.no_place"] += 1
            for esn in esns:
                by_rsu.setdefault(esn, []).append(fix)
        return [
            (esn, self._message(esn, fixes[at : at + MESSAGE_FIXES_MAX], now_ns))
            for esn, fixes in by_rsu.items()
            for at in range(0, len(fixes), MESSAGE_FIXES_MAX)
        ]

    def beat(self, now_ns: int) -> list[Routed]:
        """Return empty messages to RSUs that got none for EMPTY_AFTER_NS: a sign that the gateway runs."""
        # of either sign: a clock that was set back must not silence us until it has caught up
        silent = [esn for esn, sent_ns in self._sent_ns.items() if abs(now_ns - sent_ns) >= EMPTY_AFTER_NS]
        silent.sort(key=self._sent_ns.__getitem__)
        return [(esn, self._message(esn, [], now_ns)) for esn in silent[:BEAT_MAX]]

    def _message(self, esn: str, fixes: list[GnssFix], now_ns: int) -> GnssDown:
        self._seq[esn] += 1
        self._sent_ns[esn] = now_ns
        return GnssDown(gateway=self._gateway, epoch=self._epoch, seq=self._seq[esn], fixes=columns_of(fixes))
