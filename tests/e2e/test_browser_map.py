"""The map and what lies above it never part: each gesture, each zoom, in each frame that the map draws."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.page_feed import MEET, PATIENCE_MS, TRIES, fed_centre, meets, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

# at each frame of the map: how far from MapLibre's own the overlay drew three places of the road [px]
WATCH = """() => {
  const pane = document.querySelector("#whole").pane;
  const axis = pane.site.body.axis;
  const vertices = [0.1, 0.5, 0.9].map((f) => Math.floor(f * axis.lon.length));
  const places = vertices.map((i) => [axis.lon[i], axis.lat[i]]);
  window.apart = () => {
    const [cx, cy, turn, perMetre, w, h] = pane.drawnAt.split(",").map(Number);
    const { plane } = pane.site;
    return Math.max(...places.map(([lon, lat]) => {
      const base = pane.gl.project([lon, lat]);
      const [dx, dy] = [plane.x(lon) - cx, plane.y(lat) - cy];
      const x = w / 2 + (dx * Math.cos(turn) + dy * Math.sin(turn)) * perMetre;
      const y = h / 2 - (-dx * Math.sin(turn) + dy * Math.cos(turn)) * perMetre;
      return Math.hypot(base.x - x, base.y - y) / Math.max(1, Math.hypot(base.x, base.y) / 2_000);
    }));
  };
  window.worst = 0;
  window.rendered = 0;
  pane.gl.on("render", () => {
    window.rendered++;
    window.worst = Math.max(window.worst, window.apart());
  });
  window.view = () => {
    const c = pane.gl.getCenter();
    return [c.lng, c.lat, pane.gl.getZoom(), pane.gl.getBearing()].map((x) => x.toFixed(5)).join();
  };
  window.home = window.view();
  window.still = () => !pane.gl.isMoving() && pane.gl.loaded();
}"""

MAP = "#whole .gl"
LAID_OUT = """window.still() && (() => {
  const el = document.querySelector("#whole");
  return el.querySelector(":scope > canvas").style.width === el.clientWidth + "px";
})()"""


@pytest.fixture(scope="module")
def page(browser: Browser, run_folder: Any) -> Iterator[Page]:
    with fed_centre(run_folder("browser-map")) as url:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, has_touch=True)
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url + "?lang=en")
        wait_for(page, "document.documentElement.dataset.link === 'live'")
        wait_for(page, "document.querySelector('#whole').pane.gl.loaded()")
        page.evaluate(WATCH)
        page.evaluate(MEET)
        yield page
        context.close()
        assert problems == []


def middle(page: Page) -> tuple[float, float]:
    box = page.locator(MAP).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def point(page: Page) -> tuple[float, float]:
    """Put the pointer in the middle of the map, and see that it is there."""
    for _ in range(TRIES):
        wait_for(page, LAID_OUT)
        x, y = middle(page)
        page.mouse.move(x - 1, y)
        if meets(page, MAP, "mousemove", partial(page.mouse.move, x, y)) and middle(page) == (x, y):
            return x, y
    raise AssertionError("the map does not stay where it is")


def at_map(page: Page, kind: str, act: Callable[[float, float], None], n: int = 1) -> None:
    """Make a gesture of n such events or more in the middle of the map; wait until it has moved the map."""
    for _ in range(TRIES):
        x, y = point(page)
        before = page.evaluate("window.view()")
        if meets(page, MAP, kind, partial(act, x, y), n):
            settle(page, before)
            return
    raise AssertionError(f"no {kind} comes to the map")


def settle(page: Page, before: str) -> None:
    """Wait until the map has moved and stands still again."""
    wait_for(page, f"window.view() !== '{before}' && window.still()")


def look_at(page: Page, s_m: float, zoom: float) -> None:
    """Jump to a station of the axis."""
    page.evaluate(
        """([s, zoom]) => {
          window.worst = 0;
          const { pane } = document.querySelector("#whole");
          const place = pane.site.axis.at(s);
          pane.gl.jumpTo({ zoom, center: pane.site.plane.lonLat(place.x, place.y) });
        }""",
        [s_m, zoom],
    )


def wheel(page: Page, notches: int, by: float) -> None:
    """Turn the wheel notch by notch, each when the map stands still: slower than MapLibre waits."""
    for _ in range(notches):
        at_map(page, "wheel", lambda x, y: page.mouse.wheel(0, by))


def turns(page: Page, n: int, by: float) -> None:
    """Turn the wheel so often without a pause."""

    def turn(x: float, y: float) -> None:
        for _ in range(n):
            page.mouse.wheel(0, by)

    at_map(page, "wheel", turn, n)


def slow_wheel(page: Page) -> None:
    wheel(page, 4, -120)


def odd_wheel(page: Page) -> None:
    wheel(page, 2, -100)
    wheel(page, 1, 240)


def fast_wheel(page: Page) -> None:
    turns(page, 8, -40)


def trackpad(page: Page) -> None:
    turns(page, 30, -4)


def drag(page: Page) -> None:
    def pull(x: float, y: float) -> None:
        page.mouse.down()
        page.mouse.move(x - 90, y + 15, steps=6)
        page.mouse.up()

    at_map(page, "mousedown", pull)


def double_click(page: Page) -> None:
    at_map(page, "mousedown", page.mouse.dblclick, 2)


def keyboard(page: Page) -> None:
    page.locator("#whole .maplibregl-canvas").focus()
    for key in ("Equal", "ArrowRight", "ArrowUp", "Equal", "Minus", "Shift+Equal", "Shift+ArrowRight"):
        before = page.evaluate("window.view()")
        page.keyboard.press(key)
        if key != "Shift+ArrowRight":  # turning is off: K0 stays on the left
            settle(page, before)


def box_zoom(page: Page) -> None:
    def frame(x: float, y: float) -> None:
        page.keyboard.down("Shift")
        page.mouse.move(x - 60, y - 20)
        page.mouse.down()
        page.mouse.move(x + 60, y + 20, steps=4)
        page.mouse.up()
        page.keyboard.up("Shift")

    at_map(page, "mousedown", frame)


def pinch(page: Page) -> None:
    touch = page.context.new_cdp_session(page)

    def spread(x: float, y: float) -> None:
        for kind, reach in (
            ("touchStart", 15),
            ("touchMove", 30),
            ("touchMove", 50),
            ("touchMove", 80),
            ("touchEnd", 0),
        ):
            points = [{"x": x - reach, "y": y - 2}, {"x": x + reach, "y": y + 2}] if reach else []
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    at_map(page, "touchstart", spread)


def by_program(page: Page) -> None:
    for call in (
        "easeTo({zoom: 13.3, duration: 150})",
        "flyTo({zoom: 15.2, speed: 8})",
        "panBy([70, -20], {duration: 100})",
        "zoomTo(11)",
    ):
        before = page.evaluate("window.view()")
        page.evaluate(f"void document.querySelector('#whole').pane.gl.{call}")
        settle(page, before)


def go_home(page: Page) -> None:
    """Press the map's button and wait until the whole road shows again."""
    page.locator("#whole > button").click()
    wait_for(page, "window.view() === window.home && window.still()")
    wait_for(page, "document.querySelector('#whole > button').hidden")


