"""The terminals' own alarms beside our violations: agreed, ours alone, theirs alone."""

from collections import Counter
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edge.terminal_only import TERMINAL_ONLY_MAX
from edge.wire import GnssColumns, GnssFix
from fusion.observations import GnssFixes
from geofence.violation import Violation
from roadside.devices.jt808 import location as locations
from roadside.devices.jt808.fix import fix_of
from roadside.devices.jt808.location import ITEM_ASSISTANT, Location
from roadside.inputs import GatewayFixes, fixes_of, fixes_of_columns
from roadside.pipeline import Pipeline
from roadside.pipeline_alarms import ALARMS_MAX, TERMINALS_MAX, AlarmedTerminal, TerminalAlarms
from roadside.pipeline_late_times import JudgedTimes
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from roadside.terminal_alarms import AREA, DEVIATION, FATIGUE, LANE, ROUTE, STATED, alarms_of
from tests.support.roadside_drive import NS, T0_NS, drive, leave, raised, run

# an alarm of the driving assistant as another project's test has it, and the fields that we read set by hand
ASSISTANT = bytes.fromhex(
    "000000010c0605120a0b100f1100070000000d0000000e1912111831000013343434343434341912111831"
)


def assistant(flag, kind, side):
    body = bytearray(ASSISTANT)
    body[4], body[5], body[9] = flag, kind, side
    return bytes(body)


@pytest.mark.parametrize(
    ("item", "departure"),
    [
        (ASSISTANT, None),  # another alarm of its own
        (assistant(1, 2, 1), 1),
        (assistant(1, 2, 2), 2),
        (assistant(0, 2, 9), 0),  # a device without begin and end, and a side that the table lacks
        (assistant(2, 2, 1), None),  # it ended
        (assistant(1, 1, 1), None),  # a forward collision
        (b"\x00\x01", None),
    ],
)
def test_the_assistants_lane_departure_is_read_from_a_report(item, departure):
    items = ((ITEM_ASSISTANT, item),)
    report = Location(status=2, lat_e6=41_000_000, lon_e6=122_000_000, stamp_ns=T0_NS, items=items)
    found = locations.decode(locations.encode(report))
    assert fix_of(found, "1", None, T0_NS, 1).departure == departure


def test_alarms_of_a_report_are_bits_of_the_input(setup):
    """Areas, routes and the driver's fatigue; others mean nothing here. A message and a single fix alike."""
    assert alarms_of(None, None) == 0, "a report without an alarm word says nothing"
    assert {alarms_of(bits, None) for bits in (0, 0b1, 1 << 14, 1 << 24)} == {STATED}
    assert alarms_of(1 << 2, None) == alarms_of(1 << 18, None) == FATIGUE | STATED
    assert alarms_of(1 << 20 | 1 << 23, 0) == AREA | DEVIATION | LANE | STATED
    fix = GnssFix(terminal="1", stamp_ns=T0_NS, lon_deg=122.0, lat_deg=41.0, alarm=1 << 21, departure=2)
    assert fixes_of(fix, T0_NS, setup.frame).ints[3].tolist() == [ROUTE | LANE | STATED]
    columns = GnssColumns(
        terminal=("1", "2"), stamp_ns=(T0_NS,) * 2, lon_deg=(122.0,) * 2, lat_deg=(41.0,) * 2,
        departure=(1, None),
    )  # fmt: skip
    assert fixes_of_columns(columns, T0_NS, setup.frame).ints[3].tolist() == [LANE, 0]


def test_what_a_terminal_says_of_its_driver_holds_until_it_says_otherwise(setup):
    pipeline = Pipeline(setup)
    kinds = with_alarms(drive(setup, lambda _: 0.0, 8.0), lambda t_s: FATIGUE | STATED if t_s < 6.0 else 0)
    run(pipeline, kinds)
    (broken,) = pipeline.travelling.journeys.breaches("driving_time").values()
    assert set(broken) == {"driving_terminal"}, "the later reports have no alarm word"
    assert pipeline.alarms.state() == (), "no alarm that a rule of ours has as well"


