"""The centre as supervisors and programs feel it. `python -m benchmarks.centre [--quick] [server]`

Broker (NATS), centre and Chromium are the real ones. One JSON line per figure; `ratio` is how many times
better than its limit a figure is (peer `limit`). Rates of the centre are per second of its processor time:
what a core that does nothing else reaches, whatever else runs; `…_wall` is what came about here.

`centre.violations_per_s`: four RSUs send batches of 32 as fast as they are acknowledged, while 20 pages are
open: committed ones; `centre.no_page.…` without a page. `centre.violation.cpu_us.PART` is what one costs each
process until then, `….shown` what it costs the centre until all pages have it, `centre.pages_behind_s` how
much later than the last acknowledgement that is.
`centre.tracks_per_s`: rows of 100 RSUs with 100 vehicles each, passed on to four pages in full.
`centre.api.p99_ms`: answers to programs while 20 pages are open, 2 000 vehicles drive (ten times a second)
and 50 violations arrive in a second; `centre.act_ms_max`: how long an act of one desk takes meanwhile
until another has it; `centre.page_bytes_per_s`: what each page receives that looks at 500 m.
`page.*`: `benchmarks.centre_page`, with 1 000 vehicles and 200 open rows in Chromium at 1920 x 1080; not with
`server`, which needs no browser.
"""

import asyncio
import itertools
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import uvloop
import websockets.asyncio.client as ws

from benchmarks import centre_page, desks, tracks
from benchmarks.delivery_site import HOST, running, violation
from benchmarks.harness import Line, help_or_exit, is_quick
from benchmarks.ingest import Rsu
from benchmarks.processes import cpu_s, cpu_share
from benchmarks.track_pages import Page
from edge import topics
from edge.figures import quantile
from edge.wire import ITEMS_MAX, ViolationBatch, ViolationItem, encode
from petroroad.processes.ports import kept_port

FLOODS = 4  # RSUs that send at once
IN_FLIGHT = 24  # batches of each
PAGES, VEHICLES, VIOLATIONS_HZ = 20, 2_000, 50
ASK_EVERY_S = 0.05
ASKED = ("/api/violations?limit=100", "/api/summary", "/api/rsus", "/api/journeys?state=all")
VIEW = '{"view": [[0, 500]]}'
LIMITS = {
    "centre.violations_per_s": (5_000.0, True), "centre.tracks_per_s": (100_000.0, True),
    "centre.api.p99_ms": (100.0, False), "centre.act_ms_max": (200.0, False),
    "page.fps.n1000": (10.0, True), "page.input_ms": (100.0, False),
    "page.no_card.fps.n1000": (10.0, True), "page.input_ms_max": (100.0, False),
    "page.no_card.input_ms": (100.0, False), "page.no_card.input_ms_max": (100.0, False),
}  # fmt: skip  # and whether more is better


def line(name: str, value: float, unit: str) -> Line:
    """Return a figure with its ratio to the limit, where it has one."""
    if name not in LIMITS:
        return Line(name, round(value, 2), unit)
    limit, more = LIMITS[name]
    return Line(name, round(value, 2), unit, "limit", round(value / limit if more else limit / value, 3))


def _item(esn: str, seq: int, now_ns: int) -> ViolationItem:
    body = violation(esn, seq, now_ns)
    return ViolationItem(seq=seq, detected_ns=now_ns, sent_ns=now_ns, violation=body)


def _batches(esn: str, first: int, n: int) -> dict[int, bytes]:
    """Return batches of whole size by their first number."""
    found = {}
    for seq in range(first, first + n, ITEMS_MAX):
        now_ns = time.time_ns()
        items = tuple(_item(esn, each, now_ns) for each in range(seq, seq + ITEMS_MAX))
        found[seq] = encode(ViolationBatch(epoch=10, items=items))
    return found


class Spent(NamedTuple):
    """What a flood has used."""

    at_s: float
    cpu_s: dict[str, float]  # by part


async def _flood(folder: Path, n_each: int) -> list[Line]:
    """Measure how fast violations are committed, without a page and with many."""
    lines = []
    for n_pages in (0, PAGES):
        (folder / str(n_pages)).mkdir()
        lines += await _flood_before(folder / str(n_pages), n_each, n_pages)
    return lines


