"""A free port that stays free for the part that is about to start."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_port() -> Iterator[int]:
    """Yield a TCP port of the loopback on which only who names it may listen; nobody else is given it.

    Closed at once it may be drawn again before the part listens, as by nats-server, which draws a second
    one itself. Both sockets reuse addresses, as servers do, and ours does not listen.
    """
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]
