"""A page that stayed open equals one loaded afresh, whatever happens; no alarm leaves the worklist unseen."""

import contextlib
import time

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from centre.audit.log import check
from centre.desk import loss_rows, shelving
from centre.desk.faults import RefusedError
from centre.desk.losses import Loss, Turn
from centre.desk.rows import LISTED_CLOSED_NS, handlings, worklist
from centre.desk.shelving import WantedShelf
from centre.desk_tables import HANDLING
from centre.store import META
from geofence.violation import ViolationVehicle
from tests.support.centre_samples import T0_NS, episode_id
from tests.support.desk_stage import LI, WANG, ZHAO, DeskStage, S

PLATES = ("辽L·A0001", "辽L·B0002", None)
ACTS = ("acknowledge", "handle", "close", "false", "note", "assign", "correct", "reopen")
FORM = {"reason": "other", "text": "x", "to": "li", "plate": "辽L·C0003"}
NEEDS = {"close": "reason", "note": "text", "assign": "to", "correct": "plate"}


class OpenPage:
    """A page that loaded once and applies the events since."""

    def __init__(self, desk):
        self._desk = desk
        rows = desk.announced()
        self.cursor = rows[-1][0] if rows else 0
        self.lists = self.fresh()

    def fresh(self):
        with self._desk.at.engine.begin() as db:
            found = worklist(db, self._desk.at.now_ns)["items"]
            return {
                "handling": {each["id"]: each for each in found},
                "loss": {each["id"]: each for each in loss_rows.losses(db, "all", 500)},
                "shelf": {str(each["n"]): each for each in shelving.shelves(db)},
            }

    def apply(self):
        """Apply the events that came, in their order, each once."""
        for n, kind, key in self._desk.announced(self.cursor):
            assert n > self.cursor
            self.cursor = n
            if kind == "violation":
                continue
            with self._desk.at.engine.begin() as db:
                if kind == "handling":
                    (data,) = handlings(db, [key])
                else:
                    data = loss_rows.loss(db, key) if kind == "loss" else shelving.shelf(db, key)
            self.lists[kind][key] = data
        oldest_ns = self._desk.at.now_ns - LISTED_CLOSED_NS
        self.lists["handling"] = {
            key: each
            for key, each in self.lists["handling"].items()
            if each["state"] != "closed" or int(each["since_ns"]) >= oldest_ns
        }


class History:
    """Carries out drawn steps on a desk."""

    def __init__(self, desk, data):
        self.desk, self.data, self.n_losses, self.open = desk, data, 0, []
        self.versions = {}

    def draw(self, of):
        return self.data.draw(st.sampled_from(of))

    def violation(self):
        n = self.draw(range(5))
        number = self.versions[n] = self.versions.get(n, 0) + 1
        is_end = self.draw([False, False, True])
        plate = PLATES[n % 3]
        self.desk.send(
            n, version=number, phase="close" if is_end else "update",
            rule=self.draw(["overspeed", "wrong_way"]),
            start_ns=T0_NS + n * 20 * S, end_ns=T0_NS + (n * 20 + number) * S if is_end else None,
            vehicle=None if plate is None else ViolationVehicle(plate=plate, terminal=plate),
        )  # fmt: skip

    def act(self):
        act = self.draw(ACTS)
        form = {name: FORM[name] for name in [NEEDS.get(act)] if name}
        alarm = self.draw([*(episode_id(n) for n in range(5)), "loss-1"])
        with contextlib.suppress(RefusedError):  # a drawn act that doesn't fit changes nothing
            self.desk.act(
                alarm, act, self.draw([WANG, LI, ZHAO]), **form, whole_case=self.draw([False, True]),
                killed=self.draw([False, False, True]),
            )  # fmt: skip

    def loss(self):
        if self.open:
            turn = Turn((), ((self.open.pop(), self.desk.at.now_ns),))
        else:
            self.n_losses += 1
            loss = Loss(self.n_losses, "radar", "RSU001/R1", self.desk.at.now_ns, "silent")
            self.open.append(loss)
            turn = Turn((loss,), ())
        desk = self.desk
        desk.run(lambda db, found: loss_rows.write_turns(db, found, [turn], desk.policy, desk.at.now_ns))

    def shelf(self):
        desk, policy = self.desk, self.desk.policy
        what = self.draw([{"plate": PLATES[0]}, {"rule": "overspeed"}, {"esn": "RSU001"}])
        until_ns = str(desk.at.now_ns + 1_000 * S)
        wanted = WantedShelf(**what, until_ns=until_ns, reason="known")
        with contextlib.suppress(RefusedError):  # the same twice: nothing changes
            desk.run(lambda db, found: shelving.add_shelf(db, found, wanted, ZHAO, policy, desk.at.now_ns))

    def time(self):
        self.desk.wait(self.draw([1, 40, 400, 1_200]))

    def restart(self):
        self.desk.begin()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_page_that_stayed_open_equals_one_loaded_afresh(engine, data):
    with engine.begin() as db:
        for table in reversed(META.sorted_tables):
            if table.name != "setting":
                db.execute(sa.delete(table))
    desk = DeskStage(engine)
    page, history = OpenPage(desk), History(desk, data)
    steps = ("violation", "violation", "act", "act", "act", "loss", "shelf", "time", "restart")
    for step in data.draw(st.lists(st.sampled_from(steps), max_size=14)):
        getattr(history, step)()
        page.apply()
        assert page.lists == page.fresh(), step
    with engine.begin() as db:
        assert check(db) is None


