"""Trucks whose terminals' clocks are wrong, through one pipeline: put right or named, never called dark."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fusion.observations import F_ARRIVED, GnssFixes
from roadside.inputs import GatewayFixes
from roadside.outputs import Raised
from roadside.pipeline import Pipeline
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from tests.support.roadside_drive import (
    FIX_NS,
    NS,
    T0_NS,
    drive,
    leave,
    raised,
    replace_terminal,
    run,
)

TERMINAL = "13900000001"
WEEKS_NS = 1_024 * 7 * 86_400 * NS
SECONDS = 14.0  # 10 s of silence are a warning


def straight(_t_s):
    return 0.0


def shifted(inputs, offset_ns):
    """Return the inputs with the fixes' stamps moved; offset_ns may be a function of the stamp."""
    by_ns = offset_ns if callable(offset_ns) else lambda _: offset_ns
    return [
        (at, replace(item, fixes=replace(item.fixes, stamp_ns=item.fixes.stamp_ns + by_ns(at))))
        if isinstance(item, GatewayFixes)
        else (at, item)
        for at, item in inputs
    ]


def moved(inputs, east_m):
    """Return the inputs with the fixes elsewhere along the road: another truck's, and ours is dark."""
    return [
        (at, replace(item, fixes=replace(item.fixes, east_m=item.fixes.east_m + east_m)))
        if isinstance(item, GatewayFixes)
        else (at, item)
        for at, item in inputs
    ]


def alarms(outputs):
    """Return the rules of what accuses: `undecidable` is kept for the record and does not."""
    return [v.rule for v in raised(outputs) if v.grade != "undecidable"]


def dark(outputs):
    return [v.grade for v in raised(outputs) if v.rule == "dark_vehicle"]


def test_a_truck_that_does_not_report_is_dark(setup):
    """The scene carries the rule: without the fixes it is raised."""
    inputs = [
        (at, replace_terminal(item, "1") if isinstance(item, GatewayFixes) else item)
        for at, item in moved(drive(setup, straight, SECONDS), 2_000.0)
    ]
    assert dark(run(Pipeline(setup), inputs)) != []


@pytest.mark.parametrize("offset_s", [
    -8 * 3_600, 8 * 3_600,  # UTC for GMT+8, and the other way round
    -18, 18, 4, -4, -2, 1,  # leap seconds; within what the tracker still fuses
    -86_400, 3_600, -1_800, 137,
    -848_899_440,  # never set: 2000
    -1_799_000_000,  # 1970
])  # fmt: skip
def test_a_truck_that_reports_by_a_wrong_clock_is_not_dark(setup, offset_s):
    pipeline = Pipeline(setup)
    outputs = run(pipeline, shifted(drive(setup, straight, SECONDS), offset_s * NS))
    assert alarms(outputs) == []
    named = pipeline.tracker.clock_report(T0_NS + int(SECONDS * NS)).terminals
    if offset_s == -2:  # no more than transport takes, and nobody ahead proves that the place is empty
        assert named == {}
        return
    if offset_s == 1:  # its place is behind the truck, where radar would see it
        assert named[TERMINAL].corrected
        assert named[TERMINAL].offset_s == pytest.approx(offset_s, abs=0.2)
        return
    assert named[TERMINAL].offset_s == pytest.approx(offset_s, abs=0.2)
    assert not named[TERMINAL].corrected
    assert pipeline.all_counts()["gnss.clock"] > 0


