"""The banner names what must be looked after though all of it works, in both languages, in a real browser."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support.page_feed import PATIENCE_MS, wait_for
from tests.support.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
LINES = "[...document.querySelectorAll('[data-testid=warning]')]"
HEIGHT = "document.querySelector('[data-testid=banner]').offsetHeight"


@pytest.fixture
def load(browser: Browser, stage: Stage) -> Iterator[Callable[[str], Page]]:
    pages: list[Page] = []

    def load(lang: str) -> Page:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        pages.append(page)
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{stage.url}?lang={lang}")
        return page

    yield load
    for page in pages:
        page.close()


def test_warnings_come_and_go_in_both_languages(stage: Stage, load: Callable[[str], Page]) -> None:
    english, chinese = load("en"), load("zh")
    wait_for(english, "document.documentElement.dataset.link === 'live'")
    assert english.evaluate(HEIGHT) == 0, "nothing to look after"
    aside = stage.database.with_name("stage.sqlite.damaged-20260101T000000Z")
    aside.touch()
    stage.degraded = {"RSU22": ("one_centre", "certificate_expires"), "RSU21": ("twin",)}
    for page, words in (
        (english, ("needs a look", "one centre only", "30 days", "RSU21", "RSU22", aside.name)),
        (chinese, ("数据库有问题", "仅一个中心", "证书30天内到期", "编号重复", "RSU22")),
    ):
        wait_for(page, f"{LINES}.length === 4")
        text = page.locator("[data-testid=banner]").inner_text()
        assert all(word in text for word in words), text
        wait_for(page, "document.documentElement.dataset.link === 'live'")  # all of it works
        inside = f"{LINES}.every((line) => line.getBoundingClientRect().right <= innerWidth)"
        assert page.evaluate(inside), "no line is cut off"
    stage.degraded = {}
    aside.unlink()
    wait_for(english, f"{HEIGHT} === 0")


def test_a_warning_stands_beside_a_loss(stage: Stage, load: Callable[[str], Page]) -> None:
    page = load("en")
    stage.degraded = {"RSU22": ("one_centre",)}
    wait_for(page, f"{LINES}.length === 1")
    stage.broker.connected = False
    stage.broker.refused = "our_revoked"
    banner = "document.querySelector('[data-testid=banner]').textContent"
    wait_for(page, f"{banner}.includes('our certificate is revoked')")
    text = page.locator("[data-testid=banner]").inner_text()
    assert "cut off from the message broker" in text
    assert "one centre only" in text
