"""What the centre keeps of what RSUs send: real SQLite, each case a table of arrivals."""

from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from centre.commands import StatusChange
from centre.reader import EpisodeFilter
from centre.store import QUARANTINE, TRANSPORT, VERSION, centre_name, open_database
from geofence.violation import Stamps, Violation
from tests.support.centre_database import Centre
from tests.support.centre_samples import MS, T0_NS, episode_id, item, payload, violation
from tests.support.examples import examples


@pytest.fixture
def centre(engine: sa.Engine) -> Centre:
    return Centre(engine)


def test_a_repeated_item_is_acknowledged_again_and_stored_once(centre: Centre) -> None:
    first, again = centre.send(1, violation()), centre.send(1, violation())
    assert first == again == ((1,), ())
    assert (centre.rows(VERSION), centre.rows(TRANSPORT), centre.rows(QUARANTINE)) == (1, 1, 0)
    assert len(centre.reader.changes(0)) == 1


def test_other_bytes_under_a_known_key_are_a_conflict_and_never_stored(centre: Centre) -> None:
    centre.send(1, violation(1))
    for _ in range(2):  # the RSU sends it again before it has the answer: kept once
        assert centre.send(1, violation(2)) == ((), (1,))
    assert [row["id"] for row in centre.shown()] == [episode_id(1)]
    assert centre.rows(QUARANTINE) == 1
    assert centre.send(1, violation(2), epoch=11) == ((1,), ())  # under the new epoch it is welcome
    assert len(centre.shown()) == 2


def test_one_conflict_does_not_hold_up_its_neighbours(centre: Centre) -> None:
    centre.send(2, violation(1))
    (answer,) = centre.commit(
        payload(10, item(1, violation(3)), item(2, violation(2)), item(3, "lost"))
    ).acknowledgements
    assert (answer.epoch, answer.stored, answer.conflict) == (10, (1, 3), (2,))


def test_the_same_violation_under_a_new_epoch_is_no_second_one(centre: Centre) -> None:
    centre.send(1, violation(), epoch=10)
    assert centre.send(1, violation(), epoch=11) == ((1,), ())
    assert (centre.rows(VERSION), centre.rows(TRANSPORT), centre.rows(QUARANTINE)) == (1, 2, 0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xc1", "unreadable"),  # no MessagePack
        (b"\x80", "unreadable"),  # a map without the fields
        (violation(esn="RSU002"), "under the topic"),  # another's name
        (violation(version=0), "out of range"),
        (violation(id="no uuid"), "unreadable"),
        (violation(start_ns=-1), "out of range"),
        (violation(1, d_m=9.9), "contradicts"),  # (id, version, esn) is stored with other bytes
    ],
)
def test_what_can_never_be_stored_is_kept_aside_and_acknowledged(
    centre: Centre, body: Violation | bytes, reason: str
) -> None:
    centre.send(1, violation(1))
    assert centre.send(2, body) == ((2,), ())
    assert centre.send(2, body) == ((2,), ())  # the repeat is known by its key
    (kept,) = centre.reader.quarantined(10)["items"]
    assert reason in kept["reason"]
    assert (kept["esn"], kept["epoch"], kept["seq"]) == ("RSU001", 10, 2)
    assert len(centre.shown()) == 1


def test_a_void_never_replaces_an_item_and_an_item_replaces_a_void(centre: Centre) -> None:
    centre.send(1, violation(1))
    assert centre.send(1, "disk") == ((1,), ())
    assert centre.send(2, "disk") == ((2,), ())
    assert len(centre.shown()) == 1
    assert centre.send(2, violation(2)) == ((2,), ())
    assert len(centre.shown()) == 2
    assert centre.send(2, violation(2)) == ((2,), ())
    assert centre.send(2, violation(3)) == ((), (2,))  # it is an item now
    assert centre.rows(TRANSPORT) == 2


