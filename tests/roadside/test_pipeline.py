"""One pipeline on the example site: a truck that drifts out of its lane, seen by radar and its terminal."""

import math
from copy import deepcopy
from dataclasses import replace

import msgpack
import msgspec
import numpy as np
import pytest

from edge.wire import decode_handover, decode_snapshot, records_of
from geofence.plausible import WITHHELD
from roadside.compare import digest
from roadside.inputs import ClockStep, HandedOver, HandoverAnswered, Start, Stop
from roadside.outputs import HandoverOffer, OfferAck, Raised, Released, Snapshot, WholeState, Withheld
from roadside.ownership import HYSTERESIS_M
from roadside.pipeline import STATE_EVERY_NS, Pipeline
from roadside.pipeline_state import _head_of_list, encode_apart
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from roadside.replay import refusals
from tests.support.roadside_drive import (
    LANE_CENTRE_M,
    NS,
    SPEED_MPS,
    START_M,
    T0_NS,
    between,
    drive,
    fix,
    leave,
    pass_on,
    raised,
    replace_terminal,
    run,
)


def test_a_departure_is_raised_with_who_did_it(setup):
    outputs = run(Pipeline(setup), drive(setup, leave))
    found = [v for v in raised(outputs) if v.rule == "lane_departure"]
    first = next(v for v in found if v.grade in ("warning", "violation"))
    assert first.vehicle is not None
    assert (first.vehicle.plate, first.vehicle.un) == ("辽L·A0001", "1203")
    assert 3.0 <= (first.start_ns - T0_NS) / 1e9 <= 5.0  # the footprint crosses the line at 3.85 s
    assert len({v.id for v in found}) == 1


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"p_violation": math.nan}, "p_violation"),
        ({"lon_deg": 0.0, "lat_deg": 0.0}, "lon_deg"),
        ({"start_ns": 1}, "start_ns"),
        ({"lane": "a\u202eb"}, "lane"),
        ({"evidence": {"d_m": [math.inf]}}, "evidence.d_m"),
    ],
)
def test_what_can_t_be_true_is_withheld_counted_and_reported(setup, fault, field):
    """The RSU goes on, later versions too, and the centre gets a void in place of each."""

    def outputs_of():
        judge = (pipeline := Pipeline(setup)).monitor.judge
        pipeline.monitor.judge = lambda *args: [
            (found if found.version == 2 else msgspec.structs.replace(found, **fault), episode)
            for found, episode in judge(*args)
        ]
        return pipeline, run(pipeline, drive(setup, leave))

    pipeline, outputs = outputs_of()
    withheld = [output for output in outputs if isinstance(output, Withheld)]
    assert withheld
    assert all(each.reason.startswith(WITHHELD) and field in each.reason for each in withheld)
    assert all(each.reason.isprintable() for each in withheld)
    assert {found.version for found in raised(outputs)} == {2}  # the sound one gets through
    assert refusals(pipeline.all_counts())[f"violation.implausible.{field}"] == len(withheld)
    assert outputs_of()[1] == outputs  # the same in a replay


def test_a_name_that_is_only_presumed_accuses_nobody(setup):
    """Its permissions may be another vehicle's. The evidence grows, and counts once the name is sure."""
    pipeline, outputs = Pipeline(setup), []
    sure_from_ns, tracker = T0_NS + 9 * NS, pipeline.tracker
    step, shown_at = tracker.step, tracker.at

    def presumed(batch, now_ns):
        if now_ns < sure_from_ns:
            batch.presumed[:] = batch.track > 0
        return batch

    def stepped(now_ns, item):
        update = step(now_ns, item)
        presumed(update.touched, now_ns)
        return update

    tracker.step, tracker.at = stepped, lambda t_ns: presumed(shown_at(t_ns), t_ns)
    for now_ns, item in drive(setup, leave)[1:]:
        outputs += pipeline.step(now_ns, item)
    (first, *_) = [v for v in raised(outputs) if v.rule == "lane_departure"]
    assert first.stamps.measured_ns >= sure_from_ns - NS // 10
    assert first.grade == "violation"  # it has been over the line since second 4
    assert 3.0 <= (first.start_ns - T0_NS) / 1e9 <= 5.0


