"""What a replay says that it refused."""

from collections import Counter

import pytest

from core.times import TICK_NS
from edge.config import load_site
from edge.recording.recorder import Recorded
from roadside.inputs import ENCODER, ClockStep, Start, Stop
from roadside.outputs import Output, Snapshot
from roadside.pipeline import Pipeline
from roadside.replay import Alone, refusals, replay_rsu, replay_site
from roadside.setup import setups
from tests.support.arrivals import recorded_arrivals
from tests.support.roadside_drive import EXAMPLE

T0_NS = 1_800_000_000 * 10**9


def test_what_a_pipeline_did_is_no_refusal():
    counts = {"radar.late": 2, "gnss.duplicate": 1, "gnss.future": 0, "identity.bound": 9, "opened.x": 1,
              "judge.stale": 7, "handover.joined": 3, "handover.refused": 1}  # fmt: skip
    assert refusals(counts) == {"radar.late": 2, "gnss.duplicate": 1, "handover.refused": 1}


def test_an_input_that_can_not_be_read_is_counted_and_passed_over():
    site, unread = load_site(EXAMPLE), Counter()
    pipeline = Pipeline(setups(site, expects_gateway=True)["RSU001"])
    messages = [Recorded(f"/{head}/x", b"\xc1", T0_NS, T0_NS) for head in ("radar", "gateway", "truth")]
    arrivals = recorded_arrivals(messages, site.frame, "RSU001", unread)
    assert list(replay_rsu(pipeline, arrivals, lambda *_: None)) == [T0_NS] * 3
    assert unread == {"input.undecodable": 2}


@pytest.mark.parametrize("step_s", [86_400, -86_400])
@pytest.mark.parametrize("whole_site", [False, True])
def test_a_clock_that_is_set_is_not_ticked_through(whole_site, step_s):
    site = load_site(EXAMPLE)
    pipelines = {"RSU001": Pipeline(setups(site, expects_gateway=False)["RSU001"])}
    to_ns = T0_NS + step_s * 10**9
    inputs = [(T0_NS, Start(epoch=1)), (to_ns, ClockStep(from_ns=T0_NS + 10**9, to_ns=to_ns)),
              (to_ns + 10**9, Stop())]  # fmt: skip
    messages = [Recorded("/input", ENCODER.encode(item), log_ns, log_ns) for log_ns, item in inputs]
    stamps: list[int] = []

    def take(_: str, __: int, output: Output) -> None:
        if isinstance(output, Snapshot):
            stamps.append(output.stamp_ns)

    arrivals = recorded_arrivals(messages, site.frame, "RSU001")
    if whole_site:
        steps = replay_site(pipelines, arrivals, Alone(pipelines, take))
    else:
        steps = replay_rsu(pipelines["RSU001"], arrivals, take)
    assert len(list(steps)) == 3
    assert stamps == [begin_ns + (k + 1) * TICK_NS for begin_ns in (T0_NS, to_ns) for k in range(10)]
