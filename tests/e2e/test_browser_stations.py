"""A road that begins below station 0 in a real browser: its vehicles and alarms show on the strips."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.conftest import find_program
from tests.support.page_feed import PATIENCE_MS, chromium, fed_centre, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
FIRST_M = -8_500.0  # of 9 km: nearly all of the road lies below 0
TRUCKS_IN_DETAIL = "Number(/([0-9]+) Hazmat/.exec(document.querySelector('#focus h2 .end').textContent)?.[1])"


@pytest.fixture(scope="module")
def page(run_folder: Callable[[str], Path]) -> Iterator[Page]:
    if find_program("chromium") is None:
        pytest.skip("chromium is missing: sudo apt-get install chromium")
    with fed_centre(run_folder("browser-stations"), FIRST_M) as url, chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url + "?lang=en")
        wait_for(page, "document.documentElement.dataset.link === 'live'")
        yield page


def test_trucks_below_zero_are_drawn_on_the_detail_strip(page: Page) -> None:
    for _ in range(9):  # to the road's beginning
        page.keyboard.press("[")
    wait_for(page, "document.querySelector('#focus h2').textContent.includes('K-08+500 – K-04+500')")
    wait_for(page, f"{TRUCKS_IN_DETAIL} >= 5")


def test_an_alarm_below_zero_has_its_kilometre_and_moves_the_strip_there(page: Page) -> None:
    row = page.locator("[data-testid=violation]", has_text="K-0").first
    row.wait_for()
    row.click()
    wait_for(page, "document.querySelector('#card').textContent.includes('K-0')")
    wait_for(page, f"{TRUCKS_IN_DETAIL} >= 1")