@pytest.mark.parametrize("clock", [
    lambda at: -at + T0_NS - 86_400 * NS + at % 60_000_000,  # stands still
    lambda at: 65_000_000 - at,  # 0: a report without a readable time
    lambda at: -int(8.5e8 * NS) - (at - T0_NS) // 3,  # far behind, and loses a second in three
    lambda at: (at // NS % 7 - 3) * 1_000 * NS,  # jumps about
    lambda at: (at - T0_NS) // 2,  # right at first, then too fast
], ids=["stopped", "none", "slow", "jumps", "fast"])  # fmt: skip
def test_a_clock_without_any_sense_accuses_nobody_either(setup, clock):
    assert dark(run(Pipeline(setup), shifted(drive(setup, straight, SECONDS), clock))) == []


def test_fixes_of_a_doubtful_clock_give_no_identity(setup):
    pipeline = Pipeline(setup)
    run(pipeline, shifted(drive(setup, straight, SECONDS), -8 * 3_600 * NS))
    tracks = pipeline.tracker.at(T0_NS + int(SECONDS * NS))
    assert len(tracks) == 1
    assert tracks.terminal.tolist() == [-1]


@pytest.mark.parametrize("apart_m", [300.0, -300.0])
def test_a_doubtful_clock_excuses_no_other_truck(setup, apart_m):
    """A truck that reports 300 m away by a clock 8 h off; the one that radar sees here is dark."""
    inputs = moved(shifted(drive(setup, straight, SECONDS), -8 * 3_600 * NS), apart_m)
    assert "warning" in dark(run(Pipeline(setup), inputs))


def test_a_report_from_the_other_direction_excuses_nobody(setup):
    inputs = [
        (at, replace(item, fixes=replace(item.fixes, heading_rad=np.array([math.pi]))))
        if isinstance(item, GatewayFixes)
        else (at, item)
        for at, item in shifted(drive(setup, straight, SECONDS), -8 * 3_600 * NS)
    ]
    assert "warning" in dark(run(Pipeline(setup), inputs))


def test_a_week_rollover_is_put_right_to_the_byte(setup):
    """Judged as ever, identity included, and counted."""
    inputs = drive(setup, leave, SECONDS)
    plain, rolled = Pipeline(setup), Pipeline(setup)
    want = [v for v in run(plain, inputs) if not hasattr(v, "stamp_ns")]
    found = [v for v in run(rolled, shifted(inputs, -WEEKS_NS)) if not hasattr(v, "stamp_ns")]
    assert [v.body for v in found] == [v.body for v in want] != []
    fault = rolled.tracker.clock_report(T0_NS + int(SECONDS * NS)).terminals[TERMINAL]
    assert (fault.kind, fault.offset_s, fault.corrected) == ("rollover", -WEEKS_NS / NS, True)
    assert rolled.all_counts()["gnss.rollover"] == fault.n >= 13


def test_two_rollovers_and_a_time_zone_are_kept_apart(setup):
    pipeline = Pipeline(setup)
    outputs = run(pipeline, shifted(drive(setup, straight, SECONDS), -2 * WEEKS_NS - 8 * 3_600 * NS))
    assert raised(outputs) == []
    fault = pipeline.tracker.clock_report(T0_NS + int(SECONDS * NS)).terminals[TERMINAL]
    assert (fault.kind, fault.offset_s) == ("time_zone", -28_800.0)


def test_a_registered_offset_is_put_right_and_a_registered_one_that_no_longer_holds_is_named(setup):
    registered = replace(setup, terminals=tuple(
        type(t)(**{name: getattr(t, name) for name in t.__struct_fields__} | {"clock_offset_s": -28_800.0})
        for t in setup.terminals
    ))  # fmt: skip
    inputs = drive(setup, leave, SECONDS)
    want = [v for v in run(Pipeline(setup), inputs) if isinstance(v, Raised)]
    right = Pipeline(registered)
    found = [v for v in run(right, shifted(inputs, -28_800 * NS)) if isinstance(v, Raised)]
    assert [v.body for v in found] == [v.body for v in want] != []
    fault = right.tracker.clock_report(T0_NS + int(SECONDS * NS)).terminals[TERMINAL]
    assert (fault.kind, fault.corrected) == ("registry", True)
    repaired = Pipeline(registered)
    assert dark(run(repaired, inputs)) == []
    fault = repaired.tracker.clock_report(T0_NS + int(SECONDS * NS)).terminals[TERMINAL]
    assert (fault.kind, fault.corrected, fault.offset_s) == ("registry", False, pytest.approx(0.0, abs=0.2))


def test_late_reports_of_a_right_clock_are_neither_named_nor_dark(setup):
    """A bad cell: every fix comes 3 to 9 s late, the stamps are true."""
    pipeline = Pipeline(setup)
    late = sorted(
        (
            (at + (3 + at // FIX_NS * 5 % 7) * NS if isinstance(item, GatewayFixes) else at, item)
            for at, item in drive(setup, straight, SECONDS)
        ),
        key=lambda row: row[0],
    )
    late = [(min(at, T0_NS + int(SECONDS * NS)), item) for at, item in late]
    assert dark(run(pipeline, late)) == []
    assert pipeline.tracker.clock_report(T0_NS + int(SECONDS * NS)).terminals == {}


def test_stored_reports_between_late_ones_do_not_hide_them(setup):
    """Each report of now comes 3 s late, and on its heels one of five minutes ago, of another place."""
    seconds, inputs = 17.0, []
    for at, item in drive(setup, straight, seconds):
        if not isinstance(item, GatewayFixes):
            inputs.append((at, item))
            continue
        came = replace(item.fixes, arrived_ns=item.fixes.arrived_ns + 3 * NS)
        old = replace(came, stamp_ns=came.stamp_ns - 300 * NS, east_m=came.east_m - 5_000.0)
        inputs += [(at + 3 * NS, replace(item, fixes=came)), (at + 3 * NS + 1, replace(item, fixes=old))]
    inputs = sorted((row for row in inputs if row[0] <= T0_NS + int(seconds * NS)), key=lambda row: row[0])
    assert dark(run(Pipeline(setup), inputs)) == []


def test_a_replay_from_a_state_knows_the_clocks(setup):
    inputs = shifted(drive(setup, straight, SECONDS), -8 * 3_600 * NS)
    whole = Pipeline(setup)
    run(whole, inputs)
    cut = T0_NS + 8 * NS
    before = Pipeline(setup)
    run(before, [row for row in inputs if row[0] <= cut])
    before.step(cut, None)
    again = Pipeline(setup)
    again.restore(decode_state(encode_state(before.state(cut))))
    run(again, [row for row in inputs if row[0] > cut])
    end_ns = T0_NS + int(SECONDS * NS)
    assert again.tracker.clock_report(end_ns) == whole.tracker.clock_report(end_ns)
    found, want = again.tracker.state(), whole.tracker.state()
    assert (found.sent, found.keys, found.clocks, found.counts) == (
        want.sent,
        want.keys,
        want.clocks,
        want.counts,
    )


def others(inputs, n):
    """Return the fixes of n more terminals, far from here, at the same times."""
    made = []
    for at, item in inputs:
        made.append((at, item))
        if isinstance(item, GatewayFixes):
            for k in range(n):
                fixes = replace(item.fixes, terminal=(f"2{k}",), north_m=item.fixes.north_m + 500.0 + 100 * k)
                made.append((at + k + 1, replace(item, fixes=fixes)))
    return made


def test_terminals_that_are_all_off_alike_name_the_host(setup):
    """This RSU's clock is 137 s behind: no terminal's fault."""
    pipeline = Pipeline(setup)
    inputs = shifted(others(drive(setup, straight, SECONDS), 4), 137 * NS)
    assert raised(run(pipeline, inputs)) == []
    report = pipeline.tracker.clock_report(T0_NS + int(SECONDS * NS))
    assert report.terminals == {}
    assert report.host is not None
    assert report.host.offset_s == pytest.approx(137.0, abs=0.2)


def test_a_fleet_in_the_wrong_time_zone_is_no_fault_of_the_host(setup):
    """Eight hours exactly, and the radar agrees with this RSU's clock."""
    pipeline = Pipeline(setup)
    run(pipeline, shifted(others(drive(setup, straight, SECONDS), 4), -28_800 * NS))
    report = pipeline.tracker.clock_report(T0_NS + int(SECONDS * NS))
    assert report.host is None
    assert len(report.terminals) == report.n_terminals == 5


def test_a_gateway_whose_clock_is_wrong_is_named_and_its_terminals_are_not(setup):
    pipeline = Pipeline(setup)
    inputs = [
        (at, replace(item, fixes=replace(item.fixes, arrived_ns=item.fixes.arrived_ns - 3_600 * NS)))
        if isinstance(item, GatewayFixes)
        else (at, item)
        for at, item in drive(setup, straight, SECONDS)
    ]
    assert raised(run(pipeline, inputs)) == []
    report = pipeline.tracker.clock_report(T0_NS + int(SECONDS * NS))
    assert report.terminals == {}
    assert report.host is not None
    assert report.host.kind == "gateway"


@pytest.mark.parametrize("offset_s", [-28_800.0, 20.0, -1.8e9])
def test_a_radar_whose_clock_is_wrong_is_named_and_its_stretch_unjudged(setup, offset_s):
    pipeline = Pipeline(setup)
    inputs = [
        (at, replace(item, stamp_ns=item.stamp_ns + int(offset_s * NS)) if hasattr(item, "scan") else item)
        for at, item in drive(setup, straight, SECONDS)
    ]
    assert alarms(run(pipeline, inputs)) == []
    sensor = setup.radars[0].sensor
    assert pipeline.sensor_states[sensor] == "clock"
    assert "radar_clock" in {row.reason for row in pipeline.unjudged}
    fault = pipeline.tracker.clock_report(T0_NS + int(SECONDS * NS)).radars[sensor]
    assert fault.offset_s == pytest.approx(offset_s, abs=0.2)


def batched(inputs, from_s, to_s):
    """Return the inputs with the fixes of some seconds stored and sent at once, the newest one last."""
    first, last = T0_NS + from_s * NS, T0_NS + to_s * NS
    stored = [item.fixes for at, item in inputs if isinstance(item, GatewayFixes) and first <= at < last]
    ints, floats = (np.hstack([getattr(fixes, name) for fixes in stored]) for name in ("ints", "floats"))
    ints[F_ARRIVED] = last
    batch = GatewayFixes("GW1", GnssFixes.of((TERMINAL,) * len(stored), ints, floats))
    kept = [row for row in inputs if not (isinstance(row[1], GatewayFixes) and first <= row[0] < last)]
    return sorted([*kept, (last, batch)], key=lambda row: row[0])


def test_a_batch_of_stored_reports_is_no_wrong_clock(setup):
    pipeline = Pipeline(setup)
    inputs = batched(drive(setup, straight, SECONDS), 3, 9)
    assert alarms(run(pipeline, inputs)) == []
    assert pipeline.tracker.clock_report(T0_NS + int(SECONDS * NS)).terminals == {}


def test_a_batch_whose_weeks_rolled_over_is_put_right_fix_by_fix(setup):
    inputs = batched(drive(setup, straight, SECONDS), 3, 9)
    plain, rolled = Pipeline(setup), Pipeline(setup)
    run(plain, inputs)
    run(rolled, shifted(inputs, -WEEKS_NS))
    assert rolled.all_counts()["gnss.late"] == plain.all_counts()["gnss.late"]
    assert rolled.all_counts()["gnss.rollover"] == 13
    end_ns = T0_NS + int(SECONDS * NS)
    assert rolled.tracker.at(end_ns).x.tobytes() == plain.tracker.at(end_ns).x.tobytes()


def test_a_truck_that_reports_seldom_by_a_wrong_clock_is_not_dark(setup):
    """One report, then silence for the rest of the drive: a terminal that reports each half minute."""
    inputs, n = [], 0
    for at, item in shifted(drive(setup, straight, SECONDS), 8 * 3_600 * NS):
        n += isinstance(item, GatewayFixes)
        if not isinstance(item, GatewayFixes) or n == 1:
            inputs.append((at, item))
    assert alarms(run(Pipeline(setup), inputs)) == []


def test_a_clock_that_jumps_under_way_costs_the_truck_no_accusation(setup):
    """Bound by radar, then 8 h off from second 5 on: its identity stays while radar sees it."""
    pipeline = Pipeline(setup)
    jump = lambda at: -28_800 * NS if at > T0_NS + 5 * NS else 0  # noqa: E731
    assert alarms(run(pipeline, shifted(drive(setup, straight, SECONDS), jump))) == []
    tracks = pipeline.tracker.at(T0_NS + int(SECONDS * NS))
    assert tracks.terminal.tolist() == [0]
