"""How fast alerts reach the centre's disk: `python -m benchmarks.delivery [--quick] [nats|mosquitto]`

`delivery.ledger_per_s`: the centre's writer alone, decoding included, batches of 32, SQLite on this disk;
`….cpu` for each second of processor time, which does not depend on what else runs.
`drain.s`, `drain.live_worst_s`: two outboxes of 6 000 (2 000 with `--quick`) on disk drain through a broker;
violations that come meanwhile, from detection to commit. `drain.cpu_us`: what one costs each process.
`delivery.ingest_per_s`: one sender's batches of 32 through a broker into a centre, all acknowledged.
`wait.after_centre_p99_s`: the centre is killed and comes again; from the moment at which it is ready until
what waited is acknowledged.
`wait.beyond_fault_s`: the longest wait at a fault of 7 s, less these 7 s (`benchmarks.delivery_faults`).

Broker, centre and RSUs are processes of their own. Each figure is measured with both brokers, under its name
and the broker's; the bare name is the worse of the two. Without `--quick` it prints a Markdown table as well.
"""

import asyncio
import contextlib
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import uvloop

from benchmarks.brokers import KINDS, kinds_asked, worse_of
from benchmarks.delivery_faults import FAULTS, fault_waits, staged
from benchmarks.delivery_site import HOST, Site, running, through, violation
from benchmarks.delivery_unit import LIVE_FIRST, Unit
from benchmarks.harness import Line, help_or_exit, is_quick
from benchmarks.ingest import TOTAL_S, Rsu
from benchmarks.processes import cpu_s
from centre.commands import StoreBatches
from centre.commit_size import OBJECTS_PER_COLLECTION
from centre.inbox import QueuedBatch
from centre.store import open_database
from centre.violation_writer import ViolationWriter
from centre.writer import Writer
from core.collecting import only_new_collected
from edge import log, topics
from edge.figures import quantile
from edge.wire import ITEMS_MAX, ViolationBatch, ViolationItem, encode
from petroroad.processes.broker import Kind
from petroroad.processes.ports import kept_port

ESNS = ("EAST", "WEST")
FLOOD = "FLOOD"
EPOCH = 10
IN_FLIGHT = 64  # batches of the flood: 2048 items, as many as four RSUs have in flight
HIGH_IS_GOOD = ("delivery.ingest_per_s", "drain.per_s")
# by broker, of the faults: all of them without --quick
QUICK_FAULTS: dict[Kind, tuple[str, ...]] = {"nats": ("centre_frozen",), "mosquitto": ("rsu_link",)}
AWAY_S = (4.0, 9.0)  # how long the centre is away; by turns, since an RSU sends again ever more seldom


def batches(esn: str, n: int) -> list[QueuedBatch]:
    """Return n violations as the batches of an RSU's outbox."""
    found = []
    for first in range(1, n + 1, ITEMS_MAX):
        now_ns = time.time_ns()
        items = tuple(
            ViolationItem(seq=seq, detected_ns=now_ns, sent_ns=now_ns, violation=violation(esn, seq, now_ns))
            for seq in range(first, min(first + ITEMS_MAX, n + 1))
        )
        payload = encode(ViolationBatch(epoch=EPOCH, items=items))
        found.append(QueuedBatch(topics.violation_up(esn), esn, payload, now_ns))
    return found


async def ledger_per_s(n: int, folder: Path) -> tuple[float, float]:
    """Return how many violations the writer commits in a second, and in a second of processor time."""
    engine = open_database(f"sqlite:///{folder / 'ledger.sqlite'}")
    writer = Writer(ViolationWriter(engine, time.time_ns), log.setup(part="bench"), lambda: None)
    waiting = batches(ESNS[0], n)
    with only_new_collected(OBJECTS_PER_COLLECTION):  # as in the centre's process
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        while waiting:
            outcome = await writer.execute(StoreBatches(waiting[:8]))
            waiting = [*outcome.remaining, *waiting[8:]]
        taken_s, taken_cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    writer.close()
    engine.dispose()
    with contextlib.closing(sqlite3.connect(folder / "ledger.sqlite")) as db:
        (stored,) = db.execute("SELECT count(*) FROM violation_version").fetchone()
    if stored != n:
        raise RuntimeError(f"the ledger holds {stored} of {n}")
    return n / taken_s, n / taken_cpu_s


@contextlib.asynccontextmanager
async def units_of(path: Path, folder: Path) -> AsyncIterator[list[Unit]]:
    """Run a unit for each RSU of a site file."""
    units = [Unit(esn, path, folder) for esn in ESNS]
    try:
        yield units
    finally:
        await asyncio.gather(*(unit.end() for unit in units))


