"""Messages of one RSU's recording as a replay gets them."""

from collections import Counter
from collections.abc import Iterable, Iterator

from geofence.map.frames import SiteFrame
from roadside.arrivals import Arrival, LoggedMessage, Own, blocks_of
from roadside.replay import arrivals_of


def recorded_arrivals(
    messages: Iterable[LoggedMessage], frame: SiteFrame, esn: str, unread: Counter[str] | None = None
) -> Iterator[Arrival]:
    """Yield the messages with their inputs; unread : counts what can't be read."""
    unread = Counter() if unread is None else unread
    return arrivals_of(blocks_of(messages, frame, Own(esn), unread), [esn], frame, unread)
