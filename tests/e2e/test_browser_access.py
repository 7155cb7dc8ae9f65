"""The page for everybody: keys reach all, a link shows its row, and a wall is read from five metres."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.conftest import find_program
from tests.support.page_feed import PATIENCE_MS, chromium, fed_centre, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
LIVE = "document.documentElement.dataset.link === 'live'"


@pytest.fixture(scope="module")
def page(run_folder: Any) -> Iterator[Page]:
    if find_program("chromium") is None:
        pytest.skip("chromium is missing: sudo apt-get install chromium")
    with fed_centre(run_folder("browser-access")) as url, chromium() as browser:
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda line: problems.append(line.text) if "Content Security" in line.text else None
        )
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url)
        wait_for(page, LIVE)
        yield page
        assert problems == []


def test_keys_reach_the_list_the_road_and_nothing_chosen(page: Page) -> None:
    page.goto(page.url.partition("?")[0].partition("#")[0] + "?lang=en")
    wait_for(page, LIVE)
    wait_for(page, "document.querySelector('[data-testid=violation]') !== null")  # an alarm each 8 s
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#list') !== null")
    over = page.locator("#over canvas")
    over.focus()
    before = int(over.get_attribute("aria-valuenow") or "")
    page.keyboard.press("ArrowRight")
    wait_for(
        page, f"document.querySelector('#over canvas').getAttribute('aria-valuenow') === '{before + 500}'"
    )
    page.keyboard.press("Home")
    wait_for(page, "document.querySelector('#focus h2').textContent.includes('K20+000')")
    page.keyboard.press("j")
    wait_for(page, "location.hash.startsWith('#v=') && document.querySelector('.row2.sel') !== null")
    page.keyboard.press("Escape")
    wait_for(page, "location.hash === '' && document.querySelector('.row2.sel') === null")
    page.keyboard.press("j")
    wait_for(page, "location.hash.startsWith('#v=')")
    page.evaluate("() => { location.hash = ''; }")
    wait_for(page, "document.querySelector('.row2.sel') === null")
    page.keyboard.press("l")  # the address said English: it follows, so that the next load shows the same
    wait_for(page, "location.search === '?lang=zh'")
    wait_for(page, "document.querySelector('#announce').textContent !== ''")  # an alarm each 8 s


def test_parts_and_buttons_are_found_by_their_names(page: Page) -> None:
    """A key beside a word is no part of the name that a screen reader says."""
    page.goto(page.url.partition("?")[0].partition("#")[0] + "?lang=en")
    wait_for(page, LIVE)
    page.wait_for_selector("[data-testid=violation]")
    for name in ("Silence", "Search", "On the road", "中文", "Ack", "Close", "Replay"):
        assert page.get_by_role("button", name=name, exact=True).count() == 1, name
    assert page.get_by_role("button", name="Ack", exact=True).get_attribute("aria-keyshortcuts") == "A"
    rows = page.get_by_role("region", name="Violations", exact=True).get_by_role("group")
    rows.first.click()
    wait_for(page, "document.querySelectorAll('#list [aria-current=true]').length === 1")
    assert page.get_by_role("region", name="Chosen alarm", exact=True).count() == 1
    page.keyboard.press("Escape")


def test_a_link_shows_its_row(page: Page) -> None:
    wait_for(page, "document.querySelectorAll('[data-testid=violation]').length >= 3")
    page.set_viewport_size({"width": 1280, "height": 600})
    oldest = page.locator("[data-testid=violation]").last.get_attribute("data-id")
    page.goto(page.url.partition("?")[0].partition("#")[0] + f"?linked#v={oldest}")
    wait_for(page, f"""(() => {{
      const row = document.querySelector('[data-id="{oldest}"]'), box = document.querySelector('#list .rows');
      if (row === null) return false;
      const [a, b] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
      return a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
    }})()""")  # fmt: skip


def test_an_alarm_that_came_over_a_broker_is_handled_found_and_replayed(page: Page) -> None:
    """A supervisor's path against a centre, a broker and stations that are processes of their own."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(page.url.partition("?")[0].partition("#")[0] + "?lang=en")
    wait_for(page, LIVE)
    page.keyboard.press("t")
    new = page.locator("#list [data-testid=violation][data-state=new][data-open=true]").first
    new.wait_for()
    wait_for(page, "document.documentElement.dataset.sound === 'rings'")
    new.click()
    alarm = page.evaluate("location.hash").removeprefix("#v=")
    plate = page.locator("#card .pl").inner_text()
    for key, state in (("a", "acknowledged"), ("h", "handled")):
        page.keyboard.press(key)
        page.wait_for_selector(f"#list [data-id='{alarm}'][data-state={state}]")
    page.keyboard.press("c")
    page.wait_for_selector("#ask[open]")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#list [data-id='{alarm}'][data-state=closed]")
    page.keyboard.press("/")
    wait_for(page, "document.activeElement.name === 'plate'")
    page.keyboard.type(plate)
    page.keyboard.press("Enter")
    page.locator(f"[data-testid=found][href='#v={alarm}']").click()
    page.locator(f"#card[data-id='{alarm}']").wait_for()
    page.keyboard.press("p")
    wait_for(page, "'replay' in document.documentElement.dataset")
    wait_for(page, "Number(document.documentElement.dataset.vehicles) > 0")
    page.keyboard.press("Escape")
    wait_for(page, "!('replay' in document.documentElement.dataset)")


def test_a_wall_is_large_and_without_controls(page: Page) -> None:
    page.set_viewport_size({"width": 3840, "height": 2160})
    page.goto(page.url.partition("?")[0].partition("#")[0] + "?wall=1&lang=zh")
    wait_for(page, LIVE)
    page.wait_for_selector("[data-testid=violation]")
    least = page.evaluate("""() => Math.min(...[...document.querySelectorAll("#list .row2 *, header *")]
      .filter((el) => [...el.childNodes].some((x) => x.nodeType === 3 && x.data.trim() !== ""))
      .filter((el) => el.getClientRects().length > 0 && el.closest("svg") === null)
      .map((el) => parseFloat(getComputedStyle(el).fontSize) * el.currentCSSZoom))""")
    assert least >= 30
    assert page.locator("button:visible").count() == 0
    assert page.locator("#card, #rsu").locator("visible=true").count() == 0
    wide = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert wide
    boxes = page.evaluate("""() => ["#over", "#focus", "#map", "#list"].map((x) => {
      const box = document.querySelector(x).getBoundingClientRect();
      return [box.width, box.height];
    })""")
    assert all(width > 900 and height > 300 for width, height in boxes), boxes