@pytest.mark.parametrize(
    ("arrivals", "shown"),
    [
        ([(0, 1, "open", ""), (0, 2, "update", "")], (0, 2, True)),
        ([(0, 2, "update", ""), (0, 1, "open", "")], (0, 2, True)),  # the backlog after the live item
        ([(0, 3, "close", ""), (0, 2, "update", "")], (0, 3, False)),
        ([(0, 4, "update", ""), (1, 3, "update", "")], (1, 3, True)),  # the hop counts before the version
        ([(1, 3, "update", ""), (0, 4, "close", "handover_lost")], (1, 3, True)),
        ([(0, 4, "close", "handover_lost"), (1, 3, "update", "")], (1, 3, True)),  # it gives way
        ([(0, 4, "close", "handover_lost")], (0, 4, False)),  # and stands while nobody went on
        ([(0, 4, "close", "handover_lost"), (1, 3, "close", "")], (1, 3, False)),
    ],
)
def test_the_highest_hop_and_version_is_shown(
    centre: Centre, arrivals: list[tuple[int, int, Any, str]], shown: tuple[int, int, bool]
) -> None:
    for seq, (hop, version, phase, reason) in enumerate(arrivals, 1):
        esn = f"RSU00{hop + 1}"
        end_ns = T0_NS + 9 if phase == "close" else None
        what = violation(version=version, hop=hop, phase=phase, reason=reason or None, esn=esn, end_ns=end_ns)
        assert centre.send(seq, what, esn) == ((seq,), ())
    (row,) = centre.shown()
    assert (row["hop"], row["version"], row["open"]) == shown
    assert row["versions"] == len(arrivals)
    history = centre.reader.violation(episode_id(1))
    assert history is not None
    order = [(each["hop"], each["version"]) for each in history["versions"]]
    assert order == sorted((hop, version) for hop, version, _, _ in arrivals)


def test_the_feed_never_shows_an_older_version_after_a_newer(centre: Centre) -> None:
    for seq, version in enumerate((2, 1, 4, 3, 5), 1):
        centre.send(seq, violation(version=version))
    changes = centre.reader.changes(0)
    # an overtaken one is announced too, as a change of the row that is shown
    assert [change.data["version"] for change in changes if change.data] == [2, 2, 4, 4, 5]
    assert [change.n for change in changes] == sorted({change.n for change in changes})


def test_latency_is_of_the_first_warning_that_an_observation_decided(centre: Centre) -> None:
    arrived_ns = violation().stamps.arrived_ns
    tick = violation().stamps.__class__(measured_ns=T0_NS, arrived_ns=T0_NS, by="tick")
    centre.send(1, violation(1, version=1, grade="notice"))
    centre.send(2, violation(1, version=2, stamps=tick))
    assert centre.reader.latencies() == []  # a notice and a tick are no samples
    done = centre.commit(payload(10, item(3, violation(1, version=3, grade="violation"))))
    centre.send(4, violation(1, version=4))
    assert centre.reader.latencies() == [("RSU001", done.committed_ns - arrived_ns, False)]
    (row,) = centre.shown()
    assert row["latency_ms"] == (done.committed_ns - arrived_ns) / 1e6
    assert row["grade_max"] == "violation"


@pytest.mark.parametrize("versions", [(1, 2), (2, 1), (3, 2, 1), (1,)])
def test_versions_of_one_transaction_give_the_latency_of_the_first(
    centre: Centre, versions: tuple[int, ...]
) -> None:
    def sent(seq: int, version: int) -> dict[str, object]:
        stamps = Stamps(measured_ns=T0_NS, arrived_ns=T0_NS - 100 * version)
        return item(seq, violation(1, version=version, stamps=stamps))

    done = centre.commit(payload(10, *(sent(seq, version) for seq, version in enumerate(versions, 1))))
    assert centre.reader.latencies() == [("RSU001", done.committed_ns - (T0_NS - 100), False)]
    centre.commit(payload(10, sent(9, 9)))
    assert centre.reader.latencies() == [("RSU001", done.committed_ns - (T0_NS - 100), False)]