def test_of_sixty_alarms_in_a_shift_none_is_lost_and_none_is_there_twice(engine):
    """Eight hours, an alarm every eight minutes; somebody acts on every third, the others escalate."""
    desk = DeskStage(engine)
    page = OpenPage(desk)
    for n in range(60):
        start_ns = T0_NS + n * 480 * S
        times = {"vehicle": ViolationVehicle(plate=f"P{n}", terminal=f"{n}"), "start_ns": start_ns}
        desk.arrive(n, **times)
        if n % 3 == 0:
            desk.take_in()
            desk.act(episode_id(n), "close", reason="driver_warned")
        desk.arrive(n, version=2, phase="close", end_ns=start_ns + 8 * S, **times)
        desk.take_in()
        if n == 30:
            desk.begin()
        desk.at.now_ns += 480 * S
        if n % 5 == 4:
            desk.wait(0)
            page.apply()
    desk.wait(700)
    page.apply()
    with engine.begin() as db:
        states = dict(db.execute(sa.select(HANDLING.c.id, HANDLING.c.state)).all())
        assert check(db) is None
    assert set(states) == {episode_id(n) for n in range(60)}
    waiting = {episode_id(n) for n in range(60) if n % 3}
    assert {alarm for alarm, state in states.items() if state == "new"} == waiting
    listed = page.lists["handling"]
    assert waiting <= set(listed)
    assert page.lists == page.fresh()
    assert {listed[each]["escalated"] for each in waiting} <= {1, 2}
    assert all(
        len([row for row in desk.announced() if row[1:] == ("violation", each)]) == 2 for each in waiting
    )


@pytest.mark.parametrize("n_rows", [2_000])
def test_the_worklist_is_cheap(engine, n_rows):
    desk = DeskStage(engine)
    desk.send(1)
    with engine.begin() as db:
        (row,) = db.execute(sa.select(HANDLING)).mappings().all()
        db.execute(sa.insert(HANDLING), [dict(row) | {"id": f"a{i}"} for i in range(n_rows)])
    with engine.begin() as db:
        took_s = []
        for _ in range(4):  # the least of some: a collection of garbage may fall into any of them
            begun_s = time.process_time()
            found = worklist(db, desk.at.now_ns)
            took_s.append(time.process_time() - begun_s)
    assert len(found["items"]) == n_rows
    assert found["more"]
    assert min(took_s) < 0.05, "seconds of CPU"
