"""The worklist in a real browser: an alarm from sound to end, two desks, a lost link, a flood."""

import statistics
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.desk_page import LOADED, ROOT, acts_of, heads, is_in_state, row, wait_until_said
from tests.support.page_feed import wait_for
from tests.support.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
FLOOD = 200
# a dialog is shut as by Esc, and keys follow before the next frame: until then the focus stays in its field
SHUT_THEN_KEYS = """(keys) => {
  document.querySelector("#ask").close();
  for (const key of keys) {
    const pressed = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    document.activeElement.dispatchEvent(pressed);
  }
}"""


def test_an_alarm_from_its_sound_to_its_end_by_keyboard_alone(
    stage: Stage, desk: Callable[..., Page]
) -> None:
    page = desk()
    page.keyboard.press("t")  # a browser lets a page sound only after a key or a click
    wait_for(page, f"{ROOT}.sound === 'ready'")
    found = stage.violation(1)
    stage.send(found)
    row(page, found).wait_for()
    wait_for(page, f"{ROOT}.sound === 'rings' && window.beeps.length >= 4")
    assert max(page.evaluate("window.beeps")) > 1_200  # the tone of a violation
    page.keyboard.press("m")
    assert "silent" in page.locator("[data-testid=mute]").inner_text()
    page.keyboard.press("m")
    wait_for(page, f"{ROOT}.sound === 'rings'")
    page.keyboard.press("j")
    assert "ack" in row(page, found).locator(".act button").inner_text().lower()
    page.keyboard.press("a")
    is_in_state(page, found, "acknowledged")
    wait_for(page, f"{ROOT}.sound === 'ready'")
    assert heads(page)[0] == "To acknowledge · open 0"  # true, though the row stays where its reader looks
    page.keyboard.press("h")
    is_in_state(page, found, "handled")
    page.keyboard.press("c")
    page.wait_for_selector("#ask[open]")
    page.keyboard.press("a")  # the page's keys rest while a dialog asks
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask .missing:has-text('choose a reason')")
    page.keyboard.press("Escape")
    page.wait_for_selector("#ask:not([open])", state="attached")
    assert acts_of(stage, found) == ["acknowledge", "handle"]  # leaving a dialog does nothing
    page.keyboard.press("c")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    is_in_state(page, found, "closed")
    page.wait_for_selector("[data-testid=trail]:has-text('closed')")
    assert acts_of(stage, found) == ["acknowledge", "handle", "close"]
    assert row(page, found).locator(".act button").inner_text() == "Reopen"
    page.evaluate("localStorage.setItem('seen:local', Date.now() - 300_000)")  # as if closed for five minutes
    page.reload()
    wait_for(page, LOADED)
    is_in_state(page, found, "closed")
    assert page.evaluate(f"{ROOT}.waiting") == "0"
    away = page.locator("[data-testid=away]:has-text('1 raised, ')")
    away.wait_for()
    away.locator("[data-away=close]").click()
    page.wait_for_selector("[data-testid=away]", state="hidden")


def test_two_desks_see_each_other_and_the_second_reads_who_was_first(
    stage: Stage, desk: Callable[..., Page]
) -> None:
    first, second = desk(), desk()
    found = stage.violation(1)
    stage.send(found)
    held: list[Route] = []  # the second one's act is on its way while the first one's is committed
    second.route("**/acts", lambda route: held.append(route))
    for page in (first, second):
        row(page, found).wait_for()
        page.keyboard.press("j")
    seen = """(id) => new Promise((done) => {
      const look = () => {
        const row = document.querySelector(`#list .row2[data-id='${id}']`);
        if (row?.dataset.state !== "closed") return requestAnimationFrame(look);
        done(performance.timeOrigin + performance.now());
      };
      look();
    })"""
    second.keyboard.press("a")
    second.wait_for_selector(f"#list .row2[data-id='{found.id}'] .act button:has-text('…')")
    first.keyboard.press("f")
    first.keyboard.press("1")
    first.keyboard.press("Enter")
    seen_ms = second.evaluate(seen, found.id)
    closed = next(x for x in stage.get(f"/api/alarms/{found.id}/acts")["items"] if x["act"] == "false")
    delay_ms = seen_ms - int(closed["at_ns"]) / 1e6
    assert 0.0 < delay_ms < 2_000.0, delay_ms  # it came; benchmarks.centre has the limit of 200 ms
    for route in held:
        route.continue_()
    assert "marked false at" in wait_until_said(second, "was first")
    assert "was first" in row(second, found).inner_text()
    assert acts_of(stage, found) == ["false"]


def test_a_lost_link_queues_nothing_and_what_ended_unseen_waits(
    stage: Stage, desk: Callable[..., Page]
) -> None:
    seen, unseen = stage.violation(1), stage.violation(2)
    stage.send(seen, unseen)
    page = desk()
    row(page, unseen).wait_for()
    page.keyboard.press("j")
    page.keyboard.press("n")
    page.keyboard.type("the carrier called")
    with stage.outage():
        wait_for(page, f"{ROOT}.link === 'disconnected'")
        page.keyboard.press("Enter")  # what somebody has written is not lost with the link
        page.wait_for_selector("#ask[open] .missing:has-text('nothing is queued')")
        assert page.locator("#ask textarea").input_value() == "the carrier called"
        page.keyboard.press("Escape")
        page.wait_for_selector("#ask:not([open])", state="attached")
        page.keyboard.press("a")
        wait_until_said(page, "nothing is queued")
        expect(page.locator("[data-name=acknowledge]")).to_have_attribute("aria-disabled", "true")
        stage.send(stage.closed(unseen))
    wait_for(page, LOADED)
    page.wait_for_selector(f"#list .row2[data-id='{unseen.id}'][data-open=false][data-state=new]")
    page.keyboard.press("k")
    wait_for(page, "document.querySelectorAll('#list .grp').length === 2")
    assert heads(page) == ["To acknowledge · open 1", "Ended · to acknowledge 1"]
    assert acts_of(stage, seen) == acts_of(stage, unseen) == []
    assert page.evaluate(f"{ROOT}.waiting") == "2"


