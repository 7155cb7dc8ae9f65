"""Every screen of the page, on a centre that has something of everything: for pictures, and for tests.

python -m tests.support.screens FOLDER [--size 1280x800] [--only NAME ...] [--lang zh] [--theme dark]
"""

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from playwright.sync_api import Browser, Page

from core.times import NS
from edge import topics
from edge.journey_messages import JourneyBatch
from geofence.journeys.journey import Journey, encoded
from geofence.violation import Violation, ViolationVehicle
from tests.support.centre_feed import Traffic
from tests.support.centre_samples import episode_id
from tests.support.page_feed import PATIENCE_MS, chromium, wait_for
from tests.support.signed_in import NAMES, PASSWORD, add_accounts
from tests.support.stage import GIVEN_UP_S, Stage, staged

PLATE, CARRIER = "辽L·A0042", "盘锦一运"
REGISTERED = f"""
[[vehicle]]
terminal = "13900000042"
plate = "{PLATE}"
hazmat_class = "3"
un = "1203"
carrier = "{CARRIER}"
phone = "0427-2810000"
driver = "王师傅"
driver_phone = "13904270042"
"""
VEHICLE = ViolationVehicle(plate=PLATE, terminal="13900000042", hazmat_class="3", un="1203", carrier=CARRIER)
CHOSEN = 42  # the violation that is looked at
UNSET, BOOTED_S = 300, 6 * 366 * 86_400.0  # one of an RSU whose clock is six years behind
FRAMES = "Number(document.documentElement.dataset.frames)"
LOADED = "['live', 'stale'].includes(document.documentElement.dataset.link)"
OTHERS: tuple[dict[str, Any], ...] = (  # one of each kind beside the lane departures
    {"rule": "overspeed", "limit_mps": 22.0, "speed_mps": 27.0},
    {"rule": "illegal_stop", "speed_mps": 0.0, "grade": "warning"},
    {"rule": "wrong_way", "vehicle": None, "identity_p": 0.0},
    {
        "rule": "dark_vehicle",
        "vehicle": None,
        "identity_p": 0.0,
        "lane": None,
        "d_m": None,
        "sigma_d_m": None,
    },
    {"rule": "zone_entry", "zone": "检查区", "grade": "notice"},
    {"rule": "lane_departure", "grade": "undecidable", "p_violation": 0.5},
    {"rule": "off_dedicated_road", "lane": None},
    {"rule": "following_distance", "grade": "warning"},
)


