"""The nodes of a cluster as a worker sees them: one that accepts and says nothing is not up."""

import asyncio
from collections.abc import Callable

import pytest

from centre.workers import nodes
from centre.workers.nodes import NodeWatch

pytestmark = pytest.mark.anyio


async def serving(*said: bytes | None) -> tuple[list[str], Callable[[], None]]:
    """Listen once for each; None: accept and never answer."""
    servers, over = [], asyncio.Event()
    for words in said:

        async def greet(_: object, writer: asyncio.StreamWriter, words: bytes | None = words) -> None:
            if words is None:
                await over.wait()
            else:
                writer.write(words)
            writer.close()

        servers.append(await asyncio.start_server(greet, "127.0.0.1", 0))

    def close() -> None:
        over.set()
        for server in servers:
            server.close()

    return [f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers], close


async def test_a_node_is_up_that_greets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "ANSWER_S", 0.5)
    addresses, close = await serving(b'INFO {"server_id":"x"}\r\n', b"HTTP/1.1 400\r\n", b"IN", None)
    off = "127.0.0.1:9"
    watch = NodeWatch([*addresses, off])
    assert watch.up == {}
    await watch.look()
    close()
    assert list(watch.up.values()) == [True, False, False, False, False]
    await watch.look()
    assert set(watch.up.values()) == {False}
