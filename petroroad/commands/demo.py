"""`petroroad demo`: the whole system on this machine, from simulated sensors to the supervisor's page."""

import asyncio
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter, validators

from core.errors import CommandError, UsageError
from edge.clock import Clock
from edge.config import load_site
from petroroad.demo import live as demo_live
from petroroad.demo.parts import Parts, RunDir, TrafficAsked
from petroroad.demo.site import SHIPPED, DemoSite, choose, make_site
from petroroad.kernels import all_compiled
from petroroad.processes.broker import BrokerMissingError, Kind
from petroroad.processes.children import ChildError, ChildSpec, NotReadyError
from sim.scenario import load_scenario
from sim.settings import VEHICLES_MAX

EXPECTED = (BrokerMissingError, ChildError, NotReadyError)  # a part's end, not a fault of ours
UNHURRIED = 5.0  # a run that ended by itself: whole recordings matter more than seconds
TO_WATCH, TO_MEASURE = "calm", "panjin"  # a flood of alarms teaches people to ignore red
SETTLE_S = 1.0  # violations of the last scans reach the centre
Positive = Annotated[float, Parameter(validator=validators.Number(gt=0.0, lt=math.inf))]
Count = Annotated[int, Parameter(validator=validators.Number(gte=2, lte=VEHICLES_MAX))]
Rate = Annotated[float, Parameter(validator=validators.Number(gte=0.01, lte=100.0))]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """One demo run."""

    site: DemoSite
    run_dir: RunDir
    traffic: TrafficAsked
    rate: float
    as_json: bool


