"""Law: a page that stayed open through anything equals a fresh one, row by row and field by field."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import Phase as Phase_
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from centre.batch_decoder import decode_batch
from centre.commands import CommitResult
from centre.reader import EpisodeFilter, Reader
from centre.settling import Settler
from centre.store import open_database
from centre.violation_writer import ViolationWriter
from geofence.violation import Phase, Violation
from tests.centre.test_web import WEB, find_node
from tests.support.centre_samples import MS, T0_NS, episode_id, item, payload, violation
from tests.support.examples import examples
from tests.support.ledger_databases import ledger_at

GRADES = ("notice", "warning", "violation")
RSUS = ("RSU001", "RSU002")


class Page:
    """What a page does with the interface: loads all rows, then follows the feed from that cursor."""

    def __init__(self, reader: Reader) -> None:
        loaded = reader.episodes(EpisodeFilter(limit=500))
        self.loaded: list[dict[str, Any]] = loaded["items"]
        self.changes: list[dict[str, Any]] = []
        self.rows = {row["id"]: row for row in loaded["items"]}
        self.cursor = loaded["cursor"]

    def follow(self, reader: Reader, limit: int = 200) -> None:
        """Take the next changes, as after a reconnection."""
        for change in reader.changes(self.cursor, limit):
            self.cursor = change.n
            if change.data is not None:
                self.changes.append(change.data)
                held = self.rows.get(change.key)
                order = (change.data["hop"], change.data["version"])
                if held is None or order >= (held["hop"], held["version"]):
                    self.rows[change.key] = change.data


class World:
    """A centre whose clock lets pages in between a commit and its time stamp."""

    def __init__(self, path: Path) -> None:
        self.path, self.now_ns = path, T0_NS + 600 * MS
        self.pages: list[Page] = []
        self.between: Callable[[], None] | None = None
        self.start()

    def start(self) -> None:
        """Start the centre, again after `stop`."""
        self.engine = ledger_at(self.path)
        self.violation_writer = ViolationWriter(self.engine, self._clock_ns)
        self.reader = Reader(self.engine)

    def stop(self) -> None:
        self.engine.dispose()

    def _clock_ns(self) -> int:
        self.now_ns += MS
        if self.between is not None:  # committed, not stamped
            self.between()
        return self.now_ns

    def open_page(self) -> None:
        self.pages.append(Page(self.reader))

    def send(self, esn: str, epoch: int, seq: int, what: Violation) -> CommitResult:
        self.now_ns += MS
        body = payload(epoch, item(seq, what))
        return self.violation_writer.commit(
            [decode_batch(f"v2x/v1/rsu/{esn}/violation/up", esn, body, self.now_ns)], []
        )

    def assert_pages_are_fresh(self) -> None:
        fresh = Page(self.reader).rows
        for page in self.pages:
            page.follow(self.reader, 100_000)
            assert page.rows == fresh


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    it = World(tmp_path / "centre.sqlite")
    yield it
    it.stop()


def _version(n: int, version: int, hop: int, grade: int, phase: Phase, over_m: float) -> Violation:
    return violation(
        n, version=version, hop=hop, phase=phase, grade=GRADES[grade], esn=RSUS[hop % 2],
        p_violation=over_m / 4, end_ns=T0_NS + 9_000 * MS if phase == "close" else None,
        evidence={"stamp_ns": [T0_NS, T0_NS + version * 100 * MS], "excess_m": [0.0, over_m]},
    )  # fmt: skip


VERSIONS = st.builds(
    _version,
    n=st.integers(1, 3), version=st.integers(1, 5), hop=st.integers(0, 2), grade=st.integers(0, 2),
    phase=st.sampled_from(["open", "update", "close"]), over_m=st.floats(0.0, 4.0, width=16),
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), VERSIONS),
        st.tuples(st.just("resend"), st.integers(0, 30)),
        st.tuples(st.sampled_from(["open", "follow", "restart"]), st.integers(0, 3)),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=examples(10), deadline=None)
@given(steps=STEPS, race=st.booleans())
def test_a_page_open_through_any_history_equals_a_fresh_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]], race: bool
) -> None:
    """Versions overtaken, closed first or resent, several RSUs and hops, restarts, reconnections."""
    _live_through(tmp_path_factory.mktemp("law"), steps, race)


def _live_through(folder: Path, steps: list[tuple[str, Any]], race: bool) -> list[dict[str, Any]]:
    """Check the law for one history; return what each page loaded and received, and what a fresh one has."""
    world = World(folder / "centre.sqlite")
    world.open_page()
    sent: list[tuple[str, int, Violation]] = []

    def look() -> None:  # at the worst moment
        if len(world.pages) < 6:
            world.open_page()
        world.pages[0].follow(world.reader)

    world.between = look if race else None
    for what, detail in steps:
        if what == "send":
            sent.append((detail.esn, len(sent) + 1, detail))
            world.send(detail.esn, 10, len(sent), detail)
        elif what == "resend" and sent:
            esn, seq, found = sent[detail % len(sent)]
            world.send(esn, 10 + detail % 2, seq, found)
        elif what == "open":
            world.open_page()
        elif what == "follow":
            world.pages[detail % len(world.pages)].follow(world.reader, 1 + detail)
        elif what == "restart":
            world.stop()
            world.start()
    world.between = None
    world.assert_pages_are_fresh()
    fresh = Page(world.reader).loaded
    world.stop()
    return [{"loaded": page.loaded, "changes": page.changes, "fresh": fresh} for page in world.pages]


def test_the_pages_own_code_shows_what_a_fresh_page_shows(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The same histories through the code of the browser: each cell of each row, and the sections."""
    lived: list[dict[str, Any]] = []

    @settings(max_examples=10, deadline=None, phases=[Phase_.generate], derandomize=True)
    @given(steps=STEPS, race=st.booleans())
    def live(steps: list[tuple[str, Any]], race: bool) -> None:
        lived.extend(_live_through(tmp_path_factory.mktemp("law"), steps, race))

    live()
    script = WEB / "test" / "open_page.mjs"
    done = subprocess.run(
        [find_node(), script], input=json.dumps(lived), capture_output=True, text=True, cwd=WEB, check=True,
        timeout=60,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["n"] == len(lived) > 10
    assert found["changed"] > 3, "many pages show something else than what they loaded"
    assert found["differing"] == []


def test_a_close_before_its_violation_becomes_an_alarm_on_the_open_page(world: World) -> None:
    world.send("RSU001", 10, 3, _version(1, 3, 0, 0, "close", 0.1))
    world.open_page()
    assert world.pages[0].rows[episode_id(1)]["grade_max"] == "notice"
    world.send("RSU001", 10, 2, _version(1, 2, 0, 2, "update", 2.5))
    world.pages[0].follow(world.reader)
    row = world.pages[0].rows[episode_id(1)]
    assert (row["open"], row["grade_max"], row["excess_m_max"], row["versions"]) == (
        False, "violation", 2.5, 2,
    )  # fmt: skip


def test_a_time_stamp_that_failed_at_first_reaches_the_open_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full for a moment: the next commit writes the time and announces it."""
    real = Settler._write_times

    def full(*_: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("disk full"))

    monkeypatch.setattr(Settler, "_write_times", full)
    world.send("RSU001", 10, 1, _version(1, 1, 0, 1, "open", 0.5))
    world.open_page()
    row = world.pages[0].rows[episode_id(1)]
    assert row["first_committed_ns"] is None  # a page that loads shows it all the same
    monkeypatch.setattr(Settler, "_write_times", real)
    world.send("RSU001", 10, 2, _version(2, 1, 0, 1, "open", 0.5))
    world.assert_pages_are_fresh()
    assert world.pages[0].rows[episode_id(1)]["first_committed_ns"] is not None


def test_a_page_that_loads_before_the_time_stamp_receives_it(world: World) -> None:
    world.between = world.open_page
    world.send("RSU001", 10, 1, _version(1, 1, 0, 1, "open", 0.5))
    world.between = None
    (page,) = world.pages
    assert page.rows[episode_id(1)]["latency_ms"] is None
    world.assert_pages_are_fresh()
    assert page.rows[episode_id(1)]["latency_ms"] is not None


def test_an_open_database_of_an_earlier_version_gets_its_index(tmp_path: Path) -> None:
    """It has all tables: what the sections are counted by is made, not missed."""
    url = f"sqlite:///{tmp_path / 'centre.sqlite'}"
    engine = open_database(url)
    with engine.begin() as db:
        db.exec_driver_sql("DROP INDEX ix_episode_section")
    engine.dispose()
    engine = open_database(url)
    assert "ix_episode_section" in {index["name"] for index in sa.inspect(engine).get_indexes("episode")}
    engine.dispose()
