"""All screens in both languages and themes: nothing cut, small, mixed in language or nameless; axe agrees.

A picture of each stays in `runs/screens`, for people who want to look.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as NotYet

from tests.conftest import RUNS
from tests.support.page_feed import PATIENCE_MS, wait_for
from tests.support.page_looks import CUT, NAMELESS, SAID, SMALLEST_PX
from tests.support.screens import OTHER, ROAD, Filled, Screen, filled, look, show, signed_in_page
from tests.support.stage import staged

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
AXE = Path(__file__).resolve().parents[2] / "centre" / "web" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = RUNS / "screens"
LEAST_PX = 12
DUTY_FROM_PX = 1_360  # narrower, who is on duty has no room in the header
SERIOUS = """async (root) => {
  const found = await axe.run(root, { resultTypes: ["violations"] });
  const page = await axe.run(document, { runOnly: ["page-has-heading-one", "landmark-one-main", "region"] });
  const bad = found.violations.filter((x) => x.impact === "serious" || x.impact === "critical");
  return [...bad, ...page.violations].map((x) => [x.impact, x.id, x.nodes.length, x.nodes[0].html]);
}"""
HANZI = re.compile(r"[\u3400-\u9fff]")
# what people and files call things is of any language: plates, carriers, notes, desks, zones
DATA = re.compile(r"辽L·[\w·]+|[A-Z]\d{4}挂|盘锦一运|王师傅|检查区|雷达检修|司机已电话联系|席 2|演练·\w+")
LATIN = re.compile(r"[A-Za-z][a-z]{2,}")
# names of the site and its accounts, keys, units, and what has no Chinese word
SAME = re.compile(
    r"made up|entry|exit|(north|south)-(hazmat|mixed)|\b(ada|aud|ola|sun|vera|local|console)\b|Enter|Esc"
    r"|English|synthetic-\d|RSU\w*|Ctrl|[0-9a-f-]{36,64}|[0-9a-f]{4}…[0-9a-f]{4}"
)
# what can be pressed or filled in and that no scrolling brings under the pointer; what drops whole is none
BEYOND = """(root) => [...document.querySelectorAll(root)]
  .flatMap((part) => [...part.querySelectorAll("button, a[href], input, select, textarea")])
  .filter((el) => el.checkVisibility({ visibilityProperty: true }) && el.tabIndex >= 0)
  .filter((el) => {
    el.scrollIntoView({ block: "nearest", inline: "nearest" });
    const { left, top, width, height } = el.getBoundingClientRect();
    const hit = document.elementFromPoint(left + width / 2, top + height / 2);
    return hit === null || !(el.contains(hit) || el.closest("label")?.contains(hit));
  })
  .map((el) => el.outerHTML.slice(0, 100))"""
SHORTENED = """() => [...document.querySelectorAll("#list .row2 :is(.rl, .rl + i)")]
  .filter((x) => x.scrollWidth > x.clientWidth + 1).map((x) => x.textContent)"""
SMALL = ("case", "close", "journeys", "search", "shift", "users", "audit")
EMPTY = {  # the screens of a centre that has seen nothing, and what says so
    "": "#list .blank", "#journeys": "#journeys .blank", "#search": "#look .blank",
    "#statistics": "#look .keys", "#shift": "#shift p.dim",
}  # fmt: skip
BROKEN = re.compile(r"undefined|NaN|\[object|\bnull\b|Invalid Date|Infinity|\{\w\}")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with filled(tmp_path_factory.mktemp("screens")) as it:
        yield it


def wrong_words(said: list[list[str]], lang: str) -> list[str]:
    """Return what is broken, or of the other language."""
    found = [f"{where}: {text}" for where, text in said if BROKEN.search(text)]
    for where, text in said:
        own = DATA.sub("", text)
        if HANZI.search(own) if lang == "en" else LATIN.search(SAME.sub("", own)):
            found.append(f"{where}: {text}")
    return found


def faults(page: Page, lang: str, root: str | None = "body") -> dict[str, Any]:
    """Return what a script finds wrong on what is shown.  root : what axe looks at; None: it need not"""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = {
        "wide": page.evaluate("document.documentElement.scrollWidth - innerWidth"),
        "cut": page.evaluate(CUT),
        "small": page.evaluate(SMALLEST_PX) < LEAST_PX,
        "words": wrong_words(page.evaluate(SAID), lang),
        "nameless": page.evaluate(NAMELESS),
        "axe": [] if root is None else page.evaluate(SERIOUS, root),
    }
    return {name: what for name, what in found.items() if what}


@pytest.fixture(scope="module")
def page(browser: Browser, at: Filled) -> Iterator[Page]:
    if not AXE.exists():
        pytest.skip("centre/web/node_modules is missing: make page")
    PICTURES.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    page = signed_in_page(browser, at, viewport={"width": 1280, "height": 800})
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.context.close()
    assert problems == []


@pytest.mark.parametrize("screens", [ROAD, OTHER], ids=["road", "other"])
@pytest.mark.parametrize(("lang", "theme"), [("zh", "dark"), ("en", "light")])
def test_each_screen_is_whole_in_its_language(
    page: Page, at: Filled, lang: str, theme: str, screens: tuple[Screen, ...], pytestconfig: pytest.Config
) -> None:
    """Words and names depend on the language, contrasts on the theme: each is tried on each screen.

    Axe, which costs as much as all else, looks at each screen in one theme; with `--long` in both.
    """
    asks_axe = pytestconfig.getoption("--long") or (theme == "dark") == (screens is ROAD)
    show(page, at, screens[0])
    look(page, lang, theme)
    found = {}
    for screen in screens:
        show(page, at, screen)
        if wrong := faults(page, lang, screen.root if asks_axe else None):
            found[screen.name] = wrong
        page.screenshot(path=PICTURES / f"{screen.name}-{lang}-{theme}.png")
    assert found == {}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_header_and_footer_are_whole_at_each_width(page: Page, at: Filled, lang: str) -> None:
    """Boxes without room drop whole; the buttons and who is signed in always stay."""
    show(page, at, ROAD[0])
    look(page, lang, "dark")
    try:
        for width in (1601, 1920, DUTY_FROM_PX, DUTY_FROM_PX - 1, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            wait_for(page, f"document.querySelector('header').clientWidth === {width}")
            with contextlib.suppress(NotYet):  # it is drawn for the new width within some frames
                wait_for(page, f"({CUT})().length === 0", 30.0)
            assert page.evaluate(CUT) == [], width
            right = page.evaluate("document.querySelector('header .who').getBoundingClientRect().right")
            assert right <= width
            for there in ("link", "waiting", "sound"):
                assert page.get_by_test_id(there).bounding_box()["y"] < 40, (width, there)
            duty = page.get_by_test_id("duty").bounding_box()  # None: it is hidden, not only in a row below
            assert (duty is not None and duty["y"] < 40) == (width >= DUTY_FROM_PX), (width, duty)
    finally:
        page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.parametrize("lang", [pytest.param("zh", marks=pytest.mark.long), "en"])
def test_all_is_in_reach_at_1024_by_768_and_200_per_cent(page: Page, at: Filled, lang: str) -> None:
    """Each screen's buttons and fields can be brought under the pointer; a row says what and where."""
    page.set_viewport_size({"width": 512, "height": 384})
    try:
        show(page, at, ROAD[0])
        look(page, lang, "light")
        found = {}
        for screen in (*ROAD, *OTHER):
            if screen.name not in SMALL:
                continue
            show(page, at, screen)
            size = page.evaluate("[document.body.scrollWidth, document.documentElement.scrollHeight]")
            beyond = page.evaluate(BEYOND, screen.root if screen.root == "#ask" else f"header, {screen.root}")
            if beyond or size != [512, 384]:
                found[screen.name] = (size, beyond)
            page.screenshot(path=PICTURES / f"{screen.name}-{lang}-200.png")
            if screen.name == "case":
                assert page.evaluate(SHORTENED) == []
        assert found == {}
    finally:
        page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.parametrize(("lang", "theme"), [("zh", "dark"), ("en", "light")])
