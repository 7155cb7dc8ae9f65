"""The demo's one line on the terminal, asked from the centre each second; silent in a pipe."""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from typing import Any, TextIO

PERIOD_S = 1.0
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the centre is on this machine


def line(passed_s: float, summary: dict[str, Any]) -> str:
    """Return the terminal's line for the centre's /api/summary."""
    latency = summary["latency"]
    shown = " no sample yet"
    if latency["n"]:
        p99 = "" if latency["p99_ms"] is None else f", p99 {latency['p99_ms']:.0f} ms"
        shown = f" p50 {latency['p50_ms']:.0f} ms{p99} ({latency['n']} samples)"
    open_now = summary["open"]
    alarms = open_now["warning"] + open_now["violation"]
    return (
        f"{passed_s:5.0f} s | {summary['vehicles']:3d} vehicles tracked, {summary['hazmat']:3d} hazmat trucks"
        f" | {alarms:2d} alarms open, {summary['total']:3d} violations | latency{shown}"
    )


async def show(http: str, out: TextIO = sys.stderr) -> None:
    """Keep the line up to date until cancelled."""
    if not out.isatty():
        await asyncio.Event().wait()
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    while True:
        summary = await asyncio.to_thread(ask, http, "/api/summary")
        if summary is not None:
            out.write(f"\r{line(loop.time() - begun_s, summary)}\x1b[K")
            out.flush()
        await asyncio.sleep(PERIOD_S)


def ask(http: str, path: str) -> Any:
    """Return the centre's answer; None where it does not answer."""
    try:
        with OPENER.open(f"http://{http}{path}", timeout=PERIOD_S) as response:
            return json.load(response)
    except (urllib.error.URLError, TimeoutError, ValueError, ConnectionError):  # it is busy or going down
        return None