def demo(
    *,
    scenario: str | None = None,
    rsus: int | None = None,
    vehicles: Count | None = None,
    seed: int | None = None,
    duration: Positive | None = None,
    rate: Rate = 1.0,
    noise: Positive = 1.0,
    http: str | None = None,
    broker: Kind = "nats",
    tls: Annotated[bool, Parameter(negative=())] = False,
    site: Path = SHIPPED,
    run_dir: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Run broker, gateway, RSUs, centre and simulated traffic until Ctrl-C, or for --duration seconds.

    Parameters
    ----------
    scenario
        The events on the road; without it `calm` for who watches, or `panjin` (dense, an alarm each 3 s) with
        --duration.
    rsus
        How many neighbouring RSUs run; without it 4, or all of a site that has fewer.
    vehicles
        How many vehicles drive.
    seed
        Seed of all chance; without it, another one each time.
    duration
        End after this many simulated seconds, with a summary.
    rate
        Simulated seconds per real one.
    noise
        Factor on the sensors' errors.
    http
        HOST:PORT of the page (loopback); without it, a free port.
    broker
        Which embedded broker.
    tls
        With certificates: every part has its own, and the rights that the site file gives it.
    site
        The site file that is copied.
    run_dir
        Where everything of this run is kept.
    as_json
        One JSON object on stdout.
    """
    scenario = scenario or (TO_WATCH if duration is None else TO_MEASURE)
    check(site, scenario=scenario, rsus=rsus, vehicles=vehicles, http=http)
    chosen = seed if seed is not None else int.from_bytes(os.urandom(4))
    folder = _make_run_dir(run_dir, chosen)
    traffic = TrafficAsked(
        scenario=scenario, seed=chosen, noise=noise, vehicles=vehicles, duration_s=duration
    )
    with ExitStack() as held:
        copied = make_site(site, folder, rsus=rsus, http=http, broker=broker, held=held, tls=tls)
        compile_kernels()
        plan = DemoPlan(site=copied, run_dir=RunDir(folder), traffic=traffic, rate=rate, as_json=as_json)
        failure = asyncio.run(run(plan))
    _finish(plan)
    if failure is not None:
        raise CommandError(failure)
    return 0


def check(site: Path, *, scenario: str, rsus: int | None, vehicles: int | None, http: str | None) -> None:
    """Refuse a wrong site or wrong arguments, before anything is made."""
    loaded = load_site(site)
    played = load_scenario(scenario)
    esns = choose([msgspec.structs.asdict(rsu) for rsu in loaded.config.rsu], rsus)
    if http is not None:
        from centre.security import loopback
        from centre.server import bind  # its import lasts a second

        try:
            bind(*loopback(http, "--http")).close()
        except OSError as error:
            raise UsageError(f"--http {http}: can't listen: {error}") from error
    if site != SHIPPED:
        from edge.site_map import road_of
        from sim.world import Setting, World

        road_of(loaded)
        World(loaded, Setting(scenario=played, vehicles=vehicles, esns=tuple(esns)), 0)


def compile_kernels() -> None:
    """Fill the kernels' cache in a process of its own, so that no part compiles while it serves."""
    if all_compiled():
        return
    done = subprocess.run([sys.executable, "-m", "petroroad.kernels"], check=False)
    if done.returncode != 0:
        raise CommandError(
            f"the kernels don't compile: python -m petroroad.kernels ended with {done.returncode}"
        )


def _make_run_dir(given: Path | None, seed: int) -> Path:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-seed{seed}"
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    if given is not None and (given / "site.toml").exists():
        raise UsageError(f"--run-dir {given}: holds a run already, which would be mixed with this one")
    for path in [given] if given else [Path("runs") / name, Path(state) / "petroroad" / "runs" / name]:
        try:
            path.mkdir(parents=True, exist_ok=given is not None)
        except OSError as error:  # a read-only folder: the next place
            refused = error
        else:
            return path.resolve()
    if given is not None:
        raise UsageError(f"--run-dir {given}: can't be written: {refused}")
    raise CommandError(f"no place for the run: {refused}")


async def run(plan: DemoPlan) -> str | None:
    """Run everything once; returns why it failed, None after a normal end."""
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop.set)
    parts = Parts(plan.site, plan.run_dir, Clock.paced(time.time_ns(), plan.rate))
    stop = asyncio.create_task(asked_to_stop.wait(), name="demo.stop")
    work = asyncio.create_task(_serve(plan, parts), name="demo.serve")
    try:
        await asyncio.wait({stop, work}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        for task in (stop, work):
            task.cancel()
        await asyncio.gather(stop, work, return_exceptions=True)
        await parts.bring_down(1.0 if asked_to_stop.is_set() else UNHURRIED)


async def _serve(plan: DemoPlan, parts: Parts) -> str | None:
    begun_s = time.monotonic()
    try:
        await parts.bring_up()
        await parts.drive(plan.traffic)
    except (*EXPECTED, ExceptionGroup) as failed:
        return _reason_of(failed)
    _announce(plan, time.monotonic() - begun_s)
    live = asyncio.create_task(demo_live.show(plan.site.http), name="demo.live")
    try:
        measures = plan.traffic.duration_s is not None  # its figures are those of a whole system
        died = await parts.watch(None if measures else lambda spec: _say_killed(plan, spec))
    finally:
        live.cancel()
    if died is None:
        await asyncio.sleep(SETTLE_S)
    return None if died is None else str(died)


def _reason_of(failed: Exception) -> str:
    """Return the first failure of several: the others follow from it."""
    while isinstance(failed, ExceptionGroup):
        failed = failed.exceptions[0]
    if not isinstance(failed, EXPECTED):
        raise failed  # ours, not a part's
    return str(failed)


def _say(plan: DemoPlan, text: str) -> None:
    """Print for a reader; stdout is kept for the one JSON object where that is wanted."""
    print(text, file=sys.stderr if plan.as_json else sys.stdout, flush=True)


def _announce(plan: DemoPlan, seconds: float) -> None:
    _say(plan, f"page           http://{plan.site.http}/")
    _say(plan, f"broker         {plan.site.broker} (MQTT 3.1.1{' over TLS' if plan.site.tls else ''})")
    _say(plan, f"run directory  {plan.run_dir.path}")
    _say(plan, f"RSUs           {', '.join(plan.site.esns)}")
    _say(plan, f"seed           {plan.traffic.seed}")
    _say(plan, f"ready after {seconds:.1f} s; Ctrl-C ends it")


def _say_killed(plan: DemoPlan, spec: ChildSpec) -> None:
    """Say that a part was killed, and how it is started again beside the others."""
    environment = [f"{name}={value}" for name, value in spec.env.items()]
    own = spec.argv[:3] == (sys.executable, "-m", "petroroad")  # the broker is another's program
    command = ["petroroad", *spec.argv[3:]] if own else spec.argv
    again = shlex.join([*(["env", *environment] if environment else []), *command])
    _say(plan, f"{spec.name} was killed; the others continue. Start it again: {again}")


def _finish(plan: DemoPlan) -> None:
    """Print the summary of a run with an end, and the command that replays its recordings."""
    recordings = plan.run_dir.recordings(plan.site.esns)
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    if plan.traffic.duration_s is not None and plan.run_dir.truth.exists():
        from petroroad.demo.summary import summarise, table

        summary = summarise(plan.run_dir, plan.site.esns)
        print(json.dumps(summary) if plan.as_json else table(summary), flush=True)
    if recordings:
        _say(plan, shlex.join(["petroroad", "replay", *map(str, recordings)]))
