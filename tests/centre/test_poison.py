"""No single item, whatever it holds, costs another one anything: real SQLite, hostile values."""

import math
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from centre import violation_rows as module
from centre.batch_decoder import Batch, decode_batch
from centre.commands import CommitResult, StatusChange
from centre.reader import EpisodeFilter, Reader
from centre.store import EPISODE, FEED, QUARANTINE, STATUS, TRANSPORT, VERSION
from centre.views.safe_json import json_safe
from centre.violation_writer import ViolationWriter
from geofence import violation as codec
from geofence.plausible import WITHHELD
from geofence.violation import Violation
from tests.support.centre_samples import MS, T0_NS, episode_id, item, payload, violation
from tests.support.examples import examples
from tests.support.ledger_databases import ledger_at

TOPIC = "v2x/v1/rsu/RSU001/violation/up"
NOW_NS = T0_NS + 600 * MS
POISON = [
    math.nan, math.inf, -math.inf, 1e308, -1.0, -1, 0, 1, 2**62, 2**63, 2**64 - 1, "", "\u202e", "\x00",
    "x" * 1_000, [], [[[]]], [[[[1]]]], {}, {"a": {"b": [math.nan]}}, b"\xff", True, None,
    datetime(2026, 1, 1, tzinfo=UTC), msgspec.msgpack.Ext(5, b"x"),
]  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


class Centre:
    """A database, its writer and its reader."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.violation_writer, self.reader = ViolationWriter(self.engine, lambda: NOW_NS), Reader(self.engine)
        self.seq = 0

    def commit(self, *found: Violation | bytes | str) -> CommitResult:
        """Commit one batch of these; the last answer names which seqs are held."""
        items = []
        for what in found:
            self.seq += 1
            items.append(item(self.seq, what))
        batch = decode_batch(TOPIC, "RSU001", payload(10, *items), NOW_NS)
        return self.violation_writer.commit([batch], [])

    def rows(self, table: sa.Table) -> int:
        with self.engine.begin() as db:
            return db.scalar(sa.select(sa.func.count()).select_from(table)) or 0

    def ids(self) -> list[str]:
        return sorted(row["id"] for row in self.reader.episodes(EpisodeFilter(limit=500))["items"])

    def reads(self) -> None:
        """Read all that the web interface does, as JSON without a NaN in it."""
        shown = [
            self.reader.episodes(EpisodeFilter(limit=500)), self.reader.quarantined(500)["items"],
            self.reader.figures(NOW_NS), [change.data for change in self.reader.changes(0)],
            *map(self.reader.violation, self.ids()),
        ]  # fmt: skip
        msgspec.json.encode(shown)
        assert _is_finite(shown)


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    it = Centre(ledger_at(tmp_path / "centre.sqlite"))
    yield it
    it.engine.dispose()


@pytest.fixture
def either(engine: sa.Engine) -> Centre:
    """Give a centre on each kind of database in turn."""
    return Centre(engine)


def _with(name: str, value: Any) -> bytes:
    """Return a violation's bytes with one field, or one evidence column, set to anything."""
    fields = msgspec.to_builtins(violation(7))
    *outer, last = name.split(".")
    inner = fields
    for key in outer:
        inner = inner[key]
    inner[last] = value
    return msgspec.msgpack.encode(fields)


FIELDS = [
    *Violation.__struct_fields__, "vehicle.plate", "stamps.arrived_ns", "evidence.d_m", "evidence.t_ns",
    "evidence.\u202e", "unheard_of",
]  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_one_poisoned_field_costs_its_neighbours_nothing(centre: Centre, name: str) -> None:
    some = POISON if examples(1) > 1 else POISON[FIELDS.index(name) % 3 :: 3]  # each value for some fields
    for value in some:
        n = centre.seq
        done = centre.commit(violation(n + 100), _with(name, value), violation(n + 101))
        assert done.acknowledgements[0].stored == (n + 1, n + 2, n + 3)
        assert {episode_id(n + 100), episode_id(n + 101)} <= set(centre.ids())
    centre.reads()
    assert centre.rows(TRANSPORT) == centre.seq
    # each item is shown, quarantined, or the same again
    done_twice = centre.rows(VERSION) + centre.rows(QUARANTINE)
    assert done_twice <= centre.seq
    assert centre.rows(QUARANTINE) > 0 or name == "unheard_of"


