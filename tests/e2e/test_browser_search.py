"""Search, pages of vehicles and RSUs, and statistics in a real browser: a centre on a stage, no demo."""

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import openpyxl
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from geofence.violation import ViolationVehicle
from tests.support.centre_samples import MS
from tests.support.page_feed import PATIENCE_MS, forget, wait_for
from tests.support.stage import Stage, staged

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
DAY_S = 86_400
BEHIND = "const now = Date.now; Date.now = () => now() - 40 * 86_400_000;"
REGISTERED = """
[[vehicle]]
terminal = "13900000042"
plate = "辽L·A0042"
hazmat_class = "3"
un = "1203"
carrier = "盘锦一运"
phone = "0427-2810000"
driver = "王师傅"
driver_phone = "13904270042"
"""
VEHICLE = ViolationVehicle(
    plate="辽L·A0042", terminal="13900000042", hazmat_class="3", un="1203", carrier="盘锦一运"
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, more=REGISTERED) as it:
        yield it


@pytest.fixture
def page(profile: BrowserContext, stage: Stage) -> Iterator[Page]:
    """Give a page that loads the stage; it must raise no error."""
    problems: list[str] = []
    found = profile.new_page()
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.set_default_timeout(PATIENCE_MS)
    yield found
    forget(found)
    assert problems == []


def test_yesterdays_plate_leads_to_the_vehicle_and_its_violation(stage: Stage, page: Page) -> None:
    old = stage.violation(7, ago_s=DAY_S, vehicle=VEHICLE)
    stage.send(old, *(stage.violation(100 + n, ago_s=DAY_S + n) for n in range(60)))
    stage.send(stage.closed(old))
    page.goto(stage.url + "?lang=en")
    wait_for(page, "document.documentElement.dataset.link === 'live'")
    page.keyboard.press("/")
    plate = page.locator("[data-testid=search-form] [name=plate]")
    plate.wait_for()
    wait_for(page, "document.activeElement.name === 'plate'")
    page.keyboard.type("ａ0042")  # no key of it is a command of the page
    page.keyboard.press("Enter")
    page.get_by_text("1 found", exact=True).wait_for()
    assert "plate=" in page.url
    page.locator("[data-testid=look] [data-testid=plate]").click()
    page.locator("[data-testid=vehicle-title]:has-text('辽L·A0042')").wait_for()
    text = page.locator("[data-testid=look]").inner_text()
    for wanted in ("王师傅", "13904270042", "盘锦一运", "UN1203", "Petrol", "guide 128", "violations 1"):
        assert wanted in text, wanted
    page.locator("[data-testid=found]").click()
    page.locator(f"[data-testid=card][data-id='{old.id}']").wait_for()
    assert page.locator("main").is_visible()
    assert page.url.endswith(f"#v={old.id}")
    page.locator("[data-testid=card] [data-testid=plate]").click()  # and back
    page.locator("[data-testid=vehicle-title]").wait_for()
    page.goto(stage.url + "?lang=en#search?rule=lane_departure")
    page.locator("[data-testid=count]:has-text('61 found')").wait_for()
    wait_for(page, "document.querySelectorAll('[data-testid=look] tbody tr').length === 50")
    first = page.locator("[data-testid=look] tbody tr").all_inner_texts()
    page.locator("[data-testid=before]").click()
    page.locator("[data-testid=after]").wait_for()
    wait_for(page, "document.querySelectorAll('[data-testid=look] tbody tr').length === 11")
    page.locator("[data-testid=after]").click()
    wait_for(page, "document.querySelectorAll('[data-testid=look] tbody tr').length === 50")
    assert page.locator("[data-testid=look] tbody tr").all_inner_texts() == first
    page.goto(stage.url + "?lang=en#search?plate=NOBODY")
    page.locator("[data-testid=look]:has-text('No violation fits')").wait_for()


def test_statistics_and_the_report_say_what_was_sent_and_the_files_too(stage: Stage, page: Page) -> None:
    day = time.strftime("%Y-%m-%d", time.gmtime(stage.clock.now_ns() / 1e9 + 8 * 3_600))
    stage.send(
        stage.violation(1, vehicle=VEHICLE),
        stage.violation(2, rule="overspeed", limit_mps=22.0, speed_mps=27.0),
        stage.violation(3, grade="notice"),
    )
    page.goto(stage.url + f"?lang=en#report?day={day}")
    totals = page.locator("[data-testid=totals]")
    totals.wait_for()
    assert "n 2" in totals.inner_text()
    text = page.locator("[data-testid=look]").inner_text()
    for wanted in ("Overspeed", "Lane departure", "盘锦一运", "辽L·A0042", "97 / 79 km/h"):
        assert wanted in text, wanted
    for kind in ("csv", "xlsx"):
        path = page.locator(f"[data-testid={kind}]").get_attribute("href")
        answer = httpx.get(stage.url.rstrip("/") + str(path), timeout=30.0, verify=False)
        assert answer.status_code == 200
        assert f'filename="report-{day}.{kind}"' in answer.headers["content-disposition"]
        if kind == "csv":
            assert "辽L·A0042" in answer.content.decode("utf-8-sig")
        else:
            sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets[-1]
            assert "辽L·A0042" in [cell.value for row in sheet.iter_rows() for cell in row]
    page.locator("nav a:has-text('Statistics')").click()
    page.locator("[data-testid=period]").wait_for()
    page.locator("[data-testid=period] a:has-text('Yesterday')").click()
    page.locator("[data-testid=totals]:has-text('n 0')").wait_for()


