"""Processes that are ended come again; an end that nobody asked for is noted; all of them end in the end."""

import signal

import pytest

from petroroad.chaos import fleet as fleet_module
from petroroad.chaos.fleet import Fleet, Part
from petroroad.chaos.waiting import until
from petroroad.processes.children import ChildSpec, start

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fleet(monkeypatch):
    monkeypatch.setattr(fleet_module, "RESTART_S", 0.05)
    made = Fleet()
    yield made
    await made.abandon()


async def sleeper(fleet, folder, seconds="60", on_end=lambda _: None):
    spec = ChildSpec(name="sleeper", argv=("sleep", seconds), log=folder / "log")
    part = Part("sleeper", lambda: start(spec), on_end, down_s=0.05)
    await fleet.bring_up(part)
    return part


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_who_is_ended_comes_again_and_has_not_died(fleet, tmp_path, number):
    ends, swapped = [], []
    part = await sleeper(fleet, tmp_path, on_end=ends.append)
    first = part.pid
    assert fleet.end("sleeper", number, 0.05, lambda: swapped.append(part.pid))
    assert not fleet.end("sleeper", number, 0.05)  # it is ending already
    assert await fleet.until_up("sleeper", 0, 10.0)
    assert part.pid not in (None, first)
    assert (ends, swapped, fleet.died) == ([1], [None], [])  # the database is replaced while it is down


async def test_an_end_that_nobody_asked_for_is_a_death_and_restarted(fleet, tmp_path):
    part = await sleeper(fleet, tmp_path, "0.1")
    assert await until(lambda: part.n_ended >= 2, 10.0)
    assert fleet.died[0].startswith("sleeper ended with 0")


async def test_a_frozen_one_is_ended_all_the_same(fleet, tmp_path):
    part = await sleeper(fleet, tmp_path)
    async with fleet.frozen(["sleeper"]):
        assert fleet.end("sleeper", signal.SIGTERM, 0.05)
        assert await fleet.until_up("sleeper", 0, 10.0)
    assert part.pid is not None
    assert fleet.died == []


async def test_bringing_down_leaves_none_and_is_no_death(fleet, tmp_path):
    part = await sleeper(fleet, tmp_path)
    await fleet.bring_down(["sleeper", "absent"], 5.0)
    assert part.pid is None
    assert fleet.died == []
