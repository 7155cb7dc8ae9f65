"""Journeys from gate to gate on a small road: opened, followed, lost, handed over, restarted, closed."""

import numpy as np

from geofence.config import RulesConfig
from geofence.journeys.config import JourneysConfig
from geofence.journeys.contact import Blind
from geofence.journeys.joining import continues, joined
from geofence.journeys.journey import copied, decoded, encoded
from geofence.journeys.journeys import PUBLISH_NS, Journeys
from tests.support.geofence_world import CAR, FRAME, T0_NS, TRUCK, World, batch, feature, lonlat, road

NS = 10**9


def gate(name, role, s_m):
    return feature(
        "gate", "LineString", lonlat([(s_m, -12.0), (s_m, 0.0)]), gate=name, role=role, road="main"
    )


GATED = road(gate("in", "entry", 100.0), gate("out", "exit", 900.0))
BARE = road()


class Drive:
    """One RSU's journeys over tracks of the small road; track 1 is looked at each second."""

    def __init__(self, road_map=GATED, esn="RSU-1", vehicles=(TRUCK, CAR), permits=(), **config):
        self.world = World(road_map, vehicles=vehicles)
        self.counts = []
        self.journeys = Journeys(
            JourneysConfig(**config), RulesConfig(), road_map, FRAME, vehicles, permits, esn=esn,
            journeys_max=2, count=self.counts.append,
        )  # fmt: skip
        self.out = []

    def look(self, t_s, *vehicles, owned=True, blind=(), gateway=True, reporting=()):
        """Step at the tick of each group that has a vehicle, and of the group that looks for lost ones."""
        out = []
        for group in (0, 1, 2):
            t_ns = T0_NS + round(t_s * NS) + group * NS // 10
            tracks = batch(t_ns, *vehicles)
            located = self.world.monitor.locate(tracks, self.world.terminals)
            flags = np.full(len(tracks), owned)
            out += self.journeys.step(
                t_ns, tracks, located, flags, blind, gateway_present=gateway, reporting=reporting
            )
        self.out += out
        return out

    def along(self, from_s, to_s, **changes):
        """Drive at 16 m/s, from station 20 at second 0."""
        for t_s in range(from_s, to_s):
            self.look(t_s, {"east": 20.0 + 16.0 * t_s} | changes)
        return self.out


def test_a_journey_lasts_from_the_entry_gate_to_the_exit_gate():
    drive = Drive()
    out = drive.along(0, 60)
    first, last = out[0], out[-1]
    assert {journey.id for journey in out} == {first.id}
    assert [journey.version for journey in out] == list(range(1, len(out) + 1))
    assert (first.began, first.entry, first.terminal, first.vehicle.plate) == (
        "gate",
        "in",
        TRUCK.terminal,
        TRUCK.plate,
    )
    assert abs(first.start_ns - (T0_NS + 5.1 * NS)) < 0.2 * NS  # at station 100, between two looks
    assert (first.exit, first.exit_s_m, first.entry_s_m) == ("out", 900.0, 100.0)
    assert abs(first.expected_ns - first.start_ns - 48 * NS) < NS  # 800 m at 60 km/h
    assert (last.reason, last.is_open, last.share) == ("exit", False, 1.0)
    assert abs(last.end_ns - (T0_NS + 55.1 * NS)) < 0.2 * NS
    assert abs(last.way_m - 800.0) < 20.0
    assert last.mean_mps == 16.0
    gaps = np.diff([journey.stamp_ns for journey in out])
    assert gaps.max() <= PUBLISH_NS + NS
    assert drive.journeys.open == {}
    assert drive.counts == ["journeys.opened", "journeys.closed.exit"]  # none opens behind the gate


def test_what_comes_from_another_map_leaves_by_the_gates_of_this_one():
    """A restart, or a neighbour that has not the published map yet: the exit has moved, or is no more."""
    first = Drive().along(0, 20)[-1]
    assert first.exit == "out"
    entry = gate("in", "entry", 100.0)
    for road_map, exit_gate in (
        (road(entry, gate("out", "exit", 700.0)), ("out", 700.0)),
        (road(entry, gate("other", "exit", 800.0)), (None, None)),
    ):
        drive = Drive(road_map)
        drive.journeys.resume(copied(first))
        (resumed,) = drive.journeys.open.values()
        other = Drive(road_map)
        adopted, _ = other.journeys.adopt(T0_NS + 20 * NS, copied(first))
        assert (resumed.exit, resumed.exit_s_m) == (adopted.exit, adopted.exit_s_m) == exit_gate
        drive.along(20, 50)
        assert (drive.out[-1].reason, drive.out[-1].exit) == ("exit", exit_gate[0] or "other")


