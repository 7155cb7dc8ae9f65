"""The offers of an RSU to its neighbours, apart from the pipeline; bad ones: `test_hostile_handover`."""

from edge.config import load_site
from edge.wire import PAYLOAD_BYTES_MAX, HandoverAck, decode_handover, decode_handover_ack
from roadside.handover import OFFERS_MAX, REPEAT_NS, Given, Handovers, Offered
from roadside.inputs import HandedOver, HandoverAnswered
from roadside.ownership import Ownership
from tests.support.roadside_drive import EXAMPLE, NS, T0_NS, between, drive, leave, run

FRAME = load_site(EXAMPLE).frame


class Tracker:
    """Adopts everything, or nothing."""

    id_base, n_ids = 0, 0

    def __init__(self, *, room=True):
        self.room = room

    def believes(self, now_ns, track):
        return True

    def has_room(self, tracks):
        return self.room


def handovers():
    counts, ownership = {}, Ownership((0.0, 500.0), (("B", 500.0, 900.0),))

    def count(reason, n):
        if n:
            counts[reason] = counts.get(reason, 0) + n

    return Handovers(0, FRAME, ownership, count), ownership, counts


def carried_nothing(keys):
    return []


def test_a_handover_follows_a_track_that_becomes_another():
    offered = Offered(seq=1, to="AFTER", tracks=[1, 3], body=b"", sent_ns=T0_NS)
    offered.merge(1, 2, under_way=True)
    assert offered.tracks == [2, 3]
    offered.merge(4, 2, under_way=False)  # ours alone: it is given anew
    assert (offered.tracks, offered.places) == ([3], [1]), "an answer names places in the message"
    assert Offered.from_state(offered.state()) == offered


def test_many_that_cross_at_once_go_in_messages_that_a_broker_takes(setup):
    giver, _ = between(setup, 420.0)
    run(giver, drive(setup, leave, seconds=9.0))
    (key,) = giver.tracker.at(T0_NS + 9 * NS).track.tolist()
    (vehicle,) = giver._carried([key])
    assert vehicle.judgement.episodes, "with its evidence"
    giver.handovers.clear()
    keys = list(range(1, 251))
    outputs = giver.handovers.offer(
        T0_NS + 9 * NS, giver.epoch, {"B": keys}, lambda keys: [vehicle] * len(keys)
    )
    assert max(len(o.body) for o in outputs) < PAYLOAD_BYTES_MAX / 2
    assert sum(len(decode_handover(o.body).tracks) for o in outputs) == len(keys)
    assert [key for offered in giver.handovers.offered.values() for key in offered.tracks] == keys


def test_an_offer_is_repeated_until_it_is_acknowledged():
    made, ownership, counts = handovers()
    (first,) = made.offer(T0_NS, 7, {"B": [1, 2]}, carried_nothing)
    assert made.offer(T0_NS + REPEAT_NS - 1, 7, {}, carried_nothing) == []
    assert made.offer(T0_NS + REPEAT_NS, 7, {}, carried_nothing) == [first]
    assert made.acknowledge(HandoverAnswered(by="B", epoch=7, seq=1, refused=(1,)), 7).tracks == [1]
    assert (ownership.phase(1), ownership.phase(2)) == ("given", "giving"), "what it refused is judged here"
    assert made.offer(T0_NS + 9 * NS, 7, {}, carried_nothing) == []
    assert counts == {"handover.not_taken": 1}


def test_an_acknowledgement_of_another_offer_changes_nothing():
    made, ownership, counts = handovers()
    made.offer(T0_NS, 7, {"B": [1]}, carried_nothing)
    for by, epoch, seq in (("C", 7, 1), ("B", 6, 1), ("B", 7, 2)):
        assert made.acknowledge(HandoverAnswered(by=by, epoch=epoch, seq=seq), 7) == Given()
    assert counts == {"handover.unknown_answer": 3}
    assert ownership.phase(1) == "giving"


def test_beyond_the_limit_a_track_stays_ours():
    made, ownership, counts = handovers()
    for key in range(1, OFFERS_MAX + 2):
        made.offer(T0_NS, 7, {"B": [key]}, carried_nothing)
    assert counts == {"handover.full": 1}
    assert (ownership.phase(OFFERS_MAX), ownership.phase(OFFERS_MAX + 1)) == ("giving", "free")


def test_an_offer_without_tracks_is_forgotten():
    made, ownership, _ = handovers()
    made.offer(T0_NS, 7, {"B": [1]}, carried_nothing)
    ownership.forget(1)
    assert made.offer(T0_NS + REPEAT_NS, 7, {}, carried_nothing) == []
    assert made.offered == {}


def test_a_repeat_gets_the_first_acknowledgement_and_brings_no_vehicles():
    giver, _, _ = handovers()
    (offer,) = giver.offer(T0_NS, 7, {"B": [1]}, carried_nothing)
    taker, _, counts = handovers()
    handed = HandedOver("A", decode_handover(offer.body))
    assert taker.receive(T0_NS, handed, Tracker(room=False)) is None
    assert counts == {"handover.no_room": 1}
    first, again = (taker.receive(T0_NS, handed, Tracker()) for _ in range(2))
    assert decode_handover_ack(first.ack.body) == HandoverAck(epoch=7, seq=1)
    assert (first.vehicles, again.vehicles, again.ack) == ([], None, first.ack)
    restored, _, _ = handovers()
    restored.restore(taker.offers_state(), taker.received_state(), taker.seq)
    assert restored.receive(T0_NS, handed, Tracker()) == again
