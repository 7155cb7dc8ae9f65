"""A page behind a slow way: it gets little, but the newest."""

import contextlib
import socket

import pytest

from centre.server import bind
from centre.track_viewer import Viewer

pytestmark = pytest.mark.anyio


async def test_while_a_slow_viewer_receives_one_frame_newer_ones_replace_the_others() -> None:
    viewer = Viewer()
    for esn in ("RSU001", "RSU002"):
        viewer.offer(esn, f"{esn} old".encode(), named=False)
    assert await viewer.next_frame() == b"RSU001 old"
    viewer.offer("RSU001", b"RSU001 names", named=True)
    viewer.offer("RSU001", b"RSU001 new", named=False)
    viewer.offer("RSU002", b"RSU002 new", named=False)
    taken = [await viewer.next_frame() for _ in range(3)]
    assert taken == [b"RSU002 new", b"RSU001 names", b"RSU001 new"]  # who has waited longest first
    assert viewer.skipped == 1


async def test_of_what_a_page_does_not_read_the_kernel_holds_little() -> None:
    """Else the newest does not win: Linux took 4 MB, seconds of snapshots on a slow way."""
    sent_bytes = 0
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        page, _ = listener.accept()
        with page, contextlib.suppress(BlockingIOError):
            page.setblocking(False)
            while sent_bytes < 10_000_000:
                sent_bytes += page.send(bytes(65_536))
    assert sent_bytes < 1_000_000
