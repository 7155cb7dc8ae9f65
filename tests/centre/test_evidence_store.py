"""Evidence files and events for other platforms in both databases."""

import json

import pytest
import sqlalchemy as sa

from centre.accounts.actor import Actor
from centre.audit.log import Act, append, check
from centre.batch_decoder import decode_batch
from centre.evidence import store
from centre.evidence.files import Shelf
from centre.evidence.jobs import AFTER_NS, BEFORE_NS, spans
from centre.evidence.manifest import SEALED, Missing
from centre.outreach import store as outreach
from centre.outreach.events import Known, Moment, next_events
from centre.outreach_tables import OUTREACH
from centre.violation_writer import ViolationWriter
from core.times import NS
from edge.sections import EvidenceConfig
from geofence.violation import GRADES
from tests.support.centre_samples import MS, T0_NS, episode_id, item, payload, violation

WANG = Actor("wang", "operator")
MOMENT = Moment(T0_NS, "example", "centre")
NOTICE, WARNING, VIOLATION = (GRADES.index(name) for name in ("notice", "warning", "violation"))


def commit(engine, *found, esn="RSU001", first_seq=1):
    writer = ViolationWriter(engine, lambda: T0_NS + 600 * MS)
    body = payload(10, *(item(first_seq + i, one) for i, one in enumerate(found)))
    batch = decode_batch(f"v2x/v1/rsu/{esn}/violation/up", esn, body, T0_NS + 550 * MS)
    result = writer.commit([batch], [])
    assert sum(len(ack.stored) for ack in result.acknowledgements) == len(found)


def test_a_file_waits_once_is_made_and_its_acts_are_chained(engine):
    commit(engine, violation(1), violation(1, version=2))
    with engine.begin() as db:
        assert [one.version for one in store.versions_of(db, episode_id(1))] == [1, 2]
        row, is_new = store.ask(db, episode_id(1), WANG, T0_NS)
        assert (store.ask(db, episode_id(1), WANG, T0_NS)[0]["id"], is_new) == (row["id"], True)
        assert [one["id"] for one in store.waiting(db)] == [row["id"]]
        sealed = store.seal(db, episode_id(1), {"members": "x"}, SEALED, T0_NS)
        assert sealed.fits
        store.finish(db, row["id"], T0_NS, 5, b"s" * 32, [Missing(what="clip", why="off")])
        assert store.waiting(db) == []
        assert [one["n_bytes"] for one in store.held(db)] == [5]
        store.delete(db, row["id"], episode_id(1), "old", T0_NS)
        assert store.job(db, row["id"])["state"] == "deleted"
        acts = store.acts_of(db, episode_id(1))
        assert [act.act for act in acts] == ["evidence_ask", SEALED, "evidence_deleted"]
        assert all(act.fits for act in acts)
        assert check(db) is None


def test_too_many_that_wait_are_refused(engine, monkeypatch):
    monkeypatch.setattr(store, "WAITING_MAX", 2)
    with engine.begin() as db:
        store.ask(db, "a", WANG, 1)
        store.ask(db, "b", WANG, 1)
        store.ask(db, "a", WANG, 1)  # it waits already
        with pytest.raises(store.FullError):
            store.ask(db, "c", WANG, 1)


def test_a_clip_spans_from_before_the_violation_to_behind_its_last_version(engine):
    commit(engine, violation(1, start_ns=T0_NS - NS), violation(1, version=2, start_ns=T0_NS - NS))
    with engine.begin() as db:
        versions = store.versions_of(db, episode_id(1))
    assert spans(versions) == {"RSU001": (T0_NS - NS - BEFORE_NS, T0_NS + 501 * MS + AFTER_NS)}
    odd = [versions[0]._replace(body=b"nonsense")]
    assert spans(odd)["RSU001"][0] == T0_NS + 501 * MS - BEFORE_NS


def test_old_files_and_too_many_go_the_oldest_first(tmp_path):
    shelf = Shelf(tmp_path, EvidenceConfig(days=1.0, gib=3.0 / 2**30))
    rows = [{"id": str(i), "n_bytes": 2, "made_ns": T0_NS + i * NS} for i in range(3)]
    assert [row["id"] for row, _ in shelf.excess(rows, T0_NS + 2 * NS)] == ["0", "1"]
    assert [why[:10] for _, why in shelf.excess(rows, T0_NS + 3 * 86_400 * NS)] == ["older than"] * 3


def test_a_centre_that_starts_often_keeps_no_file_beyond_its_days(tmp_path):
    """Months may lie between two files: violations come each day."""
    rows = [{"id": "0", "n_bytes": 2, "made_ns": T0_NS}]
    later_ns = T0_NS + 40 * 86_400 * NS
    limits = EvidenceConfig(days=30.0)
    assert len(Shelf(tmp_path, limits).excess(rows, later_ns, later_ns - NS)) == 1
    assert not Shelf(tmp_path, limits).excess(rows, later_ns, T0_NS + NS), "a clock that is set ahead"


