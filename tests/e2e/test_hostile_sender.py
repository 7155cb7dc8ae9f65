"""One RSU floods a real centre through a real broker: another one's alerts are acknowledged all the same."""

import asyncio
import sys
import time
from pathlib import Path

import psutil
import pytest

from edge import topics
from edge.config import load_site
from tests.e2e.test_centre import STOP_S, TEST_S, Stage, stage
from tests.support import hostile_sender
from tests.support.centre_samples import item, payload, violation

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]
HONEST = "RSU20"
# one for each attack: what the centre limits by RSU would let a later attack of the same one do nothing
HOSTILE = {attack: f"RSU{n}" for n, attack in enumerate(hostile_sender.ATTACKS, start=21)}
ACK_S = 2.0  # of the centre's own work: a busy machine lengthens what it takes on a clock
WAIT_S = 10.0
RSS_MIB = 200.0
N_ALERTS = 20


async def _ack_s(it: Stage, seq: int, centre: psutil.Process) -> tuple[float, float]:
    """Send one alert of the honest RSU; return how long its acknowledgement took, and the centre's work."""
    begun_s, worked_s = time.monotonic(), _worked_s(centre)
    body = payload(10, item(seq, violation(seq, esn=HONEST)))
    it.owed[seq] = body
    while seq in it.owed:
        it.link.publish(topics.violation_up(HONEST), body)
        for _ in range(100):  # as an RSU, again after a second
            await asyncio.sleep(0.01)
            if seq not in it.owed:
                break
        assert time.monotonic() - begun_s < TEST_S, "never acknowledged"
    return time.monotonic() - begun_s, _worked_s(centre) - worked_s


def _worked_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _attacked(it: Stage, centre: psutil.Process, attack: str, n_before: int, rss_bytes: int) -> int:
    """Let one attack run: the honest RSU is acknowledged meanwhile, and the centre has not grown.

    n_before  : how many alerts the honest RSU sent before; returns how many it has sent after
    rss_bytes : the centre's memory before all attacks, since what each leaves adds up
    """
    most = centre.memory_info().rss
    port = load_site(it.site).config.mqtt.brokers[0].rpartition(":")[2]
    argv = (sys.executable, hostile_sender.__file__, port, HOSTILE[attack], attack)
    flood = await asyncio.create_subprocess_exec(*argv)
    acks: list[tuple[float, float]] = []
    while flood.returncode is None or len(acks) < N_ALERTS:
        acks.append(await _ack_s(it, n_before + len(acks) + 1, centre))
        most = max(most, centre.memory_info().rss)
    growth_mib = (most - rss_bytes) / 2**20
    waited_s, worked_s = (max(column) for column in zip(*acks, strict=True))
    print(f"{attack}: worst wait {waited_s:.2f} s, worst work {worked_s:.2f} s, {growth_mib:.0f} MiB")
    assert flood.returncode == 0, attack
    assert worked_s <= ACK_S, attack
    assert waited_s <= WAIT_S, attack
    assert growth_mib <= RSS_MIB, attack
    return n_before + len(acks)


async def test_beside_one_hostile_rsu_another_is_acknowledged_in_time(tmp_path: Path) -> None:
    """One attack after the other on one centre, of which a start costs more than an attack."""
    async with stage(tmp_path) as it:
        centre = await it.centre()
        n_sent = 5
        process = psutil.Process(centre.process.pid)
        for seq in range(1, n_sent + 1):
            await _ack_s(it, seq, process)
        rss_bytes = process.memory_info().rss
        for attack in hostile_sender.ATTACKS:
            n_sent = await _attacked(it, process, attack, n_sent, rss_bytes)
            assert len(it.stored()) == n_sent, attack  # of the honest one all, of the other none
        assert await centre.stop(STOP_S) == 0
