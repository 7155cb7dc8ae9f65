"""`petroroad chaos`: the whole system under faults drawn by seed, judged by what it leaves on its disks."""

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from core.errors import UsageError
from petroroad.chaos import run as chaos_run
from petroroad.chaos.checker import FAULTS
from petroroad.chaos.cluster_stage import Broker
from petroroad.chaos.disks import private_mounts
from petroroad.commands.demo import compile_kernels
from petroroad.processes.postgresql import check_driver, programs

SIGNALLED = 128  # exit code of a command that a signal ended, less its number
Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10_000))]
Seconds = Annotated[float, Parameter(validator=validators.Number(gte=10.0, lte=3_600.0))]
Units = Annotated[int, Parameter(validator=validators.Number(gte=2, lte=4))]


def chaos(
    *,
    seeds: Count = 1,
    first: int = 1,
    broker: Broker = "nats",
    hard: bool = False,
    tls: Annotated[bool, Parameter(negative=())] = False,
    seconds: Seconds = 25.0,
    rsus: Units = 2,
    run_dir: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Kill, freeze and cut off parts, fill disks; fail where an alert is lost or comes twice.

    Parameters
    ----------
    seeds
        How many seeds, one after the other.
    first
        The first one.
    broker
        Which broker; `cluster`: the three nodes of deploy/cluster, two workers, PostgreSQL, certificates.
    hard
        Also ends on full disks, and a centre that loses its database.
    tls
        With certificates, rights at the broker and signatures; the hostile client is a stolen RSU.
    seconds
        Of traffic under faults, for each seed.
    rsus
        How many neighbouring RSUs run.
    run_dir
        Where everything is kept; without it only what failed, in the system's temporary folder.
    as_json
        One JSON object for each seed and one for all, on stdout.
    """
    _check(run_dir, broker, hard=hard)
    has_mounts = private_mounts()  # before any thread: the small disks are seen by what this one starts
    compile_kernels()
    lines: list[dict[str, Any]] = []
    for seed in range(first, first + seeds):
        asked = chaos_run.Asked(
            seed=seed, broker=broker, hard=hard, seconds=seconds, rsus=rsus, folder=run_dir,
            has_mounts=has_mounts, tls=tls,
        )  # fmt: skip
        received: list[signal.Signals] = []
        try:
            outcome = asyncio.run(_until_signal(asked, received))
        except asyncio.CancelledError:
            return SIGNALLED + received[0]
        lines.append(outcome.line)
        _print(outcome.line, _shown(outcome.line), as_json)
    total = summary(lines)
    _print(total, _shown_total(total), as_json)
    return 0 if total["ok"] else 1


def _check(run_dir: Path | None, broker: Broker, *, hard: bool) -> None:
    if broker == "cluster":
        if hard:
            raise UsageError("--hard: a cluster's database is PostgreSQL's, which keeps copies of its own")
        programs()
        check_driver()
    try:
        if run_dir is not None:
            run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--run-dir {run_dir}: can't be written: {error}") from error


async def _until_signal(asked: chaos_run.Asked, received: list[signal.Signals]) -> chaos_run.Outcome:
    """Run one seed; a signal, noted in `received`, cancels it, which leaves no process and no mount."""
    task = asyncio.current_task()
    assert task is not None, "asyncio runs it"

    def stop(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return await chaos_run.run(asked)


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums over all seeds; `ok` where every seed is."""
    sums: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for line in lines:
        sums.update({name: line.get(name, 0) for name in ("raised", "committed", *FAULTS)})
        faults.update(line.get("faults", {}))
    return {
        "seeds": len(lines),
        "failed": [line["seed"] for line in lines if not line["ok"]],
        "faults": dict(sorted(faults.items())),
        **sums,
        "wait_worst_s": max((line.get("wait_worst_s", 0.0) for line in lines), default=0.0),
        "ok": all(line["ok"] for line in lines),
    }


def _print(line: dict[str, Any], text: str, as_json: bool) -> None:
    sys.stdout.write((json.dumps(line) if as_json else text) + "\n")
    sys.stdout.flush()


def _shown(line: dict[str, Any]) -> str:
    kinds = "".join(f" {kind}" for kind in ("hard", "tls") if line.get(kind))
    head = f"seed {line['seed']} {line['broker']}{kinds}"
    if "error" in line:
        return f"{head}: did not run: {line['error']} (kept: {line['kept']})"
    wrong = ", ".join(f"{name} {line[name]}" for name in FAULTS if line[name])
    text = (
        f"{head}: {sum(line['faults'].values())} faults, raised {line['raised']}, {wrong or 'nothing lost'}"
    )
    return f"{text} ({line['seconds']} s)" + (f"; kept: {line['kept']}" if "kept" in line else "")


def _shown_total(total: dict[str, Any]) -> str:
    counts = ", ".join(f"{name} {total[name]}" for name in ("raised", *FAULTS))
    failed = f"; failed: {', '.join(map(str, total['failed']))}" if total["failed"] else ""
    return f"{total['seeds']} seeds, {sum(total['faults'].values())} faults: {counts}{failed}"
