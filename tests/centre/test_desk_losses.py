"""Losses of view: when they open and end, and that they are alarms that outlive a restart."""

from collections import Counter

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from centre.audit.log import check
from centre.desk import keeping
from centre.desk.faults import RefusedError
from centre.desk.keeping import trim
from centre.desk.loss_rows import losses, losses_page, open_losses, write_turns
from centre.desk.losses import GONE_NS, LASTS_NS, Fault, Loss, LossWatch, Seen, Turn
from centre.desk.shelving import WantedShelf, add_shelf
from centre.desk.view import GREW_M, NEVER_LASTS_NS, SETTLE_NS, View
from centre.store import EPISODE
from centre.unit_registry import STALE_NS, UnitRegistry
from edge import wire
from tests.support.centre_samples import T0_NS, status
from tests.support.desk_stage import WANG, ZHAO, DeskStage, S

RSU = ("rsu", "RSU001")


def seen(*keys, unknown=(), back_ns=None):
    return Seen({key: Fault(T0_NS, "off") for key in keys}, lambda key: key in unknown, back_ns or {})


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_a_fault_that_comes_and_goes_is_one_loss_as_long_as_its_returns_are_short(series):
    """Law: openings and ends alternate, and between an end and the fault before it lie ten seconds."""
    watch, last_ns, n_open = LossWatch({}, 1), None, 0
    for i, is_faulty in enumerate(series):
        now_ns = T0_NS + i * S
        turn = watch.look(seen(*([RSU] if is_faulty else [])), now_ns)
        n_open += len(turn.opened) - len(turn.closed)
        assert n_open in (0, 1)
        assert n_open == len(watch.open)
        for loss, end_ns in turn.closed:
            assert now_ns - end_ns == GONE_NS
            assert loss.start_ns <= end_ns
            assert last_ns is not None
            assert last_ns < end_ns
        if is_faulty:
            last_ns = now_ns


def test_what_nobody_can_say_stays_as_it_is():
    watch = LossWatch({}, 1)
    watch.look(seen(RSU), T0_NS)
    watch.look(seen(RSU), T0_NS + LASTS_NS["rsu"])
    for i in range(100):
        assert watch.look(seen(unknown=[RSU]), T0_NS + i * S).closed == ()
    assert RSU in watch.open