GESTURES = [
    slow_wheel,
    odd_wheel,
    fast_wheel,
    trackpad,
    drag,
    double_click,
    keyboard,
    box_zoom,
    pinch,
    by_program,
]


@pytest.mark.parametrize("gesture", GESTURES, ids=lambda gesture: gesture.__name__)
def test_map_and_overlay_stay_together_and_the_button_brings_both_back(
    page: Page, gesture: Callable[[Page], None]
) -> None:
    rendered = page.evaluate("window.worst = 0, window.rendered")
    gesture(page)
    assert page.evaluate("window.rendered") > rendered
    assert page.evaluate("Math.max(window.worst, window.apart())") < 1.0
    go_home(page)
    assert page.evaluate("Math.max(window.worst, window.apart())") < 1.0


@pytest.mark.parametrize("zoom", [1, 3, *range(8, 23)])
def test_they_agree_at_every_zoom(page: Page, zoom: int) -> None:
    """Also far out, where MapLibre does not show what it is asked for."""
    look_at(page, 20_975, zoom)
    wait_for(page, "window.still()")
    assert page.evaluate("Math.max(window.worst, window.apart())") < 1.0


# let the banner come, or go if it is there; answer when the page has taken over where that leaves its map
SHIFT = """() => new Promise((shifted) => {
  const map = document.querySelector("#map"), banner = document.querySelector("#banner");
  const top = map.offsetTop;
  const watch = new ResizeObserver(() => { // after the page's own
    if (map.offsetTop === top) banner.style.display = banner.offsetHeight > 0 ? "none" : "flex";
    else watch.disconnect(), shifted();
  });
  watch.observe(map);
})"""


