"""A desk on a database, without HTTP: alarms come, people act, time passes; no test itself."""

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from centre import changes
from centre import statements as sql
from centre.accounts.actor import Actor
from centre.changes import Change
from centre.desk import exercise, timing
from centre.desk.acts import Acts, Wanted
from centre.desk.intake import Intake
from centre.desk.policy import Policy, policy_of
from centre.desk.priority import Road
from centre.desk.rows import acts_page, handlings, worklist
from centre.store import FEED
from centre.violation_writer import ViolationWriter
from edge.sections import DeskConfig
from geofence.violation import Stamps
from tests.support.centre_database import Centre
from tests.support.centre_samples import episode_id, violation

WANG, LI = Actor("wang", "operator", "desk-1"), Actor("li", "operator", "desk-2")
ZHAO = Actor("zhao", "supervisor", "desk-3")
S = 10**9
Result = TypeVar("Result")


def acts_of(db: sa.Connection, alarm_id: str) -> list[dict[str, Any]]:
    """Return what was done about an alarm, oldest first."""
    found: list[dict[str, Any]] = acts_page(db, alarm_id, None)["items"]
    return found


class DeskStage:
    """One database with its ledger and its desk; `at.now_ns` is the time."""

    def __init__(self, engine: sa.Engine, config: DeskConfig | None = None, now_ns: int = 0) -> None:
        self.at = Centre(engine)
        self.at.now_ns = max(now_ns, self.at.now_ns)
        self.policy: Policy = policy_of(config or DeskConfig(), Road())
        self.dead: set[str] = set()
        self.is_clock_right = True
        self.begin()
        self._seq = 0

    def begin(self) -> None:
        """Start the desk's parts, as a centre that starts does."""
        self.intake = Intake(self.policy, Counter())
        self.acts = Acts(self.intake, self.policy, lambda esn: esn in self.dead)
        while self.run(lambda db, found: self.intake.catch_up(db, found, self.at.now_ns)):
            pass

    def run(self, work: Callable[[sa.Connection, list[Change]], Result]) -> Result:
        return self.at.violation_writer.run(work, ("desk",))

    def send(self, n: int = 1, esn: str = "RSU001", **changed: Any) -> str:
        """Let a violation come and be taken in; return its id."""
        self.arrive(n, esn, **changed)
        self.take_in()
        return episode_id(n)

    def arrive(self, n: int = 1, esn: str = "RSU001", **changed: Any) -> None:
        """Let a violation be committed; its other times follow its start."""
        self._seq += 1
        if "start_ns" in changed:
            start_ns = changed["start_ns"]
            stamps = Stamps(measured_ns=start_ns, arrived_ns=start_ns)
            evidence = {"t_ns": [start_ns], "d_m": [1.4]}
            changed = {"confirmed_ns": start_ns, "stamps": stamps, "evidence": evidence} | changed
        answer = self.at.send(self._seq, violation(n, esn=esn, **changed), esn)
        assert answer == ((self._seq,), ()), "it was stored"

    def take_in(self) -> None:
        while self.run(lambda db, found: self.intake.read_feed(db, found, self.at.now_ns)):
            pass

    def run_killed(self, work: Callable[[sa.Connection, list[Change]], Result]) -> Result:
        """Commit work as a process that is killed before it announces it; then start the next process."""
        found: list[Change] = []
        with self.at.engine.begin() as db:
            result = work(db, found)
            if found:
                db.execute(sql.ADD_UNSETTLED, {"changes": changes.encode(changes.joined(found))})
        self.at.violation_writer = ViolationWriter(self.at.engine, self.at.violation_writer._now_ns)
        self.begin()
        return result

    def act(
        self, alarm_id: str, act: Any, actor: Actor = WANG, *, killed: bool = False, **wanted: Any
    ) -> list[dict[str, Any]]:
        """Carry out an act; raises RefusedError. `killed`: the process ends right after its commit."""
        self.at.now_ns += 1
        form = Wanted(act=act, **wanted)

        def work(db: sa.Connection, found: list[Change]) -> list[dict[str, Any]]:
            changed = self.acts.perform(db, found, alarm_id, form, actor, self.at.now_ns)
            return handlings(db, changed)

        return (self.run_killed if killed else self.run)(work)

    def wait(self, seconds: float) -> None:
        """Let time pass, and act."""
        self.at.now_ns += round(seconds * S)

        def work(db: sa.Connection, found: list[Change]) -> bool:
            exercise.play(db, found, self.policy, self.at.now_ns)
            beyond_ns = timing.far_ns(self.at.now_ns, is_clock_right=self.is_clock_right)
            timing.expire_shelves(db, found, self.policy, self.at.now_ns, beyond_ns)
            return timing.escalate(db, found, self.policy, self.at.now_ns, beyond_ns)

        while self.run(work):
            pass

    def listed(self) -> dict[str, dict[str, Any]]:
        with self.at.engine.begin() as db:
            return {item["id"]: item for item in worklist(db, self.at.now_ns)["items"]}

    def one(self, alarm_id: str) -> dict[str, Any]:
        with self.at.engine.begin() as db:
            (found,) = handlings(db, [alarm_id])
            return found

    def announced(self, after: int = 0) -> list[tuple[int, str, str]]:
        """Return (number, kind, key) of the feed's rows after a number."""
        query = sa.select(FEED.c.n, FEED.c.kind, FEED.c.key).where(FEED.c.n > after).order_by(FEED.c.n)
        with self.at.engine.begin() as db:
            return [(row.n, row.kind, row.key) for row in db.execute(query)]
