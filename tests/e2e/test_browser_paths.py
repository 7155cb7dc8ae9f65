"""Each user's path in a real browser, before a real centre, a real broker and an RSU that sends through it.

One broker, one centre process and one RSU for all of them. What a stage without a broker proves as well is in
the other files of the page.
"""

import csv
import json
import os
import re
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.times import NS
from geofence import violation as codec
from petroroad.__main__ import main
from tests.support.desk_page import hand_over, is_in_state, row
from tests.support.other_platform import Platform, signature_of
from tests.support.page_feed import PATIENCE_MS, wait_for
from tests.support.real_centre import DRIVE_S, LEAVES_S, PLATE_NOW, RealCentre, real_centre
from tests.support.roadside_drive import SPEED_MPS, START_M
from tests.support.signed_in import NAMES, PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
LINKED = "['live', 'stale'].includes(document.documentElement.dataset.link)"  # no gateway: stale
AT = "Number(document.documentElement.dataset.replayAt)"
ROWS = """[...document.querySelectorAll("#list .row2")].map((row) => [
  row.dataset.id, row.dataset.state, row.querySelector(".p").innerText, row.querySelector(".rl").innerText,
  row.querySelector(".gr i").title, row.children[3].innerText])"""  # but for what counts up
HELD_S = 60.0  # a list is held while its reader looks at it
PLATE_THEN = "辽L·A0001"
SECRET = "a secret of the platform"
ASK = """async ([method, path, body]) => {
  const { csrf } = await (await fetch("/api/me")).json();
  const headers = { "content-type": "application/json", "x-csrf": csrf };
  const sent = method === "GET" ? undefined : JSON.stringify(body);
  const answer = await fetch(path, { method, body: sent, headers });
  return { status: answer.status, body: await answer.json().catch(() => null) };
}"""


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Another platform, which gets the events of all these tests."""
    it = Platform()
    it.start()
    yield it
    it.end()


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory, platform: Platform) -> Iterator[RealCentre]:
    """Give the running parts; the accounts were added by the command."""
    folder = tmp_path_factory.mktemp("paths")
    word = folder / "password"
    word.write_text(PASSWORD, encoding="utf-8")

    def prepare(site: Path) -> None:
        for name in ("ada", "sun", "ola", "aud"):
            argv = ["centre", "user", "add", name, "--role", NAMES[name], "--config", str(site)]
            assert main([*argv, "--password-file", str(word)]) == 0
        hook = f'[centre.webhook]\nurl = "http://127.0.0.1:{platform.port}/hook"\nsecret = "${{PLATFORM}}"\n'
        site.write_text(site.read_text(encoding="utf-8") + hook, encoding="utf-8")

    os.environ["PLATFORM"] = SECRET
    with real_centre(folder, "nats", prepare) as running:
        yield running


@pytest.fixture
def desk(browser: Browser, centre: RealCentre) -> Iterator[Callable[..., Page]]:
    """Sign in with a browser of its own; no page may raise an error."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def desk(name: str, at: str = "") -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{centre.url}?lang=en{at}")
        sign_in(page, name)
        wait_for(page, LINKED)
        return page

    yield desk
    for context in contexts:
        context.close()
    assert problems == []


def sign_in(page: Page, name: str) -> None:
    page.fill("[data-testid=signin] [name=name]", name)
    page.fill("[data-testid=signin] [name=password]", PASSWORD)
    page.keyboard.press("Enter")


def ask(page: Page, path: str, method: str = "GET", body: Any = None) -> Any:
    return page.evaluate(ASK, [method, path, body or {}])


def alarm(centre: RealCentre, plate: str = PLATE_NOW) -> str:
    """Let the RSU deliver an alarm of the truck that drives, or of another plate; return its id."""
    found = str(uuid.uuid4())
    centre.call(centre.rsu.deliver(centre.rsu.violation_now(found, plate)))
    return found


def began_then_ns(centre: RealCentre) -> list[int]:
    """Return when the violations of yesterday's plate began."""
    found = [codec.decode(one.body) for one in centre.rsu.yesterday]
    return [one.start_ns for one in found if one.vehicle is not None and one.vehicle.plate == PLATE_THEN]