def test_what_is_lost_the_wall_and_the_sign_in_are_whole_too(
    page: Page, at: Filled, browser: Browser, lang: str, theme: str, pytestconfig: pytest.Config
) -> None:
    """Axe looks at two of them in each theme; with `--long` at all."""
    long = pytestconfig.getoption("--long")
    asked, rest = {"asks_axe": long or theme == "dark"}, {"asks_axe": long or theme == "light"}
    show(page, at, ROAD[0])
    look(page, lang, theme)
    found = {"rsu-off": None, "broker-off": None, "wall": None, "sign-in": None}
    at.stage.kill("RSU21")
    page.wait_for_selector("[data-testid=banner] :text('RSU21')")
    found["rsu-off"] = picture(page, "rsu-off", lang, theme, **asked)
    at.stage.broker.connected = False
    page.wait_for_selector("[data-testid=banner] :text-matches('消息代理|message broker')")
    found["broker-off"] = picture(page, "broker-off", lang, theme, **rest)
    at.stage.broker.connected = True
    at.stage.online.add("RSU21")
    wall = page.context.new_page()
    wall.set_viewport_size({"width": 1920, "height": 1080})
    wall.goto(f"{at.stage.url}?wall=1&lang={lang}&theme={theme}")
    wall.wait_for_selector("#list .row2")
    wall.wait_for_selector(".strip.flood div + div > span:nth-child(2)")  # its groups can be read there, too
    assert wall.locator("button:visible").count() == 0
    found["wall"] = picture(wall, "wall", lang, theme, **asked)
    wall.close()
    stranger = browser.new_page(viewport={"width": 1280, "height": 800})
    stranger.set_default_timeout(PATIENCE_MS)
    stranger.goto(f"{at.stage.url}?lang={lang}&theme={theme}")
    stranger.wait_for_selector("html[data-ready]")
    found["sign-in"] = picture(stranger, "sign-in", lang, theme, **rest)
    stranger.close()
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def picture(page: Page, name: str, lang: str, theme: str, *, asks_axe: bool) -> dict[str, Any]:
    """Take the picture of a screen; return its faults."""
    page.screenshot(path=PICTURES / f"{name}-{lang}-{theme}.png")
    return faults(page, lang, "body" if asks_axe else None)


def test_an_empty_centre_says_so_on_each_screen(
    browser: Browser, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Axe looks at every other screen in each theme; with `--long` at all."""
    found = {}
    with staged(tmp_path, online=0, gateway=False) as stage:
        for lang, theme in (("zh", "light"), ("en", "dark")):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"{stage.url}?lang={lang}&theme={theme}")
            wait_for(page, "document.documentElement.dataset.link === 'stale'")
            for i, (name, there) in enumerate(EMPTY.items()):
                page.evaluate("(hash) => { location.hash = hash; }", name)
                page.wait_for_selector(there)
                asks_axe = pytestconfig.getoption("--long") or (i % 2 == 0) == (theme == "dark")
                if wrong := picture(page, f"empty{name.replace('#', '-')}", lang, theme, asks_axe=asks_axe):
                    found[f"{name} {lang}"] = wrong
            page.close()
    assert found == {}