def test_the_monitor_gets_what_each_observation_measured_across_the_course(setup):
    """By radar and by the terminal, in line with the track, and the terminal's lasting error beside it."""
    judge, seen = (pipeline := Pipeline(setup)).monitor.judge, []

    def keep(now_ns, tracks, *more):
        seen.append(deepcopy(tracks))  # the next observation fills it again
        return judge(now_ns, tracks, *more)

    pipeline.monitor.judge = keep
    run(pipeline, drive(setup, lambda _: 0.0))
    one = [(batch, k) for batch in seen for k in range(len(batch)) if np.isfinite(batch.lateral.offset_m[k])]
    offsets = np.array([batch.lateral.offset_m[k] / batch.lateral.sigma_m[k] for batch, k in one])
    assert 0.3 < np.mean(offsets**2) < 3.0
    fixes = [(batch, k) for batch, k in one if batch.lateral.is_fix[k]]
    assert 0 < len(fixes) < len(one)
    assert all(np.isfinite(batch.gnss_bias_m[k] + batch.gnss_tau_s[k]) for batch, k in fixes)


def test_a_truck_that_keeps_its_lane_raises_nothing(setup):
    assert raised(run(Pipeline(setup), drive(setup, lambda t_s: 0.2 * math.sin(t_s)))) == []


def test_equal_inputs_give_equal_bytes_however_late_the_ticks_run(setup):
    inputs = drive(setup, leave)
    beats = [(T0_NS + k * 100_000_000 + 3_000_000, None) for k in range(1, 130)]
    plain = run(Pipeline(setup), inputs)
    beaten = run(Pipeline(setup), sorted(inputs + beats, key=lambda row: row[0]))
    for kind in (Raised, Snapshot):
        one, other = ([o.body for o in outputs if isinstance(o, kind)] for outputs in (plain, beaten))
        assert digest(one) == digest(other)
        assert one


def test_snapshots_name_the_owned_truck(setup):
    snapshots = [o for o in run(Pipeline(setup), drive(setup, leave)) if isinstance(o, Snapshot)]
    assert [s.stamp_ns % 100_000_000 for s in snapshots] == [0] * len(snapshots)
    last = decode_snapshot(snapshots[-1].body)
    (record,) = records_of(last)
    assert record["flags"] & 1, "owned"
    assert record["s_dm"] / 10 == pytest.approx(START_M + SPEED_MPS * 13.0, abs=3.0)
    named = [m.names for m in map(decode_snapshot, (s.body for s in snapshots)) if m.names and m.names.track]
    assert named[-1].plate == ("辽L·A0001",)


def test_a_handover_keeps_track_and_episode(setup):
    """The boundary lies where the truck is over the line: one id, first from one RSU, then from the other."""
    departures, answers = pass_on(setup, 420.0)
    assert answers >= 1
    assert len({v.id for v in departures}) == 1, "one episode"
    assert len({v.track for v in departures}) == 1, "one track"
    assert (departures[0].esn, departures[-1].esn) == ("A", "B")
    assert [v.version for v in departures] == sorted({v.version for v in departures})
    assert {v.hop for v in departures if v.esn == "B"} == {1}


def test_what_becomes_sure_while_a_handover_is_under_way_is_sent_by_the_receiver_alone(setup):
    """Both have the evidence by then: told by both, it would be two episodes."""
    alone = raised(run(Pipeline(setup), drive(setup, leave)))
    opened_s = (alone[0].stamps.measured_ns - T0_NS) / 1e9
    boundary_m = START_M + SPEED_MPS * (opened_s - 0.2) - HYSTERESIS_M
    departures, _ = pass_on(setup, boundary_m, answered_after_ns=400_000_000)
    assert len({v.id for v in departures}) == 1
    assert {v.esn for v in departures} == {"B"}


def test_a_neighbour_that_never_answers_does_not_silence_the_giver(setup):
    giver = Pipeline(replace(setup, stretch_m=(0.0, 345.0), neighbours=(("B", 345.0, 600.0),)))
    departures = [v for v in raised(run(giver, drive(setup, leave))) if v.rule == "lane_departure"]
    assert departures


def test_a_replay_can_start_from_a_recorded_state(setup):
    """Taken in the middle of the departure: what follows is the same to the byte."""
    inputs = drive(setup, leave)
    whole = Pipeline(setup)
    cut_ns = T0_NS + 6_000_000_000
    before = [row for row in inputs if row[0] < cut_ns]
    run(whole, before)
    whole.step(cut_ns, None)
    resumed = Pipeline(setup)
    assert encode_apart(whole.state(cut_ns, has_tracks=False), whole.tracker) == encode_state(
        whole.state(cut_ns)
    )
    resumed.restore(decode_state(encode_state(whole.state(cut_ns))))
    after = [row for row in inputs if row[0] >= cut_ns]
    wanted, found = run(whole, after), run(resumed, after)
    assert raised(wanted)
    assert [o.body for o in wanted if isinstance(o, Raised | Snapshot)] == [
        o.body for o in found if isinstance(o, Raised | Snapshot)
    ]


@pytest.mark.parametrize("n", [0, 15, 16, 65_535, 65_536])
def test_a_list_begins_as_the_library_writes_it(n):
    assert msgspec.msgpack.encode([None] * n) == _head_of_list(n) + b"\xc0" * n


