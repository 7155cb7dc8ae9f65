"""The page as a supervisor's browser shows it: a vehicle moves, a violation appears. A screenshot is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
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


def test_buttons_stay_while_the_clock_runs(page):
    """The header says the time each second: that must take neither focus nor a press from its buttons."""
    clock = "document.querySelector('[data-testid=clock]').textContent"
    button = page.locator("[data-do=theme]")
    theme = page.evaluate("document.documentElement.dataset.theme")
    button.focus()
    button.hover()
    page.mouse.down()
    wait_for(page, f"{clock} !== '{page.evaluate(clock)}'")
    page.mouse.up()
    wait_for(page, f"document.documentElement.dataset.theme !== '{theme}'")
    assert page.evaluate("document.activeElement.dataset.do") == "theme"
    page.keyboard.press("t")


# made-up alarms on top of what the centre sends, all of them like the first that the road really had
MADE_UP = """
  const Real = window.WebSocket;
  window.WebSocket = class extends Real {
    constructor(url) {
      super(url);
      if (!url.includes("/api/stream")) return;
      window.alarm = (order) => this.dispatchEvent(new MessageEvent("message", {
        data: "event: violation\\ndata: " + JSON.stringify({
          ...window.like, id: `made-up-${order}`, order, open: true, grade_max: "warning",
        }),
      }));
    }
  };
"""
FIRST_READ = """() => {
  const box = document.querySelector("#list .rows");
  const top = box.getBoundingClientRect().top;
  const row = [...box.querySelectorAll(".row2")].find((x) => x.getBoundingClientRect().top > top + 22);
  return [row.dataset.id, Math.round(row.getBoundingClientRect().top - top)];
}"""


@contextmanager
def crowded(page: Page) -> Iterator[Page]:
    """Another page of the same demo, with forty open alarms in its list, and the pointer elsewhere."""
    assert page.context.browser is not None
    other = page.context.browser.new_page(viewport={"width": 1280, "height": 800})
    other.set_default_timeout(PATIENCE_MS)
    other.add_init_script(MADE_UP)
    other.goto(page.url.partition("#")[0])
    other.wait_for_selector("[data-testid=violation]")
    other.evaluate("""async () => {
      const { items } = await (await fetch("/api/violations?state=all&limit=1")).json();
      window.like = items[0];
      for (let i = 0; i < 40; i++) window.alarm(1_000_000 + i);
    }""")
    other.mouse.move(300, 300)
    other.wait_for_selector(".row2[data-id=made-up-1000039]")
    yield other
    other.close()


def test_a_row_that_is_read_stays_where_it_is(page):
    with crowded(page) as other:
        other.locator(".row2[data-id=made-up-1000039]").click()  # chosen, then out of sight
        other.mouse.move(300, 300)
        other.evaluate("document.querySelector('#list .rows').scrollTop = 700")
        before = other.evaluate(FIRST_READ)
        other.evaluate("window.alarm(2_000_000)")
        other.wait_for_selector(".row2[data-id=made-up-2000000]", state="attached")
        assert other.evaluate(FIRST_READ) == before


def test_a_clicked_row_does_not_hold_the_order(page):
    """Pointer or keyboard focus in the list does; a key after a click must not make the one of the other."""
    with crowded(page) as other:
        other.locator(".row2[data-id=made-up-1000039]").click()
        other.mouse.move(300, 300)
        other.keyboard.press("j")
        wait_for(other, "location.hash === '#v=made-up-1000038'")
        for order in (2_000_000, 2_000_001):
            other.evaluate(f"window.alarm({order})")
            other.wait_for_selector(f".row2[data-id=made-up-{order}]")


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
