"""Signed messages through real brokers, beside a client that forges them."""

import asyncio
from pathlib import Path

import pytest

from edge import topics
from edge.link import Outgoing
from edge.signing.files import SigningFiles
from edge.signing.site_guard import SiteGuard
from edge.wire import ViolationAck, decode_ack, encode
from tests.edge.signing.site_keys import Authority
from tests.edge.test_link import Received, broker, linked

pytestmark = pytest.mark.anyio
ACK = encode(ViolationAck(centre="centre", epoch=1, stored=(1,)))
FORGED = encode(ViolationAck(centre="centre", epoch=1, stored=(1, 2, 3)))
TO_RSU = topics.violation_ack("RSU-01")
STATUS = topics.status("RSU-01")


def keys(authority: Authority, name: str) -> SiteGuard:
    folder = authority.folder
    return SiteGuard(
        SigningFiles(folder / "ca.pem", folder / "parts.pem", folder / f"{name}.key", None), "site"
    )


async def two_of(heard: Received) -> None:
    async with asyncio.timeout(10.0):
        while len(heard) < 2:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
async def test_a_forged_acknowledgement_reaches_nobody(tmp_path: Path, kind: str) -> None:
    authority = Authority(tmp_path)
    authority.parts(authority.issue("centre", "centre"), authority.issue("rsu", "RSU-01"))
    heard = Received()
    async with (
        broker(tmp_path, kind) as (_, port),
        linked(
            port, "rsu", signing=keys(authority, "RSU-01"), subscriptions=[(TO_RSU, 1)], on_message=heard
        ) as rsu,
        linked(port, "forger") as forger,
        linked(port, "centre", signing=keys(authority, "centre")) as centre,
    ):
        assert forger.publish(TO_RSU, FORGED)
        assert centre.publish(TO_RSU, ACK)
        await heard.until((TO_RSU,))
        assert forger.publish(TO_RSU, FORGED)
        assert centre.publish(TO_RSU, ACK)
        await two_of(heard)
        async with asyncio.timeout(10.0):  # of another connection: it may come after the last sound one
            while sum(rsu.guard.counts.values()) < 2:
                await asyncio.sleep(0.005)
        assert [decode_ack(payload).stored for _, payload, _ in heard] == [(1,), (1,)]
        assert rsu.guard.counts == {"signature.missing": 2}


async def test_birth_and_will_are_signed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.parts(authority.issue("centre", "centre"), authority.issue("rsu", "RSU-01"))
    heard = Received()
    announced = {
        "birth": lambda connection: Outgoing(STATUS, b"\x81\xa5state\xa6online"),
        "will": lambda connection: Outgoing(STATUS, b"\x81\xa5state\xa7offline"),
    }
    async with (
        broker(tmp_path) as (_, port),
        linked(
            port, "centre", signing=keys(authority, "centre"), subscriptions=[(STATUS, 1)], on_message=heard
        ) as centre,
    ):
        async with linked(port, "rsu", signing=keys(authority, "RSU-01"), **announced):
            await heard.until((STATUS,))
        await two_of(heard)
        assert [b"online" in heard[0][1], b"offline" in heard[-1][1]] == [True, True]
        assert not centre.guard.counts
