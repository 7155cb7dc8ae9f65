"""Ends an HTTP exchange after a time, however slowly the other side sends. Blocking callers use it."""

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def cut_after(connection: http.client.HTTPConnection, time_s: float) -> Iterator[None]:
    """Connect; shut the socket down when the time is over, and close it at the end. Raises OSError.

    A time-out of the socket alone is spent anew with each byte that trickles in. The answer holds the socket
    open after the connection let go of it, so closing it would end nothing: it is shut down.
    """
    try:
        connection.connect()
        own: socket.socket = connection.sock
        ending = threading.Timer(time_s, _shut_down, (own,))
        ending.daemon = True
        ending.start()
        try:
            yield
        finally:
            ending.cancel()
            own.close()
    finally:
        connection.close()


def _shut_down(own: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        own.shutdown(socket.SHUT_RDWR)
