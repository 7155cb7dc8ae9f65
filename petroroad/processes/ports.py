"""Free ports of this machine's loopback for the parts of a demo, a test or a benchmark."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_port() -> Iterator[int]:
    """Yield a free TCP port of the loopback, which stays free for the part that listens on it by number.

    Closed at once, it might be drawn by another before the part listens: nats-server draws a second one
    itself. Both sockets reuse addresses, as servers do, and ours does not listen.
    """
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]
