"""The demo's parts while it runs: one that is killed on purpose does not end the others."""

import signal
from pathlib import Path
from typing import cast

import pytest

from edge.clock import Clock
from petroroad.demo.parts import Parts, RunDir
from petroroad.demo.site import DemoSite
from petroroad.processes.children import Child, ChildSpec, start

pytestmark = pytest.mark.anyio


async def _parts(folder: Path, *commands: str) -> Parts:
    """Return parts made of shells: the simulator first."""

    async def begin(name: str, command: str) -> Child:
        return await start(ChildSpec(name=name, argv=("sh", "-c", command), log=folder / f"{name}.log"))

    parts = Parts(cast(DemoSite, None), RunDir(folder), Clock.wall())
    parts.sim, *parts.rest = [
        await begin(name, command) for name, command in zip(("sim", "A", "B"), commands, strict=True)
    ]
    return parts


async def test_a_part_that_is_killed_is_named_and_the_others_are_watched_further(tmp_path: Path) -> None:
    parts = await _parts(tmp_path, "exec sleep 60", "exec sleep 60", "exec sleep 60")
    killed: list[str] = []

    def on_killed(spec: ChildSpec) -> None:
        killed.append(spec.name)
        assert parts.sim is not None
        (parts.rest[1] if spec.name == "A" else parts.sim).signal(signal.SIGKILL)

    try:
        parts.rest[0].signal(signal.SIGKILL)
        died = await parts.watch(on_killed)
        assert (killed, died and died.name) == (["A", "B"], "sim")
    finally:
        await parts.bring_down()


@pytest.mark.parametrize(
    ("command", "status", "spared"),
    [
        ("exit 3", 3, True),  # a fault of the part: the demo is over
        ("kill -9 $$", -9, False),  # a run that measures has to be whole
    ],
)
async def test_what_ends_otherwise_ends_the_demo(
    tmp_path: Path, command: str, status: int, spared: bool
) -> None:
    parts = await _parts(tmp_path, "exec sleep 60", command, "exec sleep 60")
    try:
        died = await parts.watch((lambda _: None) if spared else None)
        assert died is not None
        assert (died.name, died.status) == ("A", status)
    finally:
        await parts.bring_down()
