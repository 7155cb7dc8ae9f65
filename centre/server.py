"""uvicorn in our own task group: the centre's stop event ends it; the command handles the signals."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from litestar.types import ASGIApp

UNSENT_BYTES = 65_536  # in the kernel, of one client: Linux would take 4 MB, 14 s of a slow page's pictures
END_S = 1  # what a client that does not let go gets before it is cut


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the command, which ends more than this server."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; OSError where the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)  # accepted ones inherit
    return listener


async def serve(app: ASGIApp, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then end within about a second."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # snapshots are packed, and leave ten times a second
        timeout_graceful_shutdown=END_S,
        limit_concurrency=512,
        h11_max_incomplete_event_size=65_536,
    )
    server = _Server(config)

    async def watch() -> None:
        await stop.wait()
        server.should_exit = True

    watcher = asyncio.create_task(watch(), name="centre.stop")
    try:
        await server.serve([listener])
    finally:
        watcher.cancel()
