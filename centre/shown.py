"""What pages report to have shown: how long a committed change took until an operator could see it.

A page names the numbers of the changes that it has drawn, on the event stream that brought them, right after
the frame that shows them. The time is taken here, at the report's arrival, so no page's clock is used; it
holds the report's own way too, and so is never too good.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from edge.latency import ViolationLatency, kind_of

CHANGES_MAX = 1_000  # changes that may still be reported
VERSIONS_MAX = 4_000  # episodes in `Shown._versions`; one that was forgotten may count as new again
REPORT_BYTES_MAX = 2_000
NUMBERS_MAX = 64  # of one report


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """Text from a page; other text is ignored, as it always was."""

    shown: tuple[int, ...]


class _Change(NamedTuple):
    esn: str
    kind: Any
    committed_ns: int


_decode = msgspec.json.Decoder(_Report).decode


@dataclass(slots=True)
class Page:
    """One connection of a page.  since_ns : when it began"""

    shown: "Shown"
    since_ns: int
    newest: int = 0  # number that it has reported

    def receive(self, text: str) -> None:
        """Receive text from the page."""
        self.shown.receive(self, text)


class Shown:
    """Joins the reports of all pages with the changes that were announced to them."""

    def __init__(self, latency: ViolationLatency, now_ns: Callable[[], int]) -> None:
        self._latency, self._now_ns = latency, now_ns
        self._changes: OrderedDict[int, _Change] = OrderedDict()  # by number, ascending
        self._versions: OrderedDict[str, tuple[int, int]] = OrderedDict()  # (hop, version) by episode
        self.counts: Counter[str] = Counter()

    def announce(self, n: int, episode: Mapping[str, Any]) -> None:
        """Note a change of the feed; one that shows no newer version of its episode is no sample."""
        version, known = (episode["hop"], episode["version"]), self._versions.get(episode["id"])
        committed = episode["committed_ns"]
        if committed is None or (known is not None and version <= known):
            return
        self._versions[episode["id"]] = version
        self._versions.move_to_end(episode["id"])
        waited_ns = int(episode["sent_ns"] or 0) - int(episode["detected_ns"] or 0)
        kind = kind_of(late=bool(episode.get("late")), waited_ns=waited_ns)
        self._changes[n] = _Change(episode["esn"], kind, int(committed))
        if len(self._changes) > CHANGES_MAX:
            self._changes.popitem(last=False)
        if len(self._versions) > VERSIONS_MAX:
            self._versions.popitem(last=False)

    def page(self) -> Page:
        """Return the reports' receiver of one connection."""
        return Page(self, self._now_ns())

    def receive(self, page: Page, text: str) -> None:
        """Receive a page's report; each number counts once for each connection."""
        now_ns = self._now_ns()
        if len(text) > REPORT_BYTES_MAX:
            self.counts["shown.too_long"] += 1
            return
        try:
            numbers = _decode(text).shown
        except msgspec.MsgspecError:
            self.counts["shown.unreadable"] += 1
            return
        self.counts["shown.excess"] += len(numbers[NUMBERS_MAX:])
        for n in numbers[:NUMBERS_MAX]:
            change = self._changes.get(n)
            if change is None or n <= page.newest:
                self.counts["shown.unknown"] += 1
                continue
            page.newest = n
            if change.committed_ns >= page.since_ns:  # else the page was away: that is no latency
                self._latency.shown(change.esn, change.kind, now_ns - change.committed_ns)
