"""Topic names as docs/design.md section 7 spells them, taken apart again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import topics

NAMES = st.from_regex(topics.NAME, fullmatch=True)


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        (topics.violation_up("R1"), ("rsu", "R1", "violation/up", "")),
        (topics.violation_ack("R1"), ("rsu", "R1", "violation/ack", "")),
        (topics.status("R1"), ("rsu", "R1", "status", "")),
        (topics.gnss_down("R1"), ("rsu", "R1", "gnss/down", "")),
        (topics.gateway_status("G"), ("gateway", "G", "status", "")),
        (topics.vehicle_gnss_up("139"), ("vehicle", "139", "gnss/up", "")),
        (topics.handover("R1", "R2"), ("rsu", "R1", "handover", "R2")),
        (topics.handover_ack("R2", "R1"), ("rsu", "R2", "handover/ack", "R1")),
    ],
)
def test_parse_splits(topic, parts):
    assert topics.parse(topic) == parts


@pytest.mark.parametrize(
    "topic",
    [
        "", "v2x/v1/rsu/R1", "v2x/v2/rsu/R1/status", "v2x/v1/car/R1/status", "v2x/v1/rsu/R 1/status",
        "v2x/v1/rsu/R1/handover", "v2x/v1/rsu/R1/handover/R2/nack", "v2x/v1/rsu/R1/handover/R2/ack/x",
        "v2x/v1/rsu/" + "x" * 65 + "/status",
    ],
)  # fmt: skip
def test_parse_refuses_others(topic):
    assert topics.parse(topic) is None


@given(giver=NAMES, receiver=NAMES)
def test_handover_topics_are_inverse(giver, receiver):
    parsed = topics.parse(topics.handover(giver, receiver))
    assert (parsed.name, parsed.peer) == (giver, receiver)
    answered = topics.parse(topics.handover_ack(receiver, giver))
    assert (answered.name, answered.peer) == (receiver, giver)


@pytest.mark.parametrize(
    ("pattern", "topic", "want"),
    [
        ("v2x/v1/rsu/+/status", "v2x/v1/rsu/R1/status", True),
        ("v2x/v1/rsu/+/status", "v2x/v1/rsu/R1/x/status", False),
        ("v2x/v1/#", "v2x/v1/rsu/R1/status", True),
        ("v2x/v1/#", "v2x/v1", True),  # "#" takes the parent too
        ("#", "a", True),
        ("a/+", "a", False),
        ("a", "a/b", False),
    ],
)
def test_matches_as_mqtt_says(pattern, topic, want):
    assert topics.matches(pattern, topic) is want


@given(giver=NAMES, receiver=NAMES)
def test_no_topic_of_ours_is_too_long_and_a_longer_one_is_none(giver, receiver):
    longest = topics.handover_ack(receiver, giver)
    assert len(longest) <= topics.CHARS_MAX
    assert topics.parse(topics.rsu(giver, "x" * topics.CHARS_MAX)) is None
