"""Published maps compiled in a process of their own: the loop of an RSU misses no tick meanwhile."""

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from edge.config_down import ConfigDown
from roadside.pipeline_map import Published, published
from roadside.pipeline_setup import Setup

COMPILE_S_MAX = 300.0  # 100 000 lane cells take 8 s alone; the child gets what fusion leaves
NICE = 10  # the child gives way to fusion and judging


async def published_aside(down: ConfigDown, setup: Setup) -> Published | None:
    """Return a publication with its map compiled, or why that can't be; None where the child died.

    A forked child of a process with threads may hang, so that it starts anew; it lasts for one map.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=context, initializer=os.nice, initargs=(NICE,))
    loop = asyncio.get_running_loop()
    try:
        compiled = loop.run_in_executor(pool, published, down, setup.frame, setup.radars)
        return await asyncio.wait_for(compiled, COMPILE_S_MAX)
    except (
        BrokenProcessPool,
        OSError,
        TimeoutError,
    ):  # killed, never started, or without an end
        return None
    finally:
        for child in multiprocessing.active_children():  # an RSU has no others
            child.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
