"""The page as a supervisor's browser shows it: a vehicle moves, a violation appears. A screenshot is kept."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.conftest import RUNS, find_program
from tests.live_demo import live_demo

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ARGUMENTS = [
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-background-networking", "--no-first-run",
]  # fmt: skip
SCREENSHOT = RUNS / "page.png"


@pytest.fixture(scope="module")
def demo(run_folder):
    if find_program("chromium") is None:
        pytest.skip("chromium is missing: sudo apt-get install chromium")
    with live_demo(run_folder("browser"), "--seed", 3) as running:
        yield running


@pytest.fixture(scope="module")
def page(demo):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program("chromium"), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(demo.url)
        yield page
        browser.close()
        assert problems == []


def wait_for(page: Page, condition: str, seconds: float) -> None:
    page.wait_for_function(f"() => {condition}", timeout=seconds * 1000)


def test_a_vehicle_moves(page):
    wait_for(page, "Number(document.documentElement.dataset.vehicles) > 0", 30)
    strip = page.locator("[data-testid=detail] canvas").first
    before = strip.screenshot()
    wait_for(page, "document.documentElement.dataset.link === 'live'", 10)
    page.wait_for_timeout(1000)
    assert strip.screenshot() != before


def test_a_violation_appears_and_its_link_opens_it(page, demo):
    page.wait_for_selector("[data-testid=violation]", timeout=60_000)
    wait_for(page, "Number(document.documentElement.dataset.open) > 0", 60)
    assert page.title() != ""
    row = page.locator("[data-testid=violation]").first
    episode = row.get_attribute("data-id")
    row.click()
    wait_for(page, f"location.hash === '#v={episode}'", 5)
    page.wait_for_timeout(1500)
    SCREENSHOT.parent.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOT)
    assert Path(SCREENSHOT).stat().st_size > 50_000


def test_both_languages_are_there(page):
    chinese = page.locator("[data-testid=list]").inner_text()
    page.keyboard.press("l")
    page.wait_for_timeout(500)
    assert page.locator("[data-testid=list]").inner_text() != chinese
    page.screenshot(path=SCREENSHOT.with_name("page-en.png"))
    page.keyboard.press("l")


def test_page_says_when_the_centre_is_gone(page, demo):
    """Last of this module: it ends the demo. Ctrl-C takes 3 s at most and leaves nothing."""
    took_s = demo.end()
    assert took_s < 3.0
    assert demo.left_behind() == []
    assert demo.process.returncode == 0
    assert demo.said[-1].startswith("petroroad replay "), demo.said[-5:]
    wait_for(page, "document.documentElement.dataset.link !== 'live'", 10)
    page.screenshot(path=SCREENSHOT.with_name("page-disconnected.png"))
