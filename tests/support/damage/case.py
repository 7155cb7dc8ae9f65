"""One damage of one file, drawn by a seed, and whether all that the files hold arrives; no test itself."""

import asyncio
import contextlib
import hashlib
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.support.damage.kinds import KINDS, Others
from tests.support.damage.world import ESNS, UNITS, World

SETTLED_S = 45.0
LIGHT = ("-shm", ".lock", ".ballast", "age")  # files that hold nothing of ours: drawn less often
REFUSES = 2  # the exit code of a part that says what is wrong with a file or setting
# whoever closed it to us, or put another program's there, must take that back
CLOSED = ("centre.database: can't be opened", "centre.database: does not fit")


@dataclass
class Verdict:
    """What a case did, and each fault of the product that it found."""

    seed: int
    damage: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.faults


def chance_of(seed: int) -> np.random.Generator:
    """Return what draws the case of a seed."""
    return np.random.Generator(np.random.Philox(seed))


def files(it: World) -> list[Path]:
    """Return every file that the processes keep, the same order each time."""
    return sorted(path for path in it.state.rglob("*") if path.is_file() and not path.is_symlink())


async def make_templates(it: World) -> None:
    """Let all run: `older`, then violations that the centre acknowledged, then some that wait; kept as `now`.

    Each RSU has two epochs with waiting ones, and the centre a history. All are killed: logs are left.
    """
    await it.start(*UNITS)
    if slow := await it.until_ready(*UNITS):
        raise RuntimeError(f"not ready: {slow}")
    await it.raise_(*ESNS)
    await settled(it)
    await it.kill(*UNITS)
    it.keep("older")
    await it.start(*UNITS)
    await it.until_ready(*UNITS)
    await it.raise_(*ESNS)
    await settled(it)
    await it.kill("centre")
    await it.raise_(*ESNS)
    await it.kill(*ESNS)
    await it.start(*ESNS)
    await it.until_ready(*ESNS)
    await it.raise_(*ESNS)
    await it.kill("gateway", *ESNS)
    it.keep("now")


async def settled(it: World) -> bool:
    """Wait until the centre lacks nothing that it knows of, and has all that was promised."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_S):
            n_since = 0
            while n_since < 3:
                if not it.children["centre"].running:
                    return False
                n_since = n_since + 1 if await _is_settled(it) else 0
                await asyncio.sleep(0.5)
        return True
    return False


async def _is_settled(it: World) -> bool:
    said = await it.ask("/api/summary")
    if said is None:
        return False
    # an outbox that can't be read counts as one item that waits
    n_unread = [("outbox_unread" in await it.degraded(esn)) for esn in ESNS].count(True)
    n_episodes = len({name for name, _, _ in it.promised()})
    return said["total"] >= n_episodes and said["outbox_depth"] <= n_unread and not said["missing"]


def choose(it: World, chance: np.random.Generator) -> tuple[Path, str, Others]:
    """Draw a file, what happens to it, and where others are taken from: each kind of file is as likely."""
    by_kind: dict[str, list[Path]] = {}
    for path in files(it):
        by_kind.setdefault(kind_of(path, it.state), []).append(path)
    kinds = sorted(by_kind)
    weights = np.array([1.0 if name.endswith(LIGHT) else 4.0 for name in kinds])
    found = by_kind[kinds[int(chance.choice(len(kinds), p=weights / weights.sum()))]]
    path = found[int(chance.integers(len(found)))]
    kind = sorted(KINDS)[int(chance.integers(len(KINDS)))]
    same = [other for other in files(it) if other.suffix == path.suffix and other != path]
    swap_with = same[int(chance.integers(len(same)))] if same else None
    return path, kind, Others(it.state, it.folder / "kept" / "older" / "state", swap_with)


def kind_of(path: Path, root: Path) -> str:
    """Return the kind of a file: its place, without names and numbers."""
    relative = str(path.relative_to(root))
    for esn in ESNS:
        relative = relative.replace(esn, "RSU")
    return "".join("#" if sign.isdigit() else sign for sign in relative).replace("##", "#").replace("##", "#")


def damage(it: World, chance: np.random.Generator, verdict: Verdict) -> Path:
    """Do the damage of this seed."""
    path, kind, others = choose(it, chance)
    verdict.damage = f"{path.relative_to(it.state)} {kind}"
    try:
        verdict.damage += f" {KINDS[kind](path, others, chance)}"
    except FileNotFoundError:
        verdict.damage += " (a running process had just moved it)"
    return path


async def run_case(it: World, seed: int) -> Verdict:
    """Put the folders back, do one damage, and see that what was promised is there."""
    chance, verdict, begun_s = chance_of(seed), Verdict(seed), time.monotonic()
    it.put_back("now")
    way = ("stopped", "running", "waiting")[int(chance.integers(3))]
    if way == "stopped":
        damage(it, chance, verdict)
        await it.start(*(UNITS[i] for i in chance.permutation(len(UNITS))))
        await all_ready(it, verdict)
        await it.raise_(*ESNS)
    else:  # all run, or all but the centre
        parts = UNITS if way == "running" else ("gateway", *ESNS)
        await it.start(*parts)
        await it.until_ready(*parts)
        await it.raise_(*ESNS)
        await _hurt_and_restart(it, chance, verdict)
    verdict.damage = f"{way}: {verdict.damage}"
    await finish(it, verdict)
    verdict.took_s = round(time.monotonic() - begun_s, 1)
    return verdict


async def _hurt_and_restart(it: World, chance: np.random.Generator, verdict: Verdict) -> None:
    """Do the damage while parts run; later kill what owns the file and another part, and start all."""
    path = damage(it, chance, verdict)
    await it.raise_(*ESNS)
    await asyncio.sleep(float(chance.choice((0.0, 0.5, 3.0))))
    for name in UNITS:
        if name in it.children and not it.children[name].running:
            _note_death(it, name, path, verdict)
    owner = path.relative_to(it.state).parts[0]
    for name in {owner, UNITS[int(chance.integers(len(UNITS)))]}:
        if name in it.children and it.children[name].running:
            await it.kill(name)
    await it.start(*(name for name in UNITS if name not in it.children or not it.children[name].running))
    await all_ready(it, verdict)
    await it.raise_(*ESNS)


def _note_death(it: World, name: str, path: Path, verdict: Verdict) -> None:
    """A part that ends while it runs is a fault; but whoever cuts SQLite's shared memory ends its users."""
    if it.children[name].process.returncode == -signal.SIGBUS and path.name.endswith("-shm"):
        verdict.notes.append(f"{name} ended by SIGBUS")
    else:
        refuses_by_name(it, name, verdict)