def test_a_gap_shows_even_if_nothing_follows(centre: Centre) -> None:
    def beat(last_seq: int) -> None:
        change = StatusChange(
            kind="rsu", id="RSU001", epoch=10, connection=1, since_ns=T0_NS, body=b"", announce=False,
            last_seqs=((10, last_seq), (9, 1)),
        )  # fmt: skip
        centre.violation_writer.commit([], [change])

    beat(3)
    assert centre.reader.gaps() == {"RSU001": (0, 4)}
    for seq in (1, 3):
        centre.send(seq, violation(seq))
    centre.send(1, violation(9), epoch=9)
    assert centre.reader.gaps() == {"RSU001": (3, 1)}
    centre.send(2, "lost with the disk")  # accounted for
    assert centre.reader.gaps() == {"RSU001": (4, 0)}
    beat(2)  # a late heartbeat takes nothing back
    assert centre.reader.gaps() == {"RSU001": (4, 0)}
    beat(5)
    assert centre.reader.gaps() == {"RSU001": (4, 2)}
    centre.send(5, violation(5))
    assert centre.reader.gaps() == {"RSU001": (5, 1)}
    centre.send(4, violation(4))
    assert centre.reader.gaps() == {"RSU001": (6, 0)}


def test_what_had_no_gap_is_not_counted_again(centre: Centre) -> None:
    asked: list[tuple[int, int]] = []  # the seqs between which keys are counted

    def note(_0: Any, _1: Any, statement: str, parameters: Any, _2: Any, _3: Any) -> None:
        if "count(*)" in statement:
            values = parameters.values() if isinstance(parameters, dict) else parameters
            asked.append(tuple(values)[2:])

    sa.event.listen(centre.reader._engine, "before_cursor_execute", note)
    for last_seq in (3, 3, 5, 6):
        change = StatusChange(
            kind="rsu", id="RSU001", epoch=10, connection=1, since_ns=T0_NS, body=b"", announce=False,
            last_seqs=((10, last_seq),),
        )  # fmt: skip
        centre.violation_writer.commit([], [change])
        for seq in range(1, last_seq + 1):
            if seq != 4:
                centre.send(seq, violation(seq))
        centre.reader.gaps()
    assert asked == [(0, 3), (3, 5), (3, 6)]


def test_the_newest_epochs_of_each_rsu_are_kept(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("centre.status_rows.EPOCHS_MAX", 3)

    def beat(esn: str, *last_seqs: tuple[int, int]) -> Counter[str]:
        change = StatusChange(
            kind="rsu", id=esn, epoch=10, connection=1, since_ns=T0_NS, body=b"", announce=False,
            last_seqs=last_seqs,
        )  # fmt: skip
        return centre.violation_writer.commit([], [change]).counts

    beat("RSU002", (1, 1))
    assert beat("RSU001", (4, 1), (5, 1), (6, 1)) == {}
    assert beat("RSU001", (8, 1), (7, 1)) == {"epoch.dropped": 2}
    assert sorted(centre.reader.last_seqs()) == [("RSU001", 6), ("RSU001", 7), ("RSU001", 8), ("RSU002", 1)]
    assert centre.reader.gaps() == {"RSU001": (0, 3), "RSU002": (0, 1)}


def test_large_integers_are_decimal_strings(centre: Centre) -> None:
    centre.send(1, violation())
    (row,) = centre.shown()
    assert (row["track"], row["start_ns"]) == (str(violation().track), str(T0_NS))
    assert row["stamps"]["arrived_ns"] == str(T0_NS + 500 * MS)
    assert "evidence" not in row
    history = centre.reader.violation(episode_id(1))
    assert history is not None
    assert history["versions"][0]["evidence"]["t_ns"] == [str(T0_NS), str(T0_NS + 100 * MS)]


def test_pages_show_each_episode_once_newest_first(centre: Centre) -> None:
    for n in range(1, 8):
        centre.send(n, violation(n))
    seen: list[str] = []
    before = None
    while True:
        page = centre.reader.episodes(EpisodeFilter(before=before, limit=3))
        seen += [row["id"] for row in page["items"]]
        if (before := page["next"]) is None:
            break
    assert seen == [episode_id(n) for n in range(7, 0, -1)]


def test_a_database_keeps_its_name_and_another_has_another(tmp_path: Any) -> None:
    names = []
    for name in ("a", "a", "b"):
        engine = open_database(f"sqlite:///{tmp_path / name}")
        names.append(centre_name(engine))
        engine.dispose()
    assert names[0] == names[1] != names[2]


ARRIVALS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 2), st.integers(1, 4)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=examples(8), deadline=None)
@given(arrivals=ARRIVALS)
def test_any_order_and_repetition_ends_in_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[tuple[int, int, int, int]]
) -> None:
    """Law: the shown row is the maximum of what was stored; every answer names each seq exactly once."""
    centre = Centre(tmp_path_factory.mktemp("law") / "centre.sqlite")
    best: dict[str, tuple[int, int]] = {}
    held: dict[tuple[int, int], Violation] = {}
    for epoch, seq, hop, version in arrivals:
        what = violation(version, version=version, hop=hop)
        stored, conflict = centre.send(seq, what, epoch=epoch)
        fits = held.setdefault((epoch, seq), what) == what
        assert (stored, conflict) == (((seq,), ()) if fits else ((), (seq,)))
        if fits:
            best.setdefault(
                what.id, (hop, version)
            )  # the same (id, version, esn) again contradicts: the first stays
    assert {row["id"]: (row["hop"], row["version"]) for row in centre.shown()} == best
    centre.engine.dispose()