class Site:
    """Two RSUs and a gateway, heard or not."""

    def __init__(self):
        self.now_ns = T0_NS
        self.rsus = UnitRegistry("rsu", ["RSU001", "RSU002"], T0_NS)
        self.gateways = UnitRegistry("gateway", ["GW1"], T0_NS)
        self.connected, self.fault, self.n = True, None, 1
        self.lost_ns = T0_NS
        self.in_doubt, self.unstored = False, False
        self.view = View(
            self.rsus, self.gateways, self._broker, lambda: self.fault,
            doubts_clock=lambda _now_ns: self.in_doubt, lacks_workers=lambda _now_ns: self.unstored,
        )  # fmt: skip
        self.watch = LossWatch({}, 1)

    def _broker(self, _now_ns):
        return {"connected": self.connected, "since_ns": self.lost_ns, "refused": None}

    def beat(self, esn="RSU001", **changed):
        self.n += 1
        found = status(connection=1, **({"epoch": T0_NS // S} | changed))
        self.rsus.receive_status(esn, wire.encode(found), retained=False, now_ns=self.now_ns)

    def run(self, seconds, *beating, **changed):
        """Let seconds pass with these RSUs heard each; return the keys of what opened and closed."""
        opened, closed = [], []
        for _ in range(seconds):
            self.now_ns += S
            for esn in beating:
                self.beat(esn, **changed)
            turn = self.watch.look(self.view.look(self.watch.open, self.now_ns), self.now_ns)
            opened += [(loss.kind, loss.part) for loss in turn.opened]
            closed += [(loss.kind, loss.part) for loss, _ in turn.closed]
        return opened, closed


@pytest.fixture
def site():
    found = Site()
    assert found.run(20, "RSU001") == ([], [])  # RSU002 was never seen: no loss
    return found


def test_a_silent_rsu_is_lost_and_found(site):
    assert site.run(STALE_NS // S + 4) == ([RSU], [])
    assert site.run(2, "RSU001") == ([], [])
    assert site.run(12) == ([], [])  # the short return made no second loss
    assert site.run(12, "RSU001") == ([], [RSU])


def test_without_the_broker_the_broker_alone_is_lost(site):
    site.connected, site.lost_ns = False, site.now_ns
    assert site.run(30) == ([("broker", "broker")], [])
    site.connected = True
    assert site.run(SETTLE_NS // S + 8, "RSU001") == ([], [("broker", "broker")])


def test_a_radar_whose_port_is_closed_is_lost(site):
    assert site.run(40, "RSU001", sensors={"R1": "port_closed"}) == ([("radar", "RSU001/R1")], [])


def test_a_silent_radar_is_one_loss_though_the_cover_shrinks_with_it(site):
    wide = (wire.UnjudgedStretch(road="main", from_m=0.0, to_m=400.0, reason="radar", since_ns=T0_NS),)
    opened, _ = site.run(40, "RSU001", sensors={"R1": "silent"}, unjudged=wide)
    assert opened == [("radar", "RSU001/R1")]
    assert site.run(12, "RSU001") == ([], [("radar", "RSU001/R1")])


def test_a_radar_stays_lost_while_its_rsu_restarts_and_does_not_hear_it(site):
    """The RSU that starts again forgets that it ever had this radar: its state is `never`."""
    radar = ("radar", "RSU001/R1")
    assert site.run(12, "RSU001", sensors={"R1": "silent"}) == ([radar], [])
    site.run(STALE_NS // S + 4)
    assert site.run(60, "RSU001", sensors={"R1": "never"}) == ([], [RSU])
    assert site.run(12, "RSU001", sensors={"R1": "online"}) == ([], [radar])


def test_a_radar_that_is_never_heard_is_lost_once_a_start_is_over(site):
    assert site.run(NEVER_LASTS_NS // S, "RSU001", sensors={"R1": "never"}) == ([], [])
    assert site.run(2, "RSU001", sensors={"R1": "never"}) == ([("radar", "RSU001/R1")], [])
    assert site.watch.open["radar", "RSU001/R1"].detail == "never"


def test_a_radars_clock_stays_wrong_while_its_restarted_rsu_has_not_heard_it(site):
    clock, radar = ("clock", "RSU001/R1"), ("radar", "RSU001/R1")
    assert site.run(12, "RSU001", sensors={"R1": "clock"}) == ([clock], [])
    assert site.run(60, "RSU001", sensors={"R1": "never"}) == ([radar], [])
    assert site.run(12, "RSU001", sensors={"R1": "online"}) == ([], [clock, radar])


def test_cover_that_shrinks_while_the_rsu_lives_is_lost(site):
    def stretch(to_m):
        return (wire.UnjudgedStretch(road="main", from_m=0.0, to_m=to_m, reason="shaded", since_ns=T0_NS),)

    assert site.run(40, "RSU001", unjudged=stretch(GREW_M - 1)) == ([], [])
    assert site.run(40, "RSU001", unjudged=stretch(GREW_M + 1)) == ([("cover", "RSU001")], [])
    assert site.run(40, "RSU001", unjudged=()) == ([], [("cover", "RSU001")])
    changed = {"unjudged": stretch(300.0), "config": "2"}  # of another configuration: nothing to compare with
    assert site.run(40, "RSU001", **changed) == ([], [])


def test_wrong_clocks_are_losses(site):
    host = wire.ClockReported(kind="host", offset_s=3.0, corrected=False, since_ns=T0_NS, n=5)
    opened, _ = site.run(20, "RSU001", host_clock=host, sensors={"R1": "clock"})
    assert sorted(opened) == [("clock", "RSU001"), ("clock", "RSU001/R1")]


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        ("database or disk is full", ("disk", "disk")),
        ("server closed the connection", ("database", "database")),
    ],
)
def test_a_database_that_fails_is_a_loss(site, fault, key):
    site.fault = fault
    assert site.run(6, "RSU001") == ([key], [])
    site.fault = None
    assert site.run(12, "RSU001") == ([], [key])


@pytest.mark.parametrize("connected", [True, False])
def test_the_centres_own_clock_and_its_workers_are_losses_with_and_without_a_broker(site, connected):
    site.connected, site.lost_ns = connected, site.now_ns
    own = [("own_clock", "own_clock"), ("workers", "workers")]
    site.run(20, "RSU001")
    site.in_doubt = site.unstored = True
    opened, closed = site.run(8, "RSU001")
    assert (sorted(opened), closed) == (own, [])
    site.in_doubt = site.unstored = False
    opened, closed = site.run(12, "RSU001")
    assert (opened, sorted(closed)) == ([], own)


def test_nobody_knows_of_workers_while_the_database_fails(site):
    site.unstored = True
    assert site.run(8, "RSU001") == ([("workers", "workers")], [])
    site.unstored, site.fault = False, "server closed the connection"
    assert site.run(30, "RSU001") == ([("database", "database")], [])
    site.unstored, site.fault = True, None
    assert site.run(12, "RSU001") == ([], [("database", "database")])


def write(desk, turn):
    return desk.run(lambda db, found: write_turns(db, found, [turn], desk.policy, desk.at.now_ns))


def test_a_loss_is_an_alarm_with_the_same_life(engine):
    desk, watch = DeskStage(engine), LossWatch({}, 1)
    watch.look(seen(RSU), T0_NS)
    write(desk, watch.look(seen(RSU), T0_NS + 2 * S))
    found = desk.one("loss-1")
    assert (found["kind"], found["state"], found["priority"]) == ("loss", "new", 2)
    assert {(kind, key) for _, kind, key in desk.announced()} == {("handling", "loss-1"), ("loss", "loss-1")}
    desk.wait(70)
    assert desk.one("loss-1")["escalated"] == 1
    (taken,) = desk.act("loss-1", "handle", WANG, version=0)
    assert taken["state"] == "handled"
    watch.look(seen(), T0_NS + 80 * S)
    write(desk, watch.look(seen(), T0_NS + 91 * S))
    assert desk.one("loss-1") == taken  # its end is no act: somebody closes it
    with pytest.raises(RefusedError, match="has no plate"):
        desk.act("loss-1", "correct", plate="辽L·A0001")
    with engine.begin() as db:
        (item,) = losses(db, "all", 10)
        assert (item["kind"], item["part"], item["end_ns"]) == ("rsu", "RSU001", str(T0_NS + 80 * S))
        assert losses(db, "open", 10) == []
        assert check(db) is None


def test_a_loss_that_ended_while_the_centre_was_down_ends_at_the_units_own_start(engine):
    desk, watch = DeskStage(engine), LossWatch({}, 1)
    watch.look(seen(RSU), T0_NS)
    write(desk, watch.look(seen(RSU), T0_NS + 2 * S))
    with engine.begin() as db:
        later = LossWatch(*open_losses(db))
    back = {RSU: T0_NS + 50 * S}
    later.look(seen(back_ns=back), T0_NS + 100 * S)
    write(desk, later.look(seen(back_ns=back), T0_NS + 111 * S))
    with engine.begin() as db:
        assert losses(db, "all", 10)[0]["end_ns"] == str(T0_NS + 50 * S)
        found, next_n = open_losses(db)
    assert (found, next_n) == ({}, 2)


def test_what_is_written_though_its_answer_was_lost_is_written_once(engine):
    desk, watch = DeskStage(engine), LossWatch({}, 1)
    watch.look(seen(RSU), T0_NS)
    opened = watch.look(seen(RSU), T0_NS + 2 * S)
    write(desk, opened)
    (taken,) = desk.act("loss-1", "handle", version=0)
    write(desk, opened)
    assert desk.one("loss-1") == taken


def test_two_desks_on_one_database_never_share_a_number(engine):
    """Both begin at the same number: the later one gets the next, and closes what is its own."""
    desk, one, other = DeskStage(engine), LossWatch({}, 1), LossWatch({}, 1)
    late = ("gateway", "GW1")
    for watch, key in ((one, RSU), (other, late)):
        watch.look(seen(key), T0_NS)
        watch.renumber(write(desk, watch.look(seen(key), T0_NS + 2 * S)))
    with engine.begin() as db:
        assert {(row["id"], row["part"]) for row in losses(db, "open", 9)} == {
            ("loss-1", "RSU001"), ("loss-2", "GW1"),
        }  # fmt: skip
    for now_ns in (T0_NS + 20 * S, T0_NS + 31 * S):
        turn = other.look(seen(), now_ns)
    write(desk, turn)
    with engine.begin() as db:
        assert [row["id"] for row in losses(db, "open", 9)] == ["loss-1"]
    other.look(seen(late), T0_NS + 40 * S)
    (again,) = other.look(seen(late), T0_NS + 43 * S).opened
    assert again.n == 3


def test_a_loss_whose_answer_was_lost_keeps_the_number_that_it_got(engine):
    desk, watch = DeskStage(engine), LossWatch({}, 1)
    watch.look(seen(RSU), T0_NS)
    opened = watch.look(seen(RSU), T0_NS + 2 * S)
    write(desk, Turn((opened.opened[0]._replace(part="RSU002"),), ()))
    assert write(desk, opened) == write(desk, opened) == {1: 2}
    with engine.begin() as db:
        assert len(losses(db, "all", 9)) == 2
        assert [row["id"] for row in losses_page(db, "all", 9, 2)[0]] == ["loss-1"]


def test_a_number_is_never_given_again(engine):
    desk, loss = DeskStage(engine), Loss(1, *RSU, T0_NS, "off")
    write(desk, Turn((loss,), ()))
    write(desk, Turn((), ((loss, T0_NS + S),)))
    desk.act("loss-1", "close", reason="repaired")
    later_ns = desk.at.now_ns + 181 * 86_400 * S
    desk.run(lambda db, _: trim(db, Counter(), 180.0, later_ns))
    with engine.begin() as db:
        assert open_losses(db) == ({}, 2)


def test_what_is_kept_no_longer_is_deleted_and_what_is_open_stays(engine):
    desk = DeskStage(engine)
    alarm = desk.send(1)
    losses_of = [Loss(n, "radar", f"RSU001/R{n}", T0_NS, "silent") for n in (1, 2)]
    write(desk, Turn(tuple(losses_of), ()))
    write(desk, Turn((), tuple((loss, T0_NS + S) for loss in losses_of)))
    desk.act("loss-1", "close", reason="repaired")
    counts = Counter()
    later_ns = desk.at.now_ns + 181 * 86_400 * S
    assert desk.run(lambda db, _: trim(db, counts, 180.0, later_ns)) is False
    assert set(desk.listed()) == {alarm, "loss-2"}  # nobody has closed it
    assert counts == {"desk.loss_trimmed": 1}


def test_alarms_without_an_episode_are_deleted_some_at_a_time(engine, monkeypatch):
    """A look reads a few rows, in a reader's thread: no commit waits for a table of millions."""
    monkeypatch.setattr(keeping, "LOOKED_AT", 2)
    desk, counts = DeskStage(engine), Counter()
    alarms = [desk.send(n) for n in range(7)]
    gone = sorted(alarms[1::2])
    with engine.begin() as db:
        db.execute(sa.delete(EPISODE).where(EPISODE.c.id.in_(gone)))
    found, after, n_looks = [], "", 0
    while after is not None:
        with engine.begin() as db:
            lacking, after = keeping.orphans(db, after)
        found, n_looks = found + lacking, n_looks + 1
    assert (found, n_looks) == (gone, 4)
    # an episode that came meanwhile keeps its alarm
    desk.run(lambda db, noted: keeping.drop_orphans(db, noted, counts=counts, ids=[*gone, alarms[0]]))
    assert set(desk.listed()) == set(alarms[::2])
    assert counts == {"desk.handling_trimmed": len(gone)}


def test_a_radar_that_comes_and_goes_is_shelved_and_its_neighbour_is_not(engine):
    desk = DeskStage(engine)
    parts = (("radar", "RSU001/R1"), ("clock", "RSU001/R1"), ("radar", "RSU001/R2"), ("cover", "RSU001"))
    opened = [Loss(n, kind, part, desk.at.now_ns, "silent") for n, (kind, part) in enumerate(parts, 1)]
    turn = Turn(tuple(opened), ())
    write(desk, turn)
    violation = desk.send(1)

    def shelved():
        return [n for n in range(1, 5) if desk.one(f"loss-{n}")["shelf"] is not None]

    def put(**what):
        until_ns = str(desk.at.now_ns + 3_600 * S)
        wanted = WantedShelf(until_ns=until_ns, reason="radar 3", **what)
        return desk.run(lambda db, found: add_shelf(db, found, wanted, ZHAO, desk.policy, desk.at.now_ns))

    radar = put(esn="RSU001/R1", rule="radar")
    assert (radar["esn"], shelved(), desk.one(violation)["shelf"]) == ("RSU001/R1", [1], None)
    again = Turn((Loss(5, "radar", "RSU001/R1", desk.at.now_ns, "silent"),), ())
    write(desk, again)
    assert desk.one("loss-5")["shelf"] == radar["n"], "it takes what comes"
    put(esn="RSU001/R1")
    assert shelved() == [1, 2], "whatever is wrong with that radar"
    put(esn="RSU001")
    assert shelved() == [1, 2, 3, 4], "the whole RSU"


@pytest.mark.parametrize("part", ["RSU001/", "RSU001/R1/x", "/R1", ""])
def test_a_shelf_names_a_part_as_a_loss_does(part):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"until_ns": "1", "reason": "x", "esn": part}, WantedShelf)
