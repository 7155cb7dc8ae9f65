"""The feed reads for its clients: none missed by one that comes later, nothing read for nobody."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from centre.event_stream import Event, EventFeed

pytestmark = pytest.mark.anyio


class Database:
    """Rows 1 to `newest`; counts how many of them are read."""

    def __init__(self) -> None:
        self.newest = self.n_read = self.n_asked = 0

    async def read(self, after: int, limit: int) -> list[Event]:
        await asyncio.sleep(0)
        found = [Event(n, b"%d" % n) for n in range(after + 1, min(self.newest, after + limit) + 1)]
        self.n_read += len(found)
        return found

    async def bounds(self) -> tuple[int, int]:
        newest = self.newest
        self.n_asked += 1
        await asyncio.sleep(0)
        return newest, 1


async def _turns(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def _next(stream: AsyncIterator[tuple[bytes, ...]], n: int) -> list[int]:
    """Return the numbers of so many events, which come together or one after the other."""
    found: list[int] = []
    async with asyncio.timeout(10.0):
        while len(found) < n:
            found += [int(lines) for lines in await anext(stream)]
    assert len(found) == n
    return found


async def test_nothing_is_read_while_no_client_follows_and_a_later_one_misses_nothing() -> None:
    database = Database()
    feed = EventFeed(database.read, database.bounds)
    running = asyncio.create_task(feed.run())
    for database.newest in (300, 700, 1_000):
        feed.wake()
        await _turns(10)
    assert database.n_read == database.n_asked == 0
    stream = feed.follow(995)
    assert await _next(stream, 5) == [996, 997, 998, 999, 1_000]
    for database.newest in range(1_001, 1_006):  # each commit may fall into any turn of the other tasks
        feed.wake()
        assert await _next(stream, 1) == [database.newest]
    await stream.aclose()
    await _turns(10)  # of a read that has begun
    n_read = database.n_read
    database.newest = 2_000
    feed.wake()
    await _turns(10)
    assert database.n_read == n_read
    again = feed.follow(1_004)
    assert await _next(again, 996) == [*range(1_005, 2_001)]
    running.cancel()


async def test_a_client_that_comes_while_the_feed_passes_over_is_woken() -> None:
    database = Database()
    feed = EventFeed(database.read, database.bounds)
    running = asyncio.create_task(feed.run())
    for turns in range(6):
        stream = feed.follow(database.newest)
        waiting = asyncio.create_task(_next(stream, 1))
        database.newest += 1
        feed.wake()
        await _turns(turns)
        assert await waiting == [database.newest]
        await stream.aclose()
    running.cancel()


async def test_a_page_that_leaves_amid_a_reading_leaves_nothing_unread_for_the_next() -> None:
    database = Database()
    feed = EventFeed(database.read, database.bounds)
    running = asyncio.create_task(feed.run())
    first = feed.follow(0)
    waiting = asyncio.create_task(_next(first, 1_000))
    await _turns(10)
    database.newest = 1_000
    feed.wake()
    while not database.n_read:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await first.aclose()
    await asyncio.sleep(0.3)
    assert database.n_read < 1_000
    assert await _next(feed.follow(0), 1_000) == list(range(1, 1_001))
    running.cancel()


async def test_clients_equally_far_receive_the_same_object_and_one_that_is_behind_its_own() -> None:
    database = Database()
    feed = EventFeed(database.read, database.bounds)
    running = asyncio.create_task(feed.run())
    database.newest = 3
    await feed.start()
    streams = [feed.follow(3), feed.follow(3), feed.follow(2)]
    waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
    await _turns(10)
    assert [task.done() for task in waiting] == [False, False, True]
    database.newest = 5
    feed.wake()
    first, second, behind = await asyncio.gather(*waiting)
    assert first is second
    assert [int(lines) for lines in first] == [4, 5]
    assert [int(lines) for lines in behind] == [3]
    assert await _next(streams[2], 2) == [4, 5]
    running.cancel()
