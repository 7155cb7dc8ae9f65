"""Runs uvicorn until the centre's stop event; the command handles the signals."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from litestar.types import ASGIApp

from centre.sockets import Socket
from edge.patience import OnEnd, Patience, protocol_of

UNSENT_BYTES = 65_536  # of one client in the kernel; 4 MB by default, 14 s of snapshots for a slow page
CONNECTIONS_MAX = 512
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
    app: ASGIApp,
    listener: socket.socket,
    stop: asyncio.Event,
    tls: ssl.SSLContext | None = None,
    on_end: OnEnd = lambda _why, _address: None,
) -> None:
    """Serve until `stop` is set, then end within about a second.

    tls : of the page's certificate; None: without TLS
    on_end(why, address) : called for each connection that made us wait for too long
    """
    patience = Patience(on_end)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # a client could say any address, and with it escape the waits of sign-ins
        http=protocol_of(patience, tls),
        lifespan="off",
        server_header=False,
        ws=Socket,
        ws_per_message_deflate=False,  # snapshots are packed, and leave ten times a second
        timeout_graceful_shutdown=END_S,
        limit_concurrency=CONNECTIONS_MAX,
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
        patience.close()
