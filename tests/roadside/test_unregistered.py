"""A terminal that the registry lacks is shown, and raises nothing by its fixes: anyone may connect one."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from edge.config import load_site
from fusion.observations import RadarScan
from fusion.strangers import LOOK_NS, SILENT_NS
from fusion.tracks import TrackBatch
from roadside.inputs import GatewayFixes
from roadside.outputs import Held, Raised, Snapshot
from roadside.pipeline import Pipeline
from roadside.pipeline_rows import SEEN_NS, only_reported
from roadside.setup import setups
from tests.support.roadside_drive import EXAMPLE, T0_NS, drive, replace_terminal, run

REGISTERED, STRANGER = "13900000001", "13999999999"


def against_traffic(feed, terminal):
    """Return the feed as another terminal's that drives the wrong way, with the sigma of an RTK receiver."""
    fixes = replace_terminal(feed, terminal).fixes
    back = {"east_m": 900.0 - fixes.east_m, "heading_rad": fixes.heading_rad + np.pi}
    return replace(feed, fixes=replace(fixes, **back, sigma_m=np.array([0.02]), tau_s=np.array([1.0])))


@pytest.mark.parametrize(
    ("terminal", "registry", "raises"),
    [
        (REGISTERED, True, True),
        (STRANGER, True, False),
        (STRANGER, False, True),  # a site without a registry has no strangers
    ],
)
def test_only_a_registered_terminals_fixes_raise(terminal, registry, raises):
    setup = setups(load_site(EXAMPLE), expects_gateway=True)["RSU001"]
    setup = setup if registry else replace(setup, terminals=())
    inputs = [
        (now_ns, against_traffic(item, terminal) if isinstance(item, GatewayFixes) else item)
        for now_ns, item in drive(setup, lambda t_s: 0.0, seconds=14.0)
        if not isinstance(item, RadarScan)
    ]
    outputs = run(Pipeline(setup), inputs)
    assert bool([output for output in outputs if isinstance(output, Raised)]) == raises
    assert max(output.n_tracks for output in outputs if isinstance(output, Snapshot)) == 1  # it is shown


def test_what_radar_sees_can_not_hide_behind_a_terminal():
    tracks = mock.MagicMock(spec=TrackBatch)
    tracks.__len__.return_value = 4
    tracks.terminal = np.array([0, 3, 3, -1], np.int32)
    tracks.radar_ns = np.array([0, T0_NS - SEEN_NS - 1, T0_NS - SEEN_NS, 0])
    assert only_reported(tracks, 3, T0_NS).tolist() == [False, True, False, False]
    assert only_reported(tracks, 4, T0_NS) is None
    assert only_reported(tracks, 0, T0_NS) is None


def test_nothing_is_left_of_a_stranger_that_is_gone(setup):
    """Its row, and when its vehicle was judged, stayed until the process ended."""
    pipeline = Pipeline(setup)
    inputs = [
        (now_ns, replace_terminal(item, STRANGER) if isinstance(item, GatewayFixes) else item)
        for now_ns, item in drive(setup, lambda t_s: 0.0, seconds=14.0)
    ]
    run(pipeline, inputs)
    row = pipeline.tracker.terminals.row[STRANGER]
    assert pipeline.late.times.spans_of(row)
    outputs = pipeline.step(T0_NS + SILENT_NS + 3 * LOOK_NS, None)
    assert STRANGER not in pipeline.tracker.terminals.row
    assert pipeline.late.times.spans_of(row) == []
    (last,) = [out.body for out in outputs if isinstance(out, Held) and out.key == f"judged/{STRANGER}"][-1:]
    assert last is None, "the disk forgets it too"
