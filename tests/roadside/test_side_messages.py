"""What neighbours say beside the tracks that they hand over: lost vehicles and waiting episodes."""

import math

import msgspec
import numpy as np
import pytest

from edge.wire import SIDE_MAX, Handover, decode_handover, encode
from roadside.found_again import KEPT_NS, MOST, FoundAgain
from roadside.inputs import HandedOver, HandoverAnswered
from roadside.lost_vehicles import LostVehicle, received, towards
from roadside.outputs import HandoverOffer, OfferAck
from roadside.pipeline_state import LostState
from tests.roadside.test_found_again import T0_NS, seen
from tests.support import roadside_drive
from tests.support.roadside_drive import between

LANES = ("L1", "L2")
NEIGHBOURS = (("WEST", -500.0, 0.0), ("EAST", 900.0, 1500.0), ("FAR", 1500.0, 2000.0))
ROW = LostState(
    track=7, lane=1, s_m=800.0, v_east_mps=20.0, v_north_mps=0.0, rate_mps=20.0, at_ns=T0_NS, passed_on=True
)


def handed(rows: dict[str, list[bytes]], to: str) -> list[LostState]:
    """Return what the neighbour reads, whose map has the lanes in another order."""
    raws = [msgspec.Raw(row) for row in rows[to]]
    return received(raws, T0_NS, {"L2": 0, "L1": 1})


@pytest.mark.parametrize(("s_m", "rate_mps", "to"), [
    (800.0, 20.0, "EAST"),
    (800.0, -20.0, "WEST"),
    (950.0, 20.0, "EAST"),  # it was seen on the neighbour's stretch last
    (1600.0, 20.0, "FAR"),
    (2100.0, 20.0, None),   # nobody is ahead
])  # fmt: skip
def test_a_lost_vehicle_goes_to_the_neighbour_ahead(s_m, rate_mps, to):
    sent = towards([msgspec.structs.replace(ROW, s_m=s_m, rate_mps=rate_mps)], NEIGHBOURS, LANES)
    assert list(sent) == ([] if to is None else [to])


def test_a_vehicle_lost_by_one_rsu_is_found_by_the_next():
    giver, taker = FoundAgain(), FoundAgain()
    for k in range(-3, 1):
        tracks, places = seen({"track": 7, "s": 500.0 + 2.0 * k, "v": 20.0})
        object.__setattr__(tracks, "radar_ns", tracks.radar_ns + k * 100_000_000)
        giver.step(T0_NS + k * 100_000_000, tracks, places, np.array([k == -3]))
        assert giver.lost(T0_NS + k * 100_000_000, tracks) == [], "radar follows it"
    nobody, _ = seen()
    rows = giver.lost(T0_NS + 500_000_000, nobody)
    assert [row.track for row in rows] == [7]
    assert giver.lost(T0_NS + 600_000_000, nobody) == [], "once"
    again = FoundAgain()
    again.restore(giver.state())
    assert again.lost(T0_NS + 600_000_000, nobody) == [], "once, also after a restart from its state"
    sent = towards(rows, NEIGHBOURS, LANES)
    taker.expect(T0_NS + 600_000_000, handed(sent, "EAST"))
    assert taker.lost(T0_NS + 600_000_000, nobody) == [], "it is not passed on further"
    tracks, places = seen({"track": 9, "s": 740.0, "v": 20.0, "lane": 0})
    later_ns = T0_NS + 12_000_000_000
    object.__setattr__(tracks, "radar_ns", tracks.radar_ns + 12_000_000_000)
    assert [tuple(one) for one in taker.step(later_ns, tracks, places, np.array([True]))] == [(9, 7)]


def test_a_vehicle_that_is_found_is_nobody_else():
    giver, taker = FoundAgain(), FoundAgain()
    giver.expect(T0_NS, [ROW])
    taker.expect(T0_NS, [ROW])
    tracks, places = seen({"track": 7, "s": 840.0, "v": 20.0})
    later_ns = T0_NS + 2_000_000_000
    object.__setattr__(tracks, "radar_ns", tracks.radar_ns + 2_000_000_000)
    giver.step(later_ns, tracks, places, np.array([False]))
    rows = giver.lost(later_ns, tracks)
    sent = towards(rows, NEIGHBOURS, LANES)
    assert list(sent) == ["WEST", "EAST", "FAR"]
    taker.expect(later_ns, received([msgspec.Raw(row) for row in sent["EAST"]], later_ns, {"L2": 1}))
    giver.step(later_ns + 1, tracks, places, np.array([False]))
    assert giver.lost(later_ns + 1, tracks) == [], "once"
    tracks, places = seen({"track": 9, "s": 860.0, "v": 20.0})
    object.__setattr__(tracks, "radar_ns", tracks.radar_ns + 3_000_000_000)
    assert taker.step(T0_NS + 3_000_000_000, tracks, places, np.array([True])) == []


