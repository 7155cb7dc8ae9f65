"""What the system says of a process: its CPU time and its memory."""

import asyncio
import time

import psutil


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far, of all its threads."""
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


async def cpu_share(pid: int, after_s: float, seconds: float) -> float:
    """Return the share of a core that a process takes for some seconds from `after_s` on."""
    await asyncio.sleep(after_s)
    begun_s, begun_cpu_s = time.monotonic(), cpu_s(pid)
    await asyncio.sleep(seconds)
    return (cpu_s(pid) - begun_cpu_s) / (time.monotonic() - begun_s)


def rss_mib(pid: int) -> float:
    """Return the memory of a process."""
    return float(psutil.Process(pid).memory_info().rss / 2**20)
