"""`gnss/down` at an RSU: whose, how often and how much, before anything is decoded."""

from collections import Counter

import msgspec
import pytest

from edge import wire
from roadside.down_gate import (
    BYTES_BURST,
    GATEWAYS_MAX,
    MESSAGES_BURST,
    WAITING_BYTES_MAX,
    WAITING_MAX,
    DownGate,
)


def down(gateway: str = "GW1", n_bytes: int = 0) -> bytes:
    body = msgspec.to_builtins(wire.GnssDown(gateway=gateway, epoch=1, seq=1, fixes=wire.GnssColumns()))
    return msgspec.msgpack.encode({"padding": bytes(n_bytes), **body})


def gate(known: tuple[str, ...] | None = ("GW1",)) -> tuple[DownGate, Counter[str]]:
    counts: Counter[str] = Counter()

    def count(reason: str) -> None:
        counts[reason] += 1

    return DownGate(count, known), counts


def test_the_sites_gateway_is_heard_beside_a_flood_of_another() -> None:
    it, counts = gate()
    for n in range(10_000):
        assert not it.admits(down("GW9"), n / 2_600)
    assert it.admits(down(), 4.0)
    assert counts == {"gateway.stranger": 10_000}


def test_what_is_no_message_of_a_gateway_is_refused_unread() -> None:
    it, _ = gate()
    for body in (b"", b"\xc1", msgspec.msgpack.encode({"gateway": "a b"}), msgspec.msgpack.encode([1])):
        with pytest.raises((msgspec.DecodeError, ValueError)):
            it.admits(body, 0.0)


def test_gateways_of_a_site_without_one_are_limited_in_number() -> None:
    it, counts = gate(None)
    assert sum(it.admits(down(f"G{n}"), 0.0) for n in range(100)) == GATEWAYS_MAX
    assert counts == {"gateway.too_many": 100 - GATEWAYS_MAX}


def test_messages_and_bytes_of_one_gateway_are_limited_and_come_back() -> None:
    it, counts = gate(("GW1", "GW2"))
    assert sum(it.admits(down(), 0.0) for _ in range(2_600)) == MESSAGES_BURST
    assert counts["gateway.too_often"] == 2_600 - MESSAGES_BURST
    assert it.admits(down("GW2"), 0.0)  # the other one has its own
    assert it.admits(down(), 1.0)
    it, _ = gate()
    n_bytes = 200_000
    assert sum(it.admits(down(n_bytes=n_bytes), 0.0) for _ in range(100)) == BYTES_BURST // (n_bytes + 100)


def test_what_waits_for_the_pipeline_leaves_room_for_radars() -> None:
    it, counts = gate()
    body = down()
    n_queued = 0
    while it.admits(body, 0.0):
        it.queued(body)
        n_queued += 1
    assert n_queued == WAITING_MAX
    assert counts == {"gateway.full": 1}
    it.done(body)
    assert it.admits(body, 0.0)


def test_waiting_bytes_are_limited_too() -> None:
    it, counts = gate()
    body = down(n_bytes=900_000)
    for n in range(100):
        now_s = 10.0 * n  # its rate is no hindrance
        if it.admits(body, now_s):
            it.queued(body)
    assert counts["gateway.full"] == 100 - WAITING_BYTES_MAX // len(body)
