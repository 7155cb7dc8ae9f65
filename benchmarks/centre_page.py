"""The page in Chromium, for `benchmarks.centre`: frames, answers to keys and memory, with a full road.

Made-up traffic of `tests.support.centre_feed` with 1 000 vehicles, 200 violations that stay open, drawn by
software: a supervisor's PC with a graphics card draws more. `page.frame_cpu_ms` is the processor time of all
of Chromium's processes for each frame; it does not depend on what else runs.
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
from playwright.sync_api import CDPSession, Page

from benchmarks.delivery_site import violation
from benchmarks.processes import cpu_s
from edge import topics
from edge.config import load_site
from edge.figures import quantile
from edge.link import Link, link_settings
from edge.wire import ITEMS_MAX, ViolationBatch, ViolationItem, encode
from geofence.violation import decode
from geofence.violation import encode as encode_violation
from tests.support.page_feed import PATIENCE_MS, chromium, fed_centre, wait_for

VEHICLES, OPEN = 1_000, 200
PRESSES = 12
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


def _heap_mib(devtools: CDPSession) -> float:
    """Return what is in use after a collection."""
    devtools.send("HeapProfiler.collectGarbage")
    return float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / 2**20


def measure(seconds: float) -> Iterator[tuple[str, float, str]]:
    """Yield (name, value, unit) of each figure; the heap is watched for so many seconds."""
    with (
        TemporaryDirectory(prefix="petroroad-centre-page-") as name,
        fed_centre(Path(name), vehicles=VEHICLES) as url,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url)
        wait_for(page, "document.documentElement.dataset.link === 'live'")
        _in_thread(Path(name) / "site.toml")
        wait_for(page, f"Number(document.documentElement.dataset.open) >= {OPEN}")
        page.keyboard.press("j")
        page.wait_for_selector("[data-testid=charts] svg")
        devtools = page.context.new_cdp_session(page)
        begun_mib = _heap_mib(devtools)
        begun_s, begun_cpu_s = time.monotonic(), _chromium_cpu_s()
        frames = _frames(page)
        page.wait_for_timeout(1e3 * min(seconds, 60.0))
        n_frames, lasted_s = _frames(page) - frames, time.monotonic() - begun_s
        yield "page.frame_cpu_ms", 1e3 * (_chromium_cpu_s() - begun_cpu_s) / n_frames, "ms of CPU for a frame"
        yield "page.fps.n1000", n_frames / lasted_s, "frames/s, software, 1920 x 1080"
        waits_ms = [float(page.evaluate(PRESSED, "[]"[i % 2])) for i in range(PRESSES)]
        yield "page.input_ms", quantile(waits_ms, 0.5) or 0.0, "ms from a key to its picture, median"
        yield "page.input_ms_max", max(waits_ms), "ms"
        page.wait_for_timeout(1e3 * max(0.0, seconds - (time.monotonic() - begun_s)))
        ended_mib, lasted_s = _heap_mib(devtools), time.monotonic() - begun_s
        yield "page.heap_mib", ended_mib, "MiB after a collection"
        yield "page.heap_growth_mib", ended_mib - begun_mib, f"MiB in {lasted_s:.0f} s"


def _chromium_cpu_s() -> float:
    """Return the processor time of this benchmark's own browser."""
    own = psutil.Process().children(recursive=True)
    return sum(cpu_s(child.pid) for child in own if "chrom" in child.name())


def _frames(page: Page) -> int:
    return int(page.evaluate("Number(document.documentElement.dataset.frames)"))


def _in_thread(path: Path) -> None:
    """Send the violations from a thread of its own: Playwright has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(_open_violations(path))).result()
