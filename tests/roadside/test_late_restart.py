"""Stored fixes of terminals that are never live, and of before a restart: judged once, never twice."""

from collections import Counter

import msgspec
import numpy as np
import pytest

from core.times import TICK_NS
from roadside.inputs import Start
from roadside.outputs import Held
from roadside.pipeline import Pipeline
from roadside.pipeline_late import _needs_the_time
from roadside.pipeline_late_ledger import BEHIND_NS, GROUPS, JudgedRow, Ledger
from roadside.pipeline_late_ledger import key_of as ledger_key
from roadside.pipeline_late_times import JudgedTimes
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from tests.support.late_drive import TRUCK, drive, feed, late_of, message
from tests.support.roadside_drive import NS, T0_NS

BEGIN = (T0_NS, Start(epoch=1_800_000_000))


def stored(sent_s, *, behind_s=0.0, first_s=2, last_s=30, speed_mps=20.0):
    """One upload at second `sent_s` of what it drove: nothing else of this terminal ever arrives."""
    stamps = [T0_NS + k * NS for k in range(first_s, last_s)]
    return (T0_NS + sent_s * NS + 1, message(stamps, speed_mps, T0_NS + sent_s * NS, behind_s=behind_s))


@pytest.mark.parametrize(
    ("sent_s", "behind_s", "count"),
    [
        (40, 0.0, "late.judged_now"),  # its freshest fix is 11 s old
        (63, 0.0, "late.judged_now"),  # 34 s, as of the slowest terminals
        (66, 0.0, "late.unproved"),  # 37 s: a clock that is behind gives that as well
        (40, 40.0, "late.unproved"),
        (40, 8 * 3_600.0, "late.unproved"),
    ],
)
def test_a_terminal_that_was_never_live_is_judged_if_its_last_fix_is_young(blind, sent_s, behind_s, count):
    pipeline = Pipeline(blind)
    outputs = feed(pipeline, [stored(sent_s, behind_s=behind_s), (T0_NS + 200 * NS, None)])
    assert [(v.rule, v.phase) for v in late_of(outputs)] == (
        [("overspeed", "open"), ("overspeed", "close")] if count == "late.judged_now" else []
    )
    assert pipeline.counts[count] == 28


def test_nothing_that_needs_the_time_of_day_is_raised_by_a_clock_known_by_age(blind):
    pipeline = Pipeline(blind)
    outputs = feed(pipeline, [stored(40), (T0_NS + 200 * NS, None)])
    (found, _) = late_of(outputs)
    assert not _needs_the_time(found)
    assert _needs_the_time(msgspec.structs.replace(found, rule="time_window"))
    assert _needs_the_time(msgspec.structs.replace(found, limit_of="time:night"))


def disk_of(outputs):
    """What the disk has after these outputs."""
    disk = {}
    for _, output in outputs:
        if isinstance(output, Held):
            disk[output.key] = output.body
    return {key: body for key, body in disk.items() if body is not None}


def restarted(blind, disk, at_ns, inputs):
    pipeline = Pipeline(blind)
    start = (at_ns, Start(epoch=1_800_000_100, episodes=tuple(disk.values())))
    return pipeline, feed(pipeline, [start, *inputs])


def test_a_hole_before_the_restart_is_judged_and_what_was_judged_before_is_not(blind):
    """It drives live but for its hole, the RSU restarts a minute later, then everything is uploaded."""
    inputs = [row for row in drive(20.0) if row[0] != T0_NS + 22 * NS + 1]
    disk = disk_of(feed(Pipeline(blind), [*inputs, (T0_NS + 80 * NS, None)]))
    assert set(disk) >= {ledger_key(TRUCK), "judged_until"}
    dies_ns, sent_ns = T0_NS + 81 * NS, T0_NS + 90 * NS
    everything = message([T0_NS + k * NS for k in range(1, 28)], 20.0, sent_ns)
    live = [(T0_NS + k * NS + 1, message([T0_NS + k * NS], 0.0, T0_NS + k * NS)) for k in (91, 92)]
    rest = [(sent_ns + 1, everything), *live, (T0_NS + 130 * NS, None)]
    pipeline, outputs = restarted(blind, disk, dies_ns, rest)
    found = late_of(outputs)
    assert {v.rule for v in found} == {"overspeed"}
    assert found[0].start_ns > T0_NS + 3 * NS
    assert found[-1].end_ns < T0_NS + 22 * NS
    # judged live: 2 s and 3 s, and from 22 s on; the first fix of a track is not
    assert (pipeline.counts["late.judged"], pipeline.counts["late.judged_now"]) == (8, 19)
    # a second restart, a second upload of the same
    disk |= disk_of(outputs)
    again = [(T0_NS + 140 * NS + 1, everything), (T0_NS + 180 * NS, None)]
    pipeline, outputs = restarted(blind, disk, T0_NS + 131 * NS, again)
    assert late_of(outputs) == []
    assert pipeline.counts["late.judged"] == 27