def test_an_rsus_page_shows_its_changes(stage: Stage, page: Page) -> None:
    page.goto(stage.url + "?lang=en")
    wait_for(page, "document.documentElement.dataset.link === 'live'")
    stage.until(lambda: len(stage.get("/api/rsus/RSU22/history")["states"]) == 1)
    stage.kill("RSU22")
    stage.until(lambda: len(stage.get("/api/rsus/RSU22/history")["states"]) == 2)
    page.locator("[data-testid=rsu][data-id=RSU22] a").click()
    page.locator("[data-testid=rsu-title]:has-text('RSU22')").wait_for()
    rows = page.locator("[data-testid=look] table[aria-label='Changes of state'] tbody tr")
    expect(rows.nth(0)).to_contain_text("offline")
    expect(rows.nth(1)).to_contain_text("online")
    states = stage.get("/api/rsus/RSU22/history")["states"]
    assert 0 < int(states[0]["at_ns"]) - int(states[1]["at_ns"]) < 30_000 * MS


def test_a_plate_of_the_list_opens_its_vehicle_beside_the_alarms(stage: Stage, page: Page) -> None:
    found = stage.violation(7, vehicle=VEHICLE)
    stage.send(found)
    page.goto(stage.url + "?lang=en")
    plate = page.locator(f"#list .row2[data-id='{found.id}'] a.p")
    plate.wait_for()
    with page.context.expect_page() as opened:
        plate.click()
    opened.value.get_by_text("王师傅").first.wait_for()  # the registry's driver, on the vehicle's page
    opened.value.close()
    wait_for(page, f"location.hash === '#v={found.id}'")  # the alarms stay, and the row is chosen
    listed = stage.get("/api/vehicles?name=a0042")
    assert [each["driver"] for each in listed["items"]] == ["王师傅"]


def test_an_rsu_with_a_camera_opens_it_from_its_row_and_from_the_card(stage: Stage, page: Page) -> None:
    """In a window of its own, which learns nothing of this page; a click opens no details of the row."""
    page.context.route("https://cameras.example/**", lambda route: route.fulfill(body="a camera"))
    found = stage.violation(7, "RSU21", vehicle=VEHICLE)
    stage.send(found)
    page.goto(stage.url + f"?lang=en#v={found.id}")
    wait_for(page, "document.documentElement.dataset.link === 'live'")
    link = page.locator("#rsu").get_by_role("link", name=re.compile("^camera RSU", re.IGNORECASE))
    link.wait_for()
    assert link.count() == 1, "the other RSUs have none"
    assert link.inner_text() == "◉"
    before_s = time.time()
    with page.context.expect_page() as opened:
        link.click()
    at = urlsplit(opened.value.url)
    asked = parse_qs(at.query, keep_blank_values=True)
    assert (at.hostname, at.path, asked["plate"]) == ("cameras.example", "/RSU21", [""])
    assert int(asked["at"][0]) % 60 == 0, "the link stays the same under a click"
    assert before_s - 120.0 < int(asked["at"][0]) <= time.time()
    assert opened.value.evaluate("[document.referrer, window.opener]") == ["", None]
    opened.value.close()
    assert page.locator("#rsu td.more").count() == 0
    with page.context.expect_page() as opened:
        page.locator("#card a[href^='https://cameras.example']").click()
    asked = parse_qs(urlsplit(opened.value.url).query)
    assert asked["plate"] == ["辽L·A0042"]
    opened.value.close()


def test_a_browser_of_another_zone_and_a_wrong_clock_shows_the_sites_time(
    browser: Browser, stage: Stage
) -> None:
    """Its days too: today is that of the site; the browser is forty days behind and in another zone."""
    context = browser.new_context(timezone_id="America/New_York")
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(BEHIND)
    page = context.new_page()
    page.goto(f"{stage.url}?lang=en#statistics")
    wait_for(page, "document.querySelector('[data-testid=totals]') !== null")
    now_s = stage.clock.now_ns() // 10**9 + 8 * 3_600
    days = [time.strftime("%Y-%m-%d", time.gmtime(now_s - before)) for before in (0, 60)]
    assert page.locator("[data-testid=period] [name=from]").input_value() in days
    shown = page.locator("#look p.dim").first.inner_text()
    assert any(shown.startswith(f"{day} 00:00:00") for day in days), shown
    hours = [time.strftime("%H:%M", time.gmtime(now_s - before)) for before in (0, 60)]
    assert page.locator("header .clock").inner_text()[:5] in hours
    context.close()
