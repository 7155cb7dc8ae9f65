"""Damages, kills during starts and twins, drawn by seeds: what the files hold arrives, once, unaltered."""

import pytest

from tests.support.damage import certificates, restarts
from tests.support.damage.case import files, kind_of, make_templates, run_case
from tests.support.damage.world import world

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]
RUNS = {
    "damage": run_case,
    "restarts": restarts.run_restarts,
    "copies": restarts.run_copies,
    "twins": restarts.run_twins,
}
SHORT = [("damage", 7), ("damage", 8), ("damage", 9), ("restarts", 1), ("twins", 1)]
LONG = [(what, seed) for what in RUNS for seed in range(100, 140 if what == "damage" else 108)]
# every kind of file that an RSU and a centre keep in their folders, as the code names them
FILES = {
    "RSU/outbox/RSU.sqlite", "RSU/outbox/RSU.sqlite-wal", "RSU/outbox/RSU.sqlite-shm",
    "RSU/outbox/RSU.sqlite.mark", "RSU/outbox/RSU.sqlite.ballast", "RSU/recordings/RSU.age",
    "RSU/recordings/RSU.mark", "RSU/recordings/RSU-###-##.mcap", "centre/centre.sqlite",
    "centre/centre.sqlite-wal", "centre/centre.sqlite-shm", "centre/centre.sqlite.mark",
    "centre/centre.sqlite.lock", "centre/centre-history/age", "centre/centre-history/hours/###.sqlite",
    "centre/centre-history/hours/###.sqlite-wal", "centre/centre-history/hours/###.sqlite-shm",
}  # fmt: skip


async def _run(folder, cases) -> None:
    async with world(folder) as it:
        await make_templates(it)
        it.put_back("now")
        assert {kind_of(path, it.state) for path in files(it)} == FILES, "each kind of file is drawn"
        verdicts = [(what, await RUNS[what](it, seed)) for what, seed in cases]
    assert [(what, one.seed, one.damage, one.faults) for what, one in verdicts if not one.ok] == []


async def test_a_single_damage_or_restart_loses_nothing(run_folder) -> None:
    await _run(run_folder("damage"), SHORT)


@pytest.mark.long
async def test_many_damages_and_restarts_lose_nothing(run_folder) -> None:
    await _run(run_folder("damages"), LONG)


@pytest.mark.long
async def test_a_damaged_certificate_is_named_and_costs_nothing_once_it_is_put_back(run_folder) -> None:
    async with world(run_folder("certificates"), tls=True) as it:
        await make_templates(it)
        verdicts = [await certificates.run_certificates(it, seed) for seed in range(100, 112)]
    assert [(one.seed, one.damage, one.faults) for one in verdicts if not one.ok] == []


@pytest.mark.long
async def test_whole_rsus_bear_single_damages(run_folder) -> None:
    async with world(run_folder("whole-rsus"), real=True) as it:
        await make_templates(it)
        verdicts = [await run_case(it, seed) for seed in range(200, 210)]
    assert [(one.seed, one.damage, one.faults) for one in verdicts if not one.ok] == []
