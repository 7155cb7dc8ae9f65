"""The daily report: the statistics of a day, and its violations one by one. Blocking."""

from collections.abc import Callable
from typing import Any, Protocol

from centre.search.query import Search
from centre.statistics.figures import Period, statistics

ITEMS_MAX = 500  # listed; the counts are of all


class Source(Protocol):
    """What is asked of `reader.Reader`."""

    def read(self, query: Callable[..., Any], *args: Any) -> Any: ...

    def search(self, wanted: Search) -> dict[str, Any]: ...


def report(source: Source, period: Period) -> dict[str, Any]:
    """Return the report of a period: statistics, and the newest violations that reached warning."""
    wanted = Search(kind="alarm", since_ns=period.since_ns, until_ns=period.until_ns, limit=ITEMS_MAX)
    listed = source.search(wanted)
    found: dict[str, Any] = source.read(statistics, period)
    return found | {
        "items": listed["items"], "items_n": listed["n"], "items_more": listed["older"] is not None,
    }  # fmt: skip
