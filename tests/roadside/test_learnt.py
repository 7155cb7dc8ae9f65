"""A restarted RSU continues with what it had learnt, and its recording replays to the same bytes."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from core.times import TICK_NS
from edge.clock import Clock
from edge.config import load_site
from edge.figures import Counts
from edge.outbox.outbox import Outbox
from edge.recording.recorder import Recorder, read_messages
from fusion import layout as at
from fusion.learnt import learnt_of
from roadside.agent import Agent, Arrival
from roadside.inputs import ClockStep, Start
from roadside.outputs import Held
from roadside.pipeline import STATE_EVERY_NS, Pipeline
from roadside.pipeline_learnt import AGE_NS_MAX, EARLY_NS_MAX, KEY, KeptLearnt, _sha256
from roadside.replay import Replayed, collector, replay_rsu
from tests.support.arrivals import recorded_arrivals
from tests.support.roadside_drive import EXAMPLE, NS, T0_NS, drive, leave, run

END_NS = T0_NS + 13 * NS
AGAIN_NS = END_NS + 20 * NS


@pytest.fixture(scope="module")
def kept(setup):
    """Return a pipeline that has run for 13 s, and what it left on the disk."""
    pipeline = Pipeline(setup)
    bodies = [o.body for o in run(pipeline, drive(setup, leave)) if isinstance(o, Held) and o.key == KEY]
    return pipeline, bodies[-1]


def started(setup, now_ns, *bodies):
    pipeline = Pipeline(setup)
    pipeline.step(now_ns, Start(epoch=1_800_000_100, episodes=bodies))
    return pipeline


def field_of(pipeline):
    return pipeline.tracker.store.settings.field[:, :, [at.C_SEEN, at.C_LOOKED, at.C_SCANS]]


def test_a_start_continues_with_what_was_learnt(setup, kept):
    before, body = kept
    after = started(setup, AGAIN_NS, body)
    assert field_of(before)[0].any(axis=0).all()
    np.testing.assert_array_equal(field_of(after), field_of(before))
    was, now = (p.tracker.registration_report() for p in (before, after))
    assert {sensor: one.since_ns for sensor, one in now.items()} == {
        s: one.since_ns for s, one in was.items()
    }
    assert T0_NS <= now[setup.radars[0].sensor].since_ns <= T0_NS + 2 * NS
    counts = after.all_counts()
    assert (counts["learnt.kept"], counts.get("start.episode")) == (1, None)


def test_it_is_kept_each_minute_too(setup):
    """A loss of power costs a minute."""
    begin_ns = (T0_NS // STATE_EVERY_NS + 1) * STATE_EVERY_NS - 3 * NS
    outputs = run(Pipeline(setup), drive(setup, leave, t0_ns=begin_ns)[:-1])
    (body,) = [o.body for o in outputs if isinstance(o, Held) and o.key == KEY]
    assert msgspec.msgpack.decode(body, type=KeptLearnt).stamp_ns == begin_ns + 3 * NS


@pytest.mark.parametrize(
    ("age_ns", "count"),
    [
        (0, "kept"),
        (-EARLY_NS_MAX, "kept"),  # a clock that starts a little early
        (-EARLY_NS_MAX - 1, "old"),  # one that is not set yet: nobody knows the age
        (AGE_NS_MAX, "kept"),
        (AGE_NS_MAX + 1, "old"),
    ],
)
def test_what_is_too_old_is_not_used(setup, kept, age_ns, count):
    pipeline = started(setup, END_NS + age_ns, kept[1])
    assert pipeline.all_counts() == {f"learnt.{count}": 1}
    assert field_of(pipeline).any() == (count == "kept")


def foreign(kept, **changes):
    other = msgspec.structs.replace(kept, **changes)
    return msgspec.structs.replace(other, sha256=_sha256(other.esn, other.stamp_ns, other.body))


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (lambda kept: foreign(kept, esn="RSU009"), "learnt.foreign"),  # a disk from another pole
        (lambda kept: foreign(kept, version=2), "learnt.foreign"),
        (lambda kept: foreign(kept, body=kept.body[:-9]), "learnt.damaged"),
        (lambda kept: foreign(kept, body=b"\x80"), "learnt.damaged"),
        (lambda kept: msgspec.structs.replace(kept, stamp_ns=kept.stamp_ns + 1), "learnt.damaged"),
        (lambda kept: msgspec.structs.replace(kept, body=kept.body[:99] + b"\0" + kept.body[100:]),
         "learnt.damaged"),
    ],
)  # fmt: skip
def test_damage_is_a_counted_clean_start(setup, kept, change, count):
    whole = msgspec.msgpack.decode(kept[1], type=KeptLearnt)
    pipeline = started(setup, AGAIN_NS, msgspec.msgpack.encode(change(whole)))
    assert pipeline.all_counts() == {count: 1}
    clean = learnt_of(started(setup, AGAIN_NS).tracker, setup.radars)
    assert learnt_of(pipeline.tracker, setup.radars) == clean


def test_bytes_that_are_none_are_a_counted_clean_start(setup, kept):
    pipeline = started(setup, AGAIN_NS, kept[1][:40])
    assert pipeline.all_counts() == {"start.episode": 1}


def test_a_radar_with_another_survey_starts_anew(setup, kept):
    moved = msgspec.structs.replace(setup.radars[0], north_m=setup.radars[0].north_m + 1.0)
    pipeline = started(replace(setup, radars=(moved,)), AGAIN_NS, kept[1])
    assert pipeline.all_counts() == {"learnt.kept": 1, "learnt.other_survey": 1}
    assert not field_of(pipeline).any()
    assert pipeline.tracker.registration_report()[moved.sensor].since_ns == 0


@pytest.mark.anyio
async def test_the_disk_gives_it_back(tmp_path, kept):
    outbox = await Outbox.open(tmp_path / "o.sqlite", clock=Clock.paced(T0_NS))
    outbox.start()
    outbox.keep(KEY, kept[1])
    await outbox.close()
    again = await Outbox.open(tmp_path / "o.sqlite", clock=Clock.paced(T0_NS))
    again.start()
    assert again.episodes == (kept[1],)
    await again.close()


class ByHand:
    """A clock that is moved by hand."""

    def __init__(self, at_ns):
        self.at_ns = at_ns

    def now_ns(self):
        return self.at_ns


class Disk(dict):
    """An outbox that keeps states only."""

    def keep(self, key, state):
        self[key] = state

    def __getattr__(self, _name):
        return lambda *args, **named: None


def test_a_recording_after_such_a_start_replays_to_the_same_bytes(setup, kept, tmp_path):
    """The start that is recorded has what was taken: without it the snapshots are others."""
    clock, disk = ByHand(AGAIN_NS), Disk()
    with Recorder(tmp_path / "r.mcap") as recorder:
        agent = Agent(Pipeline(setup), clock, outbox=disk, recorder=recorder, counts=Counts())
        agent.accept(Arrival("/input", None, None, Start(epoch=3, episodes=(kept[1],))))
        for k in range(1, 40):
            clock.at_ns = AGAIN_NS + k * TICK_NS
            agent.accept(None)
        agent.finish()
    site = load_site(EXAMPLE)
    sent = [m.body for m in read_messages(tmp_path / "r.mcap") if m.topic.startswith("/tracks/")]
    again, pipeline = Replayed(), Pipeline(setup)
    arrivals = recorded_arrivals(read_messages(tmp_path / "r.mcap"), site.frame, "RSU001")
    for _ in replay_rsu(pipeline, arrivals, collector(again, lambda _: ())):
        pass
    assert again.snapshots["RSU001"] == sent
    assert learnt_of(pipeline.tracker, setup.radars) == learnt_of(agent.pipeline.tracker, setup.radars)
    assert field_of(pipeline).any()


def test_a_step_of_the_clock_keeps_what_does_not_depend_on_it(setup):
    pipeline = Pipeline(setup)
    inputs = drive(setup, leave)[:-1]
    run(pipeline, inputs)
    field, since_ns = field_of(pipeline).copy(), pipeline.tracker.registration.since_ns.copy()
    rows = pipeline.tracker.terminals.rows
    errors, fleet = rows.errors.copy(), rows.fleet.copy()
    assert errors.any()
    pipeline.tracker.times.terminals.shift(0, 1.0)
    pipeline.step(END_NS, ClockStep(from_ns=END_NS, to_ns=END_NS + 7_200 * NS))
    np.testing.assert_array_equal(field_of(pipeline), field)
    assert not len(pipeline.tracker.at(END_NS + 7_200 * NS).track)
    new = pipeline.tracker.terminals.rows
    errors[:, [at.E_BIAS_EAST, at.E_BIAS_NORTH, at.E_BIAS_VAR]] = 0.0
    np.testing.assert_array_equal(new.errors, errors)
    np.testing.assert_array_equal(new.fleet, fleet)
    assert (pipeline.tracker.registration.since_ns == since_ns + 7_200 * NS).all()
    assert not pipeline.tracker.times.terminals.shown_ns.any()