def test_progress_and_arrival_grow_with_the_way():
    out = Drive().along(0, 50)
    shares = [journey.share for journey in out]
    assert shares == sorted(shares)
    assert all(abs(journey.eta_ns - (T0_NS + 55 * NS)) < 4 * NS for journey in out)


def test_a_gate_that_was_passed_without_a_name_counts_once_the_name_is_known():
    drive = Drive()
    drive.along(0, 20, terminal=-1)
    assert drive.out == []
    (journey,) = drive.look(20, {"east": 340.0})
    assert (journey.began, journey.entry) == ("gate", "in")
    assert abs(journey.start_ns - (T0_NS + 5.1 * NS)) < 0.2 * NS


def test_without_gates_a_journey_begins_where_a_vehicle_is_seen_on_the_road():
    drive = Drive(BARE)
    (journey,) = drive.look(0, {"east": 300.0})
    assert (journey.began, journey.entry, journey.exit, journey.eta_ns) == ("seen", None, None, None)
    assert Drive(BARE).look(0, {"east": 300.0, "north": -80.0}) == []  # beside the road
    assert Drive(BARE).look(0, {"east": 300.0, "v_east": 0.1}) == []  # parked
    assert Drive(BARE).look(0, {"east": 300.0}, owned=False) == []
    assert Drive(BARE).look(0, {"east": 300.0, "confirmed": False}) == []


def test_lost_contact_is_published_with_its_cause_and_found_again_under_one_id():
    drive = Drive()
    drive.along(0, 20)
    blind = [Blind(300.0, 500.0, "no_radar")]
    for t_s in range(20, 130):
        drive.look(t_s, blind=blind)
    lost = drive.out[-1]
    assert (lost.contact, lost.cause, lost.is_open) == ("lost", "radar_gap", True)
    begun = [journey for journey in drive.out if journey.contact == "lost"]
    assert abs(begun[0].seen_ns - (T0_NS + 19 * NS)) < NS
    (found, *_) = drive.look(130, {"east": 600.0})
    assert (found.id, found.contact, found.cause) == (lost.id, "both", None)
    assert found.moving_s > 100.0  # 16 m/s on the mean over the gap would be more than it drove: it moved


def test_a_silent_terminal_is_said_while_radar_follows():
    drive = Drive()
    drive.along(0, 10)
    (journey,) = drive.look(10, {"east": 180.0, "gnss_age_s": 60.0})
    assert (journey.contact, journey.cause) == ("radar", "terminal_silent")
    # its reports come, with stamps that nobody can use
    (journey,) = drive.look(11, {"east": 196.0, "gnss_age_s": 60.0}, reporting={0})
    assert (journey.contact, journey.cause) == ("both", None)


def test_who_stays_too_long_is_overdue_and_whom_nobody_finds_is_given_up():
    drive = Drive(overdue_share=0.0, overdue_s=10.0, lost_s=20.0, give_up_s=200.0)
    drive.along(0, 10)
    for t_s in range(10, 120):
        drive.look(t_s, {"east": 180.0, "v_east": 0.0})
    assert drive.out[-1].overdue
    assert drive.out[-1].dwells[0].standing_s > 60.0
    assert not drive.out[3].overdue
    for t_s in range(120, 350):
        drive.look(t_s)
    assert [journey.reason for journey in drive.out if not journey.is_open] == ["lost"]
    assert drive.out[-1].end_ns == drive.out[-1].seen_ns


def test_who_leaves_the_road_without_a_gate_has_left_it():
    drive = Drive(off_road_s=30.0)
    drive.along(0, 10)
    for t_s in range(10, 60):
        drive.look(t_s, {"east": 180.0, "north": -100.0})
    closed = [journey for journey in drive.out if not journey.is_open]
    assert [(journey.reason, journey.end_ns - T0_NS) for journey in closed] == [
        ("left_road", round(10.1 * NS))
    ]


