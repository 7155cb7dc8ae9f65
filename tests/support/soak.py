"""A shift at one desk, compressed: an alarm each 8 s on a fed centre, all handled by keyboard in a browser.

    python -m tests.support.soak [--minutes 8]

Eight minutes have as many alarms as a quiet shift of eight hours. Prints how many alarms the centre has,
how many rows the page showed, how many of them sounded before they were acknowledged, and the memory of
centre and page at 10, 50 and 100 %. Exits with 1 where an alarm was not seen or the page reported an error.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page

from tests.support.page_feed import PATIENCE_MS, chromium, fed_centre, wait_for

VEHICLES = 40
MARKS = (0.1, 0.5, 1.0)
# when each alarm's row was first there, and when the page asked the browser to sound
SPY = """
window.beeps = [];
window.rows = {};
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
  window.beeps.push(performance.now());
  return start.call(this, at);
};
setInterval(() => {
  for (const row of document.querySelectorAll("#list .row2.new")) {
    window.rows[row.dataset.id] ??= performance.now();
  }
}, 100);
"""
# the first row that waits, chosen by a key as a person does: J until it is there
WAITS = "document.querySelector('#list .row2.new')?.dataset.id ?? null"
CHOSEN = "document.querySelector('#list .row2.sel')?.dataset.id ?? null"


def centre_pid(site: Path) -> int:
    """Return the process of the centre that serves a site."""
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"centre" in words and str(site).encode() in words:
            return int(entry.name)
    raise RuntimeError(f"no centre serves {site}")


def centre_mib(pid: int) -> float:
    """Return the memory that a process holds [MiB]."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def page_mib(page: Page) -> float:
    """Return the page's heap after a collection [MiB]."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("HeapProfiler.collectGarbage")
    used: float = cdp.send("Runtime.getHeapUsage")["usedSize"]
    cdp.detach()
    return used / 2**20


def handle(page: Page, wanted: str, acked: dict[str, float]) -> None:
    """Acknowledge one alarm, take it in hand and close it, by keys alone."""
    for _ in range(40):
        if page.evaluate(CHOSEN) == wanted:
            break
        page.keyboard.press("j")
    if page.evaluate(CHOSEN) != wanted:
        page.keyboard.press("Escape")  # J begins at the top again
        return
    acked[wanted] = page.evaluate("performance.now()")
    for act in (
        "acknowledge",
        "handle",
        "close",
    ):  # a key does nothing before the act of the last is committed
        page.wait_for_selector(f"#acts [data-name={act}][aria-disabled=false]")
        page.keyboard.press(act[0])
    page.wait_for_selector("#ask[open]")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask:not([open])", state="attached")


def work(page: Page, minutes: float, pid: int) -> tuple[dict[str, float], list[str]]:
    """Handle what comes until the shift is over; return when each was acknowledged, and the memory."""
    acked: dict[str, float] = {}
    lines: list[str] = []
    begun_s = time.monotonic()
    marks = list(MARKS)
    while (share := (time.monotonic() - begun_s) / (minutes * 60)) < 1.0 or marks:
        if marks and share >= marks[0]:
            lines.append(
                f"{marks.pop(0):4.0%}  centre {centre_mib(pid):6.1f} MiB  page {page_mib(page):5.1f} MiB"
            )
        wanted = page.evaluate(WAITS)
        if wanted is None:
            page.wait_for_timeout(500)
        else:
            handle(page, wanted, acked)
    return acked, lines


def alarms(url: str) -> list[str]:
    """Return the ids of all alarms that the centre has."""
    found: list[str] = []
    before = ""
    while True:
        path = f"{url}api/violations?kind=alarm&state=all&limit=100{before}"
        body: dict[str, Any] = httpx.get(path, timeout=10.0).json()
        found += [each["id"] for each in body["items"]]
        if body["next"] is None:
            return found
        before = f"&before={body['next']}"


def cases(url: str) -> dict[str, str]:
    """Return the case of each alarm: the alarms of one event are one row, which has the id of its first."""
    items: list[dict[str, Any]] = httpx.get(f"{url}api/handling", timeout=10.0).json()["items"]
    return {each["id"]: each["case"] for each in items}


def main() -> None:
    """Work one shift."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.0)
    minutes = parser.parse_args().minutes
    faults: list[str] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        fed_centre(Path(folder), vehicles=VEHICLES) as url,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.add_init_script(SPY)
        page.goto(f"{url}?lang=en")
        wait_for(page, "document.documentElement.dataset.link === 'live'")
        page.keyboard.press("t")  # a browser lets a page sound only after a key
        acked, lines = work(page, minutes, centre_pid(Path(folder) / "site.toml"))
        there = alarms(url)
        page.wait_for_timeout(2_000)
        rows, beeps = page.evaluate("window.rows"), page.evaluate("window.beeps")
        case_of = cases(url)
        unseen = [each for each in there if each not in rows and case_of.get(each) not in rows]
        sounded = [x for x, at in acked.items() if any(rows[x] <= beep <= at + 100 for beep in beeps)]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.write(
            f"alarms {len(there)}, not seen {len(unseen)}, acknowledged {len(acked)}, "
            f"of them sounded {len(sounded)}, errors of the page {len(faults)}\n"
        )
        for line in [*unseen, *faults]:
            sys.stdout.write(f"  {line}\n")
    sys.exit(1 if unseen or faults else 0)


if __name__ == "__main__":
    main()