def with_alarms(inputs, kinds_at):
    """Return the inputs, with alarms in the terminal's fixes: kinds_at(seconds of the drive)."""
    out = []
    for now_ns, item in inputs:
        if isinstance(item, GatewayFixes):
            kinds = np.array([[kinds_at((now_ns - T0_NS) / NS)]], dtype=np.int64)
            was = item.fixes
            fixes = GnssFixes.of(was.terminal, np.vstack([was.ints, kinds]), was.floats)
            out.append((now_ns, replace(item, fixes=fixes)))
        else:
            out.append((now_ns, item))
    return out


def returning(t_s):
    """Leave the lane, and return into it 4 s later."""
    return leave(t_s) if t_s < 8.0 else max(2.2 - (t_s - 8.0), 0.0)


def test_a_violation_says_that_the_terminal_agrees(setup):
    pipeline = Pipeline(setup)
    kinds = with_alarms(drive(setup, returning, 18.0), lambda t_s: LANE if 4.0 < t_s < 8.0 else 0)
    found = [v for v in raised(run(pipeline, kinds)) if v.grade != "undecidable"]
    assert found[-1].phase == "close"
    assert [v.terminal_alarm for v in found if v.phase != "open"] == [True] * (len(found) - 1)
    assert pipeline.counts["alarms.lane.agreed"] == 1
    assert "alarms.lane.terminal_only" not in pipeline.counts


def test_a_terminal_that_never_alarms_says_nothing(setup):
    """It may have no assistant: no difference is counted."""
    pipeline = Pipeline(setup)
    found = raised(run(pipeline, with_alarms(drive(setup, returning, 18.0), lambda _: AREA)))
    assert {v.terminal_alarm for v in found} == {None}
    assert not any(reason.startswith("alarms.lane") for reason in pipeline.counts)


def test_an_alarm_of_the_terminal_alone_is_counted_once(setup):
    """It holds the bit, as terminals do until a platform acknowledges it. Its truck keeps its lane."""
    pipeline = Pipeline(setup)
    inputs = with_alarms(drive(setup, lambda _: 0.0, 13.0), lambda t_s: LANE if t_s > 2.0 else 0)
    found = raised(run(pipeline, [*inputs, (T0_NS + 30 * NS, None)]))
    assert {v.grade for v in found} <= {"undecidable"}
    assert pipeline.counts["alarms.lane.terminal_only"] == 1


def test_a_departure_that_the_terminal_misses_is_counted(setup):
    """It alarmed before, so it can."""
    pipeline = Pipeline(setup)
    pipeline.alarms.restore([AlarmedTerminal(terminal="13900000001", ever=LANE)])
    found = raised(run(pipeline, with_alarms(drive(setup, returning, 18.0), lambda _: 0)))
    close = next(v for v in found if v.phase == "close" and v.grade != "undecidable")
    assert close.terminal_alarm is False
    assert {v.terminal_alarm for v in found if v.phase != "close"} == {None}  # it may still come
    assert pipeline.counts["alarms.lane.ours_only"] == 1


def test_a_state_keeps_the_alarms(setup):
    inputs = with_alarms(drive(setup, returning, 18.0), lambda t_s: LANE if 4.0 < t_s < 8.0 else 0)
    whole = raised(run(Pipeline(setup), inputs))
    cut_ns = T0_NS + 7 * NS
    first, second = Pipeline(setup), Pipeline(setup)
    run(first, [row for row in inputs if row[0] < cut_ns])
    first.step(cut_ns, None)
    second.restore(decode_state(encode_state(first.state(cut_ns))))
    rest = raised(run(second, [row for row in inputs if row[0] >= cut_ns]))
    assert rest == whole[-len(rest) :]
    assert rest[-1].terminal_alarm or any(v.terminal_alarm for v in rest)


def test_memory_is_bounded():
    alarms = TerminalAlarms(lambda *_: None)
    for k in range(TERMINALS_MAX + 50):
        ints = np.array([[T0_NS], [T0_NS], [k], [LANE]], dtype=np.int64)
        alarms.note(T0_NS, _Fixes((f"t{k}",), ints))
    assert len(alarms.state()) == TERMINALS_MAX
    for k in range(3 * ALARMS_MAX):
        ints = np.array([[T0_NS], [T0_NS], [k], [LANE * (k % 2)]], dtype=np.int64)
        alarms.note(T0_NS, _Fixes((f"t{TERMINALS_MAX}",), ints))
    assert max(len(row.alarms) for row in alarms.state()) == ALARMS_MAX