async def _flood_before(folder: Path, n_each: int, n_pages: int) -> list[Line]:
    """Measure how fast violations are committed while so many pages are open."""
    esns, n = [f"F-{i}" for i in range(FLOODS)], FLOODS * n_each
    spawn = multiprocessing.get_context("spawn")
    with kept_port() as port, kept_port() as page_port:
        async with running("nats", folder, esns, port, f"{HOST}:{page_port}") as site:
            rsus = [Rsu(esn, site.path) for esn in esns]
            links = [asyncio.create_task(rsu.link.run()) for rsu in rsus]
            bodies = [_batches(rsu.esn, 1, n_each) for rsu in rsus]
            for rsu in rsus:
                await rsu.until(lambda rsu=rsu: rsu.link.connected, 30.0)  # type: ignore[misc]
            near, far = spawn.Pipe()
            args = (f"{HOST}:{page_port}", n_pages, n, far)
            pages = spawn.Process(target=run_pages, args=args, daemon=True)
            pages.start()
            far.close()
            await asyncio.to_thread(near.recv)  # they are open
            pids = {
                "centre": site.centre.process.pid, "broker": site.broker.process.pid,
                "rsus": os.getpid(), "pages": pages.pid or 0,
            }  # fmt: skip
            begun = _spent(pids)
            pairs = zip(rsus, bodies, strict=True)
            await asyncio.gather(*(rsu.send_in_window(found, n_each, IN_FLIGHT) for rsu, found in pairs))
            acknowledged = _spent(pids)
            await asyncio.to_thread(near.recv)  # each has all
            shown = _spent(pids)
            pages.join()
            for link in links:
                link.cancel()
            await asyncio.gather(*links, return_exceptions=True)
    return _flood_lines(n, n_pages, begun, acknowledged, shown)


def _spent(pids: dict[str, int]) -> Spent:
    return Spent(time.monotonic(), {part: cpu_s(pid) for part, pid in pids.items()})


def _flood_lines(n: int, n_pages: int, begun: Spent, acknowledged: Spent, shown: Spent) -> list[Line]:
    unit, head = "violations/s, committed and acknowledged", "centre" if n_pages else "centre.no_page"
    used_s = {part: now - begun.cpu_s[part] for part, now in acknowledged.cpu_s.items()}
    lines = [
        line(f"{head}.violations_per_s", n / used_s["centre"], unit),
        line(f"{head}.violations_per_s_wall", n / (acknowledged.at_s - begun.at_s), unit),
    ]
    if n_pages:
        cpu_us = {part: 1e6 * each_s / n for part, each_s in used_s.items()}
        cpu_us["shown"] = 1e6 * (shown.cpu_s["centre"] - begun.cpu_s["centre"]) / n
        lines += [
            line(f"{head}.violation.cpu_us.{part}", each, "us/violation") for part, each in cpu_us.items()
        ]
        lines.append(line(f"{head}.pages_behind_s", shown.at_s - acknowledged.at_s, "s"))
    return lines


def _connect(address: str, path: str, place: int) -> ws.connect:
    """Return a page's connection, of a program of its own: the centre limits how many streams one has."""
    return ws.connect(
        f"ws://{address}{path}", max_queue=None, max_size=None, user_agent_header=f"page {place}"
    )


async def _count_violations(address: str, place: int, n: int, opened: asyncio.Semaphore) -> None:
    """Be one page that follows events until it has received so many violations."""
    async with _connect(address, "/api/stream", place) as socket:
        opened.release()
        async for message in socket:
            n -= "\nevent: violation\n" in str(message)
            if n <= 0:
                return


async def _pages(address: str, n_pages: int, n: int, pipe: Any) -> None:
    """Open the pages; report when they are open, and when each has received n violations."""
    opened = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as pages:
        for place in range(n_pages):
            pages.create_task(_count_violations(address, place, n, opened))
        for _ in range(n_pages):
            await opened.acquire()
        pipe.send(None)
    pipe.send(None)


def run_pages(address: str, n_pages: int, n: int, pipe: Any) -> None:
    """Run the pages in a process of their own."""
    uvloop.run(_pages(address, n_pages, n, pipe))


async def _tracks(folder: Path, seconds: float) -> list[Line]:
    """Measure what rows of vehicles cost the centre, and how many come through to the slowest page."""
    with kept_port() as port, kept_port() as page_port:
        async with running("nats", folder, tracks.ESNS, port, f"{HOST}:{page_port}") as site:
            with tracks.sending(port):
                pages = [Page(np.zeros(tracks.RSUS, dtype=np.int64)) for _ in range(tracks.PAGES)]
                reading = [asyncio.create_task(page.read(HOST, page_port)) for page in pages]
                while not all(page.newest_ns.all() for page in pages):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                before, begun_s = [len(page.ways_ms) for page in pages], time.monotonic()
                begun_cpu_s = cpu_s(site.centre.process.pid)
                await asyncio.sleep(seconds)
                lasted_s = time.monotonic() - begun_s
                took_cpu_s = cpu_s(site.centre.process.pid) - begun_cpu_s
                frames = min(len(page.ways_ms) - was for page, was in zip(pages, before, strict=True))
                for task in reading:
                    task.cancel()
                await asyncio.gather(*reading, return_exceptions=True)
    unit = "rows/s to each of four pages"
    return [
        line("centre.tracks_per_s", frames * tracks.TRACKS / took_cpu_s, unit),
        line("centre.tracks_per_s_wall", frames * tracks.TRACKS / lasted_s, f"{unit}, of 100 000"),
    ]


