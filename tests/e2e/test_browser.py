"""The page as a supervisor's browser shows it: a vehicle moves, a violation appears. A screenshot is kept."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.conftest import RUNS, find_program
from tests.support.live_demo import live_demo
from tests.support.page_feed import PATIENCE_MS, chromium, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.paced, pytest.mark.browser]

SCREENSHOT = RUNS / "page.png"


@pytest.fixture(scope="module")
def demo(run_folder):
    if find_program("chromium") is None:
        pytest.skip("chromium is missing: sudo apt-get install chromium")
    with live_demo(run_folder("browser"), "--seed", 3) as running:
        yield running


@pytest.fixture(scope="module")
def page(demo):
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.set_default_timeout(PATIENCE_MS)
        page.goto(demo.url)
        yield page
        assert problems == []


def wait_for_frames(page: Page, n: int) -> None:
    """Wait until the page has drawn what moves n times more."""
    drawn = page.evaluate("Number(document.documentElement.dataset.frames)")
    wait_for(page, f"Number(document.documentElement.dataset.frames) >= {drawn + n}")


def test_a_vehicle_moves(page):
    wait_for(page, "Number(document.documentElement.dataset.vehicles) > 0")
    wait_for(page, "document.documentElement.dataset.link === 'live'")
    strip = page.locator("[data-testid=detail] canvas").first
    wait_for_frames(page, 2)
    before = strip.screenshot()
    wait_for_frames(page, 4)
    assert strip.screenshot() != before


def test_a_violation_appears_and_its_link_opens_it(page, demo):
    page.wait_for_selector("[data-testid=violation][data-rule=lane_departure]")
    wait_for(page, "Number(document.documentElement.dataset.open) > 0")
    assert page.title() != ""
    episode = page.locator("[data-testid=violation][data-rule=lane_departure]").first.get_attribute("data-id")
    page.locator(f"[data-testid=violation][data-id='{episode}']").click()  # "first" may be another by now
    wait_for(page, f"location.hash === '#v={episode}'")
    page.wait_for_selector("[data-testid=charts] svg")
    wait_for_frames(page, 2)
    SCREENSHOT.parent.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOT)
    assert Path(SCREENSHOT).stat().st_size > 50_000


def test_both_languages_are_there(page):
    chinese = page.locator("[data-testid=list]").inner_text()
    page.keyboard.press("l")
    wait_for(page, "document.querySelector('[data-testid=header]').dataset.lang === 'en'")
    assert page.locator("[data-testid=list]").inner_text() != chinese
    wait_for_frames(page, 2)
    page.screenshot(path=SCREENSHOT.with_name("page-en.png"))
    page.keyboard.press("l")


def test_page_says_when_the_centre_is_gone(page, demo):
    """Last of this module: it ends the demo. Ctrl-C takes 3 s at most and leaves nothing."""
    took_s = demo.end()
    assert took_s < 3.0
    assert demo.left_behind() == []
    assert demo.process.returncode == 0
    assert demo.said[-1].startswith("petroroad replay "), demo.said[-5:]
    wait_for(page, "document.documentElement.dataset.link === 'disconnected'")
    wait_for_frames(page, 1)
    page.screenshot(path=SCREENSHOT.with_name("page-disconnected.png"))
