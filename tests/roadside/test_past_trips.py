"""What outlives journeys, through whole pipelines: to the disk, over a restart, and to the neighbour."""

from dataclasses import replace

from edge.wire import decode_handover, decode_handover_ack
from geofence.journeys.driving import Driving
from geofence.journeys.past import SEND_NS, decoded
from roadside.inputs import HandedOver, HandoverAnswered, Start
from roadside.outputs import HandoverOffer, Held, OfferAck
from roadside.pipeline import Pipeline
from tests.support.roadside_drive import NS, T0_NS, between

TRUCK = "13900000001"


def rows_of(outputs):
    """The rows of past trips that the disk keeps by these outputs."""
    held = [output for output in outputs if isinstance(output, Held)]
    return [(output.key, output.body) for output in held if output.key.startswith("trips/")]


def left(pipeline):
    """The truck's journey ended here, after ten minutes of driving."""
    past = pipeline.travelling.journeys.past
    past.leave(TRUCK, Driving(stamp_ns=T0_NS, driven_s=600.0, hours=[(T0_NS // (3_600 * NS), 600.0)]))
    past.spread(TRUCK)


def test_driving_time_reaches_the_neighbour_and_outlives_both(setup):
    giver, taker = between(setup, 380.0)
    for pipeline in (giver, taker):
        pipeline.step(T0_NS, Start(epoch=1_800_000_000))
    left(giver)
    t_ns = T0_NS // SEND_NS * SEND_NS + SEND_NS
    outputs = giver.step(t_ns, None)
    assert [key for key, _ in rows_of(outputs)] == [f"trips/{TRUCK}"]
    (offer,) = [output for output in outputs if isinstance(output, HandoverOffer)]
    taken = taker.step(t_ns + 1, HandedOver("A", decode_handover(offer.body)))
    (answer,) = [output for output in taken if isinstance(output, OfferAck)]
    ack = HandoverAnswered.of("B", decode_handover_ack(answer.body))
    assert ack.trips == (TRUCK,)
    giver.step(t_ns + 2, ack)
    assert giver.all_counts().get("handover.unknown_answer") is None
    again = giver.step(t_ns + SEND_NS, None)
    assert not [output for output in again if isinstance(output, HandoverOffer)]
    # the taker's own disk has it from now on, and its next run begins with it
    rows = [body for _, body in rows_of(taker.step(t_ns + NS, None))]
    restarted = Pipeline(replace(setup, esn="B", place=1, neighbours=()))
    restarted.step(t_ns + 9 * NS, Start(epoch=1_800_000_009, episodes=tuple(rows)))
    kept = restarted.travelling.journeys.past.driving[TRUCK]
    assert kept == decoded(rows[0]).driving
    assert kept.driven_s == 600.0
    assert "start.episode" not in restarted.all_counts()
