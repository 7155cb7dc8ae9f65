"""What tests of the worklist in a browser share: the page of a desk, its rows, and all that it has said."""

from typing import Any

from playwright.sync_api import Page

from geofence.violation import Violation
from tests.support.page_feed import wait_for
from tests.support.stage import Stage

LOADED = "['live', 'stale'].includes(document.documentElement.dataset.link)"
ROOT = "document.documentElement.dataset"
# what the page asks the browser to sound: each beep's frequency, in the order of their starts; and each
# notice that it has shown: a notice leaves after 8 s, which a test on a busy machine can miss
SPY = """
window.beeps = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
  window.beeps.push(this.frequency.value);
  return start.call(this, at);
};
window.said = [];
addEventListener("DOMContentLoaded", () => {
  const notice = document.querySelector("#said");
  if (notice === null) return;
  new MutationObserver(() => {
    if (notice.textContent !== "" && notice.checkVisibility()) window.said.push(notice.textContent);
  }).observe(notice, { childList: true });
});
"""


def wait_until_said(page: Page, words: str) -> str:
    """Wait until the page has shown a notice with such words; return the first one that has them."""
    fits = f"((one) => one.includes('{words}'))"
    wait_for(page, f"window.said.some({fits})")
    return str(page.evaluate(f"window.said.find({fits})"))


def row(page: Page, found: Violation | str) -> Any:
    """Return the row of an alarm, which is named by its violation or its id."""
    return page.locator(_row_of(found))


def is_in_state(page: Page, found: Violation | str, state: str) -> None:
    page.wait_for_selector(f"{_row_of(found)}[data-state={state}]")


def _row_of(found: Violation | str) -> str:
    return f"#list .row2[data-id='{found if isinstance(found, str) else found.id}']"


def hand_over(page: Page, to: str, text: str) -> None:
    """Hand the shift over, on its open screen."""
    page.locator("[data-shift=hand_over]").click()
    page.keyboard.type(to)
    page.keyboard.press("Tab")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def acts_of(stage: Stage, found: Violation) -> list[str]:
    return [each["act"] for each in stage.get(f"/api/alarms/{found.id}/acts")["items"] if each["user"]]


def heads(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("#list .grp b").all_inner_texts()]
