"""What escapes from a callback ends the process; what a peer or a library did does not."""

import asyncio

import pytest
import uvloop

from edge.bugs import until_bug

pytestmark = pytest.mark.anyio


async def _soon(task):
    """Let the loop run its callbacks."""
    for _ in range(3):
        await asyncio.sleep(0)
    return task.done()


@pytest.mark.parametrize(
    ("context", "counted"),
    [
        ({"exception": ConnectionResetError("peer")}, "socket.error"),
        ({"message": "socket.accept() out of system resource"}, "socket.error"),
        ({"exception": ValueError("lost"), "future": None}, "loop.unasked"),  # a library's, never awaited
        ({"exception": ValueError("lost"), "task": None}, "loop.unasked"),
    ],
)
async def test_what_is_no_bug_of_ours_is_counted(context, counted):
    counts = []
    watch = asyncio.create_task(until_bug(counts.append))
    await _soon(watch)
    asyncio.get_running_loop().call_exception_handler({"message": "", **context})
    assert not await _soon(watch)
    assert counts == [counted]
    watch.cancel()


@pytest.mark.parametrize("ours", [False, True])
def test_a_library_that_trips_over_a_socket_that_died_ends_nothing(ours):
    """uvloop does so in a writer of its own when the broker is killed: the link sees that, and reconnects."""
    counts = []

    async def main():
        loop = asyncio.get_running_loop()
        watch = asyncio.create_task(until_bug(counts.append))
        await _soon(watch)
        if ours:
            loop.call_soon(lambda: loop.add_writer("no socket", print))
        else:
            loop.call_soon(loop.add_writer, "no socket", print)
        await asyncio.sleep(0.01)
        return await watch if watch.done() else watch.cancel()

    if ours:
        with pytest.raises(ValueError, match="no socket"):
            uvloop.run(main())
    else:
        uvloop.run(main())
        assert counts == ["loop.library"]


@pytest.mark.parametrize("ours", [False, True])
async def test_what_trips_while_all_ends_is_still_kept_apart(ours, caplog):
    """A writer comes for a socket that a clean end has just closed: no error to log. A bug of ours is one."""
    counts = []
    watch = asyncio.create_task(until_bug(counts.append))
    await _soon(watch)
    watch.cancel()
    await _soon(watch)
    error = ZeroDivisionError("ours") if ours else OSError(9, "Bad file descriptor")
    asyncio.get_running_loop().call_exception_handler({"message": "in a callback", "exception": error})
    assert counts == ([] if ours else ["socket.error"])
    assert ("in a callback" in caplog.text) is ours


async def test_a_bug_in_a_callback_is_raised():
    watch = asyncio.create_task(until_bug(lambda _: None))
    await _soon(watch)
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(watch, 30.0)


async def test_a_bug_in_a_datagram_is_raised():
    class Broken(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            raise AssertionError("ours")

    loop = asyncio.get_running_loop()
    watch = asyncio.create_task(until_bug(lambda _: None))
    transport, _ = await loop.create_datagram_endpoint(Broken, local_addr=("127.0.0.1", 0))
    sender, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=transport.get_extra_info("sockname")
    )
    sender.sendto(b"x")
    with pytest.raises(AssertionError, match="ours"):
        await asyncio.wait_for(watch, 30.0)
    sender.close()
    transport.close()
