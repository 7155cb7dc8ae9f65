"""A port that can't be opened ends nothing: it is tried again, ever more rarely, and named meanwhile."""

import asyncio

import pytest

from edge import ports as ports_module
from edge.metrics import Health
from edge.ports import PORT_CLOSED, Ports
from petroroad.processes.ports import kept_port

pytestmark = pytest.mark.anyio


@pytest.fixture
def pauses(monkeypatch):
    """The pauses between tries, which are not slept."""
    asked = []

    async def sleep(pause_s, stop):
        asked.append(pause_s)
        await asyncio.sleep(0)

    monkeypatch.setattr(ports_module, "_sleep", sleep)
    return asked


async def test_a_port_is_tried_until_it_opens_and_said_once_each_way(pauses):
    said, seen = [], []
    ports = Ports(lambda event, **facts: said.append((event, facts["key"])))
    refusals = [OSError(f"in use {i}") for i in range(6)]

    async def serve(on_open):
        seen.append((dict(ports.closed), ports.faults()))
        if refusals:
            raise refusals.pop()
        on_open()
        seen.append((dict(ports.closed), ports.faults()))

    await ports.keep("rsu.health", "127.0.0.1:1", serve)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert said == [("port.closed", "rsu.health"), ("port.opened", "rsu.health")]
    assert ports.counts == {"port.closed": 6}
    assert seen[0] == seen[-1] == ({}, ())
    assert seen[1] == ({"rsu.health": "127.0.0.1:1"}, (PORT_CLOSED,))


async def test_a_port_that_fails_later_is_opened_anew(pauses):
    ports, fails = Ports(lambda event, **facts: None), [OSError("the interface is gone")]

    async def serve(on_open):
        on_open()
        if fails:
            raise fails.pop()

    await ports.keep("key", "127.0.0.1:1", serve)
    assert (ports.counts["port.closed"], ports.closed) == (1, {})


async def test_the_first_try_is_awaited_whatever_it_brings():
    ports = Ports(lambda event, **facts: None)

    async def refuse(_on_open):
        raise OSError("in use")

    async def serve(on_open):
        on_open()
        await asyncio.Event().wait()

    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(ports.keep("a", "x", refuse, stop)),
        asyncio.create_task(ports.keep("b", "y", serve)),
    ]
    async with asyncio.timeout(30.0):
        await ports.tried("a", "b")
        assert ports.closed == {"a": "x"}
        stop.set()  # ends the wait for the next try
        await tasks[0]
    tasks[1].cancel()


async def test_health_is_served_once_its_port_is_free(pauses):
    opened = asyncio.Event()
    ports = Ports(lambda event, **facts: opened.set() if event == "port.opened" else None)
    with kept_port() as port:
        address, taken = f"127.0.0.1:{port}", await asyncio.start_server(lambda r, w: None, "127.0.0.1", port)
        task = asyncio.create_task(Health(lambda: (True, {})).serve(address, "rsu[0].health", ports))
        async with asyncio.timeout(30.0):
            await ports.tried("rsu[0].health")
            assert ports.closed == {"rsu[0].health": address}
            taken.close()
            await taken.wait_closed()
            await opened.wait()
    assert not task.done()
    task.cancel()
