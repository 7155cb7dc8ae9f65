"""A board that boots in 2020 detects before its clock is set: its violations arrive all the same, marked."""

import io
import json
import zipfile
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from centre.batch_decoder import decode_batch
from centre.evidence import store
from centre.evidence.bundle import Bundle, add_plot, add_versions
from centre.history.grades import grades
from centre.outreach import store as outreach
from centre.outreach.events import Moment
from centre.outreach_tables import OUTREACH
from centre.own_clock import NO_TIME_NS
from centre.reader import EpisodeFilter
from centre.search import backfill
from centre.search.query import Search
from centre.search.tables import EPISODE_KEY
from centre.statistics.sheets import row_of
from centre.store import QUARANTINE, VERSION
from centre.unset_clocks import time_by_arrival
from edge import wire
from geofence.violation import Stamps, Violation
from tests.support.centre_database import TOPIC, Centre
from tests.support.centre_samples import MS, T0_NS, episode_id, item, payload, violation
from tests.support.desk_stage import DeskStage

YEAR_NS = 366 * 86_400 * 10**9
BEHIND, AHEAD = -6 * YEAR_NS, 11 * YEAR_NS  # a board of 2020; one whose GPS week ran over


def _of_clock(by_ns: int, **changed: Any) -> Violation:
    """Return a violation by a clock that is off by so much."""
    found = violation(
        start_ns=T0_NS + by_ns, confirmed_ns=T0_NS + 500 * MS + by_ns,
        stamps=Stamps(measured_ns=T0_NS + 490 * MS + by_ns, arrived_ns=T0_NS + 500 * MS + by_ns),
        evidence={"stamp_ns": [T0_NS + by_ns], "d_m": [1.4]},
    )  # fmt: skip
    return msgspec.structs.replace(found, **changed)


def _item(seq: int, found: Violation, by_ns: int, sent_by_ns: int) -> wire.ViolationItem:
    each = item(seq, found)
    return msgspec.structs.replace(
        each, detected_ns=T0_NS + 501 * MS + by_ns, sent_ns=T0_NS + 502 * MS + sent_by_ns
    )


@pytest.mark.parametrize("by_ns", [BEHIND, AHEAD])
@pytest.mark.parametrize("is_set_since", [False, True])
def test_what_was_detected_before_the_clock_was_set_is_shown_marked_and_searched_by_its_arrival(
    engine: sa.Engine, by_ns: int, is_set_since: bool
) -> None:
    centre = Centre(engine)
    body = payload(10, _item(1, _of_clock(by_ns), by_ns, 0 if is_set_since else by_ns))
    (answer,) = centre.commit(body).acknowledgements
    assert answer.stored == (1,)
    assert centre.rows(QUARANTINE) == 0
    (shown,) = centre.shown()
    assert shown["clock_unset"]
    assert shown["start_ns"] == str(T0_NS + by_ns)  # as the RSU gave it: it is evidence
    assert shown["latency_ms"] is None
    since = Search(since_ns=T0_NS, until_ns=T0_NS + 3_600 * 10**9)
    assert [row["id"] for row in centre.reader.search(since)["items"]] == [shown["id"]]


def test_an_index_made_anew_has_the_same_times(engine: sa.Engine) -> None:
    centre = Centre(engine)
    centre.commit(payload(10, _item(1, _of_clock(BEHIND), BEHIND, 0)))
    with engine.begin() as db:
        before = dict(db.execute(sa.select(EPISODE_KEY)).mappings().one())
        db.execute(sa.delete(EPISODE_KEY))
        assert backfill.fill(db, [before["id"]]) == 1
        assert dict(db.execute(sa.select(EPISODE_KEY)).mappings().one()) == before


@pytest.mark.parametrize("clock", [violation(), _of_clock(BEHIND, end_ns=T0_NS, phase="close")])
def test_stamps_that_disagree_with_their_own_clock_are_quarantined(
    engine: sa.Engine, clock: Violation
) -> None:
    centre = Centre(engine)
    centre.commit(payload(10, _item(1, clock, BEHIND, 0)))
    assert (centre.rows(VERSION), centre.rows(QUARANTINE)) == (0, 1)


def test_no_latency_is_measured_by_a_clock_that_was_never_set(engine: sa.Engine) -> None:
    centre = Centre(engine)
    (delivered,) = centre.commit(payload(10, _item(1, _of_clock(BEHIND), BEHIND, 0))).delivered
    assert not delivered.is_timed
    (delivered,) = centre.commit(payload(10, item(2, violation(2)))).delivered
    assert delivered.is_timed


def test_where_our_own_clock_says_nothing_no_other_is_called_wrong() -> None:
    batch = decode_batch(
        TOPIC.format("RSU001"), "RSU001", payload(10, _item(1, _of_clock(BEHIND), BEHIND, BEHIND)), T0_NS,
        judged_ns=NO_TIME_NS,
    )  # fmt: skip
    assert [each.is_clock_set for each in batch.items] == [True]  # type: ignore[union-attr]


