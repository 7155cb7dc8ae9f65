"""Made-up traffic and a browser for the tests of the page: lighter than a demo, and the same each time."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

from petroroad.processes.ports import kept_port
from tests.conftest import find_program
from tests.support.centre_site import FIRST_M, write_site

ARGUMENTS = [
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-background-networking", "--no-first-run",
]  # fmt: skip
# a PC without a graphics card: only the map's WebGL is imitated, and Chromium composes the page itself, which
# costs a small part of what an imitated card does
NO_CARD = [each for each in ARGUMENTS if not each.startswith("--use-angle")]
PATIENCE_MS = 90_000  # a busy machine without a graphics card draws a frame a second
MEET = """() => {
  window.met = []; // the browser's own events since a gesture began, and what they met
  for (const kind of ["mousemove", "mousedown", "wheel", "touchstart"]) {
    const meet = (event) => window.met.push([kind, event.target]);
    addEventListener(kind, meet, { capture: true, passive: true });
  }
}"""
TRIES = 5  # of a gesture at what a banner moves away


@contextmanager
def fed_centre(folder: Path, first_m: float = FIRST_M, vehicles: int = 80) -> Iterator[str]:
    """Run `tests.support.centre_feed` on free ports until the block ends; yields the page's address.

    The road begins at station `first_m`.
    """
    with kept_port() as broker_port, kept_port() as http_port:
        yield from _fed(folder, f"127.0.0.1:{broker_port}", f"127.0.0.1:{http_port}", first_m, vehicles)


def _fed(folder: Path, broker: str, http: str, first_m: float, vehicles: int) -> Iterator[str]:
    site = write_site(folder, broker=broker, http=http, first_m=first_m)
    argv = [sys.executable, "-m", "tests.support.centre_feed", "--site", str(site), "--http", http]
    argv += ["--vehicles", str(vehicles)]
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
def chromium(arguments: Sequence[str] = NO_CARD) -> Iterator[Browser]:
    """Run Debian's Chromium without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program("chromium"), args=arguments)
        yield browser
        browser.close()


def forget(page: Page) -> None:
    """Close a page and what its address has kept, for the next one that gets the same port."""
    try:
        with contextlib.suppress(Error):  # a page that did not load has no storage: its test's failure counts
            page.evaluate("localStorage.clear()")
    finally:
        page.close()


def wait_for(page: Page, condition: str, patience_s: float = PATIENCE_MS / 1_000) -> None:
    """Wait until an expression holds; as a function, since the page's policy allows no strings as code."""
    page.wait_for_function(f"() => {condition}", timeout=patience_s * 1_000)


def meets(page: Page, selector: str, kind: str, act: Callable[[], None], n: int = 1) -> bool:
    """Make a gesture of n such events or more; returns whether all of them met what the selector names.

    The page needs `MEET`. A gesture that met something else may be made again, since the banner of an RSU
    that comes or goes moves what lies below; what it did meet must do what the gesture asks for.
    """
    met = f"window.met.filter((one) => one[0] === '{kind}')"
    page.evaluate("window.met = []")
    act()
    wait_for(page, f"{met}.length >= {n}")
    return bool(page.evaluate(f"{met}.every((one) => one[1].closest('{selector}') !== null)"))
