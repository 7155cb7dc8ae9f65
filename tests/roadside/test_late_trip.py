"""What stored fixes show that a journey broke of its permit."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core.times import TICK_NS
from geofence.map.roadmap import load_map
from geofence.permits import PermitConfig
from roadside.pipeline import Pipeline
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from tests.support.late_drive import TRUCK, drive, feed, late_of
from tests.support.roadside_drive import EXAMPLE, NS, T0_NS

HOLE_S = (6, 21)  # it has passed the entry gate before, and left the tunnel when it is over
AT = datetime.fromtimestamp(T0_NS / NS, tz=UTC)


def with_tunnel(blind, from_m, to_m, code="C"):
    """The blind RSU with a tunnel on its road, and a permit with a tunnel code."""
    ring = [(from_m, -40.0), (to_m, -40.0), (to_m, 40.0), (from_m, 40.0), (from_m, -40.0)]
    lonlat = np.column_stack(blind.frame.lonlat_from_site(*np.array(ring).T)).tolist()
    document = json.loads((EXAMPLE.parent / "map.geojson").read_text(encoding="utf-8"))
    document["features"].append({
        "type": "Feature", "properties": {"kind": "zone", "zone": "T", "role": "tunnel_c"},
        "geometry": {"type": "Polygon", "coordinates": [lonlat]},
    })  # fmt: skip
    permit = PermitConfig(
        permit="P1", terminal=TRUCK, start=AT - timedelta(hours=1), end=AT + timedelta(hours=1), tunnel=code
    )
    return replace(blind, road=load_map(json.dumps(document), blind.frame), permits=(permit,))


@pytest.mark.parametrize(
    ("from_m", "to_m", "code", "hole_s", "want"),
    [
        (120.0, 200.0, "C", HOLE_S, ["open", "close"]),
        (120.0, 200.0, "D", HOLE_S, []),  # its cargo may pass this tunnel
        (420.0, 500.0, "C", HOLE_S, []),  # it is there after the hole, live
        (120.0, 200.0, "C", (2, 21), []),  # nobody saw it enter before: it may be another trip
    ],
)
def test_a_closed_tunnel_that_was_passed_in_a_hole_is_raised_as_late(blind, from_m, to_m, code, hole_s, want):
    outputs = feed(Pipeline(with_tunnel(blind, from_m, to_m, code)), drive(12.0, hole_s=hole_s))
    found = [v for v in late_of(outputs) if v.rule == "permit"]
    assert [v.phase for v in found] == want
    for violation in found:
        assert HOLE_S[0] < (violation.start_ns - T0_NS) / NS < HOLE_S[1]
        assert violation.vehicle.terminal == TRUCK


def test_what_a_journey_broke_live_is_not_raised_a_second_time(blind):
    """The tunnel begins before the hole: its passage is one case, which began live."""
    outputs = feed(Pipeline(with_tunnel(blind, 60.0, 200.0)), drive(12.0, hole_s=HOLE_S))
    assert [v for v in late_of(outputs) if v.rule == "permit"] == []


def test_a_state_in_the_middle_continues_exactly(blind):
    setup = with_tunnel(blind, 120.0, 200.0)
    ticks = [(T0_NS + 28 * NS + k * TICK_NS, None) for k in range(1, 200)]
    inputs = sorted([*drive(12.0, hole_s=HOLE_S), *ticks], key=lambda row: row[0])
    whole, at = Pipeline(setup), 0
    outputs = []
    for k, (now_ns, item) in enumerate(inputs):
        outputs.append([(now_ns, output) for output in whole.step(now_ns, item)])
        if not at and whole.state(now_ns).late.n_done:
            at, state = k, encode_state(whole.state(now_ns))
    assert at, "an upload is being judged"
    again = Pipeline(setup)
    again.restore(decode_state(state))
    rest = feed(again, inputs[at + 1 :])
    assert late_of(rest) == late_of([row for rows in outputs[at + 1 :] for row in rows]) != []