def test_a_nan_is_quarantined_and_shown_to_the_operator(centre: Centre) -> None:
    done = centre.commit(violation(1), violation(2, p_violation=math.nan), violation(3))
    assert done.acknowledgements[0].stored == (1, 2, 3)
    assert done.counts["item.implausible"] == 1
    assert centre.ids() == sorted([episode_id(1), episode_id(3)])
    (kept,) = centre.reader.quarantined(10)["items"]
    assert kept["reason"] == "implausible: p_violation: out of range 0 to 1 (is nan)"
    assert (kept["epoch"], kept["seq"]) == (10, 2)


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.IntegrityError("INSERT", {}, Exception("NOT NULL constraint failed")),
        sa.exc.DataError("INSERT", {}, Exception("out of range")),
        TypeError("unhashable"), KeyError("rule"), OverflowError("int too large"), RecursionError("deep"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), AssertionError("ours"),
        ZeroDivisionError("what nobody thought of"),
    ],
)  # fmt: skip
def test_any_error_of_one_item_quarantines_it_alone(
    either: Centre, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Also where the gate let it through: the episode's row is half written when it fails."""
    whole = module._update_episode

    def failing(db: sa.Connection, done: CommitResult, batch: Batch, found: Violation) -> None:
        whole(db, done, batch, found)
        if found.id == episode_id(2):
            raise error

    monkeypatch.setattr(module, "_update_episode", failing)
    done = either.commit(violation(1), violation(2), violation(3), b"\xc1", "lost")
    assert done.acknowledgements[0].stored == (1, 2, 3, 4, 5)
    assert either.ids() == sorted([episode_id(1), episode_id(3)])
    assert (either.rows(VERSION), either.rows(EPISODE), either.rows(FEED)) == (2, 2, 2)  # nothing is half
    assert {change.key for change in done.changes} == {episode_id(1), episode_id(3)}
    assert done.counts["violation.stored"] == 2
    assert done.counts["item.unstorable"] == 1
    reasons = [row["reason"] for row in either.reader.quarantined(10)["items"]]
    assert any(reason.startswith(f"unstorable: {type(error).__name__}") for reason in reasons)
    monkeypatch.undo()
    again = either.violation_writer.commit(
        [decode_batch(TOPIC, "RSU001", payload(10, item(2, violation(2))), NOW_NS)], []
    )
    assert again.acknowledgements[0].stored == (2,)  # the repeat is known by its key
    assert either.rows(QUARANTINE) == 2


def test_a_status_that_can_t_be_kept_costs_the_same_commit_nothing(centre: Centre) -> None:
    def change(name: str, since_ns: int) -> StatusChange:
        return StatusChange(
            kind="rsu", id=name, epoch=1, connection=1, since_ns=since_ns, body=b"", announce=True
        )

    batch = decode_batch(TOPIC, "RSU001", payload(10, item(1, violation(1))), NOW_NS)
    done = centre.violation_writer.commit(
        [batch], [change("A", T0_NS), change("B", 2**70), change("C", T0_NS)]
    )
    assert done.acknowledgements[0].stored == (1,)
    assert done.counts["status.unstorable"] == 1
    with centre.engine.begin() as db:
        assert list(db.scalars(sa.select(STATUS.c.id).order_by(STATUS.c.id))) == ["A", "C"]
    assert centre.rows(FEED) == 3


def test_a_refusing_disk_in_the_middle_stores_and_quarantines_nothing(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, n_calls = module._update_episode, Counter[str]()

    def failing(db: sa.Connection, done: CommitResult, batch: Batch, found: Violation) -> None:
        whole(db, done, batch, found)
        n_calls["all"] += 1
        if n_calls["all"] == 2:
            raise TypeError("a poisoned item, so that all is tried one by one")
        if n_calls["all"] == 5:  # of the second round, after two were taken
            raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(module, "_update_episode", failing)
    with pytest.raises(sa.exc.OperationalError, match="full"):
        centre.commit(violation(1), violation(2), violation(3))
    for table in (TRANSPORT, VERSION, EPISODE, FEED, QUARANTINE):
        assert centre.rows(table) == 0


def test_one_unreadable_item_leaves_its_batch_readable(centre: Centre) -> None:
    """An item with a text that is no UTF-8, or a map with a map as its key: unread neighbours stay."""
    for broken in (b"\x82\xa3seq\x01\xa4void\xa1\xff", b"\x82\xa3seq\x01\xa4void\x81\x80\x02"):
        sound = msgspec.msgpack.encode(item(2, violation(2)))
        found = decode_batch(TOPIC, "RSU001", b"\x82\xa5epoch\x0a\xa5items\x92" + broken + sound, NOW_NS)
        assert isinstance(found, Batch)
        assert [(each.seq, each.kind) for each in found.items] == [(1, "unreadable"), (2, "violation")]


def test_a_broken_item_sent_again_is_the_same_item(centre: Centre) -> None:
    """`sent_ns` changes with each attempt; what is compared is the violation."""
    for sent_ns in (T0_NS, T0_NS + 1):
        row = {"seq": 1, "violation": {"no": "bytes"}, "detected_ns": T0_NS, "sent_ns": sent_ns}
        body = msgspec.msgpack.encode({"epoch": 10, "items": [row]})
        done = centre.violation_writer.commit([decode_batch(TOPIC, "RSU001", body, NOW_NS)], [])
        assert done.acknowledgements[0].stored == (1,)
    assert centre.rows(QUARANTINE) == 1


def test_a_withheld_violation_is_shown_to_the_operator(centre: Centre) -> None:
    done = centre.commit(f"{WITHHELD}overspeed: speed_mps: out of range", "no room on disk\u202e")
    assert done.acknowledgements[0].stored == (1, 2)
    (kept,) = centre.reader.quarantined(10)["items"]
    assert kept["reason"] == "void: implausible overspeed: speed_mps: out of range"


def test_what_an_older_centre_stored_kills_no_reader(centre: Centre) -> None:
    """NaN in a body, infinity in a maximum, fields that nobody can read: the sound rows are shown."""
    centre.commit(*(violation(n) for n in range(1, 6)))
    bodies = {
        1: codec.encode(violation(1, d_m=math.nan, evidence={"stamp_ns": [None], "excess_m": [math.nan]})),
        2: b"\xc1",
        3: msgspec.msgpack.encode(msgspec.to_builtins(violation(3)))[:-1],
        4: codec.encode(
            violation(4, evidence={"excess_m": ["x"], "stamp_ns": [[]], "deep": [[[[[[[[[1]]]]]]]]]})
        ),
    }
    with centre.engine.begin() as db:
        for n, body in bodies.items():
            db.execute(sa.update(VERSION).where(VERSION.c.id == episode_id(n)).values(body=body))
        db.execute(sa.update(EPISODE).values(p_violation_max=math.inf, excess_m_max=math.inf))
    centre.reads()
    assert centre.ids() == sorted(episode_id(n) for n in (1, 4, 5))
    assert centre.reader.counts["row.unreadable"] > 0
    assert [change.n for change in centre.reader.changes(0)] == [1, 2, 3, 4, 5]


def test_fields_that_this_version_does_not_know_are_not_shown_unchecked(centre: Centre) -> None:
    body = codec.encode(violation(1))
    count = body[:3]  # the map's head: 16 bits of size
    assert count[0] == 0xDE
    size = int.from_bytes(count[1:3]) + 1
    hostile = b"\xde" + size.to_bytes(2) + body[3:] + b"\xa1x\x81\x80\x02"  # a map as a key
    assert centre.commit(hostile, violation(2)).acknowledgements[0].stored == (1, 2)
    centre.reads()
    assert len(centre.ids()) == 2


@settings(
    max_examples=examples(8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(FIELDS), value=TREES, also=st.dictionaries(st.text(), TREES, max_size=3))
def test_any_value_of_any_field_leaves_the_writer_alive(
    centre: Centre, name: str, value: Any, also: dict[str, Any]
) -> None:
    """Law: neighbours are stored and acknowledged, and every item is accounted for."""
    n = centre.seq
    fields = also | msgspec.msgpack.decode(_with(name, value)) | {"id": str(uuid.uuid4())}
    if name == "id":
        fields["id"] = value
    sound = [violation(n + 1_000), violation(n + 1_001)]
    done = centre.commit(sound[0], msgspec.msgpack.encode(fields), sound[1])
    assert done.acknowledgements[0].stored == (n + 1, n + 2, n + 3)
    kinds = sum(
        done.counts[f"{kind}"]
        for kind in (
            "violation.stored", "violation.resent", "violation.contradicting", "item.unreadable",
            "item.implausible", "item.unstorable",
        )
    )  # fmt: skip
    assert kinds == 3
    assert done.counts["violation.stored"] >= 2
    centre.reads()


def test_json_safe_holds_only_what_json_can(centre: Centre) -> None:
    deep: Any = 1
    for _ in range(2_000):
        deep = [deep]
    found = json_safe(
        {"a": math.nan, "b": deep, "c": "\u202ex", "d_ns": 5, 3: b"\x01", "e": object(), "seq": 2**53 + 1}
    )
    assert msgspec.json.decode(msgspec.json.encode(found))["c"] == "<U+202E>x"
    assert (found["a"], found["d_ns"], found["3"], found["e"]) == (None, "5", "01", None)
    assert found["seq"] == "9007199254740993"  # a number would be rounded to an RSU's other seq
