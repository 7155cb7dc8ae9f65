"""A supervisor replays a truck's departure: it is where it was, a gap is a gap, and alarms keep arriving."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from core.times import NS
from edge import wire
from tests.conftest import RUNS
from tests.support.page_feed import PATIENCE_MS, wait_for
from tests.support.stage import Stage, staged

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ESN, FIRST_M, SPEED_MPS = "RSU26", 26_100.0, 16.0
SCREENSHOT = RUNS / "page-replay.png"
AT = "Number(document.documentElement.dataset.replayAt)"


def _snapshot(stage: Stage, stamp_ns: int, at_s: float, *, named: bool) -> bytes:
    """Return a truck's snapshot; from the tenth second on it drifts over its line."""
    records = np.zeros(1, wire.TRACK_DTYPE)
    along_m = FIRST_M + SPEED_MPS * at_s
    track = (1_790_000_000 << 32) | 7
    east_m, north_m = along_m - 20_000.0, 250.0 * np.sin((along_m - 20_000.0) / 1_300.0)
    lon_deg, lat_deg = stage.site.frame.lonlat_from_site(np.array([east_m]), np.array([north_m]))
    records["track"], records["class"], records["length_dm"] = track, 4, 160
    records["lon_e7"], records["lat_e7"] = np.round(lon_deg * 1e7), np.round(lat_deg * 1e7)
    records["s_dm"], records["d_cm"] = round(along_m * 10), 150 if at_s > 10.0 else 0
    records["speed_cmps"], records["course_cdeg"], records["sigma_cm"] = 1_600, 8_000, 17
    records["flags"] = wire.FLAG_OWNED | wire.FLAG_CONFIRMED | wire.FLAG_RADAR
    names = wire.TrackNames(
        track=(track,), terminal=("13900000007",), plate=("辽L·H1007",), identity_p=(0.99,)
    )
    return wire.encode(
        wire.snapshot_of(
            records, esn=ESN, seq=round(at_s * 10), stamp_ns=stamp_ns,
            lanes=("south-hazmat",) if named else None, names=names if named else None,
        )
    )  # fmt: skip


def _drive(stage: Stage, t0_ns: int) -> None:
    """Let a truck have driven for 24 s, of which nothing came from the sixteenth to the twentieth."""
    assert stage.centre.history is not None
    stage.beat(ESN)
    for turn in range(240):
        if not 160 <= turn < 200:
            stamp_ns = t0_ns + turn * NS // 10
            payload = _snapshot(stage, stamp_ns, turn / 10, named=turn % 50 == 0 or turn == 200)
            stage.call(stage.centre.tracks.receive_snapshot, ESN, payload, stamp_ns)
    stage.until(lambda: stage.counts().get("history.blocks", 0) >= 5)


def _station(page: Page) -> str:
    return page.locator("#map h2").inner_text()


def _wait_for_station(page: Page, station: str) -> None:
    wait_for(page, f"document.querySelector('#map h2').innerText.includes('{station}')")


def test_a_departure_is_replayed(browser: Browser, tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        t0_ns = (stage.clock.now_ns() // NS - 30) * NS
        _drive(stage, t0_ns)
        stage.send(stage.violation(7, ESN, start_ns=t0_ns + 10 * NS, s_m=FIRST_M + 160.0, ago_s=20.0))
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.set_default_timeout(PATIENCE_MS)
        violation = stage.violation(7).id
        t0_ms = t0_ns // 1_000_000
        page.goto(f"{stage.url}?lang=en#t={t0_ms + 12_000}&v={violation}")

        # the link shows the very moment, paused: the truck is where it was, over its line
        wait_for(page, f"{AT} === {t0_ms + 12_000}")
        _wait_for_station(page, f"K26+{100 + 16 * 12}")
        assert page.locator("[data-testid=replay-word]").inner_text().startswith("REPLAY")
        assert page.locator("[data-testid=clock]").inner_text() in page.locator(".rword").inner_text()
        page.keyboard.press("ArrowRight")
        _wait_for_station(page, f"K26+{100 + 16 * 13}")
        for _ in range(4):
            page.keyboard.press("ArrowLeft")
        _wait_for_station(page, f"K26+{100 + 16 * 9}")  # before it began it is followed already
        page.screenshot(path=SCREENSHOT)

        # it plays, and an alarm arrives meanwhile
        page.keyboard.press(" ")
        wait_for(page, f"{AT} > {t0_ms + 10_000}")
        stage.send(stage.violation(8, "RSU21"))
        wait_for(page, "document.documentElement.dataset.open === '2'")
        page.keyboard.press(" ")
        wait_for(page, "document.documentElement.dataset.replayPlaying === 'false'")

        # a gap says so, and the truck stands hollow where it was last seen
        page.evaluate(f"location.hash = '#t={t0_ms + 18_000}&v={violation}'")
        wait_for(page, "document.querySelector('.rsays').innerText.includes('RSU26: nothing kept: no data')")
        assert f"K26+{100 + 16 * 18}" not in _station(page)

        # back to the present
        page.keyboard.press("Escape")
        wait_for(page, "!document.documentElement.hasAttribute('data-replay')")
        assert page.evaluate("location.hash") == f"#v={violation}"
        assert page.locator("#replay").is_hidden()
        assert any("/api/grades?" in url for url in asked)  # marks have the grade of the moment

        # the close-up looks beside what it follows, and returns
        box = page.locator("#close canvas").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 200, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 120, box["y"] + 80, steps=4)
        page.mouse.up()
        wait_for(page, "document.querySelector('#map h2').innerText.includes('dragged, Esc returns')")
        page.mouse.dblclick(box["x"] + 120, box["y"] + 80)
        wait_for(page, "!document.querySelector('#map h2').innerText.includes('dragged')")
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 60, steps=4)
        page.mouse.up()
        wait_for(page, "document.querySelector('#map h2').innerText.includes('dragged, Esc returns')")
        page.keyboard.press("Escape")
        wait_for(page, "!document.querySelector('#map h2').innerText.includes('dragged')")
        assert page.evaluate("location.hash") == f"#v={violation}"  # the next Esc would clear the choice
        page.close()
        assert problems == []
