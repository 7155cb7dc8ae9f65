"""The page in Chromium, for `benchmarks.centre`: frames, answers to keys and memory, with a full road.

Made-up traffic of `tests.support.centre_feed` with 1 000 vehicles, 200 violations that stay open, drawn by
software: a supervisor's PC with a graphics card draws more. `page.frame_cpu_ms` is the processor time of all
of Chromium's processes for each frame, all else that the page does meanwhile included.

`page.*`: Chromium composes the page on an imitated graphics card. That alone costs about 60 ms for each frame
of 1920 x 1080, whatever has changed in it. `page.no_card.*`: Chromium composes the page as it does on a PC
without a card. Of each, `frame_script_ms` is what our code costs, `frame_layout_ms` style and layout,
`frame_renderer_ms` the whole process of the page (with painting), `frame_gpu_ms` the one that composes.
"""

import asyncio
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psutil
from playwright.sync_api import Browser, CDPSession, Page

from benchmarks.delivery_site import violation
from benchmarks.processes import cpu_s
from edge import topics
from edge.config import load_site
from edge.figures import quantile
from edge.link import Link, link_settings
from edge.wire import ITEMS_MAX, ViolationBatch, ViolationItem, encode
from geofence.violation import decode
from geofence.violation import encode as encode_violation
from tests.support.page_feed import ARGUMENTS, NO_CARD, PATIENCE_MS, chromium, fed_centre, wait_for

VEHICLES, OPEN = 1_000, 200
PRESSES = 12
ROW = "#list [data-testid=violation]"
ESN, FROM_M, STEP_M = "RSU24", 24_000.0, 4.0  # where the open violations lie
# from a key to the picture that shows it: what an animation frame has painted is out after the next one
PRESSED = """(key) => new Promise((resolve) => {
  const title = document.querySelector("#focus h2"), was = title.textContent, begun = performance.now();
  const look = () => title.textContent !== was
    ? requestAnimationFrame(() => resolve(performance.now() - begun)) : requestAnimationFrame(look);
  window.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  look();
})"""