@pytest.mark.parametrize(("begin_s", "end_s", "want_s"), [(59, 61, [59.1, 60.0]), (61, 63, [61.1])])
def test_the_state_is_kept_at_the_start_and_each_minute_of_utc(setup, begin_s, end_s, want_s):
    inputs = [(T0_NS + begin_s * NS, Start(epoch=1_800_000_000)), (T0_NS + end_s * NS, Stop())]
    outputs = run(Pipeline(setup), inputs)
    assert [(o.stamp_ns - T0_NS) / 1e9 for o in outputs if isinstance(o, WholeState)] == want_s
    assert STATE_EVERY_NS == 60 * NS


def test_counts_of_one_name_add_up(setup):
    pipeline = Pipeline(setup)
    pipeline.counts["handover.full"], pipeline.tracker.counts["handover.full"] = 1, 2  # both have that reason
    assert pipeline.all_counts()["handover.full"] == 3


def damaged(body, path, value):
    """Return a handover's bytes with one thing of its first vehicle changed."""
    message = msgpack.unpackb(body, strict_map_key=False)
    inner = message["tracks"][0]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return msgpack.packb(message)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("track", "state"), [0.0], "undecodable"),  # rows of numbers, as versions before sent them
        (("track", "state", "covariance", "position"), [1.0], "refused"),
        (("track", "stamp_ns"), 2**63 + 5, "refused"),
        (("track", "stamp_ns"), T0_NS + 3600 * 10**9, "refused"),  # its clock is an hour ahead
        (("track", "state", "position_m", 0), 1e300, "refused"),
        (("track", "state", "covariance", "velocity_bend", 1), 1e300, "refused"),
        (("track", "length_m"), 1e6, "refused"),  # its echoes would be looked for all over the country
        (("track", "terminal"), "\u202e900", "refused"),  # a name that turns its line around
        (("track", "kind"), 99, "refused"),  # a class that there is not
        (("track", "radar_ns"), T0_NS + 3600 * 10**9, "refused"),
        (("track", "stamp_ns"), -1, "refused"),  # predicted from there it would be beyond the sun
        (("track", "state", "bias", "sigma_m"), 1e200, "refused"),  # its square is infinite
        (("judgement", "track"), 7, "refused"),  # another track's
        (("judgement", "episodes", 0, "rule"), "zone_entry", "refused"),  # its time-out ended the process
        (("judgement", "episodes", 0, "lon_deg"), 1e8, "refused"),
        (("judgement", "episodes", 0, "version"), 2**31, "refused"),  # nothing would ever be newer
        (("judgement", "episodes", 0, "hop"), 2**31, "refused"),
        (("judgement", "episodes", 0, "start_ns"), T0_NS + 3600 * 10**9, "refused"),
        (("judgement", "episodes", 0, "vehicle", "plate"), "\u2066A", "refused"),
        (("judgement", "episodes", 0, "p_violation"), 1.5, "refused"),
        (("judgement", "episodes", 0, "p_violation"), math.nan, "undecodable"),
        (("judgement", "episodes", 0, "version"), 2**63 - 1, "undecodable"),
        (("judgement", "episodes", 0, "new"), [1], None),  # a newer version's field
    ],
)
def test_a_handover_that_can_not_be_true_is_not_answered(setup, path, value, reason):
    """Its giver goes on judging then; what was answered and not taken would stay open for ever."""
    giver, taker = between(setup, 420.0)
    body, at_ns = None, 0
    for now_ns, item in drive(setup, leave, seconds=9.0):
        gives = [o for o in giver.step(now_ns, item) if isinstance(o, HandoverOffer)]
        if gives and body is None:
            body, at_ns = gives[0].body, now_ns
    assert body is not None
    taker.step(at_ns - 1, Start(epoch=1))
    outputs = taker.step(at_ns, HandedOver("A", decode_handover(damaged(body, path, value))))
    answered = any(isinstance(o, OfferAck) for o in outputs)
    if reason is None:
        assert answered
        assert "handover.created" in taker.all_counts()
    else:
        assert not answered
        assert taker.all_counts() == {f"handover.{reason}": 1}