def test_what_no_job_needs_is_swept_from_the_disk(tmp_path):
    shelf = Shelf(tmp_path, EvidenceConfig())
    for key in ("making", "ready", "failed"):
        (shelf.work(key) / "clip.part").write_bytes(b"plates")
        shelf.path(key).write_bytes(b"zip")
    (tmp_path / "another.txt").write_text("not ours")
    shelf.sweep(shelf.keys(), {"making"}, {"ready"})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["another.txt", "making.work", "making.zip", "ready.zip"]


def drained(db, way="webhook"):
    """Return the events in the order in which they may be sent; each is delivered at once."""
    found = []
    while rows := outreach.due(db, way, T0_NS + NS, 100):
        assert len({row.violation for row in rows}) == len(rows)  # of each alarm one at a time
        for row in rows:
            body = json.loads(row.body)
            found.append((body["violation"], body["number"], body["event"], body["grade"]))
            outreach.settle(db, row.n, None)
    return found


def test_changes_become_events_once_and_in_order(engine):
    with engine.begin() as db:
        outreach.begin(db)
    commit(engine, violation(1, grade="notice"), violation(2))
    ways = ("webhook", "topic")
    with engine.begin() as db:
        outreach.collect(db, ways, MOMENT)
        assert drained(db) == [(episode_id(2), 1, "raised", "warning")]
    later = violation(2, version=2, grade="violation")
    commit(engine, later, violation(1, version=2, grade="warning"), first_seq=3)
    closing = violation(2, version=3, phase="close", grade="notice", end_ns=T0_NS + NS)
    with engine.begin() as db:
        outreach.collect(db, ways, MOMENT)
        append(db, Act(T0_NS, WANG, "handle", episode_id(2), {}))
        append(db, Act(T0_NS, WANG, "evidence_ask", episode_id(2), {}))  # a look, no handling
        append(db, Act(T0_NS, WANG, "handle", "no alarm", {}))
        outreach.collect(db, ways, MOMENT)
    commit(engine, closing, first_seq=5)
    with engine.begin() as db:
        outreach.collect(db, ways, MOMENT)
        outreach.collect(db, ways, MOMENT)
        of_two = [row[1:] for row in drained(db) if row[0] == episode_id(2)]
        assert of_two == [
            (2, "escalated", "violation"),
            (3, "handled", "violation"),
            (4, "closed", "violation"),
        ]
        assert [row[1:3] for row in drained(db, "topic") if row[0] == episode_id(1)] == [(1, "raised")]


def test_a_failing_event_holds_up_its_own_alarm_only(engine):
    with engine.begin() as db:
        outreach.begin(db)
    commit(engine, violation(1), violation(2), violation(1, version=2, grade="violation"))
    with engine.begin() as db:
        outreach.collect(db, ("webhook",), MOMENT)
        first = outreach.due(db, "webhook", T0_NS, 10)[0]
        change = {"tries": 1, "next_ns": T0_NS + 5 * NS, "dead": False, "fault": "500"}
        outreach.settle(db, first.n, change)
        assert {row.violation for row in outreach.due(db, "webhook", T0_NS + NS, 10)} == {episode_id(2)}
        assert outreach.figures(db)["webhook"]["fault"] == "500"
        outreach.settle(db, first.n, change | {"dead": True})
        assert outreach.figures(db)["webhook"]["dead"] == 1


def test_beyond_the_limit_the_oldest_go_the_dead_before_all(engine, monkeypatch):
    monkeypatch.setattr(outreach, "WAITING_MAX", 2)
    with engine.begin() as db:
        outreach.begin(db)
    commit(engine, *(violation(n) for n in range(1, 5)))
    with engine.begin() as db:
        _, n_lost = outreach.collect(db, ("webhook",), MOMENT)
        assert n_lost == 2
        assert db.scalar(sa.select(sa.func.count()).select_from(OUTREACH)) == 2


@pytest.mark.parametrize(
    ("known", "grade", "is_open", "said"),
    [
        (None, NOTICE, True, []),
        (None, WARNING, True, ["raised"]),
        (None, VIOLATION, False, ["raised", "closed"]),
        (Known(WARNING, False, 1), WARNING, True, []),
        (Known(WARNING, False, 1), VIOLATION, True, ["escalated"]),
        (Known(WARNING, False, 1), WARNING, False, ["closed"]),
        (Known(VIOLATION, True, 3), VIOLATION, False, []),
        (Known(WARNING, True, 2), VIOLATION, False, ["escalated"]),
    ],
)
def test_what_is_said_depends_on_what_was_said(known, grade, is_open, said):
    events, now = next_events(known, grade, is_open)
    assert events == said
    if now is not None:
        assert next_events(now, grade, is_open)[0] == []
