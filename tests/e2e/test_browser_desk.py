"""The worklist in a real browser: an alarm from sound to end, two desks, a lost link, the shift, a flood."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from geofence.violation import Violation
from tests.support.page_feed import wait_for
from tests.support.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
LOADED = "['live', 'stale'].includes(document.documentElement.dataset.link)"
ROOT = "document.documentElement.dataset"
FLOOD = 200
PATIENCE_MS = 30_000
# what the page asks the browser to sound: each beep's frequency, in the order of their starts
SPY = """
window.beeps = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
  window.beeps.push(this.frequency.value);
  return start.call(this, at);
};
"""


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


def row(page: Page, found: Violation) -> Any:
    return page.locator(f"#list .row2[data-id='{found.id}']")


def is_in_state(page: Page, found: Violation, state: str) -> None:
    page.wait_for_selector(f"#list .row2[data-id='{found.id}'][data-state={state}]")


def acts_of(stage: Stage, found: Violation) -> list[str]:
    return [each["act"] for each in stage.get(f"/api/alarms/{found.id}/acts")["items"] if each["user"]]


def heads(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("#list .grp b").all_inner_texts()]


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
    assert 0.0 < delay_ms < 2_000.0, delay_ms  # 200 ms where the machine is free
    for route in held:
        route.continue_()
    said = second.locator("[data-testid=said]:has-text('was first')")
    said.wait_for()
    assert "marked false at" in said.inner_text()
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
        page.wait_for_selector("[data-testid=said]:has-text('nothing is queued')")
        expect(page.locator("[data-name=acknowledge]")).to_have_attribute("aria-disabled", "true")
        stage.send(stage.closed(unseen))
    wait_for(page, LOADED)
    page.wait_for_selector(f"#list .row2[data-id='{unseen.id}'][data-open=false][data-state=new]")
    page.keyboard.press("k")
    wait_for(page, "document.querySelectorAll('#list .grp').length === 2")
    assert heads(page) == ["To acknowledge · open 1", "Ended · to acknowledge 1"]
    assert acts_of(stage, seen) == acts_of(stage, unseen) == []
    assert page.evaluate(f"{ROOT}.waiting") == "2"


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
    watching.wait_for_selector("[data-testid=said]:has-text('your role may not act')")
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


def test_a_shift_is_handed_over_with_its_sheet(stage: Stage, desk: Callable[..., Page]) -> None:
    found, done = stage.violation(1), stage.violation(2)
    stage.send(found, done)
    page = desk(wide=True)
    row(page, done).click()
    page.keyboard.press("f")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    is_in_state(page, done, "closed")
    page.keyboard.press("d")
    page.locator("[data-shift=begin]").click()
    page.wait_for_selector("[data-testid=duties]:has-text('local')")
    sheet = page.locator("[data-testid=sheet]")
    assert found.vehicle is not None
    sheet.locator(f"tr:has-text('{found.vehicle.plate}')").wait_for()
    with page.expect_download() as download:
        page.locator("[data-shift=csv]").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert f"{found.vehicle.plate},Lane departure" in text
    page.locator("[data-shift=hand_over]").click()
    page.keyboard.type("wang")
    page.keyboard.press("Tab")
    page.keyboard.type("RSU24 is being repaired")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=duties]:has-text('local → wang')")
    page.wait_for_selector("[data-testid=duties]:has-text('RSU24 is being repaired')")
    assert stage.get("/api/shift")["on_duty"] == []


def test_a_shelf_holds_and_returns(stage: Stage, desk: Callable[..., Page]) -> None:
    found = stage.violation(1)
    stage.send(found)
    page = desk()
    row(page, found).click()
    page.keyboard.press("s")
    page.wait_for_selector("#ask[open]")
    page.locator("#ask textarea").fill("radar under repair")
    page.keyboard.press("Enter")
    page.wait_for_selector("#list .grp b:has-text('Shelved 1')")
    assert page.evaluate(f"{ROOT}.waiting") == "0"
    page.keyboard.press("d")
    page.wait_for_selector("[data-testid=shelves]:has-text('radar under repair')")
    page.locator("[data-shelf]").click()
    page.wait_for_selector("[data-testid=shelves]:has-text('ended')")
    page.keyboard.press("d")
    wait_for(page, f"{ROOT}.waiting === '1'")


def test_a_loss_of_view_lives_from_its_raising_to_a_close_with_a_reason(
    stage: Stage, desk: Callable[..., Page]
) -> None:
    page = desk()
    stage.kill("RSU22")
    lost = page.locator("#list [data-testid=loss]:has-text('RSU22')")
    lost.wait_for()
    lost.locator(".act button").click()
    page.wait_for_selector("#list [data-testid=loss][data-state=acknowledged]")
    page.wait_for_selector("#card:has-text('Loss of view')")
    page.keyboard.press("c")
    page.wait_for_selector("#ask[open]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask .missing:has-text('choose a reason')")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.wait_for_selector(
        "#list [data-testid=loss][data-state=closed][data-open=true]"
    )  # it lasts, all the same
    (loss,) = (each["id"] for each in stage.get("/api/losses")["items"] if each["part"] == "RSU22")
    trail = stage.get(f"/api/alarms/{loss}/acts")["items"]
    reason = stage.get("/api/desk")["reasons"][0]
    assert [(each["act"], each["user"], each["reason"]) for each in trail] == [
        ("acknowledge", "local", None), ("close", "local", reason["code"]),
    ]  # fmt: skip
    page.wait_for_selector(f"[data-testid=trail]:has-text('local closed: {reason['en']}')")
    (logged,) = (x for x in stage.get("/api/audit")["items"] if x["subject"] == loss and x["act"] == "close")
    assert logged["user"] == "local"
    stage.online.add("RSU22")
    page.wait_for_selector("#list [data-testid=loss][data-open=false]")


def test_an_instructor_runs_an_exercise_that_is_marked_everywhere(
    stage: Stage, desk: Callable[..., Page]
) -> None:
    page = desk()
    found = stage.violation(1)
    stage.send(found)
    page.keyboard.press("d")
    begin, end = page.locator("[data-exercise=begin]"), page.locator("[data-exercise=end]")
    expect(end).to_have_attribute("title", "no exercise is running")
    begin.click()
    page.wait_for_selector("#ask[open] legend:has-text('Script')")
    page.wait_for_selector("#ask label:has-text('wrong way: the highest priority (2 alarms, ')")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    banner = page.locator("#banner [data-testid=exercise]")
    banner.filter(has_text="EXERCISE: wrong way: the highest priority · local · until").wait_for()
    expect(begin).to_have_attribute("title", "an exercise is running")
    page.keyboard.press("d")
    made = page.locator("#list .row2[data-id^='exercise-']").first  # the second alarm comes after 20 s
    made.locator(".chip:has-text('EXERCISE')").wait_for()
    assert "EXERCISE" in (made.get_attribute("aria-label") or "")
    assert row(page, found).locator(".chip:has-text('EXERCISE')").count() == 0
    made.click()
    page.wait_for_selector("#card .chip:has-text('EXERCISE')")
    expect(page.locator("[data-slot=evidence]")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("a")
    page.wait_for_selector("#list .row2[data-id^='exercise-'][data-state=acknowledged]")
    page.keyboard.press("d")
    assert "演练" not in page.locator("[data-testid=sheet]").inner_text()  # the next shift gets what is real
    end.click()
    page.keyboard.press("Enter")
    banner.wait_for(state="hidden")
    page.keyboard.press("d")
    page.wait_for_selector("#list .row2[data-id^='exercise-'][data-state=closed]")
    acts = [
        (x["act"], x["user"]) for x in stage.get("/api/audit")["items"] if x["act"].startswith("exercise")
    ]
    assert acts == [("exercise_end", "local"), ("exercise_begin", "local")]
