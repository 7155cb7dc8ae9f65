"""Made-up traffic and a browser for the tests of the page: lighter than a demo, and the same each time."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import find_program
from tests.support.centre_site import FIRST_M, write_site

ARGUMENTS = [
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-background-networking", "--no-first-run",
]  # fmt: skip
PATIENCE_MS = 90_000  # a busy machine without a graphics card draws a frame a second


def _free_ports(n: int) -> list[int]:
    with ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [listener.getsockname()[1] for listener in listeners]


@contextmanager
def fed_centre(folder: Path, first_m: float = FIRST_M) -> Iterator[str]:
    """Run `tests.support.centre_feed` on free ports until the block ends; yields the page's address.

    The road begins at station `first_m`.
    """
    broker, http = (f"127.0.0.1:{port}" for port in _free_ports(2))
    site = write_site(folder, broker=broker, http=http, first_m=first_m)
    argv = [sys.executable, "-m", "tests.support.centre_feed", "--site", str(site), "--http", http]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, process_group=0) as feed:
        try:
            assert feed.stdout is not None
            said = feed.stdout.readline()
            assert said.startswith("the page: "), said
            yield f"http://{http}/"
        finally:
            feed.send_signal(signal.SIGTERM)
            feed.communicate(timeout=30)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program("chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


def wait_for(page: Page, condition: str) -> None:
    """Wait until an expression holds; as a function, since the page's policy allows no strings as code."""
    page.wait_for_function(f"() => {condition}")
