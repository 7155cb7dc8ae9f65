"""An RSU whose clock is set goes on at once, and its recording replays to the same snapshots."""

from types import SimpleNamespace

import pytest

from core.times import TICK_NS
from edge.clock import WallClock
from edge.config import load_site
from edge.figures import Counts
from edge.recording.recorder import Recorder, read_messages
from geofence.plausible import Bounds, fault_of
from geofence.violation import decode
from roadside import agent as agent_module
from roadside.agent import Agent, Arrival
from roadside.inputs import ClockStep, Start
from roadside.outputs import Raised
from roadside.pipeline import Pipeline
from roadside.replay import Replayed, collector, replay_rsu
from roadside.setup import setups
from tests.support.arrivals import recorded_arrivals
from tests.support.roadside_drive import EXAMPLE, drive, leave, run

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
    monkeypatch.setattr(
        agent_module,
        "time",
        SimpleNamespace(
            monotonic_ns=lambda: Machine.monotonic_ns, monotonic=lambda: Machine.monotonic_ns * 1e-9
        ),
    )
    site = load_site(EXAMPLE)
    setup, path = setups(site, expects_gateway=False)["RSU001"], tmp_path / "r.mcap"
    with Recorder(path) as recorder:
        agent = Agent(Pipeline(setup), Machine(0, 0), outbox=Put(), recorder=recorder, counts=Counts())
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


class Put:
    """Remembers when each violation was detected, and its stamps."""

    def __init__(self):
        self.found = []

    def put(self, body, detected_ns, episode_id, episode):
        self.found.append((decode(body), detected_ns))

    def __getattr__(self, _name):
        return lambda *args, **named: None


@pytest.fixture
def setup():
    return setups(load_site(EXAMPLE), expects_gateway=False)["RSU001"]


@pytest.mark.parametrize("years", [6, -6])
def test_what_closes_as_the_clock_is_set_was_detected_by_the_old_clock(setup, monkeypatch, years):
    """Its stamps are of that clock; under a detection by the new one the centre could believe none."""
    monkeypatch.setattr(Machine, "wall_ns", T0_NS)
    monkeypatch.setattr(
        agent_module,
        "time",
        SimpleNamespace(
            monotonic_ns=lambda: Machine.monotonic_ns, monotonic=lambda: Machine.monotonic_ns * 1e-9
        ),
    )
    outbox, pipeline = Put(), Pipeline(setup)
    agent = Agent(pipeline, Machine(0, 0), outbox=outbox, recorder=Put(), counts=Counts())
    for now_ns, item in drive(setup, leave, seconds=8.0)[:-1]:
        for output in pipeline.step(now_ns, item):
            agent._pass_on(output)
        last_ns = now_ns
    assert outbox.found[-1][0].phase != "close"
    Machine.wall_ns = to_ns = last_ns + years * 366 * 86_400 * NS
    n_open = len(outbox.found)
    for output in pipeline.step(to_ns, ClockStep(from_ns=last_ns + 10**6, to_ns=to_ns)):
        agent._pass_on(output)
    closes = outbox.found[n_open:]
    assert [found.phase for found, _ in closes] == ["close"] * len(closes)
    assert closes
    for found, detected_ns in closes:
        assert fault_of(found, Bounds(), detected_ns) is None


@pytest.mark.parametrize("years", [6, -6])
def test_what_a_restart_finds_open_of_another_clock_closes_by_that_clock(setup, years):
    """Else no later version could be true, and the episode would stay open at the centre for ever."""
    first = run(Pipeline(setup), drive(setup, leave, seconds=8.0)[:-1])
    opened = [output for output in first if isinstance(output, Raised) and output.episode is not None]
    bodies = tuple({output.violation.id: output.episode for output in opened}.values())
    again = Pipeline(setup)
    now_ns = T0_NS + years * 366 * 86_400 * NS
    outputs = again.step(now_ns, Start(epoch=1_900_000_000, episodes=bodies))
    assert len(bodies) == len(outputs) > 0
    for output in outputs:
        assert isinstance(output, Raised)
        found = output.violation
        assert (found.phase, found.reason) == ("close", "lost")
        assert T0_NS <= found.end_ns <= found.stamps.measured_ns <= T0_NS + 8 * NS
    assert not again.monitor.waiting()
