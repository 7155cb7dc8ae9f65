"""An RSU whose clock is set goes on at once, and its recording replays to the same snapshots."""

from types import SimpleNamespace

import pytest

from core.times import TICK_NS
from edge.clock import WallClock
from edge.config import load_site
from edge.figures import Counts
from edge.recording.recorder import Recorder, read_messages
from roadside import agent as agent_module
from roadside.agent import Agent, Arrival
from roadside.inputs import Start
from roadside.pipeline import Pipeline
from roadside.replay import Replayed, collector, replay_rsu
from roadside.setup import setups
from tests.support.arrivals import recorded_arrivals
from tests.support.roadside_drive import EXAMPLE

T0_NS, NS = 1_800_000_000 * 10**9, 10**9
N_BEATS = 20  # between two steps


class Machine(WallClock):
    """A machine's two clocks, moved by hand."""

    wall_ns, monotonic_ns = T0_NS, 5 * NS

    def now_ns(self):
        return Machine.wall_ns

    @staticmethod
    def go_on(dt_ns):
        Machine.wall_ns += dt_ns
        Machine.monotonic_ns += dt_ns


@pytest.mark.parametrize("step_s", [7_200, -7_200, 10**8, -(10**8), 1.05, -1.05])
def test_live_and_replayed_are_the_same_bytes(tmp_path, monkeypatch, step_s):
    monkeypatch.setattr(Machine, "wall_ns", T0_NS)
    monkeypatch.setattr(Machine, "monotonic_ns", 5 * NS)
    monkeypatch.setattr(agent_module, "time", SimpleNamespace(monotonic_ns=lambda: Machine.monotonic_ns))
    site = load_site(EXAMPLE)
    setup, path = setups(site, expects_gateway=False)["RSU001"], tmp_path / "r.mcap"
    with Recorder(path) as recorder:
        agent = Agent(Pipeline(setup), Machine(0, 0), outbox=None, recorder=recorder, counts=Counts())
        agent.accept(Arrival("/input", None, None, Start(epoch=1)))
        for _ in range(3):
            for _ in range(N_BEATS):
                Machine.go_on(TICK_NS + 7)
                agent._notice_clock_step()
                agent.accept(None)
            Machine.wall_ns += round(step_s * NS)
        agent.finish()
    sent = [message.body for message in read_messages(path) if message.topic.startswith("/tracks/")]
    assert 3 * N_BEATS - 3 <= len(sent) <= 3 * N_BEATS + 3
    again = Replayed()
    pipeline = Pipeline(setup)
    arrivals = recorded_arrivals(read_messages(path), site.frame, "RSU001")
    for _ in replay_rsu(pipeline, arrivals, collector(again, lambda _: ())):
        pass
    assert again.snapshots["RSU001"] == sent
    assert pipeline.counts["clock.step"] == 3
