"""The TLS of a process while it runs: files that change, an end that nears, brokers that refuse."""

import asyncio
import time
from collections.abc import Callable, Mapping

from edge.link import Link, LinkSettings
from edge.log import Logger
from edge.signing.guard import REFUSALS
from edge.tls import DAMAGED, INSECURE, is_loopback
from edge.tls_causes import words

LOOK_S = 5.0  # between looks at the files
FORGED, FORGED_S = "forged_messages", 60.0  # in `degraded`, for so long after the last one
REFUSED_AGAIN_S = 600.0  # a refusal that lasts is logged so often


class LinkSecurity:
    """Watches the credentials and keys that all connections of a process share: what is wrong with them."""

    def __init__(self, settings: LinkSettings, links: Mapping[str, Link], logger: Logger) -> None:
        self._credentials, self._links, self._log = settings.tls, links, logger
        self._signing = settings.signing
        self._n_refused, self._refused_s = 0, float("-inf")  # unsigned or forged messages; when the last came
        remote = any(not is_loopback(host) for host, _ in settings.addresses)
        self._named: dict[tuple[str, str], int] = {}  # of the refused: how many were logged
        self._insecure = remote and settings.tls is None
        self._logged: dict[str, object] = {}
        self._refusals: dict[tuple[str, int], tuple[str, float]] = {}  # cause, and when it was logged
        self.on_renewed: Callable[[], None] = lambda: None  # our own certificate is another
        for link in links.values():
            link.on_refused = self._refused

    def faults(self) -> tuple[str, ...]:
        """Return reasons for `degraded`."""
        if self._credentials is None:
            return (INSECURE,) if self._insecure else ()
        forged = (FORGED,) if time.monotonic() - self._refused_s < FORGED_S else ()
        damaged = (DAMAGED,) if self._signing is not None and self._signing.believes_nobody else ()
        return tuple(dict.fromkeys((*self._credentials.faults(), *damaged, *forged)))

    def certificate_ends_s(self) -> float | None:
        """Return when our own certificate ends, in Unix time; None without one."""
        own = None if self._credentials is None else self._credentials.own
        return None if own is None else own.not_after.timestamp()

    def counts(self) -> dict[str, int]:
        """Return what the status of every part shows: reloads, and 1 for each fault."""
        found = {} if self._credentials is None else dict(self._credentials.counts)
        if self._signing is not None:
            found |= self._signing.guard.counts
            found |= {f"refused.{who}.{why}": n for (who, why), n in self._signing.guard.refused.items()}
        return found | {f"tls.{fault}": 1 for fault in self.faults()}

    def log_start(self) -> None:
        """Log the faults that are there at the start, and a certificate that names no part."""
        self._log_changed("faults", self.faults())
        self._log_changed("problem", None if self._credentials is None else self._credentials.problem)
        own = None if self._credentials is None else self._credentials.own
        if own is not None and own.identity is None:
            self._log.warning(
                "tls.certificate_names_no_part", why="another authority's: role and name unchecked"
            )

    async def run(self) -> None:
        """Follow the files until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Read files that have changed; connect anew, once, where our own certificate is another."""
        if self._credentials is None:
            return
        self._look_at_signatures()
        changed = self._credentials.refresh()
        if changed != "same":
            self._log.info("tls.reloaded", certificate=changed == "other_certificate")
        if changed == "other_certificate":
            for link in self._links.values():
                link.reconnect()
            self.on_renewed()
        self._log_changed("problem", self._credentials.problem)
        self._log_changed("faults", self.faults())

    def _look_at_signatures(self) -> None:
        if self._signing is None:
            return
        if self._signing.refresh():
            self._log.info("signing.reloaded")
        self._log_changed("signing.problem", self._signing.problem)
        n_refused = sum(n for reason, n in self._signing.guard.counts.items() if reason in REFUSALS)
        if n_refused != self._n_refused:
            self._n_refused, self._refused_s = n_refused, time.monotonic()
        for (who, why), n in self._signing.guard.refused.items():
            if n != self._named.get((who, why), 0):
                self._named[who, why] = n
                self._log.warning("signature.refused", reason=f"{who} {why}", claimed=who, why=why, total=n)

    def _refused(self, address: tuple[str, int], cause: str) -> None:
        """Log why a broker refuses us: when the reason becomes another, and again while it lasts."""
        now_s, known = time.monotonic(), self._refusals.get(address)
        if known is None or known[0] != cause or now_s - known[1] > REFUSED_AGAIN_S:
            self._refusals[address] = (cause, now_s)
            self._log.warning("tls.refused", broker="{}:{}".format(*address), cause=cause, why=words(cause))

    def _log_changed(self, what: str, now: object) -> None:
        """Log a state when it becomes another: it may last for days."""
        if now and self._logged.get(what) != now:
            self._log.warning("tls", what=what, why=now)
        self._logged[what] = now
