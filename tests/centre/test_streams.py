"""The stream of events as a WebSocket: what SSE gives, without holding one of a browser's six connections."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets.asyncio.client as ws
from websockets.exceptions import ConnectionClosed, InvalidStatus

from centre import streams
from centre import track_hub as tracks
from tests.support.centre_samples import episode_id, violation
from tests.support.serving_centre import (
    TEST_S,
    follow_with_breaks,
    only,
    running,
    snapshot,
    streaming,
)

pytestmark = pytest.mark.anyio


async def test_the_stream_resumes_exactly_once_in_order(tmp_path: Path) -> None:
    """The law of the SSE stream holds here too, also where a client changes from one to the other."""
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        await follow_with_breaks(
            centre, lambda turn, after: centre.events(after) if turn % 4 == 0 else streaming(centre, after)
        )


async def test_both_carriers_bring_the_same_events(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        centre.send(1, violation(1))
        await centre.until_sent(1)
        found = []
        for opened in (centre.events(0), streaming(centre, 0)):
            async with opened as stream:
                found.append(await anext(event async for event in stream if event[1] == "violation"))
    assert found[0] == found[1]
    assert found[0][:2] == (1, "violation")


async def test_an_unknown_cursor_is_reset_and_a_wrong_one_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        centre.send(1, violation())
        await centre.until_sent(1)
        async with streaming(centre, 99) as stream:
            number, kind, data = await anext(stream)  # the desk's row may have followed the violation's
            assert (kind, data) == ("reset", {"cursor": number})
        for wrong in ("x", "-1", "1" * 30):
            with pytest.raises(InvalidStatus):
                await ws.connect(f"ws://127.0.0.1:{centre.port}/api/stream?after={wrong}")
        async with streaming(centre, 1) as stream:  # the refused ones cost the others nothing
            centre.send(2, violation(2))
            assert [data["id"] async for data in only(stream, "violation", 1)] == [episode_id(2)]


@pytest.mark.parametrize("route", ["stream", "tracks"])
async def test_another_origin_gets_no_socket(tmp_path: Path, route: str) -> None:
    """A page of the internet must not follow the centre through the visitor's browser."""
    async with running(tmp_path) as centre:
        address = f"ws://127.0.0.1:{centre.port}/api/{route}"
        for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example"):
            with pytest.raises(InvalidStatus):
                await ws.connect(address, origin=origin)  # type: ignore[arg-type]
        async with ws.connect(address, origin=f"http://127.0.0.1:{centre.port}"):  # type: ignore[arg-type]
            pass


async def test_the_stop_ends_every_stream(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        sockets = [await ws.connect(f"ws://127.0.0.1:{centre.port}/api/stream") for _ in range(10)]
        for each in sockets:
            await each.recv()
        centre.app.stop.set()
        async with asyncio.timeout(2.0):
            await centre.serving
        for each in sockets:
            await each.wait_closed()
            assert each.close_code in (1001, 1012)


async def test_too_many_listeners_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CLIENTS_MAX", 2)
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        address = f"ws://127.0.0.1:{centre.port}/api/stream"
        async with ws.connect(address), ws.connect(address):
            with pytest.raises((InvalidStatus, ConnectionClosed)):
                await (await ws.connect(address)).recv()
            assert (await centre.http.get("/api/events")).status_code == 503
        await until(lambda: centre.app.feed.counts["stream.refused"] == 2)
        async with streaming(centre) as stream:
            await anext(stream)


async def until(condition: Any) -> None:
    async with asyncio.timeout(TEST_S):
        while not condition():
            await asyncio.sleep(0.005)


def deaf(port: int, path: str) -> socket.socket:
    """Open a WebSocket that reads its handshake and nothing more."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(("127.0.0.1", port))
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    return client


async def test_a_client_that_reads_nothing_is_cut_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is let go although not even the farewell gets through, and the next connection brings the rest."""
    monkeypatch.setattr(streams, "SEND_TIMEOUT_S", 0.2)
    monkeypatch.setattr(streams, "END_S", 0.0)
    monkeypatch.setattr(streams, "CLIENTS_MAX", 1)
    async with running(tmp_path) as centre:
        with contextlib.closing(deaf(centre.port, "/api/stream?after=0")):
            long = violation(1, evidence={"t_ns": [1] * 3_000, "d_m": [1.0] * 3_000}, reason="x" * 200)
            for n in range(1, 2_001):
                centre.send(n, violation(n, reason="x" * 200) if n > 1 else long)
            await until(lambda: centre.app.feed.counts["stream.cut"] == 1)
            async with streaming(centre, 7) as stream:  # there is room again while it still holds its end
                found = [n async for n in _numbers(stream, 3)]
    assert found == [8, 9, 10]


async def _numbers(stream: AsyncIterator[tuple[int | None, str, Any]], n: int) -> AsyncIterator[int]:
    async for number, name, _ in stream:
        if name == "violation" and number is not None:
            yield number
            n -= 1
            if n == 0:
                return


async def test_a_viewer_that_reads_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kin: 64 pages that stand still in a debugger would leave no room for the 65th."""
    monkeypatch.setattr(streams, "SEND_TIMEOUT_S", 0.2)
    monkeypatch.setattr(streams, "END_S", 0.0)
    monkeypatch.setattr(tracks, "VIEWERS_MAX", 1)
    async with running(tmp_path) as centre:
        with contextlib.closing(deaf(centre.port, "/api/tracks")):
            seq = 0

            def gone() -> bool:
                nonlocal seq
                for _ in range(20):
                    seq += 1
                    # faster than the gate of the ingest lets one RSU send
                    centre.app.tracks.receive_snapshot("RSU001", snapshot(seq, names=True), time.time_ns())
                return centre.app.feed.counts["stream.cut"] == 1

            await until(gone)
            async with ws.connect(f"ws://127.0.0.1:{centre.port}/api/tracks") as other:
                await other.recv()
