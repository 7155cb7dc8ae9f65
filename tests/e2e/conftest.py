"""What tests of the page in a real browser stand on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.conftest import find_program
from tests.support.desk_page import LOADED, SPY
from tests.support.page_feed import PATIENCE_MS, chromium, wait_for
from tests.support.stage import Stage, staged

expect.set_options(timeout=PATIENCE_MS)  # Playwright's own are 5 s: a busy machine needs more for one frame


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of one file."""
    if find_program("chromium") is None:
        pytest.skip("chromium is missing: sudo apt-get install chromium")
    with chromium() as it:
        yield it


@pytest.fixture(scope="module")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """One person's browser for the pages of one file; a page's stage has an address of its own.

    A browser for each page costs half a second of a core more. Whoever opens a page here ends it by `forget`.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A centre whose messages the test makes, and its page."""
    with staged(tmp_path) as it:
        yield it


@pytest.fixture
def desk(browser: Browser, stage: Stage) -> Iterator[Callable[..., Page]]:
    """Open the page, each time in another browser unless a context is given; the pointer is outside it."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def desk(*, context: BrowserContext | None = None, lang: str = "en", wide: bool = False) -> Page:
        if context is None:
            size: Any = {"width": 1920, "height": 1080} if wide else {"width": 1280, "height": 800}
            context = browser.new_context(viewport=size, accept_downloads=True)
            context.add_init_script(SPY)
            contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{stage.url}?lang={lang}")
        page.mouse.move(300, 300)
        wait_for(page, LOADED)
        return page

    yield desk
    for context in contexts:
        context.close()
    assert problems == []
