"""The search: what each episode is found by, whatever order its versions come in, and its pages."""

import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from centre.desk_tables import HANDLING
from centre.history.grades import grades
from centre.search import backfill
from centre.search.counts import by_plate
from centre.search.keys import folded, key_of, shown
from centre.search.notes import annotate
from centre.search.query import HANDLING_STATES, KEY, Cursor, Search, cursor_of, search
from centre.search.tables import EPISODE_KEY
from centre.statistics.sheets import row_of
from edge.wire import ViolationItem
from geofence.violation import GRADES, Grade, Stamps, Violation, ViolationVehicle
from tests.support.centre_database import Centre
from tests.support.centre_samples import MS, T0_NS, episode_id, item, payload, violation
from tests.support.desk_stage import ZHAO, DeskStage

HOUR_NS = 3_600_000 * MS


def _found(centre: Centre, **wanted: Any) -> list[str]:
    return [row["id"] for row in centre.reader.search(Search(**wanted))["items"]]


def _stored(centre: Centre) -> dict[str, Any]:
    with centre.engine.begin() as db:
        return {row["id"]: dict(row) for row in db.execute(sa.select(EPISODE_KEY)).mappings()}


@pytest.mark.parametrize(
    ("shown", "asked"),
    [
        ("辽L·A7316挂", "A7316"),  # a part
        ("辽L·A7316挂", "辽la7316"),  # without the dot, in small letters
        ("辽L·A7316挂", "Ａ７３１６"),  # full width
        ("辽L·Ａ7316挂", "A7316"),  # full width on the wire
        ("辽L A7316", "l-a7316"),
        ("100%_A", "0%_a"),  # nothing in it is a wildcard
    ],
)
def test_a_plate_is_found_by_a_part_in_any_width_and_case(engine: sa.Engine, shown: str, asked: str) -> None:
    centre = Centre(engine)
    centre.send(1, violation(1, vehicle=ViolationVehicle(plate=shown)))
    centre.send(2, violation(2, vehicle=ViolationVehicle(plate="辽B·X9999")))
    centre.send(3, violation(3, vehicle=None))
    assert _found(centre, plate=asked) == [episode_id(1)]
    assert _found(centre, plate="10A") == []


def test_characters_that_do_not_show_are_found_as_they_are_shown() -> None:
    assert folded("AB\u202e12") == "AB<U+202E>12"


def _history(chance: np.random.Generator, n: int) -> list[Violation]:
    """Return versions of one episode: grades up and down, a handover, perhaps a close."""
    versions = []
    hop = 0
    for version in range(1, int(chance.integers(2, 7))):
        hop += int(chance.random() < 0.3)
        ends = chance.random() < 0.3
        versions.append(
            violation(
                n, version=version, hop=hop, esn=f"RSU00{hop + 1}", grade=GRADES[chance.integers(4)],
                phase="close" if ends else "update", start_ns=T0_NS - n * MS,
                end_ns=T0_NS + version * MS if ends else None, s_m=round(chance.uniform(0, 900), 1),
                lane=("hazmat", "mixed")[chance.integers(2)],
                vehicle=(
                    None, ViolationVehicle(plate=f"辽L·A{n:04}", carrier="盘锦一运"),
                    ViolationVehicle(terminal="13900000009"),
                )[chance.integers(3)],
            )
        )  # fmt: skip
    return versions


@pytest.mark.parametrize("seed", range(4))
def test_the_key_is_that_of_all_versions_in_whatever_order_they_come(engine: sa.Engine, seed: int) -> None:
    chance = np.random.Generator(np.random.Philox(seed))
    centre, histories = Centre(engine), {n: _history(chance, n) for n in range(1, 9)}
    sent = [each for history in histories.values() for each in history]
    sent = [sent[i] for i in chance.permutation(len(sent))]
    seqs: dict[str, int] = {}
    for place in range(0, len(sent), 3):  # some transactions hold several versions of one episode
        for each in sent[place : place + 3]:
            seqs[each.esn] = seqs.get(each.esn, 0) + 1
            centre.send(seqs[each.esn], each, each.esn)
    stored = _stored(centre)
    for n, history in histories.items():
        row = {name: stored[episode_id(n)][name] for name in key_of(history)}
        assert row == key_of(history), n
    with engine.begin() as db:
        assert backfill.is_complete(db)
        assert backfill.computed(db, list(stored)) == {
            violation_id: {name: row[name] for name in key_of(histories[1])}
            for violation_id, row in stored.items()
        }


