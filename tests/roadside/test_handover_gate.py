"""Handovers at an RSU: how often and how much of each neighbour, before anything is read."""

from collections import Counter

from edge import topics, wire
from roadside.agent import INBOX_MAX, RADARS_ONLY
from roadside.handover_gate import (
    BYTES_BURST,
    BYTES_HZ,
    MESSAGES_BURST,
    WAITING_BYTES_MAX,
    WAITING_MAX,
    HandoverGate,
)
from roadside.inputs import DetectionColumns, HandoverAnswered, RadarPayload
from tests.roadside.test_agent import T0_NS, drain_inbox, made

N_BYTES = 900_000
DAY_S = 86_400


def gate(*neighbours: str) -> tuple[HandoverGate, Counter[str]]:
    counts: Counter[str] = Counter()

    def count(reason: str) -> None:
        counts[reason] += 1

    return HandoverGate(count, neighbours, 0.0), counts


def test_messages_of_one_neighbour_are_limited_and_come_back() -> None:
    it, counts = gate("A", "B")
    assert sum(it.admits("A", 1, 0.0) for _ in range(2_000)) == MESSAGES_BURST
    assert counts == {"handover.too_often": 2_000 - MESSAGES_BURST}
    assert it.admits("B", 1, 0.0)  # another one has its own
    assert it.admits("A", 1, 1.0)


def test_what_one_neighbour_can_have_recorded_in_a_day_is_limited() -> None:
    it, _ = gate("A")
    read = sum(N_BYTES for second in range(DAY_S // 10) if it.admits("A", N_BYTES, second))
    assert read <= BYTES_BURST + BYTES_HZ * DAY_S / 10


def test_what_waits_is_limited_in_messages_and_bytes() -> None:
    it, counts = gate("A", "B")
    n_queued = 0
    while it.admits("A", 100, 0.0):
        it.queued("A", 100)
        n_queued += 1
    assert (n_queued, counts) == (WAITING_MAX, {"handover.full": 1})
    it.done("A", 100)
    assert it.admits("A", 100, 0.0)
    n_bytes = 0
    while it.admits("B", N_BYTES, 0.0):
        it.queued("B", N_BYTES)
        n_bytes += N_BYTES
    assert 0 < n_bytes <= WAITING_BYTES_MAX


def test_a_flood_of_handovers_leaves_the_inbox_to_the_radars(setup) -> None:
    """As it comes from the link: what is not admitted is not even decoded."""
    agent = made(setup)
    subscriptions = agent.subscriptions(("RSU002",))
    row = wire.encode(wire.Handover(epoch=1, seq=1, tracks=(), partial=True, offered_ns=T0_NS))
    topic = topics.handover("RSU002", "RSU001")
    for _ in range(2 * INBOX_MAX):
        if subscriptions.admits(topic, row, False):
            subscriptions.dispatch(topic, row, False)
    assert agent.inbox.qsize() == WAITING_MAX
    assert agent.counts()["handover.full"] == 2 * INBOX_MAX - WAITING_MAX
    drain_inbox(agent)
    assert subscriptions.admits(topic, row, False)


def test_no_message_displaces_a_radars_scan(setup) -> None:
    agent = made(setup)
    answer = HandoverAnswered.of("RSU002", wire.HandoverAck(epoch=1, seq=1))
    for _ in range(2 * INBOX_MAX):
        agent.receive_control(answer)
    assert agent.inbox.qsize() == INBOX_MAX - RADARS_ONLY
    columns = DetectionColumns(range_m=(), azimuth_rad=(), range_rate_mps=(), rcs_dbsm=())
    for n in range(RADARS_ONLY):
        agent.receive_scan(RadarPayload(sensor="r", stamp_ns=T0_NS, scan=n, detections=columns))
    assert agent.inbox.full()
    assert agent.counts() == {"inbox.full": INBOX_MAX + RADARS_ONLY}


def test_each_neighbour_is_judged_by_its_own_name(setup) -> None:
    agent = made(setup)
    subscriptions = agent.subscriptions(("RSU002", "RSU003"))

    def n_read(esn: str) -> int:
        topic = topics.handover_ack(esn, "RSU001")
        return sum(subscriptions.admits(topic, b"x", False) for _ in range(2_000))

    assert n_read("RSU002") >= MESSAGES_BURST  # and what comes back meanwhile
    assert n_read("RSU003") >= MESSAGES_BURST
    assert n_read("RSU009") == 0
