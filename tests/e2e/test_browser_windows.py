"""Many windows of one browser: each is live, and in each the evidence of a violation loads."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.conftest import find_program
from tests.support.page_feed import PATIENCE_MS, chromium, fed_centre, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
WINDOWS, WINDOWS_LONG = (
    7,
    10,
)  # a desk has three to six; HTTP/1.1 would end at six connections for all together


@pytest.fixture(scope="module")
def windows(run_folder: Any, request: pytest.FixtureRequest) -> Iterator[list[Page]]:
    if find_program("chromium") is None:
        pytest.skip("chromium is missing: sudo apt-get install chromium")
    with fed_centre(run_folder("browser-windows")) as url, chromium() as browser:
        context = browser.new_context(viewport={"width": 853, "height": 533})
        context.set_default_timeout(PATIENCE_MS)
        n_windows = WINDOWS_LONG if request.config.getoption("--long") else WINDOWS
        pages = [context.new_page() for _ in range(n_windows)]
        for page in pages:
            page.goto(url)
        yield pages
        context.close()


def test_each_window_is_live_and_loads_evidence(windows: list[Page]) -> None:
    for page in windows:
        wait_for(page, "document.documentElement.dataset.link === 'live'")
    for page in windows[::3]:
        page.locator("[data-testid=violation]").first.click()
        page.wait_for_selector("[data-testid=charts] svg")
    # all of them go on: the centre's time reaches each again after the last has loaded
    for page in windows:
        clock = "document.querySelector('[data-testid=clock]').textContent"
        wait_for(page, f"{clock} !== '{page.evaluate(clock)}'")
        assert page.evaluate("document.documentElement.dataset.link") in ("live", "stale")


def test_a_new_violation_reaches_every_window(windows: list[Page]) -> None:
    known = max(int(page.evaluate("document.documentElement.dataset.episodes")) for page in windows)
    for page in windows:
        wait_for(page, f"Number(document.documentElement.dataset.episodes) > {known}")