def test_a_shift_is_handed_over_and_the_next_desk_has_what_was_not_finished(
    centre: RealCentre, desk: Callable[..., Page]
) -> None:
    giver, taker = desk("ola"), desk("sun")
    found = alarm(centre)
    giver.keyboard.press("d")
    giver.locator("[data-shift=begin]").click()
    giver.wait_for_selector("[data-testid=duties]:has-text('ola')")
    giver.evaluate(f"location.hash = '#v={found}'")
    row(giver, found).wait_for()
    for key, state in (("a", "acknowledged"), ("h", "handled")):
        giver.keyboard.press(key)
        is_in_state(giver, found, state)
        is_in_state(taker, found, state)  # the other desk sees it, through the centre
    giver.keyboard.press("d")
    giver.locator(f"[data-testid=sheet] tr:has-text('{PLATE_NOW}')").first.wait_for()
    hand_over(giver, "sun", "the carrier was called")
    giver.wait_for_selector("[data-testid=duties]:has-text('ola → sun')")
    taker.keyboard.press("d")
    taker.wait_for_selector("[data-testid=duties]:has-text('the carrier was called')")
    (one,) = [each for each in ask(taker, "/api/handling")["body"]["items"] if each["id"] == found]
    assert one["assigned"] == "sun"
    taker.locator("[data-shift=begin]").click()
    taker.locator("[data-testid=duties] td:has-text('sun')").wait_for()
    on_duty = [each["user"] for each in ask(taker, "/api/shift")["body"]["on_duty"]]
    assert on_duty == ["sun"], "who gave the shift away is off duty"


def test_an_administrator_takes_rights_and_the_open_page_has_lost_them(
    centre: RealCentre, desk: Callable[..., Page]
) -> None:
    admin = desk("ada", "#users")
    form = admin.locator("#users form")
    for key, value in (("name", "wang"), ("password", PASSWORD), ("again", PASSWORD)):
        form.locator(f"[name={key}]").press_sequentially(value)
    form.get_by_role("button", name="Add user").click()
    account = admin.locator("[data-name=wang]")
    account.wait_for()
    found = alarm(centre)
    page = desk("wang", f"#v={found}")
    page.keyboard.press("a")
    is_in_state(page, found, "acknowledged")
    account.get_by_role("combobox").select_option("viewer")
    expect(page.get_by_test_id("ended")).to_be_visible(timeout=PATIENCE_MS)  # without a click on it
    page.keyboard.press("h")
    sign_in(page, "wang")
    expect(page.get_by_test_id("who")).to_have_text("wangviewer", timeout=PATIENCE_MS)
    wait_for(page, LINKED)
    act = page.locator("#acts [data-name=handle]")
    expect(act).to_be_disabled()
    assert ask(page, f"/api/alarms/{found}/acts", "POST", {"act": "handle"})["status"] == 403
    account.get_by_role("button", name="Disable").click()
    expect(page.get_by_test_id("ended")).to_be_visible(timeout=PATIENCE_MS)
    assert ask(page, "/api/summary")["status"] == 401
    acts = [each["act"] for each in ask(admin, f"/api/alarms/{found}/acts")["body"]["items"] if each["user"]]
    assert acts == ["acknowledge"], "neither the key nor the request did anything"