def test_an_upload_of_an_unregistered_terminal_is_neither_kept_nor_judged(blind):
    """Nobody vouches for its plate: it is shown, and accuses nobody, late as live."""
    sent_ns = T0_NS + 40 * NS
    fixes = message([T0_NS + k * NS for k in range(2, 30)], 20.0, sent_ns, terminal="unregistered")
    first = feed(Pipeline(blind), [BEGIN, (sent_ns + 1, fixes), (T0_NS + 80 * NS, None)])
    assert "late/unregistered" not in disk_of(first)
    assert late_of(first) == []


def test_what_may_have_been_judged_just_before_the_end_is_refused(blind):
    """The disk is complete until some seconds before the process died."""
    disk = disk_of(feed(Pipeline(blind), [BEGIN, (T0_NS + 60 * NS, None)]))
    at_ns = T0_NS + 61 * NS
    row = stored(100, first_s=1, last_s=61)
    pipeline, _ = restarted(blind, disk, at_ns, [row, (T0_NS + 101 * NS, None)])
    until_s = 60 - BEHIND_NS / NS
    assert until_s - 10 <= pipeline.counts["late.kept"] <= until_s
    assert pipeline.counts["late.kept"] + pipeline.counts["late.before_start"] == 60


def test_a_state_after_a_restart_continues_exactly(blind):
    disk = disk_of(feed(Pipeline(blind), [*drive(20.0), (T0_NS + 80 * NS, None)]))
    rows = [stored(90, last_s=28), (T0_NS + 100 * NS, None)]
    first, _ = restarted(blind, disk, T0_NS + 81 * NS, rows)
    second = Pipeline(blind)
    second.restore(decode_state(encode_state(first.state(T0_NS + 100 * NS))))
    assert second.late.state() == first.late.state()
    assert first.late.state().ledger.before != ()
    later = [(T0_NS + 260 * NS, None)]
    assert feed(second, later)[-1] == feed(first, later)[-1]


def test_rows_of_the_disk_say_at_each_moment_what_was_judged():
    """Against the whole history: whatever the moment of the death, nothing judged passes for unjudged."""
    rng = np.random.default_rng(11)
    times, ids = JudgedTimes(), [f"T{k}" for k in range(130)]
    row_of = {name: w for w, name in enumerate(ids)}
    ledger, disk, judged = Ledger(times), {}, {w: [] for w in range(130)}
    writes = Counter()
    for k in range(1, 60 * 10):
        t_ns = T0_NS + k * TICK_NS
        for w in (5, 105, 77):
            if (k // 100 + w) % 2 and rng.random() < 0.9:
                times.note(np.array([w]), np.array([t_ns]))
                judged[w].append(t_ns)
        if k == 42:  # an upload was judged up to now, and live fixes follow it without a gap
            times.add(42, t_ns - 20 * NS, t_ns)
            disk |= [ledger.save(42, ids[42])]
            judged[42].append(t_ns - 20 * NS)
        elif k > 42:
            times.note(np.array([42]), np.array([t_ns]))
            judged[42].append(t_ns)
        for key, body in ledger.tick(t_ns, ids, row_of):
            disk[key] = body
            writes[key] += 1
        if k % 37 == 0:
            other = Ledger(JudgedTimes())
            other.start(t_ns + 1, [body for body in disk.values() if body is not None])
            for w, stamps in judged.items():
                unknown = [at for at in stamps if not (other.holds(ids[w], at) or other.is_unknown(at))]
                assert unknown == []
    assert max(writes.values()) <= 60 * 10 / GROUPS + 1


def test_a_row_of_the_disk_that_is_none_is_another_bodys():
    ledger = Ledger(JudgedTimes())
    twisted = msgspec.msgpack.encode(JudgedRow(terminal="7", spans=((5, 3),)))
    bodies = (b"", b"\x93", b"\x91" * 4_000, twisted)
    assert ledger.start(T0_NS, bodies) == bodies
