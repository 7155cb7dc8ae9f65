"""A damage of a certificate, key or list of a part, which an operator then puts back; no test itself."""

import asyncio
import contextlib
import shutil
import time
from pathlib import Path

from tests.support.damage.case import Verdict, chance_of, finish, refuses_by_name
from tests.support.damage.kinds import KINDS, Others
from tests.support.damage.world import ESNS, UNITS, World


async def run_certificates(it: World, seed: int) -> Verdict:
    """Damage one file before the start or while all run; each part serves or says why; later all arrives."""
    chance, verdict, begun_s = chance_of(seed), Verdict(seed), time.monotonic()
    it.put_back("now")
    kept = it.folder / "pki-kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(it.site.parent / "pki", kept)
    files = sorted(
        path for path in (it.site.parent / "pki").iterdir() if path.is_file() and "ca.key" not in path.name
    )
    path = files[int(chance.integers(len(files)))]
    kind = sorted(set(KINDS) - {"older"})[int(chance.integers(len(KINDS) - 1))]
    is_running = chance.random() < 0.5
    if is_running:
        await it.start(*UNITS)
        await it.until_ready(*UNITS)
    others = Others(it.site.parent, kept, files[int(chance.integers(len(files)))])
    verdict.damage = (
        f"{'running' if is_running else 'stopped'}: {path.name} {kind} {KINDS[kind](path, others, chance)}"
    )
    if is_running:
        await it.raise_(*ESNS)
        await asyncio.sleep(6.0)  # parts look at their files each 5 s
        victim = UNITS[int(chance.integers(len(UNITS)))]
        await it.kill(victim)
        await it.start(victim)
    else:
        await it.start(*UNITS)
    await it.until_answering(*UNITS)
    for name in UNITS:
        child = it.children[name]
        if not child.running:
            refuses_by_name(it, name, verdict)
    _put_back(it, kept)
    await it.start(*(name for name in UNITS if not it.children[name].running))
    await it.until_ready(*UNITS)
    with contextlib.suppress(TimeoutError):
        await it.raise_(*ESNS)
    await finish(it, verdict)
    verdict.took_s = round(time.monotonic() - begun_s, 1)
    return verdict


def _put_back(it: World, kept: Path) -> None:
    folder = it.site.parent / "pki"
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    it.hand_over()
