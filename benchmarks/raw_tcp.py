"""What the two commits and a plain TCP connection between them take: the peer of `latency.commit`.

The sender appends 3 kB to a file, waits for the medium, sends them; the receiver does the same and answers.
Nothing is encoded, judged or queried: what a delivery takes beyond this is ours or the broker's.
"""

import multiprocessing
import os
import socket
import struct
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

BODY_BYTES = 3_000
PERIOD_S = 0.05
STAMP = struct.Struct("<Q")


class RawTcp:
    """Two processes that send and receive until `end`, which returns the latencies [ms]."""

    def __init__(self, folder: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        near, far = spawn.Pipe()
        self._end = spawn.Event()
        self._receiver = spawn.Process(target=_receive, args=(folder, far), daemon=True)
        self._receiver.start()
        far.close()  # so that the receiver's end is an end here, too
        port = int(near.recv())
        self._results, results = spawn.Pipe()
        self._sender = spawn.Process(target=_send, args=(folder, port, self._end, results), daemon=True)
        self._sender.start()
        results.close()

    def end(self) -> list[float]:
        """End both; return each latency from the due time to the receiver's commit [ms]."""
        self._end.set()
        found: list[float] = self._results.recv()
        self._sender.join()
        self._receiver.join()
        return found


def _appended(fd: int, body: bytes) -> None:
    os.write(fd, body)
    os.fdatasync(fd)


def _file(folder: Path) -> int:
    fd, _ = tempfile.mkstemp(prefix="raw-", dir=folder)
    return fd


def _receive(folder: Path, pipe: "Connection[Any, Any]") -> None:
    file = _file(folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipe.send(listener.getsockname()[1])
        connection, _ = listener.accept()
        with connection:
            while body := connection.recv(BODY_BYTES, socket.MSG_WAITALL):
                _appended(file, body)
                connection.sendall(STAMP.pack(time.time_ns()))
    os.close(file)


def _send(folder: Path, port: int, end: Any, pipe: "Connection[Any, Any]") -> None:
    file, body, found_ms = _file(folder), bytes(BODY_BYTES), list[float]()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due_ns = time.time_ns()
        while not end.is_set():
            due_ns += int(PERIOD_S * 1e9)
            time.sleep(max(0.0, (due_ns - time.time_ns()) / 1e9))
            _appended(file, body)
            connection.sendall(body)
            (committed_ns,) = STAMP.unpack(connection.recv(STAMP.size, socket.MSG_WAITALL))
            found_ms.append((committed_ns - due_ns) / 1e6)
    os.close(file)
    pipe.send(found_ms)
