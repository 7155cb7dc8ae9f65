"""What waits for the database: each RSU in turn, bounded each for itself."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centre.commit_size import ITEMS_MAX as COMMIT_ITEMS_MAX
from centre.inbox import MESSAGE_BYTES, Inbox, QueuedBatch
from edge import topics, wire
from tests.support.centre_ingest import Bench
from tests.support.centre_samples import item, payload, violation


def _message(esn: str, n: int, n_bytes: int = 10) -> QueuedBatch:
    return QueuedBatch("t", esn, bytes(n_bytes), n)


def _taken(inbox: Inbox, n_messages: int = 10, n_bytes: int = 10**6) -> list[tuple[str, int]]:
    return [(each.esn, each.received_ns) for each in inbox.next_batches(n_messages, n_bytes)]


def test_each_rsu_is_served_in_turn_and_its_own_messages_in_order() -> None:
    inbox = Inbox(100, 10**6)
    for n in range(5):
        inbox.add(_message("flood", n))
    inbox.add(_message("A", 0))
    inbox.add(_message("B", 0))
    assert _taken(inbox, 4) == [("flood", 0), ("A", 0), ("B", 0), ("flood", 1)]
    inbox.add(_message("A", 1))
    assert _taken(inbox, 2) == [("flood", 2), ("A", 1)]  # it waits for one message of the flood
    assert _taken(inbox) == [("flood", 3), ("flood", 4)]
    assert not inbox


def test_a_flood_fills_its_own_queue_only() -> None:
    inbox = Inbox(3, 10**6)
    assert [inbox.add(_message("flood", n)) for n in range(5)] == [0, 0, 0, 1, 1]
    assert inbox.add(_message("A", 0)) == 0
    assert ("A", 0) in _taken(inbox)


def test_where_memory_ends_the_largest_backlog_gives_way() -> None:
    inbox = Inbox(100, 100 + 10 * MESSAGE_BYTES)
    for n in range(9):
        assert inbox.add(_message("flood", n)) == 0
    assert inbox.add(_message("A", 0, 30)) == 1  # of the flood, its newest
    assert _taken(inbox) == [("flood", 0), ("A", 0), *(("flood", n) for n in range(1, 8))]


def test_empty_messages_are_bounded_too() -> None:
    inbox = Inbox(10**6, 10 * MESSAGE_BYTES)
    assert sum(inbox.add(_message("flood", n, 0)) for n in range(100)) == 90


def test_the_same_bytes_wait_once_for_each_rsu() -> None:
    inbox = Inbox(100, 10**6)
    inbox.add(_message("A", 0))
    assert inbox.contains(_message("A", 1))
    assert not inbox.contains(_message("B", 1))
    assert not inbox.contains(_message("A", 1, 11))
    inbox.next_batches(1, 1)
    assert not inbox.contains(_message("A", 2))  # its answer may have left already


def test_what_no_commit_had_room_for_comes_first_again() -> None:
    inbox = Inbox(100, 10**6)
    for esn, n in (("A", 0), ("B", 0), ("A", 1), ("B", 1), ("C", 0)):
        inbox.add(_message(esn, n))
    taken = inbox.next_batches(5, 10**6)
    inbox.add(_message("D", 0))
    inbox.add(_message("A", 2))
    inbox.return_batches(taken[2:])
    assert _taken(inbox, 4) == [("C", 0), ("A", 1), ("B", 1), ("D", 0)]
    assert _taken(inbox) == [("A", 2)]
    assert not inbox


def test_a_commit_is_limited_in_bytes_and_has_at_least_one_batch() -> None:
    inbox = Inbox(100, 10**6)
    for n in range(4):
        inbox.add(_message("A", n, 1_000))
    assert len(inbox.next_batches(10, 1)) == 1
    assert len(inbox.next_batches(10, 1_500)) == 2


def test_rsus_that_nobody_knows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("centre.inbox.SENDERS_MAX", 2)
    inbox = Inbox(100, 10**6)
    assert [inbox.add(_message(esn, 0)) for esn in ("A", "B", "C", "A")] == [0, 0, 1, 0]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 40)), max_size=60), st.integers(1, 5))
def test_what_goes_in_comes_out_once_or_is_counted(puts: list[tuple[str, int]], at_once: int) -> None:
    inbox, n_dropped, out = Inbox(7, 300 + 12 * MESSAGE_BYTES), 0, Counter[str]()
    for n, (esn, n_bytes) in enumerate(puts):
        n_dropped += inbox.add(_message(esn, n, n_bytes))
    last: dict[str, int] = {}
    while inbox:
        for esn, n in _taken(inbox, at_once):
            assert last.get(esn, -1) < n
            last[esn] = n
            out[esn] += 1
    assert out.total() + n_dropped == len(puts)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_bystander_is_in_the_next_commit_whatever_another_sends(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for seq in range(1, 1_001):
        bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), payload(10, item(seq, "void")))
    bench.ingest.subscriptions.receive(
        topics.violation_up("RSU002"), payload(10, item(1, violation(1, esn="RSU002")))
    )
    await bench.until(2)
    assert topics.violation_ack("RSU002") in [topic for topic, _ in bench.sent[:2]]
    bench.close()


def _many(n: int) -> list[bytes]:
    return [payload(10, *(item(seq, "void") for seq in range(k * n + 1, k * n + n + 1))) for k in range(60)]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("n", [1, 32])
async def test_a_commit_is_bounded_in_items_however_they_are_batched(tmp_path: Path, n: int) -> None:
    """A bystander's next message is committed after a bounded number of the flood's items."""
    bench = Bench(tmp_path)
    for body in _many(n):
        bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), body)
    running = asyncio.create_task(bench.ingest.run())
    async with asyncio.timeout(20.0):
        await bench.idle.wait()
        running.cancel()
    n_rows = sum(len(ack.stored) for topic, ack in bench.sent)
    assert n_rows <= max(n, COMMIT_ITEMS_MAX + n)
    bench.close()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_many_answers_of_one_commit_are_joined_and_each_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ACKNOWLEDGED_MAX", 64)
    bench = Bench(tmp_path)
    bodies = [*_many(1), payload(10, *(item(seq, "void") for seq in range(1_000, 1_032)))]
    for body in (*bodies, bodies[0]):
        bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), body)
    bench.ingest.subscriptions.receive(topics.violation_up("RSU002"), payload(10, item(1, "void")))
    await bench.until(3)  # 60 single items do not fit beside 32 into one acknowledgement
    assert len(bench.sent) == 3
    stored = [
        seq for topic, ack in bench.sent if topic == topics.violation_ack("RSU001") for seq in ack.stored
    ]
    assert sorted(stored) == [*range(1, 61), *range(1_000, 1_032)]
    assert bench.ingest.counts["inbox.repeated"] == 1
    bench.close()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_answer_that_the_link_refuses_is_sent_as_soon_as_it_accepts_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    room = [2]  # acknowledgements that the link accepts

    def publish(topic: str, body: bytes, qos: int) -> bool:
        room[0] -= 1
        return room[0] >= 0 and bench._publish(topic, body, qos)

    bench.ingest._publish = publish
    for seq in range(1, 6):
        bench.ingest.subscriptions.receive(
            topics.violation_up("RSU001"), payload(10, item(seq, violation(seq)))
        )
    bench.ingest.subscriptions.receive(
        topics.violation_up("RSU002"), payload(10, item(1, violation(6, esn="RSU002")))
    )
    running = asyncio.create_task(bench.ingest.run())
    async with asyncio.timeout(10.0):
        await bench.idle.wait()
        assert len(bench.sent) == 2
        room[0] = 100
        while len(bench.sent) < 3:  # the four that waited are one answer
            await asyncio.sleep(0)
    running.cancel()
    stored: dict[str, list[int]] = {}
    for topic, ack in bench.sent:
        stored.setdefault(topic, []).extend(ack.stored)
    assert sorted(stored[topics.violation_ack("RSU001")]) == [1, 2, 3, 4, 5]
    assert stored[topics.violation_ack("RSU002")] == [1]
    assert not bench.ingest.counts["ack.unsent"]
    wire.encode(bench.sent[-1][1])
    bench.close()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_batch_of_more_items_than_an_rsu_sends_is_no_batch(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    receive = bench.ingest.subscriptions.receive
    receive(topics.violation_up("RSU001"), payload(10, *(item(seq, "void") for seq in range(1, 34))))
    receive(topics.violation_up("RSU002"), payload(10, item(1, violation(1, esn="RSU002"))))
    await bench.until(1)
    assert [topic for topic, _ in bench.sent] == [topics.violation_ack("RSU002")]
    assert bench.writer.counts["batch.unreadable"] == 1
    bench.close()


def test_bytes_of_one_rsu_are_limited_and_its_first_batch_always_fits() -> None:
    inbox = Inbox(100, 10**6, 3_000)
    assert inbox.add(_message("A", 0, 5_000)) == 0
    assert inbox.add(_message("A", 1, 10)) == 1
    assert inbox.add(_message("B", 0, 2_000)) == 0  # another has its own
    assert _taken(inbox) == [("A", 0), ("B", 0)]
