"""An open episode of a vehicle's journey goes with it to the next RSU, and over a restart."""

from dataclasses import replace

import msgspec
import pytest

from edge.wire import decode_handover, decode_handover_ack
from geofence.permits import PermitConfig
from roadside.inputs import HandedOver, HandoverAnswered, Start
from roadside.outputs import HandoverOffer, OfferAck, Raised
from roadside.pipeline import Pipeline
from tests.support.roadside_drive import NS, T0_NS, between, drive, raised

YEARS = {"start": "2026-01-01T00:00:00+08:00", "end": "2036-01-01T00:00:00+08:00"}
OTHERS = {"permit": "P", "terminal": "7", **YEARS}


@pytest.fixture
def explosive(setup):
    """The example RSU, whose truck carries what needs a permit; there is one for another vehicle."""
    truck, *others = setup.vehicles
    truck = msgspec.structs.replace(truck, hazmat_class="1.1")
    permits = (msgspec.convert(OTHERS, PermitConfig),)
    return replace(setup, vehicles=(truck, *others), permits=permits)


def centred(t_s):
    return 0.0 * t_s


def permits_of(found):
    return [v for v in found if v.rule == "permit"]


def test_one_drive_without_a_permit_is_one_episode_across_two_rsus(explosive):
    giver, taker = between(explosive, 420.0)
    found = []
    for t_ns, item in drive(explosive, centred, seconds=14.0):
        for one in (giver, taker):
            outputs = one.step(t_ns, item)
            found += permits_of(raised(outputs))
            for offer in outputs if one is giver else ():
                if not isinstance(offer, HandoverOffer):
                    continue
                taken = taker.step(t_ns, HandedOver("A", decode_handover(offer.body)))
                found += permits_of(raised(taken))
                for answer in taken:
                    if isinstance(answer, OfferAck):
                        ack = HandoverAnswered.of("B", decode_handover_ack(answer.body))
                        found += permits_of(raised(giver.step(t_ns, ack)))
    assert taker.all_counts().get("handover.refused") is None
    assert len({v.id for v in found}) == 1
    assert [v.reason for v in found] == ["no_permit"] * len(found)
    assert {(v.esn, v.hop) for v in found} == {("A", 0), ("B", 1)}


def test_it_is_one_episode_over_a_restart(explosive):
    first, disk, found = Pipeline(explosive), {}, []
    inputs = drive(explosive, centred, seconds=12.0)
    dies_ns = T0_NS + 7 * NS
    for t_ns, item in inputs:
        if t_ns < dies_ns:
            for output in first.step(t_ns, item):
                if isinstance(output, Raised):
                    disk[output.violation.id] = output.episode
                    found += permits_of([output.violation])
    assert found
    bodies = tuple(body for body in disk.values() if body is not None)
    open_here = first.travelling.journeys
    journeys = tuple(open_here.carry([one.track for one in open_here.open.values()]).values())
    second = Pipeline(explosive)
    start = Start(epoch=1_800_000_100, episodes=bodies, journeys=journeys)
    again = permits_of(raised(second.step(dies_ns, start)))
    for t_ns, item in inputs:
        if t_ns > dies_ns:
            again += permits_of(raised(second.step(t_ns, item)))
    assert second.all_counts().get("start.episode") is None
    assert {v.id for v in again} <= {v.id for v in found}
    assert [v.phase for v in again if v.phase == "close"] == []
