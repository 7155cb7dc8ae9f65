"""Between broker and database: what is bounded, what is retried, when an answer leaves."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from centre import ingest as module
from centre.commands import StatusChange, StoreStatuses
from centre.ingest import INBOX_MESSAGES_MAX, Ingest
from centre.track_hub import TrackHub
from centre.unit_registry import UnitRegistry
from centre.writer import NotWrittenError
from edge import topics, wire
from tests.support.centre_ingest import Bench
from tests.support.centre_samples import T0_NS, item, payload, status, violation

pytestmark = pytest.mark.anyio


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    it = Bench(tmp_path)
    yield it
    it.close()


async def test_what_is_queued_is_one_commit_and_each_batch_gets_its_answer(bench: Bench) -> None:
    for seq in range(1, 31):
        bench.ingest.subscriptions.receive(
            topics.violation_up("RSU001"), payload(10, item(seq, violation(seq)))
        )
    await bench.until(30)
    assert bench.n_commits == 1
    assert [ack.stored for _, ack in bench.sent] == [(seq,) for seq in range(1, 31)]
    assert {ack.centre for _, ack in bench.sent} == {"test"}


async def test_a_full_disk_acknowledges_nothing_and_commits_resume(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    bench.violation_writer.n_failures = 2
    bench.ingest.subscriptions.receive(topics.status("RSU001"), wire.encode(status(last_seq=1)))
    bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), payload(10, item(1, violation())))
    running = asyncio.create_task(bench.ingest.run())
    async with asyncio.timeout(10.0):
        while bench.writer.counts["commit.failed"] == 0:
            await asyncio.sleep(0)
        assert bench.writer.fault == "database or disk is full"
        await bench.idle.wait()
    running.cancel()
    assert bench.writer.fault is None
    assert bench.sent == []  # the batch was dropped: its RSU sends it again
    assert bench.writer.counts["commit.failed"] == 2
    with bench.engine.begin() as db:  # but the status stays queued: the RSU does not send it again
        assert db.scalar(sa.text("SELECT last_seq FROM epoch")) == 1
    bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), payload(10, item(1, violation())))
    await bench.until(1)
    assert bench.sent[0][1].stored == (1,)


def _kept(name: str) -> StoreStatuses:
    change = StatusChange(
        kind="rsu", id=name, epoch=10, connection=1, since_ns=T0_NS, body=b"", announce=True
    )  # fmt: skip
    return StoreStatuses([change])


async def test_a_command_of_another_part_is_done_between_two_commits_of_a_backlog(bench: Bench) -> None:
    for seq in range(1, 1_001):
        batch = payload(10, item(seq, "void"))
        bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), batch)
    running = asyncio.create_task(bench.ingest.run())
    async with asyncio.timeout(10.0):
        await bench.idle.wait()
        before = bench.n_commits
        await bench.writer.execute(_kept("RSU002"))
        assert bench.n_commits <= before + 2
    running.cancel()


async def test_each_caller_learns_of_its_own_refusal(bench: Bench) -> None:
    bench.violation_writer.n_failures = 1
    async with asyncio.timeout(10.0):
        found = await asyncio.gather(
            *(bench.writer.execute(_kept(f"RSU00{n}")) for n in range(3)), return_exceptions=True
        )
    assert [type(each) is NotWrittenError for each in found] == [True, False, False]
    assert (bench.writer.counts["commit.failed"], bench.n_commits, bench.writer.fault) == (1, 2, None)


async def test_a_full_inbox_drops_and_counts(bench: Bench) -> None:
    for seq in range(INBOX_MESSAGES_MAX + 3):
        bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), payload(10, item(seq + 1, "void")))
    assert bench.ingest.counts["inbox.full"] == 3


HOSTILE = [
    b"\x91" * 100_000 + b"\xc0",  # nested deeper than a decoder goes
    b"\x81\xa5extra" + b"\x91" * 100_000 + b"\xc0",
    b"\x82\xa3seq\x01\xa7sent_ns\xa1\xff",  # no UTF-8
]


@given(
    topic=st.sampled_from(["violation/up", "status", "track/up", "clock/req", "x"]),
    body=st.binary(max_size=120) | st.sampled_from(HOSTILE),
)
async def test_no_message_raises(topic: str, body: bytes) -> None:
    it = Ingest.__new__(Ingest)
    Ingest.__init__(
        it, writer=None, centre="test", now_ns=lambda: T0_NS,  # type: ignore[arg-type]
        rsus=UnitRegistry("rsu", [], T0_NS), gateways=UnitRegistry("gateway", [], T0_NS), tracks=TrackHub(),
        publish=lambda *_: True,
    )  # fmt: skip
    for full in (topics.rsu("RSU001", topic), topics.gateway_status("GW1"), f"v2x/v1/rsu/{topic}", topic):
        it.subscriptions.receive(full, body)
        it.subscriptions.receive(full, body, True)


@given(damage=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4))
async def test_a_damaged_snapshot_is_passed_on_readable_or_not_at_all(damage: list[tuple[int, int]]) -> None:
    records = np.zeros(3, wire.TRACK_DTYPE)
    body = bytearray(wire.encode(wire.snapshot_of(records, esn="RSU001", seq=1, stamp_ns=T0_NS)))
    for at, value in damage:
        body[at % len(body)] = value
    tracks = TrackHub()
    viewer = tracks.join()
    assert viewer is not None
    tracks.receive_snapshot("RSU001", bytes(body))
    if viewer.ready.is_set():
        passed_on = await viewer.next_frame()
        sound = wire.records_of(wire.decode_snapshot(passed_on))  # readable, or this raises
        assert (passed_on == bytes(body)) == (len(sound) == 3)
        assert len(sound) + tracks.counts["track.implausible"] == 3
        tracks.vehicles(T0_NS)
    else:
        assert tracks.counts["track.unreadable"] + tracks.counts["track.refused"] == 1
