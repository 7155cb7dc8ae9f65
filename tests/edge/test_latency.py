"""The stages of a violation's way, from its stamps."""

import pytest

from edge.latency import Delivered, ViolationLatency
from geofence.violation import Stamps

MS = 1_000_000
T0_NS = 1_790_000_000_000_000_000


def delivered(*, late=False, by=None, waited_ms=5, ahead_ms=0):
    """The RSU's clock is ahead: its stamps and the sensor's are later than the centre's by that."""
    at_ns = T0_NS + ahead_ms * MS
    return Delivered(
        esn="RSU001", stamps=Stamps(measured_ns=at_ns, arrived_ns=at_ns + 40 * MS, by=by), late=late,
        detected_ns=at_ns + 60 * MS, sent_ns=at_ns + (60 + waited_ms) * MS,
        received_ns=T0_NS + (60 + waited_ms + 8) * MS,
    )  # fmt: skip


def sums_ms(latency):
    return {key[1:]: round(found.sum_s * 1e3, 6) for key, found in latency.histograms}


STAGES = {
    "sensor_to_arrival": 40.0, "arrival_to_decided": 20.0, "decided_to_sent": 5.0, "sent_to_received": 8.0,
    "received_to_committed": 3.0, "total": 76.0,
}  # fmt: skip


@pytest.mark.parametrize("ahead_ms", [0, 250, -250])  # both clocks may be wrong against each other
def test_stages_add_up_to_the_total_whatever_the_rsus_clock_shows(ahead_ms):
    latency = ViolationLatency()
    found = delivered(ahead_ms=ahead_ms)
    latency.committed([found], found.received_ns + 3 * MS, lambda _: ahead_ms * MS)
    assert sums_ms(latency) == {(stage, "live"): took_ms for stage, took_ms in STAGES.items()}
    assert sum(STAGES.values()) == 2 * STAGES["total"]
    assert not latency.counts


def test_an_offset_that_nobody_knows_makes_no_negative_time():
    latency = ViolationLatency()
    found = delivered(ahead_ms=250)
    latency.committed([found], found.received_ns + 3 * MS, lambda _: 0)
    assert sums_ms(latency)["sent_to_received", "live"] == 0.0
    assert latency.counts == {"latency.negative.sent_to_received": 1, "latency.negative.total": 1}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"waited_ms": 1_000}, "live"),  # the bound itself
        ({"waited_ms": 1_001}, "waited"),  # an outage
        ({"late": True}, "late"),  # stored fixes of a blind area
        ({"late": True, "waited_ms": 9_000}, "late"),
    ],
)
def test_what_was_held_up_is_counted_apart(given, kind):
    latency = ViolationLatency()
    found = delivered(**given)
    latency.committed([found], found.received_ns, lambda _: 0)
    assert {key[2] for key in latency.histograms.totals()} == {kind}


def test_a_decision_of_a_tick_has_only_the_stages_after_it():
    latency = ViolationLatency()
    found = delivered(by="tick")
    latency.decided("RSU001", found.stamps, late=False, decided_ns=found.detected_ns)
    latency.committed([found], found.received_ns, lambda _: 0)
    assert {key[1] for key in latency.histograms.totals()} == {
        "decided_to_sent", "sent_to_received", "received_to_committed",
    }  # fmt: skip


def test_an_rsu_knows_the_stages_until_it_sends():
    latency = ViolationLatency()
    found = delivered()
    latency.decided("RSU001", found.stamps, late=False, decided_ns=found.detected_ns)
    latency.sent("RSU001", found.detected_ns, found.sent_ns)
    latency.sent("RSU001", found.detected_ns, found.detected_ns + 5_000 * MS)
    assert sums_ms(latency) == {
        ("sensor_to_arrival", "live"): 40.0, ("arrival_to_decided", "live"): 20.0,
        ("decided_to_sent", "live"): 5.0, ("decided_to_sent", "waited"): 5_000.0,
    }  # fmt: skip