def test_versions_of_one_batch_are_one_row(engine: sa.Engine) -> None:
    centre = Centre(engine)
    first = violation(1, grade="notice", s_m=10.0)
    top = violation(1, version=2, grade="violation", s_m=20.0)
    last = violation(1, version=3, grade="notice", s_m=30.0, phase="close", end_ns=T0_NS + 9 * MS)
    centre.commit(payload(10, item(1, first), item(2, top), item(3, last)))
    row = _stored(centre)[episode_id(1)]
    assert (row["s_m"], row["open"], row["end_ns"]) == (20.0, False, T0_NS + 9 * MS)
    assert row["grade_max"] == GRADES.index("violation")


def _traffic(n: int) -> list[Violation]:
    chance = np.random.Generator(np.random.Philox(7))
    return [
        violation(
            i, version=1, start_ns=T0_NS - HOUR_NS + (i // 3) * 1_000 * MS, grade=GRADES[chance.integers(4)],
            rule=("overspeed", "lane_departure")[chance.integers(2)], s_m=float(i % 50) * 100.0,
            vehicle=ViolationVehicle(
                plate=f"辽L·A{i % 7:04}", carrier=f"第{i % 3}运输", terminal=f"1390000000{i % 7}"
            ),
        )
        for i in range(n)
    ]  # fmt: skip


def _oracle(traffic: Sequence[Violation], keep: Any) -> list[str]:
    kept = [each for each in traffic if keep(each)]
    return [each.id for each in sorted(kept, key=lambda each: (each.start_ns, each.id), reverse=True)]


CASES: tuple[tuple[dict[str, Any], Any], ...] = (
    ({}, lambda x: True),
    ({"rules": ("overspeed",)}, lambda x: x.rule == "overspeed"),
    ({"grades": ("warning", "violation")}, lambda x: x.grade in ("warning", "violation")),
    ({"kind": "record"}, lambda x: GRADES.index(x.grade) < 2),
    ({"terminal": "13900000003"}, lambda x: x.vehicle.terminal == "13900000003"),
    ({"carrier": "1运"}, lambda x: "1运" in x.vehicle.carrier),
    ({"from_m": 1_000.0, "to_m": 2_000.0}, lambda x: 1_000.0 <= x.s_m <= 2_000.0),
    ({"since_ns": T0_NS - HOUR_NS + 5_000 * MS, "until_ns": T0_NS - HOUR_NS + 9_000 * MS},
     lambda x: T0_NS - HOUR_NS + 5_000 * MS <= x.start_ns < T0_NS - HOUR_NS + 9_000 * MS),
    ({"plate": "A0002", "rules": ("lane_departure",)},
     lambda x: x.vehicle.plate.endswith("A0002") and x.rule == "lane_departure"),
    ({"esn": "RSU002"}, lambda x: False),
    ({"state": "closed"}, lambda x: False),
)  # fmt: skip


def test_each_filter_finds_what_a_plain_look_finds(engine: sa.Engine) -> None:
    centre, traffic = Centre(engine), _traffic(120)
    for place in range(0, 120, 30):
        part = traffic[place : place + 30]
        centre.commit(payload(10, *(item(place + i + 1, each) for i, each in enumerate(part))))
    for wanted, keep in CASES:
        found = centre.reader.search(Search(**wanted, limit=500))
        assert [row["id"] for row in found["items"]] == _oracle(traffic, keep), wanted
        assert found["n"] == len(found["items"])
        assert (found["older"], found["newer"], found["more"]) == (None, None, False)


def test_pages_lose_no_row_and_show_none_twice_while_rows_arrive(engine: sa.Engine) -> None:
    centre, traffic = Centre(engine), _traffic(60)
    order = np.random.Generator(np.random.Philox(3)).permutation(60)  # also older ones arrive late
    traffic = [traffic[i] for i in order]
    for seq, each in enumerate(traffic[:40], 1):
        centre.send(seq, each)
    seen: list[str] = []
    cursor: str | None = None
    seq = 40
    while True:
        page = centre.reader.search(Search(limit=7, before=None if cursor is None else cursor_of(cursor)))
        seen += [row["id"] for row in page["items"]]
        for each in traffic[seq : seq + 4]:
            seq += 1
            centre.send(seq, each)
        cursor = page["older"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert {each.id for each in traffic[:40]} <= set(seen)
    back: list[str] = []  # and the way back has the same rows, with those that came meanwhile
    page = centre.reader.search(Search(limit=7, before=Cursor(0, "x")))
    cursor = page["newer"]
    assert page["items"] == []
    assert cursor is not None
    while cursor is not None:
        page = centre.reader.search(Search(limit=7, after=cursor_of(cursor)))
        back = [row["id"] for row in page["items"]] + back
        cursor = page["newer"]
    assert back == _oracle(traffic, lambda each: True)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        found = cursor_of(text)
    except ValueError:
        return
    assert cursor_of(str(found)) == found


@pytest.mark.parametrize("function", [folded, shown])
def test_a_long_name_of_a_request_is_not_kept(function: Callable[[str], str]) -> None:
    """Thousands of names are remembered; the path of a request may have a name of 64 kB."""
    function("A")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(50):
        assert len(function(f"{n:03d}{'A' * 20_000}")) == 200
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert kept < 100_000


def test_what_people_said_is_found_and_survives_further_versions(engine: sa.Engine) -> None:
    centre = Centre(engine)
    for n in (1, 2, 3):
        centre.send(n, violation(n))
    with engine.begin() as db:
        assert annotate(db, episode_id(1), is_false=True, handling="closed")
        assert annotate(db, episode_id(2), corrected="辽B·Ｃ0042")
        assert not annotate(db, episode_id(9), is_false=True)
    centre.send(4, violation(1, version=2, phase="close", end_ns=T0_NS + 9 * MS))
    centre.send(5, violation(2, version=2))
    assert _found(centre, is_false=True) == [episode_id(1)]
    assert len(_found(centre, is_false=False)) == 2
    assert _found(centre, handling="closed") == [episode_id(1)]
    assert _found(centre, plate="c0042") == [episode_id(2)]
    assert len(_found(centre, plate="A0001")) == 3  # the RSU's reading still finds it
    row = centre.reader.search(Search(plate="C0042"))["items"][0]
    assert (row["corrected"], row["is_false"], row["handling"]) == ("辽BC0042", False, None)
    assert (row_of(row)["plate"], row_of(row)["corrected"]) == (violation(2).vehicle.plate, "辽BC0042")
    assert row_of(row)["rule"] == "lane_departure"
    counted = {each["plate"]: each["n"] for each in centre.reader.read(by_plate, Search())}
    assert counted == {folded(violation(1).vehicle.plate): 2, "辽BC0042": 1}


def test_each_state_of_handling_finds_just_the_alarms_that_stand_in_it(engine: sa.Engine) -> None:
    """Oracle: the worklist. Nobody has touched the first alarm, and a record has no handling at all."""
    desk = DeskStage(engine)
    for n in range(1, 6):
        desk.send(n, grade="warning")
    desk.send(6, grade="alert")
    desk.act(episode_id(2), "acknowledge")
    desk.act(episode_id(3), "handle")
    desk.act(episode_id(4), "close", reason="patrol_informed")
    desk.act(episode_id(5), "close", reason="patrol_informed")
    desk.act(episode_id(5), "reopen", ZHAO)
    found = {state: sorted(_found(desk.at, handling=state)) for state in HANDLING_STATES}
    assert found == {
        state: sorted(each for each, row in desk.listed().items() if row["state"] == state)
        for state in HANDLING_STATES
    }
    assert found["new"] == sorted([episode_id(1), episode_id(5)])
    with engine.begin() as db:  # closed by the desk's first start on an older database: no act, no note
        db.execute(sa.update(HANDLING).where(HANDLING.c.id == episode_id(1)).values(state="closed"))
    assert sorted(_found(desk.at, handling="closed")) == sorted([episode_id(1), episode_id(4)])
    assert {row["handling"] for row in desk.at.reader.search(Search(handling="new"))["items"]} == {"new"}


def test_a_replay_gets_the_grade_of_each_moment(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    centre, began_ns = Centre(engine), T0_NS - HOUR_NS

    def sent(version: int, grade: Grade) -> ViolationItem:
        at_ns = began_ns + version * 1_000 * MS
        end_ns = at_ns if version == 6 else None
        found = violation(
            1, version=version, grade=grade, phase="update" if end_ns is None else "close", start_ns=began_ns,
            confirmed_ns=began_ns, end_ns=end_ns, stamps=Stamps(measured_ns=at_ns, arrived_ns=at_ns),
        )  # fmt: skip
        return msgspec.structs.replace(item(version, found), detected_ns=at_ns)

    grades_of: list[Grade] = ["notice", "warning", "warning", "violation", "warning", "notice"]
    centre.commit(payload(10, *(sent(n, grade) for n, grade in enumerate(grades_of, 1))))
    centre.send(7, violation(2))  # open: it lasts since T0

    def asked(from_ns: int, to_ns: int, before: Cursor | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = centre.reader.read(grades, from_ns, to_ns, before)
        return answer

    steps = [(1, "notice"), (2, "warning"), (4, "violation"), (5, "warning")]
    first = {
        "id": episode_id(1), "start_ns": str(began_ns), "end_ns": str(began_ns + 6_000 * MS),
        "steps": [[str(began_ns + n * 1_000 * MS), grade] for n, grade in steps],
    }  # fmt: skip
    assert asked(began_ns + 5_000 * MS, T0_NS - 1) == {"next": None, "items": [first]}
    whole = asked(0, T0_NS + HOUR_NS)
    assert [each["id"] for each in whole["items"]] == [episode_id(2), episode_id(1)]
    assert [each["id"] for each in asked(T0_NS + HOUR_NS, T0_NS + 2 * HOUR_NS)["items"]] == [episode_id(2)]
    assert whole["items"][0]["end_ns"] is None
    assert asked(0, began_ns - 1)["items"] == []
    for since_s, until_s, n in ((3, 4, 1), (6, 7, 1), (7, 8, 0), (-9, 0, 0), (-9, 1, 1)):  # it lasted 6 s
        since_ns, until_ns = began_ns + since_s * 1_000 * MS, began_ns + until_s * 1_000 * MS
        found = centre.reader.search(Search(lasted=True, since_ns=since_ns, until_ns=until_ns))
        assert found["n"] == n, (since_s, until_s)
    monkeypatch.setattr("centre.history.grades.LISTED_MAX", 1)
    paged = asked(0, T0_NS + HOUR_NS)
    assert paged["items"] == whole["items"][:1]
    rest = asked(0, T0_NS + HOUR_NS, cursor_of(paged["next"]))
    assert rest == {"next": None, "items": whole["items"][1:]}, "each episode is on one page"


def test_an_older_database_is_filled_in_parts_and_what_came_meanwhile_stays(engine: sa.Engine) -> None:
    centre = Centre(engine)
    for n in range(1, 251):
        centre.send(n, violation(n, start_ns=T0_NS - n * MS))
    filled = _stored(centre)
    with engine.begin() as db:
        db.execute(sa.delete(EPISODE_KEY).where(KEY.id != episode_id(100)))
        assert not backfill.is_complete(db)
    centre.send(251, violation(7, version=2, start_ns=T0_NS - 7 * MS))  # of one without a row: filled later
    after: int | None = 0
    parts = 0
    while after is not None:
        with engine.begin() as db:
            found = backfill.missing(db, after)
            assert backfill.fill(db, found.ids) == len(found.ids) <= backfill.AT_ONCE
            assert backfill.fill(db, found.ids) == 0
        after, parts = found.after, parts + 1
    assert parts == 3
    assert _stored(centre) == filled
    with engine.begin() as db:
        assert backfill.is_complete(db)


@pytest.mark.long
def test_a_plate_in_a_day_of_a_large_database_costs_little(engine: sa.Engine) -> None:
    """100 000 episodes of a day; the cost does not grow with them: the index of plates is used."""
    _fill(engine, 100_000)
    wanted = Search(plate="A0042", since_ns=T0_NS, until_ns=T0_NS + 24 * HOUR_NS)
    with engine.begin() as db:
        search(db, wanted)
        began_s = time.thread_time()
        found = search(db, wanted)
        took_s = time.thread_time() - began_s
    assert found.n == 20
    assert took_s < 0.05


def _fill(engine: sa.Engine, n: int) -> None:
    rows = [
        {
            "id": episode_id(i), "start_ns": T0_NS + i * (24 * HOUR_NS // n), "end_ns": None, "open": False,
            "esn": "RSU001", "rule": "overspeed", "grade_max": 3, "plate": f"辽LA{i % 5_000:04}",
            "place_hop": 0, "place_version": 1, "s_m": float(i % 40_000),
        }
        for i in range(n)
    ]  # fmt: skip
    with engine.begin() as db:
        for place in range(0, n, 5_000):
            db.execute(sa.insert(EPISODE_KEY), rows[place : place + 5_000])
