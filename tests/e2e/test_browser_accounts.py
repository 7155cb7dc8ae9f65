"""Accounts in a real browser: the first administrator, a refused operator, an auditor who only reads."""

import csv
import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page, expect

from centre.audit.tables import AUDIT
from tests.support.page_feed import PATIENCE_MS, wait_for
from tests.support.signed_in import PASSWORD, add_accounts
from tests.support.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
LIVE = "document.documentElement.dataset.link === 'live'"
GUESSES = """async () => { // ten at once, so that none comes after the wait of a second
  const body = JSON.stringify({ name: "guessed", password: "a wrong password" });
  const ask = { method: "POST", headers: { "content-type": "application/json" }, body };
  const answers = await Promise.all(Array.from({ length: 10 }, () => fetch("/api/sign-in", ask)));
  return answers.map((x) => x.status).sort();
}"""
POST = """async (path) => {
  const { csrf } = await (await fetch("/api/me")).json();
  const headers = { "content-type": "application/json", "x-csrf": csrf };
  return (await fetch(path, { method: "POST", body: "{}", headers })).status;
}"""


def opened(context: BrowserContext, stage: Stage) -> Page:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{stage.url}?lang=en")
    return page


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.fill("[data-testid=signin] [name=name]", name)
    page.fill("[data-testid=signin] [name=password]", password)
    page.keyboard.press("Enter")


def test_an_administrator_adds_an_operator_whom_the_centre_then_refuses(
    browser: Browser, stage: Stage
) -> None:
    desk, other = browser.new_context(), browser.new_context()
    page = opened(desk, stage)
    wait_for(page, LIVE)
    expect(page.get_by_test_id("who")).to_have_text("No accounts")
    add_accounts(stage.engine, ["ada"])  # by the command, say
    expect(page.get_by_test_id("ended")).to_be_visible(timeout=PATIENCE_MS)
    sign_in(page, "ada")
    expect(page.get_by_test_id("who")).to_have_text("adaadministrator", timeout=PATIENCE_MS)
    wait_for(page, LIVE)

    page.get_by_test_id("who").get_by_role("button").click()
    page.get_by_role("link", name="Users").click()
    form = page.locator("#users form")
    expect(page.get_by_test_id("user")).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.get_by_test_id("user").get_by_role("button", name="Disable")).to_be_disabled()
    for key, value in (("name", "wang"), ("display", "王值班"), ("password", PASSWORD), ("again", PASSWORD)):
        form.locator(f"[name={key}]").press_sequentially(value)  # keys of the page are letters in a form
    form.get_by_role("button", name="Add user").click()
    expect(page.get_by_test_id("user")).to_have_count(2, timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.lang") == "en"

    operator = opened(other, stage)
    assert operator.title() == "Sign in to supervision"
    sign_in(operator, "wang", "a wrong password")
    expect(operator.get_by_role("alert")).to_have_text(
        re.compile("user name or the password"), timeout=PATIENCE_MS
    )
    sign_in(operator, "wang")
    expect(operator.get_by_test_id("who")).to_have_text("王值班operator", timeout=PATIENCE_MS)
    wait_for(operator, LIVE)
    assert operator.evaluate(POST, "/api/users") == 403
    operator.evaluate("location.hash = '#users'")
    expect(operator.locator("#users .plot")).to_have_text("The role operator has no right to this.")
    operator.evaluate("location.hash = '#journeys'")

    row = page.locator("[data-name=wang]")
    row.get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("disabled", timeout=PATIENCE_MS)
    expect(operator.get_by_test_id("ended")).to_be_visible(timeout=PATIENCE_MS)
    sign_in(operator, "wang")
    expect(operator.locator("#ended .why")).to_contain_text("disabled", timeout=PATIENCE_MS)
    row.get_by_role("button", name="Enable").click()
    expect(row).to_contain_text("active", timeout=PATIENCE_MS)
    sign_in(operator, "wang")
    expect(operator.get_by_test_id("ended")).to_be_hidden(timeout=PATIENCE_MS)
    wait_for(operator, LIVE)
    assert operator.evaluate("location.hash") == "#journeys", "the screen is where it was"

    row.get_by_role("combobox").select_option("viewer")  # another role holds at once: the session has ended
    expect(operator.get_by_test_id("ended")).to_be_visible(timeout=PATIENCE_MS)
    assert operator.evaluate(GUESSES)[-1] == 429  # the guessed name has to wait, wang's has not
    sign_in(operator, "wang")
    expect(operator.get_by_test_id("who")).to_have_text("王值班viewer", timeout=PATIENCE_MS)
    assert operator.evaluate(POST, "/api/shelves") == 403
    for context in (desk, other):
        context.close()


def test_an_auditor_reads_the_log_and_can_change_nothing(browser: Browser, stage: Stage) -> None:
    add_accounts(stage.engine, ["ada", "aud"])
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = opened(context, stage)
    sign_in(page, "aud")
    wait_for(page, LIVE)
    page.get_by_test_id("who").get_by_role("button").click()
    expect(page.get_by_role("link", name="Users")).to_have_count(0)
    page.get_by_role("link", name="Log of acts").click()
    acts = page.get_by_test_id("act")
    expect(acts.first).to_contain_text("signed in", timeout=PATIENCE_MS)
    expect(acts).to_have_count(4)  # the desk's beginning is one
    expect(page.get_by_test_id("chain")).to_contain_text("whole up to row 4", timeout=PATIENCE_MS)
    page.fill("#audit [name=act]", "user_add")
    page.keyboard.press("Enter")
    expect(acts).to_have_count(2, timeout=PATIENCE_MS)
    assert page.evaluate("location.hash") == "#audit?act=user_add"
    with page.expect_download() as saved:
        page.get_by_test_id("export-acts").click()
    rows = list(csv.reader(saved.value.path().read_text("utf-8-sig").splitlines()))
    assert saved.value.suggested_filename == "acts-to-4.csv"
    assert [row[rows[0].index("act")] for row in rows[1:]] == ["user_add"] * 2
    assert {len(row[rows[0].index("sha256")]) for row in rows[1:]} == {64}
    page.reload()
    expect(acts).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.locator("#audit [name=act]")).to_have_value("user_add")
    page.get_by_role("button", name="Clear").click()
    expect(acts).to_have_count(4, timeout=PATIENCE_MS)
    page.get_by_role("button", name="Check all of it").click()
    expect(page.get_by_test_id("chain")).to_contain_text("(all 4 rows were checked at", timeout=PATIENCE_MS)
    with stage.engine.begin() as db:
        db.execute(sa.update(AUDIT).where(AUDIT.c.n == 2).values(subject="somebody else"))
    page.get_by_role("button", name="Check all of it").click()
    expect(page.get_by_test_id("chain")).to_contain_text("▲ Row 2 of the log", timeout=PATIENCE_MS)
    assert page.evaluate(POST, "/api/users") == 403
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.get_by_test_id("who").get_by_role("button").click()
    page.get_by_test_id("sign-out").click()
    wait_for(page, "document.title === 'Sign in to supervision'")
    page.go_back()
    assert page.evaluate("(async () => (await fetch('/api/summary')).status)()") == 401
    context.close()