def test_a_handover_for_which_there_is_no_room_is_not_answered(setup):
    """Answered, nobody would judge its vehicle: its giver stops then."""
    giver, taker = between(setup, 420.0)
    body = next(o.body for o in run(giver, drive(setup, leave, seconds=9.0)) if isinstance(o, HandoverOffer))
    at_ns, handed = T0_NS + 9 * NS, HandedOver("A", decode_handover(body))
    narrow = Pipeline(replace(taker.setup, fusion=msgspec.structs.replace(setup.fusion, tracks_max=1)))
    narrow.step(at_ns, replace_terminal(fix(at_ns, 500.0, LANE_CENTRE_M), "13900000002"))
    assert not any(isinstance(o, OfferAck) for o in narrow.step(at_ns + 1, handed))
    assert narrow.all_counts()["handover.no_room"] == 1
    later_ns = at_ns + 60 * NS  # the one that was there is gone, and the giver has repeated it
    assert any(isinstance(o, OfferAck) for o in narrow.step(later_ns, handed))
    narrow.step(later_ns + 1, replace_terminal(fix(later_ns, 500.0, LANE_CENTRE_M), "13900000002"))
    assert any(isinstance(o, OfferAck) for o in narrow.step(later_ns + 2, handed)), (
        "a repeat of what is taken"
    )


def test_a_track_under_way_that_becomes_another_is_judged_until_the_answer(setup):
    """Nobody did otherwise: its handover was forgotten with its id, and the survivor was not ours."""
    giver, _ = between(setup, 420.0)
    inputs = drive(setup, leave, seconds=9.0)
    give = next(o for o in run(giver, inputs) if isinstance(o, HandoverOffer))
    (gone,) = giver.tracker.at(T0_NS + 9 * NS).track.tolist()
    survivor = gone + 1
    giver.tracker.store.track[giver.tracker.store.track == gone] = survivor
    giver.tracker._merged.append((gone, survivor))
    outputs = giver.step(T0_NS + 9 * NS + 300_000_000, None)
    assert {o.body for o in outputs if isinstance(o, HandoverOffer)} == {give.body}, "repeated still"
    (record,) = records_of(decode_snapshot(next(o.body for o in outputs if isinstance(o, Snapshot))))
    assert (record["track"], record["flags"] & 1) == (survivor, 1), "owned"
    answered = giver.step(
        T0_NS + 9 * NS + 300_000_001, HandoverAnswered(by="B", epoch=1_800_000_000, seq=give.seq)
    )
    (offered,) = msgpack.unpackb(give.body)["tracks"]
    released = {o.episode_id for o in answered if isinstance(o, Released)}
    assert released == {episode["id"] for episode in offered["judgement"]["episodes"]} != set()
    assert giver.ownership.phase(survivor) == "given"


def test_a_lane_of_a_neighbours_longer_map_is_forgotten(setup):
    """A kernel looks the lane up without asking whether there is one."""
    giver, taker = between(setup, 420.0)
    outputs = run(giver, drive(setup, leave, seconds=9.0))
    body = next(o.body for o in outputs if isinstance(o, HandoverOffer))
    carried = msgpack.unpackb(body, strict_map_key=False)["tracks"][0]["judgement"]
    assert carried["lane_held"] in [lane.lane for lane in setup.road.lanes]
    longer = damaged(body, ("judgement", "lane_held"), "none of ours")
    taker.step(T0_NS + 9 * 10**9, HandedOver("A", decode_handover(longer)))
    (judgement,) = taker.monitor.carry(None)
    assert judgement.lane_held is None


@pytest.mark.parametrize("step_s", [86_400, -86_400])
def test_a_clock_that_is_set_leaves_no_ticks_to_be_caught_up(setup, step_s):
    """A machine without a battery starts years behind: an RSU that ticked through them would be gone."""
    pipeline, to_ns = Pipeline(setup), T0_NS + step_s * NS
    inputs = [(T0_NS, Start(epoch=1)), (T0_NS + NS, None)]
    assert len([o for o in run(pipeline, inputs) if isinstance(o, Snapshot)]) == 10
    step = ClockStep(from_ns=T0_NS + NS + 200_000_000, to_ns=to_ns)
    outputs = run(pipeline, [(to_ns, step), (to_ns + NS, Stop())])
    stamps = [(o.stamp_ns - T0_NS) / 1e9 for o in outputs if isinstance(o, Snapshot)]
    assert stamps == pytest.approx([1.1, 1.2, *(step_s + (k + 1) / 10 for k in range(10))])


def test_a_vehicle_that_reaches_the_end_of_the_map_ends_before_its_time_out(setup):
    """The road ends at 600 m; its last report is from 588 m, the next is missing 1.5 s after it."""
    reports = [
        (T0_NS + k * NS + 65_000_000, fix(T0_NS + k * NS, 540.0 + 16.0 * k, LANE_CENTRE_M)) for k in range(4)
    ]
    outputs = run(Pipeline(setup), [(T0_NS, Start(epoch=1)), *reports, (T0_NS + 10 * NS, Stop())])
    shown_ns = [output.stamp_ns for output in outputs if isinstance(output, Snapshot) and output.n_tracks]
    assert 4.5 <= (shown_ns[-1] - T0_NS) / 1e9 <= 4.8