class Filled:
    """A stage with accounts, traffic, alarms in every state, a shift, a shelf, journeys and acts."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        add_accounts(stage.engine, list(NAMES), stage.clock.now_ns())
        self.api = httpx.Client(base_url=stage.url, timeout=GIVEN_UP_S, verify=False)
        stage.until(lambda: self.api.get("/api/me").status_code == 401)  # the centre has seen the accounts
        me = self._post("/api/sign-in", {"name": "ada", "password": PASSWORD, "desk": "席 2"})
        self.api.headers["x-csrf"] = me["csrf"]
        self.chosen = stage.violation(CHOSEN, "RSU22", ago_s=40.0, vehicle=VEHICLE)
        self._alarms()
        self._desk()
        self._journeys()

    def _post(self, path: str, body: Any) -> Any:
        answer = self.api.post(path, json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def _alarms(self) -> None:
        stage = self.stage
        old = [stage.violation(n, "RSU21", ago_s=86_400.0 + n, vehicle=VEHICLE) for n in range(200, 204)]
        new = [stage.violation(n, ago_s=60.0 + n) for n in range(1, 5)]
        others = [
            stage.violation(100 + n, f"RSU2{n % 4}", ago_s=30.0 + n, **each) for n, each in enumerate(OTHERS)
        ]
        stage.send(*old, *new, *others, self.chosen)
        stage.send(*(stage.closed(each) for each in [*old, *new[2:], others[1]]))
        stage.send(stage.violation(UNSET, "RSU20", ago_s=BOOTED_S + 5.0), waited_ns=int(BOOTED_S) * NS)
        self.new = new

    def act(self, found: Violation, act: str, **more: Any) -> None:
        """Act on an alarm as the administrator."""
        self._post(f"/api/alarms/{found.id}/acts", {"act": act} | more)

    def _desk(self) -> None:
        self.act(self.new[0], "acknowledge")
        self.act(self.new[1], "handle")
        self.act(self.new[1], "note", text="司机已电话联系")
        self.act(self.new[3], "close", reason="driver_warned")
        self._post("/api/shift", {"act": "begin", "desk": "席 2"})
        until_ns = self.stage.clock.now_ns() + 3_600 * NS
        self._post("/api/shelves", {"until_ns": str(until_ns), "reason": "雷达检修", "esn": "RSU23"})

    def _journeys(self) -> None:
        now_ns = self.stage.clock.now_ns()
        found = []
        for n in range(6):
            ended = {} if n < 4 else {"end_ns": now_ns - n * NS, "reason": "exit"}
            found.append(
                Journey(
                    id=episode_id(5_000 + n), version=1, esn="RSU22", terminal=f"1390000{n:04d}",
                    vehicle=ViolationVehicle(plate=f"辽L·A{7000 + n}挂", un="1203", hazmat_class="3"),
                    track=(1_790_000_000 << 32) | (n + 1), began="gate", start_ns=now_ns - (600 + n) * NS,
                    entry="entry", entry_s_m=20_200.0, exit="exit", exit_s_m=28_800.0, stamp_ns=now_ns,
                    seen_ns=now_ns, way_m=4_000.0, moving_s=300.0, s_m=24_000.0, share=0.5, speed_mps=16.0,
                    expected_ns=now_ns + 120 * NS, due_ns=now_ns + (180 - 100 * n) * NS, overdue=n == 2,
                    eta_ns=now_ns + 120 * NS, violations={"overspeed": 1} if n == 1 else {}, **ended,
                )
            )  # fmt: skip
        batch = JourneyBatch(journeys=tuple(encoded(each) for each in found))
        self.stage.receive(topics.journey_up("RSU22"), batch)


def _press(*keys: str) -> Callable[[Page, Filled], None]:
    def act(page: Page, _at: Filled) -> None:
        for key in keys:
            page.keyboard.press(key)

    return act


def _open_account(page: Page, _at: Filled) -> None:
    page.locator("header .who button").click()


def _replay(page: Page, _at: Filled) -> None:
    page.keyboard.press("p")
    wait_for(page, "'replay' in document.documentElement.dataset")


class Screen(NamedTuple):
    """One screen: its address, what is there once it shows, what is done before, and its own part."""

    name: str
    hash: str
    there: str
    act: Callable[[Page, Filled], None] | None = None
    root: str = "main"


ROAD = (
    Screen("road", "", "#list .row2"),
    Screen("case", "#v={id}", "[data-testid=charts] svg"),
    Screen("replay", "#v={id}", "[data-testid=replay-word]", _replay),
    Screen("close", "#v={id}", "#ask[open]", _press("c"), "#ask"),
    Screen("shelve", "#v={id}", "#ask[open]", _press("s"), "#ask"),
    Screen("help", "", "#help[open]", _press("?"), "#help"),
    Screen("account", "", "#account:not([hidden])", _open_account, "#account"),
)
OTHER = (
    Screen("journeys", "#journeys", "#journeys tbody tr", root="#journeys"),
    Screen("search", "#search?rule=lane_departure", "[data-testid=count]", root="#look"),
    Screen("nothing-found", "#search?plate=NOBODY", "[data-testid=look] .blank", root="#look .body"),
    Screen("vehicle", f"#vehicle={PLATE}", "[data-testid=vehicle-title]", root="#look .body"),
    Screen("carrier", f"#carrier={CARRIER}", "[data-testid=look] table", root="#look .body"),
    Screen("rsu", "#rsu=RSU22", "[data-testid=rsu-title]", root="#look .body"),
    Screen("statistics", "#statistics", "[data-testid=totals]", root="#look"),
    Screen("report", "#report", "[data-testid=totals]", root="#look"),
    Screen("shift", "#shift", "[data-testid=sheet] table", root="#shift"),
    Screen("users", "#users", "[data-testid=user]", root="#users"),
    Screen("audit", "#audit", "[data-testid=act]", root="#audit"),
)


@contextlib.contextmanager
def filled(folder: Path, vehicles: int = 60) -> Iterator[Filled]:
    """Serve a centre with something of everything."""
    with staged(folder, more=REGISTERED) as stage:
        stage.traffic = Traffic(stage.site, vehicles)
        it = Filled(stage)
        try:
            yield it
        finally:
            it.api.close()


def sign_in(page: Page, name: str) -> None:
    """Sign in on the page that asks for it."""
    page.fill("[data-testid=signin] [name=name]", name)
    page.fill("[data-testid=signin] [name=password]", PASSWORD)
    page.keyboard.press("Enter")
    wait_for(page, LOADED)


def signed_in_page(browser: Browser, at: Filled, name: str = "ada", **kept: Any) -> Page:
    """Return a page in a new browser, signed in."""
    context = browser.new_context(**kept)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(at.stage.url)
    sign_in(page, name)
    return page


def show(page: Page, at: Filled, screen: Screen) -> None:
    """Bring a screen up; what lay above another one is closed."""
    if page.evaluate("'replay' in document.documentElement.dataset"):
        page.keyboard.press("Escape")
    drawn = page.evaluate(FRAMES)
    page.evaluate("""(hash) => {
      for (const each of document.querySelectorAll("dialog[open]")) each.close();
      const account = document.querySelector("#account");
      if (account !== null && !account.hidden) document.querySelector("header .who button").click();
      document.activeElement?.blur();
      location.hash = hash;
    }""", screen.hash.format(id=at.chosen.id))  # fmt: skip
    wait_for(
        page, f"{FRAMES} >= {drawn + 2}"
    )  # a screen that was drawn before holds its old words until then
    if "{id}" in screen.hash:
        page.wait_for_selector("[data-testid=charts] svg")
    if screen.act is not None:
        screen.act(page, at)
    page.wait_for_selector(screen.there)


def look(page: Page, lang: str, theme: str) -> None:
    """Show the page in a language and a theme, by its keys."""
    page.evaluate("document.activeElement?.blur()")
    root = "document.documentElement"
    if page.evaluate(f"{root}.lang").startswith("zh") != (lang == "zh"):
        page.keyboard.press("l")
    if page.evaluate(f"{root}.dataset.theme") != theme:
        page.keyboard.press("t")


def main() -> None:
    """Take a picture of each screen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--lang", choices=("zh", "en"))
    parser.add_argument("--theme", choices=("dark", "light"))
    wanted = parser.parse_args()
    width, height = (int(px) for px in wanted.size.split("x"))
    wanted.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, filled(Path(folder)) as at, chromium() as browser:
        page = signed_in_page(browser, at, viewport={"width": width, "height": height})
        for lang in (wanted.lang,) if wanted.lang else ("zh", "en"):
            for theme in (wanted.theme,) if wanted.theme else ("dark", "light"):
                show(page, at, ROAD[0])
                look(page, lang, theme)
                for screen in ROAD + OTHER:
                    if wanted.only is None or screen.name in wanted.only:
                        show(page, at, screen)
                        page.wait_for_timeout(700)
                        path = wanted.folder / f"{screen.name}-{lang}-{theme}-{wanted.size}.png"
                        page.screenshot(path=path)


if __name__ == "__main__":
    main()