def stated(stamp_ns, kinds, terminal="1"):
    return _Fixes((terminal,), np.array([[stamp_ns], [0], [0], [kinds]], dtype=np.int64))


def test_an_alarm_of_a_blind_area_waits_for_what_is_judged_late():
    """Its report was stored: the violation of that time comes minutes after it."""
    late = msgspec.convert(
        {
            "id": "x", "version": 2, "hop": 0, "phase": "close", "grade": "warning", "rule": "lane_departure",
            "vehicle": {"terminal": "1"}, "identity_p": 1.0, "track": 1, "esn": "A", "late": True,
            "start_ns": T0_NS, "confirmed_ns": T0_NS, "end_ns": T0_NS + 4 * NS, "lon_deg": 0.0,
            "lat_deg": 0.0,
            "lane": None, "zone": None, "s_m": None, "d_m": None, "sigma_d_m": None, "p_violation": 1.0,
            "speed_mps": 16.0, "limit_mps": None, "map_version": "", "rules_version": "",
            "stamps": {"measured_ns": T0_NS + 4 * NS, "arrived_ns": T0_NS + 60 * NS},
        },
        Violation,
    )  # fmt: skip
    for has_violation, wanted in ((True, "agreed"), (False, "terminal_only")):
        counts = Counter()
        alarms = TerminalAlarms(lambda reason, n, counts=counts: counts.update({reason: n}))
        alarms.note(T0_NS + 60 * NS, stated(T0_NS + NS, LANE))
        for second in range(60, 400):
            alarms.tick(T0_NS + second * NS, JudgedTimes())
            if second == 200 and has_violation:
                assert counts == {}
                assert alarms.marked(late).terminal_alarm
        assert counts == {f"alarms.lane.{wanted}": 1}
        assert len(alarms.terminal_only()) == (not has_violation)


def test_stored_reports_end_no_alarm_of_now():
    counts = Counter()
    alarms = TerminalAlarms(lambda reason, n: counts.update({reason: n}))
    alarms.note(T0_NS + 60 * NS, stated(T0_NS + 60 * NS, LANE))
    alarms.note(T0_NS + 61 * NS, stated(T0_NS + 20 * NS, 0))  # of the blind area before
    alarms.note(T0_NS + 62 * NS, stated(T0_NS + 62 * NS, LANE))  # it still holds its bit
    for second in range(60, 400):
        alarms.tick(T0_NS + second * NS, JudgedTimes())
    assert counts == {"alarms.lane.terminal_only": 1}


class _Fixes:
    """As much of a message as the alarms read."""

    def __init__(self, terminal, ints):
        self.terminal, self.ints = terminal, ints


def test_an_alarm_of_the_terminal_alone_is_named_with_truck_time_and_kind():
    alarms, times = TerminalAlarms(lambda *_: None), JudgedTimes()
    for k in range(20):
        alarms.note(T0_NS + k * NS, stated(T0_NS + k * NS, LANE if k % 2 else 0))
    assert alarms.terminal_only() == ()  # each may still be ours
    alarms.tick(T0_NS + 60 * NS, times)
    named = alarms.terminal_only()
    assert [(one.terminal, one.kind, one.at_ns) for one in named][:2] == [
        ("1", "lane", T0_NS + NS),
        ("1", "lane", T0_NS + 3 * NS),
    ]
    kept = TerminalAlarms(lambda *_: None)
    kept.restore(alarms.state())
    assert kept.terminal_only() == named
    many = TerminalAlarms(lambda *_: None)
    for k in range(40):
        many.note(T0_NS + k * NS, stated(T0_NS + k * NS, LANE if k % 2 else 0, f"T{k // 4}"))
    many.tick(T0_NS + 90 * NS, times)
    assert len(many.terminal_only()) == TERMINAL_ONLY_MAX
    assert many.terminal_only()[-1].at_ns == T0_NS + 39 * NS