def test_an_auditor_reads_and_checks_the_log_and_acts_nowhere(
    centre: RealCentre, desk: Callable[..., Page], capsys: pytest.CaptureFixture[str]
) -> None:
    found = alarm(centre)
    page = desk("aud", f"#v={found}")
    row(page, found).wait_for()
    for key in "ahcfns":
        page.keyboard.press(key)
        assert page.locator("#ask[open]").count() == 0, key
    expect(page.locator("#acts [data-name=acknowledge]")).to_be_disabled()
    refused = (
        (f"/api/alarms/{found}/acts", {"act": "acknowledge"}), ("/api/shift", {"act": "begin"}),
        ("/api/shelves", {"reason": "works", "hours": 1, "plate": PLATE_NOW}),
        ("/api/users", {"name": "x", "role": "viewer", "password": PASSWORD}),
        (f"/api/violations/{found}/warn", {}),
    )  # fmt: skip
    for path, body in refused:
        assert ask(page, path, "POST", body)["status"] == 403, path
    assert not [each for each in ask(page, f"/api/alarms/{found}/acts")["body"]["items"] if each["user"]]
    page.evaluate("location.hash = '#audit'")
    page.get_by_role("button", name="Check all of it").click()
    expect(page.get_by_test_id("chain")).to_contain_text("rows were checked at", timeout=PATIENCE_MS)
    with page.expect_download() as saved:
        page.get_by_test_id("export-acts").click()
    rows = list(csv.DictReader(saved.value.path().read_text("utf-8-sig").splitlines()))
    capsys.readouterr()
    assert main(["centre", "audit", "check", "--config", str(centre.site), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)  # of the same log, beside the running centre
    assert rows[-1]["sha256"] in json.dumps(ask(page, "/api/audit?limit=500")["body"]), "exported as it is"
    assert said["n"] >= len(rows) > 4


def test_yesterdays_plate_leads_to_its_violation(centre: RealCentre, desk: Callable[..., Page]) -> None:
    page = desk("sun")
    page.keyboard.press("/")
    wait_for(page, "document.activeElement.name === 'plate'")
    page.keyboard.type("a0001")
    page.keyboard.press("Enter")
    page.locator(f"[data-testid=look] [data-testid=plate]:has-text('{PLATE_THEN}')").first.click()
    page.locator(f"[data-testid=vehicle-title]:has-text('{PLATE_THEN}')").wait_for()
    page.locator("[data-testid=found]").first.click()
    page.locator("[data-testid=card]").wait_for()
    days = {
        time.strftime("%m-%d", time.gmtime(began_ns // NS + 8 * 3_600)) for began_ns in began_then_ns(centre)
    }
    assert days, "an empty pattern would match anything"
    card = page.get_by_test_id("card").filter(has_text=re.compile("|".join(days)))
    card.wait_for()  # its times are not of today


def test_a_violation_is_replayed_from_what_came_through_the_broker(
    centre: RealCentre, desk: Callable[..., Page]
) -> None:
    found, t0_ms = alarm(centre), centre.rsu.began_ns // 1_000_000
    page = desk("ola", f"#v={found}")
    over_ns = centre.rsu.began_ns + int((DRIVE_S + 2.0) * NS)
    page.wait_for_timeout(max(0, (over_ns - time.time_ns()) / 1e6))  # until the truck has driven past
    page.evaluate(f"location.hash = '#t={t0_ms + 4_000}&v={found}'")
    wait_for(page, f"{AT} === {t0_ms + 4_000}")
    for at_s in (4, 5, 6):
        station = f"K00+{START_M + SPEED_MPS * at_s:.0f}"
        wait_for(page, f"document.querySelector('#map h2').innerText.includes('{station}')")
        page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    wait_for(page, f"{AT} >= {t0_ms + int(LEAVES_S * 1e3) + 3_000}")
    page.keyboard.press("Escape")
    wait_for(page, "!document.documentElement.hasAttribute('data-replay')")


def test_evidence_is_exported_verified_and_each_forged_byte_named(
    centre: RealCentre, desk: Callable[..., Page], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = desk("sun")
    listed = ask(page, "/api/violations?state=all&kind=alarm")["body"]["items"]
    found = next(each["id"] for each in listed if (each["vehicle"] or {}).get("plate") == PLATE_THEN)
    page.evaluate(f"location.hash = '#v={found}'")
    expect(page.locator("#acts [data-slot=evidence]")).to_be_enabled(timeout=PATIENCE_MS)
    page.keyboard.press("e")
    link = page.get_by_test_id("outward").locator("a[href*='/api/evidence/']")
    link.wait_for()
    with page.expect_download() as download:
        link.click()
    path, forged = tmp_path / "evidence.zip", tmp_path / "forged.zip"
    download.value.save_as(path)

    def verify(file: Path) -> tuple[int, Any]:
        capsys.readouterr()
        status = main(["evidence", "verify", str(file), "--site", str(centre.site), "--json"])
        return status, json.loads(capsys.readouterr().out)

    status, said = verify(path)
    assert (status, said["faults"]) == (0, [])
    assert [each["versions"] for each in said["replayed"].values()] == [said["versions"]]
    with zipfile.ZipFile(path) as whole:
        bodies = {name: whole.read(name) for name in whole.namelist()}
    for changed, body in bodies.items():
        middle = len(body) // 2
        flipped = body[:middle] + bytes((body[middle] ^ 1,)) + body[middle + 1 :]
        with zipfile.ZipFile(forged, "w") as other:
            for name, kept in bodies.items():
                other.writestr(name, flipped if name == changed else kept)
        status, said = verify(forged)
        assert status == 1, changed
        assert any(changed in fault for fault in said["faults"]), (changed, said["faults"])


def test_a_platform_that_was_away_gets_each_event_in_order_signed_and_once(
    centre: RealCentre, desk: Callable[..., Page], platform: Platform
) -> None:
    page, found = desk("sun"), centre.rsu.violation_now(str(uuid.uuid4()), "辽L·N0081")
    ended_s = time.monotonic() + HELD_S

    def until(condition: Callable[[], bool]) -> None:
        while not condition():
            assert time.monotonic() < ended_s, ask(page, "/api/outreach")
            page.wait_for_timeout(100)

    platform.end()
    centre.call(centre.rsu.deliver(found))
    row(page, found).click()
    page.keyboard.press("a")
    is_in_state(page, found, "acknowledged")
    until(lambda: bool(ask(page, "/api/outreach")["body"]["webhook"]["fault"]))
    platform.start()
    until(lambda: len(events_of(platform, found.id)) == 2)
    page.keyboard.press("c")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    is_in_state(page, found, "closed")
    until(lambda: len(events_of(platform, found.id)) == 3)
    until(lambda: ask(page, "/api/outreach")["body"]["webhook"]["waiting"] == 0)
    mine = events_of(platform, found.id)
    assert [(each["number"], each["event"], each["act"], each["user"]) for each in mine] == [
        (1, "raised", None, None), (2, "handled", "acknowledge", "sun"), (3, "handled", "close", "sun"),
    ]  # fmt: skip
    assert (mine[0]["plate"], mine[0]["clock_unset"]) == ("辽L·N0081", False)
    assert len({each["id"] for each in platform.taken}) == len(platform.taken)
    for _, headers, body in platform.seen:
        assert headers["X-Petroroad-Signature"] == signature_of(SECRET, headers, body)


def events_of(platform: Platform, violation: str) -> list[dict[str, Any]]:
    return [each for each in platform.taken if each["violation"] == violation]


def test_a_page_that_outlived_a_killed_centre_shows_what_a_fresh_one_shows(
    centre: RealCentre, desk: Callable[..., Page]
) -> None:
    """Last of this module: it kills the centre; what comes meanwhile waits at the RSU."""
    page, before = desk("sun"), alarm(centre, "辽L·N0079")  # of no case of the other tests
    row(page, before).wait_for()
    centre.kill_centre()
    wait_for(page, "document.documentElement.dataset.link === 'disconnected'")
    page.wait_for_selector("[data-testid=banner]:has-text('■')")
    page.evaluate(f"location.hash = '#v={before}'")
    expect(page.locator("#acts [data-name=acknowledge]")).to_be_disabled()
    found = centre.rsu.violation_now(lost := str(uuid.uuid4()), "辽L·N0078")
    meanwhile = centre.begin(centre.rsu.deliver(found))
    centre.start_centre()
    meanwhile.result(60.0)
    wait_for(page, LINKED)
    row(page, lost).wait_for()
    expect(page.locator("#acts [data-name=acknowledge]")).to_be_enabled(timeout=PATIENCE_MS)
    page.keyboard.press("a")
    is_in_state(page, before, "acknowledged")  # the session and its token outlived it too
    page.keyboard.press("Escape")
    page.mouse.move(640, 5)
    fresh = desk("ola")
    row(fresh, lost).wait_for()
    ended_s = time.monotonic() + HELD_S
    while page.evaluate(ROWS) != fresh.evaluate(ROWS) and time.monotonic() < ended_s:
        page.wait_for_timeout(200)
    assert page.evaluate(ROWS) == fresh.evaluate(ROWS)
