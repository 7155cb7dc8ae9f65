"""A site that gets another release, a part at a time, under traffic; the checker of `chaos` judges."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.config import address_of
from petroroad.chaos.checker import Verdict, check
from petroroad.chaos.history import History
from petroroad.chaos.page import Page
from petroroad.chaos.run import SETTLE_S, _beside, _drain, _gather, _until_enough
from petroroad.chaos.spy import Spy
from petroroad.chaos.stage import READY_S, Stage
from petroroad.processes.children import until_ready

DOWN_S, BETWEEN_S, DRAIN_S = 0.5, 6.0, 90.0
# Starts the part in the tree that a file names: `DIRECTORY/trees/PART`, or `DIRECTORY/trees/all`
LAUNCHER = """
import os, sys
from pathlib import Path
trees, words = Path(sys.argv[1]), sys.argv[2:]
name = words[words.index("--esn") + 1] if "--esn" in words else words[0]
chosen = trees / name
tree = (chosen if chosen.exists() else trees / "all").read_text()
os.environ["PYTHONPATH"] = tree
os.execv(sys.executable, [sys.executable, "-m", "petroroad", *words])
"""


async def run(folder: Path, old: Path, new: Path, *, seed: int, back: bool = False) -> Verdict:
    """Run a site in the old tree, then replace each part by that of the new one; return the verdict.

    back : take the RSUs, the gateway and the broker back to the old one then; a centre stays, whose database
    has the new form
    """
    chosen = folder / "trees"
    chosen.mkdir(parents=True)
    (chosen / "all").write_text(str(old))
    launcher = folder / "launcher.py"
    launcher.write_text(LAUNCHER)
    stage = Stage(folder, seed, "nats", 2, (sys.executable, str(launcher), str(chosen)), False)
    try:
        await stage.open()
        spy, page = Spy(address_of(stage.site.broker), stage.clock.now_ns), Page(stage.site.http)
        await stage.bring_up()
        async with _beside(spy.link.run(), page.run()):
            await stage.drive()
            await _replace(stage, chosen, new, ("broker", "centre", "gateway", *stage.site.esns))
            if back:
                await _replace(stage, chosen, old, (*stage.site.esns, "gateway", "broker"))
            await _until_enough(stage)
            await spy.repeat(np.random.Generator(np.random.Philox(key=seed)))
            await stage.stop_traffic()
            history = History(stage.site.esns)
            await asyncio.sleep(SETTLE_S)
            await _drain(stage, page, history, DRAIN_S)
        await stage.bring_down()
        history.died = stage.fleet.died
        await asyncio.to_thread(_gather, stage, spy, page, history)
        return await asyncio.to_thread(check, history)
    finally:
        await stage.close()


async def _replace(stage: Stage, chosen: Path, tree: Path, names: Sequence[str]) -> None:
    """Replace parts by those of a tree, in the order of docs/upgrades.md."""
    for name in names:
        await asyncio.sleep(BETWEEN_S)
        (chosen / name).write_text(str(tree))
        part = stage.fleet.parts[name]
        n_ended = part.n_ended
        assert stage.fleet.end(name, signal.SIGTERM, DOWN_S)
        assert await stage.fleet.until_up(name, n_ended, READY_S), name
        assert part.child is not None
        if name != "broker":
            await until_ready(part.child, stage.site.health[name], READY_S)
            assert tree_of(part.child.process.pid) == str(tree), name


def tree_of(pid: int) -> str:
    """Return the tree that a process runs in."""
    words = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next(word.partition("=")[2] for word in words if word.startswith("PYTHONPATH="))


def main() -> None:
    """By hand: FOLDER SEED OLD NEW [back]."""
    folder, seed, old, new, *back = sys.argv[1:]
    verdict = asyncio.run(run(Path(folder), Path(old), Path(new), seed=int(seed), back=bool(back)))
    print(shlex.join(sys.argv), verdict.as_dict())


if __name__ == "__main__":
    main()