async def _open_violations(path: Path) -> None:
    """Send violations that no RSU closes."""
    link = Link(link_settings(load_site(path).config.mqtt, "bench-open"))
    running = asyncio.create_task(link.run())
    while not link.connected:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    now_ns = time.time_ns()
    items = []
    for seq in range(1, OPEN + 1):
        made = decode(violation(ESN, seq, now_ns))
        place = {"s_m": FROM_M + seq * STEP_M, "lon_deg": 122.047, "id": str(uuid.uuid4())}
        body = encode_violation(msgspec.structs.replace(made, **place))
        items.append(ViolationItem(seq=seq, detected_ns=now_ns, sent_ns=now_ns, violation=body))
    for at in range(0, OPEN, ITEMS_MAX):
        batch = ViolationBatch(epoch=10, items=tuple(items[at : at + ITEMS_MAX]))
        while not link.publish(topics.violation_up(ESN), encode(batch)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(1.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _open_page(browser: Browser, url: str) -> Page:
    """Open the page with its list and choose a row."""
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    wait_for(page, "document.documentElement.dataset.link === 'live'")
    wait_for(page, f"Number(document.documentElement.dataset.open) >= {OPEN}")
    page.wait_for_selector(ROW)  # not by J: on top may stand an RSU that went, which has no charts
    page.evaluate(f"location.hash = '#v=' + document.querySelector('{ROW}').dataset.id")
    page.wait_for_selector("[data-testid=charts] svg")
    return page


def _frame_figures(prefix: str, page: Page, seconds: float) -> Iterator[tuple[str, float, str]]:
    """Yield what a frame costs, as a whole and by part."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    begun_s, begun_cpu_s, begun_parts_s = time.monotonic(), _chromium_cpu_s(), _parts_s(devtools)
    frames = _frames(page)
    page.wait_for_timeout(1e3 * seconds)
    n_frames, lasted_s = max(1, _frames(page) - frames), time.monotonic() - begun_s
    cpu_by_kind_s, parts_s = _chromium_cpu_s(), _parts_s(devtools)
    took_s = {kind: cpu_by_kind_s[kind] - begun_cpu_s.get(kind, 0.0) for kind in cpu_by_kind_s}
    yield f"{prefix}.frame_cpu_ms", 1e3 * sum(took_s.values()) / n_frames, "ms of CPU for a frame"
    yield f"{prefix}.fps.n1000", n_frames / lasted_s, "frames/s, software, 1920 x 1080"
    took_s |= {name: parts_s[name] - begun_parts_s[name] for name in parts_s}
    for part, kind in (
        ("script", "script"),
        ("layout", "layout"),
        ("renderer", "renderer"),
        ("gpu", "gpu-process"),
    ):
        yield f"{prefix}.frame_{part}_ms", 1e3 * took_s.get(kind, 0.0) / n_frames, "ms of CPU for a frame"


def _parts_s(devtools: CDPSession) -> dict[str, float]:
    """Return the processor time of the page's main thread by part."""
    found = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    return {
        "script": found["ScriptDuration"],
        "layout": found["LayoutDuration"] + found["RecalcStyleDuration"],
    }


def _heap_mib(devtools: CDPSession) -> float:
    """Return what is in use after a collection."""
    devtools.send("HeapProfiler.collectGarbage")
    return float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / 2**20


def measure(seconds: float) -> Iterator[tuple[str, float, str]]:
    """Yield (name, value, unit) of each figure; the heap is watched for so many seconds."""
    with (
        TemporaryDirectory(prefix="petroroad-centre-page-") as name,
        fed_centre(Path(name), vehicles=VEHICLES) as url,
    ):
        _in_thread(Path(name) / "site.toml")
        with chromium(NO_CARD) as browser:
            page = _open_page(browser, url)
            yield from _frame_figures("page.no_card", page, min(seconds, 10.0))
            yield from _input_figures("page.no_card", page)
        with chromium(ARGUMENTS) as browser:
            yield from _measure_page(_open_page(browser, url), seconds)


def _measure_page(page: Page, seconds: float) -> Iterator[tuple[str, float, str]]:
    """Yield frames, answers to keys, and memory over so many seconds."""
    devtools = page.context.new_cdp_session(page)
    begun_mib, begun_s = _heap_mib(devtools), time.monotonic()
    yield from _frame_figures("page", page, min(seconds, 60.0))
    yield from _input_figures("page", page)
    page.wait_for_timeout(1e3 * max(0.0, seconds - (time.monotonic() - begun_s)))
    ended_mib, lasted_s = _heap_mib(devtools), time.monotonic() - begun_s
    yield "page.heap_mib", ended_mib, "MiB after a collection"
    yield "page.heap_growth_mib", ended_mib - begun_mib, f"MiB in {lasted_s:.0f} s"


def _input_figures(prefix: str, page: Page) -> Iterator[tuple[str, float, str]]:
    """Yield how long a key's picture takes."""
    waits_ms = [float(page.evaluate(PRESSED, "[]"[i % 2])) for i in range(PRESSES)]
    yield f"{prefix}.input_ms", quantile(waits_ms, 0.5) or 0.0, "ms from a key to its picture, median"
    yield f"{prefix}.input_ms_max", max(waits_ms), "ms"


def _chromium_cpu_s() -> dict[str, float]:
    """Return the processor time of this benchmark's own browser by kind of process."""
    found: dict[str, float] = {}
    for child in psutil.Process().children(recursive=True):
        if "chrom" not in child.name():
            continue
        kinds = [each.partition("=")[2] for each in child.cmdline() if each.startswith("--type=")]
        kind = kinds[0] if kinds else "browser"
        found[kind] = found.get(kind, 0.0) + cpu_s(child.pid)
    return found


def _frames(page: Page) -> int:
    return int(page.evaluate("Number(document.documentElement.dataset.frames)"))


def _in_thread(path: Path) -> None:
    """Send the violations from a thread of its own: Playwright has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(_open_violations(path))).result()