async def drain(kind: Kind, site: Site, units: list[Unit], n: int, folder: Path) -> list[Line]:
    """Drain two backlogs while live violations come."""
    await asyncio.gather(*(unit.ask("fill", n // 2) for unit in units))
    pids = {
        "rsu": [unit.process.pid or 0 for unit in units],
        "broker": [site.broker.process.pid],
        "centre": [site.centre.process.pid],
    }
    used_s = {part: -sum(map(cpu_s, mine)) for part, mine in pids.items()}
    begun_s = time.monotonic()
    await asyncio.gather(*(unit.ask("connect") for unit in units))
    ended_s = await asyncio.gather(*(unit.ask("drain") for unit in units))
    used_s = {part: used_s[part] + sum(map(cpu_s, mine)) for part, mine in pids.items()}
    with contextlib.closing(sqlite3.connect(folder / "centre.sqlite")) as db:
        rows = db.execute("SELECT body, detected_ns, committed_ns FROM violation_version").fetchall()
    live_s = [(committed - detected) / 1e9 for body, detected, committed in rows if _is_live(body)]
    if len(rows) - len(live_s) != n or not live_s:
        raise RuntimeError(f"the centre holds {len(rows)}, {len(live_s)} of them live; the backlog was {n}")
    taken_s = max(ended_s) - begun_s
    return [
        Line(f"drain.s.{kind}", taken_s, f"s for {n}"),
        Line(f"drain.per_s.{kind}", n / taken_s, "violations/s"),
        Line(f"drain.live_p50_s.{kind}", quantile(live_s, 0.5), "s"),
        Line(f"drain.live_worst_s.{kind}", max(live_s), f"s, of {len(live_s)}"),
        *(
            Line(f"drain.cpu_us.{part}.{kind}", 1e6 * one_s / len(rows), "us/violation")
            for part, one_s in used_s.items()
        ),
    ]


def _is_live(body: bytes) -> bool:
    return bool(msgspec.msgpack.decode(body)["track"] >= LIVE_FIRST)


async def ingest_per_s(kind: Kind, site: Site, n: int) -> Line:
    """Send as fast as the centre acknowledges, without an outbox, until all is acknowledged."""
    rsu = Rsu(FLOOD, site.path)
    link = asyncio.create_task(rsu.link.run())
    bodies = {1 + i * ITEMS_MAX: one.payload for i, one in enumerate(batches(FLOOD, n))}
    await rsu.until(lambda: rsu.link.connected, TOTAL_S)
    begun_s = time.monotonic()
    await rsu.send_in_window(bodies, n, IN_FLIGHT)
    taken_s = time.monotonic() - begun_s
    link.cancel()
    await asyncio.gather(link, return_exceptions=True)
    return Line(f"delivery.ingest_per_s.{kind}", n / taken_s, "violations/s")


async def waits(kind: Kind, site: Site, units: list[Unit], n_rounds: int) -> list[Line]:
    """Kill the centre, let violations wait, start it again."""
    found_s, starts_s = [], []
    for turn in range(n_rounds):
        await site.end_centre()
        waiting = [asyncio.create_task(unit.ask("one")) for unit in units]
        await asyncio.sleep(AWAY_S[turn % len(AWAY_S)])
        begun_s = time.monotonic()
        ready_s = await site.start_centre()
        starts_s.append(ready_s - begun_s)
        found_s += [max(0.0, acknowledged_s - ready_s) for acknowledged_s in await asyncio.gather(*waiting)]
    return [
        Line(f"wait.after_centre_p99_s.{kind}", quantile(found_s, 0.99), f"s, of {len(found_s)}"),
        Line(f"wait.after_centre_p50_s.{kind}", quantile(found_s, 0.5), "s"),
        Line(f"wait.centre_ready_s.{kind}", quantile(starts_s, 0.5), "s until /readyz"),
    ]


async def measure(kind: Kind, folder: Path) -> list[Line]:
    """Measure what depends on the broker."""
    n_drained, n_flood, n_rounds = (4_000, 3_000, 2) if is_quick() else (12_000, 20_000, 6)
    with kept_port() as port, kept_port() as page:
        async with running(kind, folder, (*ESNS, FLOOD), port, f"{HOST}:{page}") as site:
            async with units_of(site.path, folder) as units:
                lines = shown(await drain(kind, site, units, n_drained, folder))
                lines += shown([await ingest_per_s(kind, site, n_flood)])
                lines += shown(await waits(kind, site, units, n_rounds))
            async with staged(kind, site, folder) as stage:
                path = through(site.path, stage.rsus.port, "site-rsu.toml")
                async with units_of(path, folder) as units:
                    await asyncio.gather(*(unit.ask("connect") for unit in units))
                    names = QUICK_FAULTS[kind] if is_quick() else FAULTS
                    return lines + shown(await fault_waits(stage, units, names))


def shown(lines: list[Line]) -> list[Line]:
    """Print them, and return them."""
    for line in lines:
        line.show()
    return lines


def worst_of_both(lines: list[Line]) -> list[Line]:
    """Return under its bare name the worse one of each figure that was measured with both brokers."""
    heads = [
        line.name.removesuffix(f".{kind}")
        for kind in KINDS
        for line in lines
        if line.name.endswith(f".{kind}")
    ]
    both = [name for name, n in Counter(heads).items() if n == len(KINDS)]
    return [worse_of(lines, name, min if name in HIGH_IS_GOOD else max) for name in both]


def table(lines: list[Line]) -> str:
    """Return the figures as Markdown."""
    rows = [f"| `{line.name}` | {line.value:.3g} | {line.unit} |" for line in lines if line.value is not None]
    return "\n".join(["| figure | value | unit |", "|---|---|---|", *rows])


def main() -> int:
    """Print one JSON line per figure, and without `--quick` a table."""
    help_or_exit()
    lines = []
    with tempfile.TemporaryDirectory(prefix="petroroad-delivery-") as name:
        rate, cpu_rate = uvloop.run(ledger_per_s(3_000 if is_quick() else 20_000, Path(name)))
        lines += shown([
            Line("delivery.ledger_per_s", rate, "violations/s"),
            Line("delivery.ledger_per_s.cpu", cpu_rate, "violations/s of processor time"),
        ])  # fmt: skip
        for kind in kinds_asked():
            folder = Path(name) / kind
            folder.mkdir()
            lines += uvloop.run(measure(kind, folder))
    lines += shown(worst_of_both(lines))
    if not is_quick():
        sys.stdout.write(table(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
