"""The shift in a real browser: its sheet and handing over, shelves, a loss of view, an exercise."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.desk_page import ROOT, hand_over, is_in_state, row
from tests.support.page_feed import wait_for
from tests.support.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
WHOLE = "(of) => [document.querySelector(of)].every((el) => el.scrollWidth <= el.clientWidth + 1)"


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
    hand_over(page, "wang", "RSU24 is being repaired")
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
    assert page.evaluate(WHOLE, "#list .row2[data-id^='exercise-'] .chip"), "the word is not cut"
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