@pytest.mark.parametrize(("s_m", "lane", "is_lost"), [
    (840.0, 1, False),  # there it must be by now: it has another id here
    (880.0, 1, True),   # the one ahead of it
    (840.0, 0, True),   # the one beside it
])  # fmt: skip
def test_a_vehicle_that_is_followed_here_is_not_lost(s_m, lane, is_lost):
    table = FoundAgain()
    for k in (18, 19, 20):
        tracks, places = seen({"track": 5, "s": s_m + 2.0 * (k - 20), "v": 20.0, "lane": lane})
        object.__setattr__(tracks, "radar_ns", tracks.radar_ns + k * 100_000_000)
        table.step(T0_NS + k * 100_000_000, tracks, places, np.array([False]))
    table.expect(T0_NS + 2_000_000_000, [ROW])  # at 800 m, 2 s ago
    assert (7 in [row.track for row in table.state()]) == is_lost


def test_what_an_rsu_saw_later_itself_stays():
    table = FoundAgain()
    table.expect(T0_NS, [ROW])
    table.expect(T0_NS, [msgspec.structs.replace(ROW, s_m=1.0, at_ns=T0_NS - 1)])
    assert [row.s_m for row in table.state()] == [800.0]


@pytest.mark.parametrize("wrong", [
    {"track": 0}, {"track": 2**64 - 1, "at_ns": T0_NS - KEPT_NS - 1}, {"at_ns": T0_NS + 2_000_000_000},
    {"s_m": math.nan}, {"s_m": 1e9}, {"rate_mps": math.inf}, {"v_east_mps": 1e6}, {"v_north_mps": math.nan},
])  # fmt: skip
def test_a_lost_vehicle_that_cannot_be_true_is_left_out(wrong):
    good = {"track": 7, "lane": "L9", "s_m": 1.0, "v_east_mps": 1.0, "v_north_mps": 0.0, "rate_mps": 1.0}
    good |= {"at_ns": T0_NS}
    raws = [msgspec.Raw(msgspec.msgpack.encode(row)) for row in (good | wrong, good, {"another": "version"})]
    assert [row.track for row in received(raws, T0_NS, {})] == [7]


def test_a_flood_of_lost_vehicles_is_bounded():
    table = FoundAgain()
    for n in range(40):
        table.expect(T0_NS, [msgspec.structs.replace(ROW, track=1 + 100 * n + k) for k in range(SIDE_MAX)])
    assert len(table.state()) == 2 * MOST
    rows = [msgspec.structs.replace(ROW, track=k) for k in range(1, 200)]
    assert len(towards(rows, NEIGHBOURS, LANES)["EAST"]) == SIDE_MAX


def test_a_side_message_is_neither_answered_nor_remembered(setup):
    giver, taker = between(setup, 420.0)
    row = msgspec.msgpack.encode(
        LostVehicle(
            track=7, s_m=400.0, v_east_mps=16.0, v_north_mps=0.0, rate_mps=16.0, at_ns=roadside_drive.T0_NS
        )
    )
    sent = giver.handovers.side_message("B", 1, lost=[row], waiting=[b"garbage"])
    message = decode_handover(sent.body)
    assert (len(message.tracks), len(message.lost)) == (0, 1)
    outputs = taker.step(roadside_drive.T0_NS, HandedOver("A", message))
    assert not [output for output in outputs if isinstance(output, OfferAck | HandoverOffer)]
    state = taker.state(roadside_drive.T0_NS)
    assert [row.track for row in state.nameless] == [7]
    assert state.received == {}


def test_an_answer_to_a_side_message_is_no_answer_to_an_offer(setup):
    giver, _ = between(setup, 420.0)
    answer = HandoverAnswered(by="B", epoch=1, seq=1, resumed=("unknown",))
    assert giver.step(roadside_drive.T0_NS, answer) == []
    assert "handover.unknown_answer" not in giver.counts
    assert decode_handover(encode(Handover(epoch=1, seq=1, tracks=()))).waiting == ()
