"""What the system says of a process: its CPU time and its memory (proc(5))."""

import asyncio
import os
import time
from pathlib import Path


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far, of all its threads."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


async def cpu_share(pid: int, after_s: float, seconds: float) -> float:
    """Return the share of a core that a process takes for some seconds from `after_s` on."""
    await asyncio.sleep(after_s)
    begun_s, begun_cpu_s = time.monotonic(), cpu_s(pid)
    await asyncio.sleep(seconds)
    return (cpu_s(pid) - begun_cpu_s) / (time.monotonic() - begun_s)


def rss_mib(pid: int) -> float:
    """Return the memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
