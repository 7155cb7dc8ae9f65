"""What an RSU is asked for and when, and an RSU that answers: what the database lost is there again."""

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from centre import asker
from centre.asking import Asking, Key
from edge import topics, wire
from edge.ask import ViolationAsk, decode_ask
from edge.clock import Clock
from tests.support.centre_samples import item, payload, status, violation
from tests.support.serving_centre import TEST_S, Running, running

ONE, TWO, OTHER = Key(10, 1), Key(10, 2), Key(11, 1)


def test_a_gap_is_asked_for_once_it_lasts_one_epoch_at_a_time():
    asking = Asking()
    asking.update(100.0, [ONE, TWO, OTHER])
    assert asking.next_ask(104.9, 0) == ()
    assert asking.next_ask(105.0, 0) == (ONE, TWO)
    asking.asked(105.0, (ONE, TWO))
    assert asking.next_ask(134.9, 0) == (), "one ask at a time"
    assert asking.next_ask(135.0, 0) == (OTHER,)


def test_what_the_outbox_may_hold_is_left_to_it_for_longer():
    asking = Asking()
    asking.update(100.0, [ONE, TWO])
    assert asking.next_ask(129.0, 2) == ()
    assert asking.next_ask(106.0, 1) == (ONE, TWO), "one more is missing than waits"
    assert asking.next_ask(130.0, 2) == (ONE, TWO)


def test_an_ask_is_repeated_ever_later():
    asking, now_s, times = Asking(), 0.0, []
    asking.update(0.0, [ONE])
    while now_s < 1_200.0:
        if due := asking.next_ask(now_s, 0):
            asking.asked(now_s, due)
            times.append(now_s)
        now_s += 5.0
    assert times == [5.0, 70.0, 200.0, 460.0, 760.0, 1_060.0]


def test_what_came_is_named_once_and_only_if_it_was_asked_for():
    asking = Asking()
    asking.update(0.0, [ONE, TWO, OTHER])
    asking.asked(5.0, (ONE, TWO))
    assert asking.n_asked == 2
    assert asking.update(6.0, [TWO]) == [ONE]
    assert asking.update(7.0, []) == [TWO]
    assert asking.n_asked == 0


@pytest.mark.parametrize(
    "wrong",
    [{}, {"epoch": 1}, {"seqs": (1,)}, {"since_ns": 5}],
)
def test_an_ask_names_keys_or_a_time(wrong: dict[str, object]):
    body = wire.encode(ViolationAsk(centre="c", epoch=1, seqs=(1,)))
    assert decode_ask(body).seqs == (1,)
    with pytest.raises(ValueError):
        decode_ask(msgspec.msgpack.encode({"centre": "c", **wrong}))


class Rsu:
    """Answers asks as the contract says; its recording holds all but what it `lost`."""

    def __init__(self, centre: Running, n: int, lost: set[int]) -> None:
        self.centre, self.n, self.lost = centre, n, lost
        self.asks: list[ViolationAsk] = []
        self.n_seen = 0

    def beat(self) -> None:
        body = wire.encode(status(last_seq=self.n, epoch=10, stamp_ns=Clock.wall().now_ns()))
        self.centre.app.ingest.subscriptions.receive(topics.status("RSU001"), body)

    def send(self, seqs: range | tuple[int, ...]) -> None:
        for seq in seqs:
            if seq in self.lost:
                body = payload(10, item(seq, f"lost {seq}: no recording holds it"))
                self.centre.app.ingest.subscriptions.receive(topics.violation_up("RSU001"), body)
            else:
                self.centre.send(seq, violation(seq))

    def answer(self) -> None:
        for topic, body in self.centre.sent[self.n_seen :]:
            if topic == topics.violation_ask("RSU001"):
                ask = decode_ask(body)
                self.asks.append(ask)
                if ask.seqs:
                    self.send(ask.seqs)
        self.n_seen = len(self.centre.sent)


@pytest.mark.anyio
async def test_what_is_missing_is_asked_for_and_shown_as_recovered_or_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centre.asking.LASTS_S", 0.2)
    monkeypatch.setattr("centre.app.SUMMARY_S", 0.05)
    monkeypatch.setattr(asker, "TURN_S", 0.05)
    async with running(tmp_path) as centre, asyncio.timeout(3 * TEST_S):
        rsu = Rsu(centre, 40, lost={7})
        rsu.send(range(11, 31))  # the first ten and the last ten never come
        rsu.beat()
        said = await centre.get("/api/summary")
        while said["missing"] or said["asked"] or said["lost"] == 0:
            rsu.beat()
            rsu.answer()
            await asyncio.sleep(0.05)
            said = await centre.get("/api/summary")
        assert (said["missing"], said["asked"], said["recovered"], said["lost"]) == (0, 0, 19, 1)
        (row,) = [row for row in (await centre.get("/api/rsus"))["rsus"] if row["esn"] == "RSU001"]
        assert (row["stored"], row["recovered"], row["lost"]) == (40, 19, 1)
        page = await centre.get("/api/rsus/RSU001/history")
        (item,) = page["lost"]
        assert (item["epoch"], item["seq"], item["reason"]) == (10, 7, "lost 7: no recording holds it")
        assert item["received_ns"] == row["lost_since_ns"]
        (line,) = [each for each in said["warnings"] if each["kind"] == "items_lost"]
        assert (line["parts"], line["detail"]) == (["RSU001"], "1")
        by_key = [ask for ask in rsu.asks if ask.seqs]
        assert [(ask.epoch, ask.seqs) for ask in by_key] == [(10, (*range(1, 11), *range(31, 41)))]
        listed = (await centre.get("/api/quarantine"))["items"]
        assert [each["reason"] for each in listed] == ["void: lost 7: no recording holds it"]
        # the database is new: its forerunner may have been deleted
        (since,) = [ask for ask in rsu.asks if ask.since_ns is not None]
        assert since.since_ns is not None
        assert 6.9 < (time.time_ns() - since.since_ns) / 86_400e9 < 7.1
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        rsu = Rsu(centre, 40, lost={7})
        for _ in range(10):
            rsu.beat()
            rsu.answer()
            await asyncio.sleep(0.05)
        assert rsu.asks == [], "it was asked, and nothing is missing"
        assert (await centre.get("/api/summary"))["lost"] == 1