async def _page(address: str, sizes: list[int]) -> None:
    """Be one page: follow events and vehicles until cancelled."""

    async def follow(path: str, view: str | None, i: int | None) -> None:
        async with _connect(address, path, place) as socket:
            if view is not None:
                await socket.send(view)
            async for message in socket:
                if i is not None:
                    sizes[i] += len(message)

    place = len(sizes)
    sizes.append(0)
    await asyncio.gather(follow("/api/stream", None, None), follow("/api/tracks", VIEW, place))


async def _clients(address: str, seconds: float, pipe: Any) -> None:
    """Open the pages, ask and act as desks do; send (answers in ms, bytes of each page, acts in ms)."""
    sizes: list[int] = []
    pages = [asyncio.create_task(_page(address, sizes)) for _ in range(PAGES)]
    await asyncio.sleep(2.0)
    before, begun_s = list(sizes), time.monotonic()
    took_ms: list[float] = []
    acts_ms: list[float] = []
    other = _connect(address, "/api/stream", PAGES)
    acting = asyncio.create_task(desks.act(address, other, acts_ms, f"desk {PAGES + 1}"))
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=30.0) as http:
        for path in itertools.cycle(ASKED):
            asked_s = time.perf_counter()
            (await http.get(path)).raise_for_status()
            took_ms.append(1e3 * (time.perf_counter() - asked_s))
            if time.monotonic() - begun_s > seconds:
                break
            await asyncio.sleep(ASK_EVERY_S)
    lasted_s = time.monotonic() - begun_s
    if acting.done():
        acting.result()  # what it failed by
    pipe.send((took_ms, [(now - was) / lasted_s for now, was in zip(sizes, before, strict=True)], acts_ms))
    for task in (*pages, acting):
        task.cancel()
    await asyncio.gather(*pages, acting, return_exceptions=True)


def run_clients(address: str, seconds: float, pipe: Any) -> None:
    """Run the clients in a process of their own."""
    uvloop.run(_clients(address, seconds, pipe))


async def _trickle(rsu: Rsu) -> None:
    """Send violations at their rate until cancelled."""
    for seq in itertools.count(1):
        now_ns = time.time_ns()
        item = _item(rsu.esn, seq, now_ns)
        rsu.link.publish(topics.violation_up(rsu.esn), encode(ViolationBatch(epoch=10, items=(item,))))
        await asyncio.sleep(1.0 / VIOLATIONS_HZ)


async def _api(folder: Path, seconds: float) -> list[Line]:
    """Measure what a program waits for an answer while many look."""
    spawn = multiprocessing.get_context("spawn")
    n_rsus = VEHICLES // tracks.TRACKS
    with kept_port() as port, kept_port() as page_port:
        address = f"{HOST}:{page_port}"
        esns = (*tracks.ESNS[:n_rsus], "F-0")
        async with running("nats", folder, esns, port, address) as site:
            rsu = Rsu("F-0", site.path)
            link = asyncio.create_task(rsu.link.run())
            await rsu.until(lambda: rsu.link.connected, 30.0)
            trickle = asyncio.create_task(_trickle(rsu))
            with tracks.sending(port, n_rsus):
                near, far = spawn.Pipe()
                clients = spawn.Process(target=run_clients, args=(address, seconds, far), daemon=True)
                clients.start()
                far.close()
                share = await cpu_share(site.centre.process.pid, 3.0, seconds * 0.6)
                took_ms, sizes, acts_ms = await asyncio.to_thread(near.recv)
                clients.join()
            for task in (trickle, link):
                task.cancel()
            await asyncio.gather(trickle, link, return_exceptions=True)
    return [
        line("centre.api.p50_ms", quantile(took_ms, 0.5) or 0.0, "ms"),
        line("centre.api.p99_ms", quantile(took_ms, 0.99) or 0.0, f"ms, of {len(took_ms)} answers"),
        line("centre.act_ms_p50", quantile(acts_ms, 0.5) or 0.0, "ms, from one desk to the other"),
        line("centre.act_ms_max", max(acts_ms, default=math.nan), f"ms, of {len(acts_ms)} acts"),
        line("centre.api.core_share", share, "of a core, the centre"),
        line("centre.page_bytes_per_s", max(sizes), "bytes/s, the largest of the pages"),
    ]


def main() -> int:
    """Print one JSON line per figure."""
    help_or_exit()
    quick = is_quick()
    phases: tuple[tuple[Callable[[Path, Any], Coroutine[Any, Any, list[Line]]], Any], ...] = (
        (_flood, 2_048 if quick else 16_384),
        (_tracks, 5.0 if quick else 30.0),
        (_api, 8.0 if quick else 60.0),
    )
    for phase, amount in phases:
        with tempfile.TemporaryDirectory(prefix="petroroad-centre-") as name:
            for each in uvloop.run(phase(Path(name), amount)):
                each.show()
    if "server" in sys.argv[1:]:
        return 0
    for name, value, unit in centre_page.measure(15.0 if quick else 1_800.0):
        line(name, value, unit).show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
