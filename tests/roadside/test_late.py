"""The late pipeline: a truck that drives through a radio hole, and uploads its fixes behind it."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from core.times import TICK_NS
from roadside.inputs import ClockStep, Start
from roadside.outputs import Held, Raised, WholeState
from roadside.pipeline import Pipeline
from roadside.pipeline_late import FIXES_MAX
from roadside.pipeline_late_state import decoded
from roadside.pipeline_late_times import SPANS_MAX, JudgedTimes
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from tests.support.late_drive import HOLE_S, SENT_NS, drive, feed, late_of, message
from tests.support.roadside_drive import NS, T0_NS, raised


def test_what_happened_in_the_hole_is_raised_as_late(blind):
    """20 m/s where 60 km/h is the limit: two versions, an open one and its close, of that time."""
    pipeline = Pipeline(blind)
    outputs = feed(pipeline, drive(20.0))
    found = late_of(outputs)
    assert [(v.rule, v.phase, v.version) for v in found] == [
        ("overspeed", "open", 1),
        ("overspeed", "close", 2),
    ]
    opened, closed = found
    assert opened.id == closed.id
    assert opened.vehicle.plate == "辽L·A0001"
    assert opened.grade == closed.grade in ("warning", "violation")
    assert HOLE_S[0] < (opened.start_ns - T0_NS) / NS < HOLE_S[1]
    assert closed.end_ns <= T0_NS + HOLE_S[1] * NS
    assert opened.stamps.measured_ns < T0_NS + HOLE_S[1] * NS  # measured then,
    assert opened.stamps.arrived_ns == SENT_NS  # known since
    (raised_ns, *_) = [
        at for at, output in outputs if isinstance(output, Raised) and b"late\xc3" in output.body
    ]
    assert 10 <= (raised_ns - SENT_NS) / NS < 16
    assert pipeline.counts["late.kept"] == 17


def test_nothing_is_raised_of_who_keeps_the_rules(blind):
    assert late_of(feed(Pipeline(blind), drive(12.0))) == []


def test_what_was_judged_live_is_not_judged_again(blind):
    """The terminal uploads fixes that differ by their serial numbers only from those that came in time."""
    pipeline = Pipeline(blind)
    again = message([T0_NS + k * NS for k in range(5, 20)], 20.0, SENT_NS)
    again.fixes.ints[2] += 5_000
    inputs = sorted([*drive(20.0, hole_s=(0, 0)), (SENT_NS + 1, again)], key=lambda row: row[0])
    outputs = feed(pipeline, inputs)
    assert {found.late for found in raised([output for _, output in outputs])} == {False}
    assert pipeline.counts["late.judged"] == 15


@pytest.mark.parametrize("behind_s", [20.0, 600.0, 8 * 3_600.0, -8 * 3_600.0])
def test_a_terminal_with_a_wrong_clock_is_never_accused(blind, behind_s):
    """Its live fixes are late alike, so nothing proves the clock that stamped the stored ones."""
    pipeline = Pipeline(blind)
    outputs = feed(pipeline, drive(20.0, behind_s=behind_s))
    assert late_of(outputs) == []
    assert pipeline.late.state().waiting == ()


def test_stored_fixes_of_another_time_zone_accuse_nobody(blind):
    """Live stamps are right; the firmware stamps its stored reports eight hours behind."""
    pipeline = Pipeline(blind)
    stored = message([T0_NS + k * NS for k in range(4, 21)], 20.0, SENT_NS, behind_s=8 * 3_600.0)
    # without a start: its process has run for longer than that
    inputs = [row for row in drive(20.0)[1:] if row[0] != SENT_NS + 1]
    inputs = sorted([*inputs, (SENT_NS + 1, stored)], key=lambda row: row[0])
    assert late_of(feed(pipeline, inputs)) == []
    assert pipeline.counts["late.clock"] == 17


def test_places_that_no_vehicle_can_reach_in_time_accuse_nobody(blind):
    """The clock was put right in the hole: half of the stored stamps are wrong."""
    inputs = drive(20.0)
    (at, stored) = next(row for row in inputs if row[0] == SENT_NS + 1)
    stored.fixes.ints[0, :8] += 15 * NS
    pipeline = Pipeline(blind)
    assert late_of(feed(pipeline, [*inputs])) == []
    assert at == SENT_NS + 1
    assert pipeline.counts["late.motion"] > 0


def test_a_stop_in_a_hole_is_not_judged(blind):
    """Whether it stood in a queue nobody knows: no other vehicle is in its own fixes."""
    stamps = np.array([T0_NS + k * NS for k in range(2, 32)])
    stored = message(stamps, 0.0, T0_NS + 32 * NS)
    stored.fixes.floats[0] += 200.0
    live = [(T0_NS + k * NS + NS // 10, message([T0_NS + k * NS], 0.0, T0_NS + k * NS)) for k in (1, 33, 34)]
    for _, item in live:
        item.fixes.floats[0] += 200.0
    inputs = sorted([drive()[0], *live, (T0_NS + 32 * NS + 1, stored)], key=lambda row: row[0])
    pipeline = Pipeline(blind)
    outputs = feed(pipeline, [*inputs, (T0_NS + 70 * NS, None)])
    assert pipeline.counts["late.judged_now"] == 28  # two were not too late
    assert late_of(outputs) == []


def test_each_state_continues_exactly(blind):
    """Also one that was taken while the fixes are being judged."""
    inputs = drive(20.0)
    whole = feed(Pipeline(blind), inputs)
    cut_ns = SENT_NS + 10 * NS + 2 * TICK_NS
    first = Pipeline(blind)
    feed(first, [row for row in inputs if row[0] < cut_ns])
    first.step(cut_ns, None)
    state = first.state(cut_ns)
    assert 0 < state.late.n_done < 17
    second = Pipeline(blind)
    second.restore(decode_state(encode_state(state)))
    rest = feed(second, [row for row in inputs if row[0] >= cut_ns])
    outputs = [row for row in rest if not isinstance(row[1], WholeState)]
    assert (
        outputs
        == [row for row in whole if row[0] >= cut_ns and not isinstance(row[1], WholeState)][-len(outputs) :]
    )
    assert late_of(rest) == late_of(whole) != []


def test_a_restart_judges_what_the_disk_kept(blind):
    """The process dies 3 s after the upload; its disk has the fixes until they are judged."""
    disk = {}
    inputs = drive(20.0)
    dies_ns = SENT_NS + 3 * NS
    for _, output in feed(Pipeline(blind), [row for row in inputs if row[0] < dies_ns]):
        if isinstance(output, Held) and output.key.startswith("late/"):
            disk[output.key] = output.body
    assert [len(decoded(body).fixes) for body in disk.values()] == [17]
    again = [(dies_ns, Start(epoch=1_800_000_100, episodes=(b"\x00", *disk.values())))]
    pipeline = Pipeline(blind)
    outputs = feed(pipeline, [*again, *(row for row in inputs if row[0] > dies_ns)])
    assert {found.rule for found in late_of(outputs)} == {"overspeed"}
    kept = [output for _, output in outputs if isinstance(output, Held) and output.key in disk]
    assert [output.body for output in kept] == [None]
    assert pipeline.monitor.counts["start.episode"] == 1  # the damaged one


def test_fixes_of_before_the_start_are_not_judged(blind):
    """An earlier process may have judged them."""
    inputs = [row for row in drive(20.0) if row[0] > T0_NS + 20 * NS]
    pipeline = Pipeline(blind)
    assert late_of(feed(pipeline, [(T0_NS + 20 * NS, Start(epoch=1_800_000_100)), *inputs])) == []
    assert pipeline.counts["late.before_start"] == 16


def test_an_endless_upload_is_bounded_in_memory_and_time(blind):
    pipeline = Pipeline(blind)
    began_ns = T0_NS - 40_000 * NS  # without a start: its process has run since then
    most = 0
    for k in range(25):
        now_ns = T0_NS + k * NS
        stamps = [began_ns + (k * 100 + j) * NS for j in range(100)]
        pipeline.step(now_ns, message(stamps, 0.0, now_ns))
        most = max(most, sum(len(held.upload().fixes) for held in pipeline.late.state().waiting))
    assert most <= FIXES_MAX
    assert pipeline.counts["late.full"] > 0


def test_a_step_of_the_clock_forgets_the_fixes(blind):
    pipeline = Pipeline(blind)
    feed(pipeline, [row for row in drive(20.0) if row[0] <= SENT_NS + NS])
    pipeline.step(SENT_NS + 2 * NS, ClockStep(from_ns=SENT_NS + 2 * NS, to_ns=SENT_NS + 3_600 * NS))
    assert pipeline.late.state() == msgspec.structs.replace(
        pipeline.late.state(), waiting=(), current=None, unsaved=()
    )
    assert pipeline.counts["late.dropped"] == 17
    # what was judged before the step is forgotten: an upload of it now might be the second
    sent_ns = SENT_NS + 3_601 * NS
    pipeline.step(sent_ns, message([T0_NS + k * NS for k in range(4, 21)], 20.0, sent_ns))
    assert pipeline.counts["late.before_start"] == 17


def test_spans_of_judged_time_stay_few_and_never_shrink():
    times, rng = JudgedTimes(), np.random.default_rng(3)
    judged = np.sort(rng.integers(1, 400, size=60)) * NS
    for at_ns in judged.tolist():
        times.note(np.array([5]), np.array([at_ns]))
        assert times.holds(5, at_ns)
    assert all(times.holds(5, at_ns) for at_ns in judged.tolist())
    spans = times.spans()
    again = JudgedTimes()
    again.restore(spans, ())
    assert again.spans() == spans
    rows = np.frombuffer(spans.rows, dtype="<i8").reshape(-1, 3)
    assert len(rows) <= SPANS_MAX
    assert all(a[2] < b[1] for a, b in pairwise(rows))
    assert not times.holds(4, int(judged[0]))
