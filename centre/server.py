"""Runs uvicorn until the centre's stop event; the command handles the signals."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from litestar.types import ASGIApp

from centre.sockets import Socket

UNSENT_BYTES = 65_536  # of one client in the kernel; 4 MB by default, 14 s of snapshots for a slow page
END_S = 1  # a client that does not disconnect by itself is cut after this time


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle no signals: the command does, since it ends more than this server."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; OSError where the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # accepted sockets inherit it
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    return listener


async def serve(
    app: ASGIApp, listener: socket.socket, stop: asyncio.Event, tls: ssl.SSLContext | None = None
) -> None:
    """Serve until `stop` is set, then end within about a second.

    tls : of the page's certificate; None: without TLS
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # a client could say any address, and with it escape the waits of sign-ins
        ssl_context_factory=None if tls is None else lambda _config, _usual: tls,
        lifespan="off",
        server_header=False,
        ws=Socket,
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
    serving = asyncio.create_task(server.serve([listener]), name="centre.server")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:  # another part failed: end all the same, or the address stays taken
        server.should_exit = True
        await serving
        raise
    finally:
        watcher.cancel()