def test_a_banner_that_comes_ends_no_drag(page: Page) -> None:
    x, y = point(page)
    page.mouse.down()
    page.mouse.move(x - 30, y + 5, steps=3)
    wait_for(page, "window.view() !== window.home")
    page.evaluate(SHIFT)
    before = page.evaluate("window.view()")
    page.mouse.move(x - 90, y + 15, steps=6)
    wait_for(page, f"window.view() !== '{before}'")
    page.mouse.up()
    page.evaluate("document.querySelector('#banner').style.display = ''")
    wait_for(page, "window.still()")  # neither the drag nor the banner's going moves it any more
    go_home(page)


def test_a_size_that_is_none_drops_no_turn_of_the_wheel(page: Page) -> None:
    """MapLibre waits 40 ms for a second turn, then for the next frame: the page must not end that."""
    page.evaluate("""() => addEventListener("wheel", () => {
      const begun = performance.now();
      const again = () => {
        dispatchEvent(new Event("resize"));
        if (performance.now() - begun < 400) setTimeout(again);
      };
      setTimeout(again);
    }, { capture: true, passive: true, once: true })""")
    wheel(page, 1, -120)
    go_home(page)


def test_they_agree_in_every_size(page: Page) -> None:
    page.evaluate(
        "document.querySelector('#whole > button').click()"
    )  # hidden where nobody has moved the map
    wait_for(page, "window.view() === window.home")
    for moved in (False, True):
        if moved:
            wheel(page, 2, -120)
        for width, height in ((1000, 700), (1920, 1080), (853, 533), (3840, 2160), (1280, 800)):
            page.evaluate("window.worst = 0")
            page.set_viewport_size({"width": width, "height": height})
            wait_for(page, f"innerWidth === {width} && {LAID_OUT}")
            assert page.evaluate("Math.max(window.worst, window.apart())") < 1.0, (moved, width)
        # a new size is no gesture
        assert page.evaluate("document.querySelector('#whole').pane.moved") is moved
    go_home(page)


@pytest.mark.parametrize("zoom", [12, 13.9, 14.1, 16, 19])
def test_what_is_not_judged_is_hatched_at_every_zoom(page: Page, zoom: float) -> None:
    """The first 200 m of each stretch are a radar gap: K22+100 is in the middle of one."""
    look_at(page, 22_100, zoom)
    wait_for(page, "window.still()")
    covered = """(s) => {
      const { pane } = document.querySelector("#whole");
      const dpr = devicePixelRatio, p = pane.site.axis.at(s, 0);
      const [x, y] = [pane.camera.toX(p.x, p.y), pane.camera.toY(p.x, p.y)];
      if (x < 8 || y < 8 || x > pane.camera.w - 8 || y > pane.camera.h - 8) return NaN;
      const box = [x - 4, y - 4, 8, 8].map((px) => px * dpr);
      const { data } = pane.canvas.getContext("2d").getImageData(...box);
      return data.filter((a, i) => i % 4 === 3 && a > 90).length / (data.length / 4);
    }"""
    assert page.evaluate(covered, 22_100) > 0.15  # far off it is dots
