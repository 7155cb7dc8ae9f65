"""Moving to a broker beside which a centre serves: when to look, where to move, and never to and fro."""

import asyncio
import time

import pytest

from edge import failover
from edge.failover import FIRST_S_MIN, LOOK_AGAIN_S, UNANSWERED_S, Preference, look
from edge.link import LinkSettings
from tests.support.delivery import StubCentre, addresses, broker, rsu_end

pytestmark = pytest.mark.anyio


def preference(n: int = 3, share: float = 0.0) -> Preference:
    return Preference(n, lambda: share)


@pytest.mark.parametrize(
    ("at", "unanswered_s", "want"),
    [
        (0, 0.0, ()),  # all is well
        (0, UNANSWERED_S - 0.01, ()),  # not yet
        (0, UNANSWERED_S, (1, 2)),
        (1, UNANSWERED_S, (0, 2)),  # the first is the preferred one
        (1, 0.0, ()),  # the first is looked at later
    ],
)
def test_when_the_others_are_looked_at(at, unanswered_s, want):
    assert preference().to_look_at(at, unanswered_s, 100.0) == want


def test_rounds_over_the_others_are_bounded():
    it = preference()
    looks = [now_s for now_s in range(100, 200) if it.to_look_at(0, 60.0, float(now_s))]
    assert looks == list(range(100, 200, int(LOOK_AGAIN_S)))


@pytest.mark.parametrize(
    ("found", "unanswered", "here_serves", "want"),
    [
        ({1: "dead", 2: "serves"}, True, False, 2),
        ({1: "serves", 2: "serves"}, True, True, 1),  # the centre here lives, yet does not acknowledge
        ({1: "dead", 2: "dead"}, True, False, None),  # the only centre is offline: wait for it here
        ({1: "unreachable"}, True, False, None),
        ({1: "unknown", 2: "dead"}, True, False, 1),  # perhaps an older centre, which has no status
        ({1: "unknown"}, True, True, None),
        ({0: "unknown"}, False, False, None),  # a return needs a centre that is seen to serve
        ({0: "dead"}, False, False, None),
        ({0: "serves"}, False, True, 0),
    ],
)
def test_where_to_move(found, unanswered, here_serves, want):
    assert preference().choose(found, unanswered=unanswered, here_serves=here_serves) == want


def test_the_first_is_looked_at_again_and_ever_more_rarely_where_it_fails():
    it, now_s, waits_s = preference(share=1.0), 0.0, []
    for _ in range(4):  # it is left as soon as one has returned to it
        it.moved(1, now_s)
        begun_s = now_s
        while not it.to_look_at(1, 0.0, now_s):
            now_s += 0.5
        waits_s.append(now_s - begun_s)
        it.moved(0, now_s)
        it.to_look_at(0, 0.0, now_s)
    assert waits_s == [36.0, 72.0, 144.0, 288.0]  # with all of the jitter
    now_s += 1_000.0  # it lasted: forgiven
    it.moved(1, now_s)
    it.to_look_at(1, 0.0, now_s)
    assert not it.to_look_at(1, 0.0, now_s + 1.19 * FIRST_S_MIN)
    assert it.to_look_at(1, 0.0, now_s + 1.21 * FIRST_S_MIN) == (0,)


@pytest.mark.e2e
async def test_a_look_finds_out_what_is_at_an_address(tmp_path, monkeypatch):
    monkeypatch.setattr(failover, "LOOK_S", 2.5)
    async with broker(tmp_path) as port:

        async def found() -> str:
            settings = LinkSettings(addresses=addresses(1), client_id="a")
            return await look(settings, ("127.0.0.1", port))

        assert await found() == "unknown"
        centre = StubCentre(port)
        await centre.start()
        assert await found() == "serves"
        await centre.kill()
        assert await found() == "dead"
    assert await found() == "unreachable"


@pytest.mark.e2e
async def test_from_a_dead_centre_beside_its_living_broker_to_the_other_and_back(tmp_path, monkeypatch):
    monkeypatch.setattr(failover, "FIRST_S_MIN", 3.0)
    async with broker(tmp_path / "a") as a, broker(tmp_path / "b") as b, rsu_end(tmp_path, a, b) as rsu:
        main, other = StubCentre(a), StubCentre(b, centre="other", database="db-2")
        await main.start()
        await other.start()
        rsu.put()
        await rsu.until_delivered()
        assert (len(main.stored), len(other.stored)) == (1, 0)
        await main.kill()  # its broker lives on, and so does the RSU's connection
        begun_s = time.monotonic()
        rsu.put(3)
        await rsu.until_delivered()
        waited_s = time.monotonic() - begun_s
        print(f"delivered to the other centre {waited_s:.1f} s after the first one's death")
        assert waited_s < UNANSWERED_S + failover.LOOK_S + 3.0
        assert (len(other.stored), rsu.link.at) == (3, 1)
        await main.start()
        async with asyncio.timeout(30.0):
            while rsu.link.at != 0 or not rsu.link.connected:
                await asyncio.sleep(0.05)
        rsu.put()
        await rsu.until_delivered()
        assert (len(main.stored), len(other.stored)) == (2, 3)
        assert [move["why"] for move in rsu.moves] == ["no acknowledgement", "the first address serves again"]
        await main.kill()
        await other.kill()


@pytest.mark.e2e
async def test_where_every_centre_is_off_it_waits_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(failover, "UNANSWERED_S", 1.0)
    monkeypatch.setattr(failover, "LOOK_S", 2.5)
    async with broker(tmp_path / "a") as a, broker(tmp_path / "b") as b, rsu_end(tmp_path, a, b) as rsu:
        for port in (a, b):
            centre = StubCentre(port)
            await centre.start()
            await centre.kill()
        rsu.put()
        await asyncio.sleep(6.0)
        assert rsu.moves == []
        assert rsu.link.connection == 1
        back = StubCentre(a)
        await back.start()
        await rsu.until_delivered()
        await back.kill()
