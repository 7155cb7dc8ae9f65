"""A server that sends a byte now and then holds up nobody for longer than the time that it has."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from centre.evidence import still
from centre.outreach.webhook import NotDeliveredError, send
from edge.sections import WebhookConfig

BYTE_S = 0.05


@contextlib.contextmanager
def trickling(head: bytes) -> Iterator[int]:
    """Serve one request: the head at once, then a byte at a time; return the port."""
    ended = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            own, _ = server.accept()
            with own:
                own.recv(65_536)
                own.sendall(head)
                while not ended.wait(BYTE_S):
                    own.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 500 no\r\nContent-Length: 1000\r\n\r\n"])
def test_a_trickling_answer_to_an_event_is_cut(head: bytes) -> None:
    with trickling(head) as port:
        begun_s = time.monotonic()
        with pytest.raises(NotDeliveredError):
            send(WebhookConfig(url=f"http://127.0.0.1:{port}/", timeout_s=0.2), "1", b"{}", 1)
        assert time.monotonic() - begun_s < 3.0


def test_a_trickling_picture_is_cut_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(still, "TIME_S", 0.4)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\n\xff\xd8\xff"
    with trickling(head) as port:
        begun_s = time.monotonic()
        with pytest.raises(still.NoStillError):
            still.fetch(f"http://127.0.0.1:{port}/")
        assert time.monotonic() - begun_s < 3.0
