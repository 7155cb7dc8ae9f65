"""Who reads in a long list, or presses a button, is not disturbed by what comes meanwhile."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.page_feed import PATIENCE_MS, forget, wait_for
from tests.support.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
ALARMS = 40
FIRST_READ = """() => {
  const box = document.querySelector("#list .rows");
  const top = box.getBoundingClientRect().top;
  const row = [...box.querySelectorAll(".row2")].find((x) => x.getBoundingClientRect().top > top + 22);
  return [row.dataset.id, Math.round(row.getBoundingClientRect().top - top)];
}"""
# the newest row of the list is chosen; what of it, and of the card's log, a reader does not see
UNSEEN = """() => {
  const box = (of) => document.querySelector(of).getBoundingClientRect();
  const news = document.querySelector("#list .news");
  const end = news.hidden ? box("#list").bottom : news.getBoundingClientRect().top;
  const found = box("#list .row2.sel").bottom > end + 1 ? ["the chosen row"] : [];
  const chart = document.querySelector("#card .plot svg")?.getBoundingClientRect();
  if (!(chart?.bottom <= box("#card").bottom + 1)) found.push("the chart");
  for (const line of document.querySelectorAll("#card .log > div")) {
    const words = line.textContent;
    if (line.clientHeight < 16) found.push(`low: ${words}`);
    if (line.scrollHeight > line.clientHeight + 1) found.push(`cut below: ${words}`);
    if (words.includes("noted") && line.scrollWidth > line.clientWidth + 1) found.push(`cut: ${words}`);
  }
  return found;
}"""
IDS = "[...document.querySelectorAll('#list .row2')].map((row) => row.dataset.id)"


@pytest.fixture
def page(profile: BrowserContext, stage: Stage) -> Iterator[Page]:
    """The page with forty open alarms in its list, the newest one clicked; the pointer is elsewhere."""
    stage.send(*(stage.violation(n) for n in range(1, ALARMS + 1)))
    page = profile.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(stage.url)
    wait_for(page, f"document.querySelectorAll('#list .row2.new').length === {ALARMS}")
    page.locator("#list .row2").first.click()
    page.mouse.move(300, 300)
    wait_for(page, f"location.hash === '#v={stage.violation(ALARMS).id}'")
    yield page
    forget(page)


def test_a_row_that_is_read_stays_where_it_is(page: Page, stage: Stage) -> None:
    page.evaluate("document.querySelector('#list .rows').scrollTop = 700")  # what is chosen is out of sight
    before = page.evaluate(FIRST_READ)
    new = stage.violation(ALARMS + 1)
    stage.send(new)
    page.wait_for_selector(f".row2[data-id='{new.id}']", state="attached")
    ids = page.evaluate(IDS)
    assert ids.index(new.id) < ids.index(before[0]), "it came above"
    assert page.evaluate(FIRST_READ) == before


def test_a_clicked_row_does_not_hold_the_order(page: Page, stage: Stage) -> None:
    """Pointer or keyboard focus in the list does; a key after a click must not make the one of the other."""
    page.keyboard.press("j")
    wait_for(page, f"location.hash === '#v={stage.violation(ALARMS - 1).id}'")
    for n in (ALARMS + 1, ALARMS + 2):
        new = stage.violation(n)
        stage.send(new)
        page.wait_for_selector(f".row2[data-id='{new.id}']")


def test_buttons_stay_while_the_clock_runs(page: Page) -> None:
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


def test_on_a_laptop_in_a_flood_the_chosen_row_its_chart_and_its_notes_are_whole(
    page: Page, stage: Stage
) -> None:
    """The card that opens takes room from the list; a trail of many acts takes none from the chart."""
    page.set_viewport_size({"width": 1366, "height": 768})
    newest = page.locator("#list .row2").first.get_attribute("data-id")
    for n in range(6):
        note = f"{n}. 司机电话两次未接通，已通知承运人调度室，现场由二号巡逻车前往处置，罐体无泄漏。" * 2
        act = {"act": "note", "text": note}
        assert httpx.post(f"{stage.url}api/alarms/{newest}/acts", json=act).is_success
    page.keyboard.press("Escape")
    page.locator("#card > .blank").wait_for()
    seen = page.locator("#list .row2")
    low = max(
        (box["y"] + box["height"], n)
        for n in range(1, 12)
        if (box := seen.nth(n).bounding_box()) and box["y"] + box["height"] < 520.0
    )[1]
    seen.nth(low).click()  # the lowest that is whole: the card will take its place
    page.wait_for_selector("#card .plot svg")
    wait_for(page, f"({UNSEEN})().length === 0")
    page.evaluate("(id) => { location.hash = `#v=${id}`; }", newest)
    page.locator("#card .log:has-text('5. 司机')").wait_for()
    wait_for(page, f"({UNSEEN})().length === 0")
    page.evaluate("document.querySelector('#card').scrollTop = 500")
    assert page.evaluate("document.querySelector('#card').scrollTop") > 0
    page.keyboard.press("j")
    wait_for(page, "document.querySelector('#card').scrollTop === 0")
