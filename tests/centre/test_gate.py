"""What comes in at all: of the site's units, not too long, not too often; and what one RSU may fill."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from centre import row_limits
from centre.gate import ALLOWANCES, STRANGERS_MAX, Gate
from centre.journey_inbox import WAITING_MAX, JourneyInbox
from centre.store import QUARANTINE, TRANSPORT
from edge import topics, wire
from edge.journey_messages import JourneyBatch
from edge.subscriptions import Incoming
from geofence.journeys.journey import Journey, encoded
from tests.support.centre_ingest import Bench
from tests.support.centre_samples import T0_NS, episode_id, item, payload, status, violation

UNITS = {"rsu": {"RSU001"}, "gateway": {"GW1"}}


def _gate() -> tuple[Gate, Counter[str]]:
    counts: Counter[str] = Counter()
    return Gate(UNITS, counts), counts


def _incoming(topic: str, n_bytes: int = 10) -> Incoming:
    parts = topics.parse(topic)
    assert parts is not None
    return Incoming(parts, bytes(n_bytes), False)


@pytest.mark.parametrize(
    ("topic", "n_bytes", "want"),
    [
        (topics.violation_up("RSU001"), wire.PAYLOAD_BYTES_MAX, {}),
        (topics.violation_up("RSU001"), wire.PAYLOAD_BYTES_MAX + 1, {"too_long.violation/up": 1}),
        (topics.violation_up("RSU999"), 10, {"stranger.violation/up": 1}),
        (topics.track_up("RSU999"), 10, {"stranger.track/up": 1}),
        (topics.gateway_status("GW1"), 10, {}),
        (topics.gateway_status("RSU001"), 10, {"stranger.status": 1}),  # an RSU's name is no gateway's
    ],
)
def test_only_the_sites_units_and_usual_lengths_come_in(
    topic: str, n_bytes: int, want: dict[str, int]
) -> None:
    gate, counts = _gate()
    assert gate.admits(_incoming(topic, n_bytes), 0.0) == (not want)
    assert counts == want


def test_another_centre_is_no_stranger_and_says_no_more_than_fits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    admits = bench.ingest.subscriptions.admits
    for topic in (topics.centre_desk("standby"), topics.centre_status("standby")):
        assert admits(topic, bytes(wire.PAYLOAD_BYTES_MAX))
        assert not admits(topic, bytes(wire.PAYLOAD_BYTES_MAX + 1))
    assert bench.ingest.counts == {"too_long.desk": 1, "too_long.status": 1}
    bench.close()


def test_strangers_are_named_up_to_a_limit_and_all_are_counted() -> None:
    gate, counts = _gate()
    for n in range(STRANGERS_MAX + 5):
        gate.admits(_incoming(topics.status(f"X{n}")), 0.0)
    gate.admits(_incoming(topics.status("X0")), 0.0)
    assert (len(gate.strangers), gate.strangers["rsu/X0"]) == (STRANGERS_MAX, 2)
    assert counts["stranger.status"] == STRANGERS_MAX + 6


@pytest.mark.parametrize("tail", ALLOWANCES)
def test_one_kind_of_message_of_one_unit_is_limited_and_comes_back(tail: str) -> None:
    gate, counts = _gate()
    allowed = ALLOWANCES[tail]
    message = _incoming(topics.rsu("RSU001", tail))
    n = sum(gate.admits(message, 0.0) for _ in range(int(allowed.messages) + 10))
    assert n == allowed.messages
    assert counts[f"too_often.{tail}"] == 10
    assert gate.admits(message, 1.0)  # and others of this unit were never concerned
    assert gate.admits(_incoming(topics.rsu("RSU001", "other")), 0.0)


def test_bytes_are_limited_too() -> None:
    gate, _ = _gate()
    message = _incoming(topics.violation_up("RSU001"), 900_000)
    assert sum(gate.admits(message, 0.0) for _ in range(900)) == 64_000_000 // 900_000


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_stranger_is_neither_stored_nor_listed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    receive = bench.ingest.subscriptions.receive
    receive(topics.violation_up("X1"), payload(10, item(1, violation(1, esn="X1"))), True)
    receive(topics.status("X1"), wire.encode(status()), True)
    receive(topics.violation_up("RSU001"), payload(10, item(1, violation(1))))
    await bench.until(1)
    with bench.engine.begin() as db:
        assert [row.esn for row in db.execute(sa.select(TRANSPORT))] == ["RSU001"]
    assert list(bench.rsus.rows()) == ["RSU001", "RSU002"]
    assert bench.ingest.gate.strangers == {"rsu/X1": 2}
    bench.close()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_voids_beyond_the_limit_are_acknowledged_without_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A void holds nothing that could be lost; its key stays a gap, which the page shows as missing."""
    monkeypatch.setattr(row_limits, "VOIDS_MAX", 40)
    bench = Bench(tmp_path)
    for first in (1, 33):
        voids = (item(seq, "lost") for seq in range(first, first + 32))
        bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), payload(10, *voids))
    bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), payload(10, item(65, violation(1))))
    await bench.until(3)
    assert sorted(seq for _, ack in bench.sent for seq in ack.stored) == list(range(1, 66))
    with bench.engine.begin() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(TRANSPORT)) == 40 + 1
    assert bench.writer.counts["item.void_unstored"] == 24
    bench.close()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_one_rsus_garbage_is_kept_up_to_a_limit_and_costs_no_other_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What finds no room is not acknowledged, so that its RSU sends it again."""
    monkeypatch.setattr("centre.quarantine.SENDER_ROWS_MAX", 5)
    monkeypatch.setattr(row_limits, "QUARANTINE_BURST", 8.0)
    bench = Bench(tmp_path)
    receive = bench.ingest.subscriptions.receive
    receive(topics.violation_up("RSU002"), payload(10, item(1, b"broken")))
    for seq in range(1, 13):
        receive(topics.violation_up("RSU001"), payload(10, item(seq, b"broken %d" % seq)))
    receive(topics.violation_up("RSU001"), payload(10, item(13, violation(1))))
    await bench.until(1 + 8 + 1)
    acked = sorted(seq for topic, ack in bench.sent for seq in ack.stored if "RSU001" in topic)
    assert acked == [*range(1, 9), 13]
    with bench.engine.begin() as db:
        rows = db.execute(sa.select(QUARANTINE.c.esn, QUARANTINE.c.seq).order_by(QUARANTINE.c.n)).all()
    assert [tuple(row) for row in rows] == [("RSU002", 1), *(("RSU001", seq) for seq in range(4, 9))]
    assert bench.writer.counts["quarantine.full"] == 4
    bench.close()


def _journeys(esn: str, n: int) -> bytes:
    made = (
        Journey(
            id=episode_id(f"{esn} {n} {i}"), version=1, esn=esn, terminal="1", began="seen",
            start_ns=T0_NS, stamp_ns=T0_NS, seen_ns=T0_NS, lon_deg=122.0, lat_deg=41.0,
        )
        for i in range(64)
    )  # fmt: skip
    bodies = map(encoded, made)
    return msgspec.msgpack.encode(JourneyBatch(journeys=tuple(bodies)))


def test_journeys_of_one_rsu_leave_room_and_turns_for_another() -> None:
    counts: Counter[str] = Counter()
    inbox = JourneyInbox(counts)
    for n in range(WAITING_MAX // 64 + 2):
        inbox.receive("RSU001", _journeys("RSU001", n), T0_NS)
    inbox.receive("RSU002", _journeys("RSU002", 0), T0_NS)
    assert counts["journey.full"] == 2
    first = inbox.pop()
    assert Counter(received.journey.esn for received in first) == {"RSU001": 24, "RSU002": 24}
    inbox.put_back(first)
    n_left = 0
    while inbox:
        n_left += len(inbox.pop())
    assert n_left == WAITING_MAX + 64
