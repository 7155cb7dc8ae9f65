"""A port for a part that a test starts."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_port() -> Iterator[int]:
    """Yield a TCP port of the loopback on which only who names it may listen; nobody else is given it.

    Closed at once it may be drawn again before the part listens, as by a broker that wants a second one.
    """
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the part's does so too
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]