async def all_ready(it: World, verdict: Verdict) -> None:
    """Wait until all parts are ready; one that runs and never is, is a fault."""
    for name in await it.until_ready(*UNITS):
        if it.children[name].running:
            verdict.faults.append(f"{name} is not ready: {await it.ask('/readyz', name)}")


async def finish(it: World, verdict: Verdict) -> None:
    """Wait until all is delivered, end all, and judge."""
    is_settled = await settled(it)
    for name in UNITS:
        if not it.children[name].running:
            refuses_by_name(it, name, verdict)
        log = it.log(name)
        if "Traceback" in log:
            verdict.faults.append(f"{name}: {log[log.index('Traceback') :][:1_500]}")
    for esn in ESNS:
        verdict.notes.append(f"{esn}: {await it.degraded(esn)}")
    verdict.notes += (await it.ask("/readyz") or {}).get("notices", [])
    await it.stop(*UNITS)
    if any(text in line for line in verdict.notes for text in CLOSED):
        return
    if not is_settled:
        verdict.faults.append("not all was delivered in time")
    _judge(it, verdict)


def refuses_by_name(it: World, name: str, verdict: Verdict) -> None:
    """Note the end of a part; one that does not say what is wrong is a fault."""
    status, said = it.children[name].process.returncode, it.log(name)[-600:]
    is_said = status == REFUSES and "Traceback" not in said
    (verdict.notes if is_said else verdict.faults).append(f"{name} ended with {status}: {said}")


def _judge(it: World, verdict: Verdict) -> None:
    """Hold what the stopped centre has against what was promised."""
    promised, stored = it.promised(), it.stored()
    have = dict(stored)
    found = {
        "lost": [key for key in promised if key not in have],
        "altered": [key for key, body in promised.items() if have.get(key, body) != body],
        "twice": [key for key, n in Counter(key for key, _ in stored).items() if n > 1],
        "never raised": [key for key in have if key not in promised],
    }
    bodies = Counter(hashlib.sha256(body).digest() for _, body in stored)
    found["the same bytes twice"] = [key for key, n in bodies.items() if n > 1]
    for name, keys in found.items():
        if keys:
            verdict.faults.append(f"{name}: {len(keys)} of {len(promised)}, such as {keys[0]}")
    if newest := it.shows_older():
        verdict.faults.append(f"an older version is shown: {newest[0]}")