def test_violations_are_counted_once_each():
    drive = Drive()
    drive.along(0, 20)
    world = drive.world
    world.drive(30.0, lambda t: {"east": 300.0 + 25.0 * t % 500, "v_east": 25.0})
    for violation in world.out:
        drive.journeys.count_violation(violation)
    (journey,) = drive.journeys.open.values()
    assert journey.violations["overspeed"] == 1


def test_the_next_rsu_continues_under_the_same_id():
    first, second = Drive(), Drive(esn="RSU-2")
    first.along(0, 20)
    carried = decoded(first.journeys.carry([1])[1])
    version, replaced = second.journeys.adopt(T0_NS + 20 * NS, carried)
    assert replaced == []
    assert first.journeys.release([1]) == [version.id]
    assert (version.id, version.hop, version.esn, version.version) == (
        first.out[0].id, 1, "RSU-2", first.out[-1].version + 1,
    )  # fmt: skip
    second.along(20, 60)
    assert (second.out[-1].reason, second.out[-1].id) == ("exit", version.id)
    assert abs(second.out[-1].way_m - 800.0) < 20.0


def test_a_journey_that_began_here_meanwhile_gives_way_to_the_one_that_is_handed_over():
    first, second = Drive(), Drive(esn="RSU-2")
    first.along(0, 25)
    second.along(20, 25)
    own = next(iter(second.journeys.open.values())).id
    version, replaced = second.journeys.adopt(T0_NS + 25 * NS, decoded(first.journeys.carry([1])[1]))
    assert replaced == [own] != [version.id]


def test_a_restart_continues_the_journey():
    first = Drive()
    first.along(0, 20)
    again = Drive()
    again.journeys.resume(decoded(encoded(first.out[-1])))
    (waiting,) = again.journeys.open.values()
    assert (waiting.contact, waiting.cause) == ("lost", "rsu_off")
    out = again.along(25, 60)
    assert {journey.id for journey in out} == {first.out[0].id}
    assert [journey.contact for journey in out[:2]] == ["lost", "both"]
    assert out[-1].reason == "exit"


def test_a_restored_state_gives_the_same_bytes():
    whole, part = Drive(), Drive()
    whole.along(0, 60)
    part.along(0, 23)
    after = Drive()
    after.journeys.restore(part.journeys.state())
    after.along(23, 60)
    wanted = [encoded(journey) for journey in whole.out]
    assert [encoded(journey) for journey in part.out + after.out] == wanted


def test_journeys_are_bounded():
    drive = Drive(BARE)
    vehicles = [{"east": 100.0 + 50.0 * k, "terminal": k, "track": 10 * k + 1} for k in range(3)]
    drive.look(0, *vehicles)
    assert len(drive.journeys.open) == 2
    assert "journeys.full" in drive.counts


def test_two_parts_of_one_journey_are_joined():
    first, second = Drive(), Drive(esn="RSU-2")
    first.along(0, 20)
    second.along(30, 60)  # nobody handed it over
    base, rest = copied(first.out[-1]), second.out[-1]
    assert rest.began == "seen"
    assert continues(base, second.out[0])
    whole = joined(base, rest)
    assert (whole.id, whole.entry, whole.start_ns) == (base.id, "in", base.start_ns)
    assert (whole.reason, whole.exit) == ("exit", "out")
    assert abs(whole.way_m - 800.0) < 20.0  # that in between by the stations at its ends
    late = copied(rest)
    late.start_ns = base.seen_ns + 13 * 3_600 * NS
    assert not continues(base, late)
    entered = copied(rest)
    entered.began = "gate"
    assert not continues(base, entered)


def test_a_step_of_the_clock_back_keeps_the_journey_sound():
    drive = Drive()
    drive.along(0, 20)
    before = drive.out[-1]
    drive.journeys.clear(T0_NS - 3_600 * NS)
    (version, *_) = drive.look(-3_599, {"east": 360.0})
    assert decoded(encoded(version)) is not None
    assert (version.id, version.start_ns) == (before.id, T0_NS - 3_600 * NS)
    assert version.moving_s < before.moving_s + 20.0