@pytest.mark.parametrize("by_ns", [6 * YEAR_NS, BEHIND])
def test_what_came_while_our_own_clock_was_doubted_is_decided_once(engine: sa.Engine, by_ns: int) -> None:
    """Page and index say of a row what its commit found, though they know nothing of our clock then."""
    centre, received_ns = Centre(engine), T0_NS + by_ns
    batch = decode_batch(
        TOPIC.format("RSU001"), "RSU001", payload(10, item(1, violation())), received_ns, judged_ns=NO_TIME_NS
    )
    (delivered,) = centre.violation_writer.commit([batch], []).delivered
    assert delivered.is_timed
    (shown,) = centre.shown()
    assert shown["clock_unset"] is False
    with engine.begin() as db:
        before = dict(db.execute(sa.select(EPISODE_KEY)).mappings().one())
        assert before["start_ns"] == T0_NS
        db.execute(sa.delete(EPISODE_KEY))
        backfill.fill(db, [before["id"]])
        assert dict(db.execute(sa.select(EPISODE_KEY)).mappings().one()) == before


def test_one_that_is_right_is_not_marked(engine: sa.Engine) -> None:
    centre = Centre(engine)
    centre.send(1, violation())
    (shown,) = centre.reader.episodes(EpisodeFilter())["items"]
    assert shown["clock_unset"] is False


@pytest.mark.parametrize("by_ns", [BEHIND, AHEAD])
def test_reports_and_a_replay_have_the_time_of_its_arrival(engine: sa.Engine, by_ns: int) -> None:
    centre = Centre(engine)
    centre.commit(payload(10, _item(1, _of_clock(by_ns), by_ns, by_ns)))
    (shown,) = centre.shown()
    arrived_ns = int(shown["received_ns"])
    row = row_of(shown)
    assert (row["start"], row["clock_unset"]) == ("2026-09-21 22:13:20", 1)
    assert row_of(shown | {"clock_unset": False})["start"] != row["start"], "as the RSU gave it"
    with engine.connect() as db:
        (found,) = grades(db, T0_NS - 10**9, T0_NS + 10**9)["items"]
    assert found["steps"] == [[str(arrived_ns), shown["grade"]]]


@pytest.mark.parametrize("by_ns", [0, BEHIND])
def test_an_evidence_file_says_that_the_clock_was_never_set(engine: sa.Engine, by_ns: int) -> None:
    centre = Centre(engine)
    centre.commit(payload(10, _item(1, _of_clock(by_ns), by_ns, by_ns)))
    with engine.connect() as db:
        versions = store.versions_of(db, episode_id(1))
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        bundle = Bundle(archive)
        assert [one.clock_unset for one in add_versions(bundle, versions)] == [by_ns != 0]
        add_plot(bundle, versions)
        assert ("RSU clock was never set" in archive.read("plot/violation.svg").decode()) is (by_ns != 0)


@pytest.mark.parametrize("by_ns", [0, BEHIND, AHEAD])
def test_other_platforms_get_the_time_of_its_arrival_marked(engine: sa.Engine, by_ns: int) -> None:
    """A centre of others knows no `clock_unset` of ours: an alarm of 2020 it would file away, or refuse."""
    centre = Centre(engine)
    with engine.begin() as db:
        outreach.begin(db)
    closed = _of_clock(by_ns, version=2, phase="close", end_ns=T0_NS + 501 * MS + by_ns)
    for seq, found in enumerate((_of_clock(by_ns), closed), 1):
        centre.commit(payload(10, _item(seq, found, by_ns, by_ns)))
        with engine.begin() as db:
            outreach.collect(db, ["webhook"], Moment(T0_NS, "site", "centre"))
    with engine.connect() as db:
        raised, over = (json.loads(body) for body in db.scalars(sa.select(OUTREACH.c.body)))
    (shown,) = centre.shown()
    assert raised["clock_unset"] is over["clock_unset"] is (by_ns != 0)
    assert [over["start_ns"], over["end_ns"]] == [
        str(time_by_arrival(shown, name)) for name in ("start_ns", "end_ns")
    ]
    assert abs(int(raised["start_ns"]) - T0_NS) < 60 * 10**9


def test_what_two_rsus_saw_is_one_case_though_one_clock_was_never_set(engine: sa.Engine) -> None:
    desk = DeskStage(engine)
    centre = desk.at
    centre.commit(payload(10, _item(1, _of_clock(BEHIND), BEHIND, BEHIND)))
    other = violation(2, esn="RSU002", start_ns=T0_NS + 10**9, confirmed_ns=T0_NS + 2 * 10**9)
    assert centre.send(1, other, "RSU002")[0] == (1,)
    desk.take_in()
    assert {each["case"] for each in desk.listed().values()} == {episode_id(1)}