def test_a_key_right_after_a_dialog_is_the_pages(stage: Stage, desk: Callable[..., Page]) -> None:
    found = stage.violation(1)
    stage.send(found)
    page = desk()
    row(page, found).wait_for()
    page.keyboard.press("j")
    page.keyboard.press("n")
    page.keyboard.type("not to be sent")
    page.evaluate(SHUT_THEN_KEYS, ["Enter", "a"])
    is_in_state(page, found, "acknowledged")
    assert acts_of(stage, found) == ["acknowledge"], "who has left a dialog sends nothing of it"


def test_notes_corrections_and_what_a_viewer_may_not(stage: Stage, desk: Callable[..., Page]) -> None:
    found = stage.violation(1)
    stage.send(found)
    page = desk(lang="zh")
    row(page, found).click()
    page.keyboard.press("n")
    page.keyboard.type("司机已电话联系 <b>")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=trail]:has-text('司机已电话联系 <b>')")
    (noted,) = (x for x in stage.get(f"/api/alarms/{found.id}/acts")["items"] if x["act"] == "note")
    assert noted["text"] == "司机已电话联系 <b>", "the key that opened the dialog is no part of the note"
    page.locator("[data-name=correct]").click()
    page.keyboard.type("辽L·Z9999")
    page.keyboard.press("Enter")
    row(page, found).locator(".p:has-text('辽L·Z9999')").wait_for()
    assert found.vehicle is not None
    assert str(found.vehicle.plate) in (page.locator("#card .pl").get_attribute("title") or "")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open] dt:has-text('A')")
    page.keyboard.press("Escape")
    context = page.context
    viewer = {"name": "v", "display": "", "role": "viewer", "rights": ["look"], "csrf": "", "desk": ""}
    context.route("**/api/me", lambda route: route.fulfill(json=viewer))
    watching = desk(context=context)
    row(watching, found).click()
    watching.keyboard.press("a")
    wait_until_said(watching, "your role may not act")
    expect(watching.locator("[data-name=close]")).to_have_attribute("title", "your role may not act")
    wait_for(watching, f"{ROOT}.sound === 'off'")  # who may not act is not called
    assert acts_of(stage, found) == ["note", "correct"]


def test_one_window_of_a_desk_sounds(stage: Stage, desk: Callable[..., Page]) -> None:
    one = desk()
    one.keyboard.press("t")
    wait_for(one, f"{ROOT}.sound === 'ready'")  # it asked first: it is the one
    two = desk(context=one.context)
    two.keyboard.press("t")
    wait_for(two, f"{ROOT}.sound === 'other'")
    stage.send(stage.violation(1))
    wait_for(one, "window.beeps.length >= 4")
    assert two.evaluate("window.beeps.length") == 0
    two.keyboard.press("m")
    for page in (one, two):
        wait_for(page, f"{ROOT}.sound === 'muted'")
    two.keyboard.press("m")
    one.close()
    wait_for(two, "window.beeps.length >= 4")  # the desk does not fall silent with its window


def test_a_flood_hides_nothing_and_keys_stay_quick(stage: Stage, desk: Callable[..., Page]) -> None:
    page = desk()
    found = [stage.violation(n, ago_s=3) for n in range(1, FLOOD + 1)]
    for first in range(0, FLOOD, 50):
        stage.send(*found[first : first + 50])
    wait_for(page, f"document.querySelectorAll('#list .row2.new').length === {FLOOD}")
    assert heads(page)[0] == f"To acknowledge · open {FLOOD}"
    flood = page.locator("[data-testid=flood]:not([hidden])")
    flood.wait_for()
    flood.locator("[data-by=rule]").click()
    assert f"Lane departure {FLOOD}" in flood.inner_text().replace("\n", " ")
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable", {"timeDomain": "threadTicks"})

    def cpu_s() -> float:
        metrics = cdp.send("Performance.getMetrics")["metrics"]
        return float(next(x["value"] for x in metrics if x["name"] == "ScriptDuration"))

    costs_ms = []
    for _ in range(9):
        before_s = cpu_s()
        page.keyboard.press("j")
        costs_ms.append((cpu_s() - before_s) * 1e3)
    assert statistics.median(costs_ms) < 100.0, costs_ms
    in_full = (
        "[...document.querySelectorAll('#list .row2')].filter((x) => x.children[1].innerHTML !== '').length"
    )
    assert page.evaluate(in_full) > 8
    page.set_viewport_size({"width": 1366, "height": 768})  # the smallest usual screen, with a banner too
    stage.kill("RSU21")
    page.wait_for_selector("[data-testid=banner]:has-text('RSU21')")
    edge = "document.querySelector('{}').getBoundingClientRect().{}"
    acts, foot = edge.format("#acts .more-acts", "bottom"), edge.format("footer", "top")
    wait_for(page, f"{acts} <= {foot}", 10.0)  # no button is below the edge