def test_feed_and_quarantine_are_bounded_and_count_what_they_dropped(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centre.quarantine.FEED_ROWS_MAX", 3)
    monkeypatch.setattr("centre.quarantine.QUARANTINE_ROWS_MAX", 2)
    dropped: Counter[str] = Counter()
    for seq in range(1, 6):
        dropped += centre.commit(payload(10, item(seq, violation(seq)))).counts
        dropped += centre.commit(payload(11, item(seq, b"\xc1" + bytes([seq])))).counts
    assert centre.reader.bounds() == (5, 3)
    assert [row["seq"] for row in centre.reader.quarantined(10)["items"]] == [5, 4]
    assert (dropped["feed.dropped"], dropped["quarantine.dropped"]) == (2, 3)
    assert len(centre.shown()) == 5  # what is shown is never dropped


def _evidence(*excesses_m: float | None) -> dict[str, Any]:
    stamps = [T0_NS + (i - 1) * 100 * MS for i in range(len(excesses_m))]  # the first lies before the start
    return {"stamp_ns": stamps, "excess_m": list(excesses_m), "over": [9.0] * len(excesses_m)}


def test_an_episode_shows_its_newest_excess_and_the_deepest_of_all_versions(centre: Centre) -> None:
    centre.send(1, violation(hop=1, evidence=_evidence(3.0, -0.1, 0.4, None)))
    assert [(row["excess_m"], row["excess_m_max"]) for row in centre.shown()] == [(0.4, 0.4)]
    centre.send(
        2,
        violation(
            version=2, hop=1, phase="update", p_violation=1.0, evidence=_evidence(None, 0.5, 1.25, 1.2)
        ),
    )
    centre.send(
        3, violation(version=3, hop=1, phase="close", p_violation=0.001, evidence=_evidence(None, 0.1, -0.8))
    )
    (row,) = centre.shown()
    assert (row["excess_m"], row["excess_m_max"], row["p_violation_max"]) == (-0.8, 1.25, 1.0)
    centre.send(4, violation(version=9, hop=0, esn="RSU000", evidence=_evidence(None, 2.5)), esn="RSU000")
    assert centre.shown()[0]["excess_m_max"] == 2.5  # one that is overtaken counts too
    assert [each.data and each.data["excess_m_max"] for each in centre.reader.changes(0)][-1] == 2.5


@pytest.mark.parametrize(
    ("changed", "want"),
    [
        ({"rule": "off_dedicated_road"}, 9.0),
        ({"rule": "overspeed"}, None),
        ({"grade": "undecidable"}, None),
        ({"evidence": {}}, None),
    ],
)
def test_an_excess_is_metres_over_the_line_or_none(
    centre: Centre, changed: dict[str, Any], want: Any
) -> None:
    centre.send(1, violation(**({"evidence": _evidence(0.1, 0.2)} | changed)))
    assert [row["excess_m_max"] for row in centre.shown()] == [want]
