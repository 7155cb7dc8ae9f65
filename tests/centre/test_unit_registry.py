"""The states of units, from heartbeats, wills and silence."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centre.commands import EPOCHS_MAX
from centre.unit_registry import PENDING_MAX, STALE_NS, STATUS_BYTES_MAX, UnitRegistry
from centre.views.units import misplaced, rsu_row
from edge import wire
from edge.radar_errors import RegistrationReported
from edge.terminal_only import TerminalOnly
from tests.support.centre_samples import T0_NS, status
from tests.support.examples import examples

S = 1_000_000_000


def reporters() -> UnitRegistry:
    return UnitRegistry("rsu", ["RSU001", "RSU002"], T0_NS)


def receive(
    it: UnitRegistry, found: wire.Status, at_ns: int = T0_NS, retained: bool = False, esn: str = "RSU001"
):
    return it.receive_status(esn, wire.encode(found), retained=retained, now_ns=at_ns)


@pytest.mark.parametrize(
    ("statuses", "want"),
    [
        ([], ("never", None)),
        ([status(last_seq=4)], ("online", 4)),
        ([status(last_seq=4), status(state="offline", last_seq=0)], ("offline", 4)),  # a will is old news
        ([status(connection=2), status(state="offline", connection=1)], ("online", 0)),  # its will comes late
        ([status(epoch=11, connection=1), status(epoch=10, connection=9)], ("online", 0)),
        ([status(state="offline"), status(connection=2)], ("online", 0)),
        ([status(state="offline")], ("offline", 0)),  # known to have been, so not "never"
    ],
)
def test_the_newest_connection_speaks(statuses: list[wire.Status], want: tuple[str, int | None]) -> None:
    it = reporters()
    for found in statuses:
        receive(it, found)
    last = it.rows()["RSU001"].status
    assert (it.state("RSU001", T0_NS)[0], None if last is None else last.last_seq) == want  # type: ignore[union-attr]


def test_silence_makes_it_stale_and_a_retained_word_is_no_sign_of_life() -> None:
    it = reporters()
    receive(it, status(), T0_NS + S)
    assert it.state("RSU001", T0_NS + S + STALE_NS) == ("online", False)
    assert it.state("RSU001", T0_NS + S + STALE_NS + 1) == ("online", True)
    receive(it, status(), T0_NS + 60 * S, retained=True)
    assert it.state("RSU001", T0_NS + 60 * S) == ("online", True)
    assert it.count_states(T0_NS + 60 * S) == {"online": 1, "offline": 0, "never": 1, "stale": 1}
    receive(it, status(state="offline"), T0_NS + 61 * S)
    assert it.state("RSU001", T0_NS + 999 * S) == ("offline", False)


def test_a_retained_word_gets_a_moment_to_be_confirmed_after_a_start() -> None:
    it = reporters()
    receive(it, status(), T0_NS + S, retained=True)
    assert it.state("RSU001", T0_NS + S) == ("online", False)
    assert it.state("RSU001", T0_NS + STALE_NS + 1) == ("online", True)


def pose(state: str, since_ns: int = 0) -> RegistrationReported:
    return RegistrationReported(
        state=state, estimate=(0.9, -1.2, 0.0175, 0.004, -0.1), sigma=(0.1,) * 5, applied=(0.0,) * 5,
        n_trucks=24, n_pairs=90, since_ns=since_ns,
    )  # fmt: skip


CLOCK = wire.ClockReported(kind="time_zone", offset_s=-28_800.0, corrected=False, since_ns=T0_NS, n=4)


@pytest.mark.parametrize(
    ("changed", "announced", "kept"),
    [
        ({}, False, False),  # just another heartbeat
        (
            {"outbox_depth": 3, "clock_offset_ms": 9.0, "counts": {"x": 1}},
            False,
            False,
        ),  # in the table anyway
        ({"last_seq": 1}, False, True),  # what it sent must outlive the centre's process
        ({"pending": ((9, 7),)}, False, True),
        ({"sensors": {"R1": "silent"}}, True, True),
        (
            {"unjudged": (wire.UnjudgedStretch(road="m", from_m=0, to_m=9, reason="gap", since_ns=1),)},
            True,
            True,
        ),
        ({"clocks": {"13900000001": CLOCK}, "clocks_n": 1}, True, True),
        ({"radar_clocks": {"R1": CLOCK}}, True, True),
        ({"host_clock": CLOCK}, True, True),
        ({"registration": {"R1": pose("beyond")}}, True, True),
        ({"state": "offline"}, True, True),
        ({"epoch": 11}, True, True),
    ],
)
def test_only_a_change_is_kept_and_announced(changed: dict, announced: bool, kept: bool) -> None:
    it = reporters()
    assert receive(it, status()) is not None  # the first word of all
    change = receive(it, status(**changed), T0_NS + S)
    assert (change is not None) == kept
    assert (change is not None and change.announce) == announced


def test_what_was_kept_restores_the_same_state() -> None:
    it = reporters()
    receive(it, status(last_seq=5, sensors={"R1": "silent"}), T0_NS + S)
    change = receive(it, status(state="offline"), T0_NS + 2 * S)
    assert change is not None
    later = reporters()
    later.restore("RSU001", change.since_ns, change.body)
    later.restore("RSU002", 1, b"an older format")
    assert later.rows()["RSU001"].status == it.rows()["RSU001"].status
    assert later.rows()["RSU001"].since_ns == T0_NS + 2 * S
    assert later.state("RSU002", T0_NS) == ("never", False)
    assert later.counts["status.forgotten"] == 1


def test_strangers_are_not_listed_and_long_words_are_bounded() -> None:
    it = reporters()
    assert receive(it, status(), esn="X1") is None
    it.restore("X2", T0_NS, wire.encode(status()))  # an RSU that the site file no longer names
    assert list(it.rows()) == ["RSU001", "RSU002"]
    assert it.counts["status.strangers"] == 2
    receive(it, status(counts={"x" * STATUS_BYTES_MAX: 1}))
    assert it.counts["status.unreadable"] == 1


def test_ever_new_epochs_of_one_rsu_are_bounded_and_cost_no_other_its_own() -> None:
    it = reporters()
    honest = status(epoch=9_000_000, last_seq=7, pending=((8_000_000, 3),))
    receive(it, honest, esn="RSU002")
    for turn in range(10):
        earlier = tuple((turn * 10_000 + n, 1) for n in range(2 * PENDING_MAX))
        change = receive(it, status(epoch=1_000_000 + turn, last_seq=1, pending=earlier))
        assert change is not None
        assert len(change.last_seqs) == PENDING_MAX + 1
        assert (1_000_000 + turn, 1) in change.last_seqs, "the epoch that it is in is always noted"
    assert len(it.rows()["RSU001"].last_seqs) == EPOCHS_MAX
    assert it.counts["status.pending_excess"] == 10 * PENDING_MAX
    assert it.counts["status.epochs_forgotten"] == 10 * (PENDING_MAX + 1) - EPOCHS_MAX
    assert it.rows()["RSU002"].last_seqs == {9_000_000: 7, 8_000_000: 3}
    assert receive(it, honest, esn="RSU002") is None, "known already"


def test_what_lies_beyond_the_limit_comes_up_as_the_oldest_are_acknowledged() -> None:
    it = reporters()
    pending = tuple((n, 1) for n in range(1, PENDING_MAX + 4))
    receive(it, status(epoch=10_000, pending=pending))
    change = receive(it, status(epoch=10_000, pending=pending[3:]))
    assert change is not None
    assert change.last_seqs == pending[-3:]


def test_an_earlier_epoch_is_earlier() -> None:
    it = reporters()
    change = receive(it, status(epoch=10, last_seq=2, pending=((10, 99), (11, 99), (9, 5))))
    assert change is not None
    assert change.last_seqs == ((10, 2), (9, 5))
    assert it.counts["status.pending_untrue"] == 2


def test_an_old_database_is_restored_within_the_limit() -> None:
    it = reporters()
    for epoch in range(1, EPOCHS_MAX + 4):
        it.restore_last_seq("RSU001", epoch, 1)
    assert min(it.rows()["RSU001"].last_seqs) == 4
    assert (
        receive(it, status(epoch=9_999, pending=((2, 1),))) is not None
    )  # below all: its row is kept by none
    assert 2 not in it.rows()["RSU001"].last_seqs


@settings(max_examples=examples(15))
@given(st.binary(max_size=200) | st.recursive(st.integers() | st.text(), st.lists).map(repr).map(str.encode))
def test_any_bytes_are_counted_not_raised(body: bytes) -> None:
    it = reporters()
    assert it.receive_status("RSU001", body, retained=False, now_ns=T0_NS) is None
    assert it.counts["status.unreadable"] == 1


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_status_never_raises(at: int, value: int) -> None:
    body = bytearray(msgspec.msgpack.encode(status()))
    body[at % len(body)] = value
    reporters().receive_status("RSU001", bytes(body), retained=False, now_ns=T0_NS)


def test_an_offset_that_trembles_is_no_news() -> None:
    it = reporters()
    receive(it, status(clocks={"1": CLOCK}, clocks_n=1))
    again = wire.ClockReported(kind="time_zone", offset_s=-28_800.1, corrected=False, since_ns=T0_NS, n=9)
    assert receive(it, status(clocks={"1": again}, clocks_n=1), T0_NS + S) is None


def test_the_page_shows_which_clocks_are_wrong() -> None:
    it = reporters()
    row = rsu_row("RSU001", None, it, T0_NS, (0, 0), [])
    assert (row["clocks"], row["clocks_n"], row["radar_clocks"], row["host_clock"]) == ({}, 0, {}, None)
    receive(it, status(clocks={"1": CLOCK}, clocks_n=70, radar_clocks={"R1": CLOCK}, host_clock=CLOCK))
    row = rsu_row("RSU001", None, it, T0_NS, (0, 0), [])
    shown = {"kind": "time_zone", "offset_s": -28_800.0, "corrected": False, "since_ns": str(T0_NS), "n": 4}
    assert row["clocks"] == {"1": shown}
    assert row["clocks_n"] == 70
    assert row["radar_clocks"] == {"R1": shown}
    assert row["host_clock"] == shown


def test_an_alarm_of_a_terminal_alone_is_stored_at_once_and_given() -> None:
    it = reporters()
    receive(it, status())
    only = TerminalOnly(terminal="13900000001", kind="lane", at_ns=T0_NS)
    found = status(terminal_only=(only,))
    change = receive(it, found, T0_NS + S)
    assert change is not None
    assert wire.decode_status(change.body).terminal_only == (only,)
    row = rsu_row("RSU001", None, it, T0_NS + S, (0, 0), ())
    assert row["terminal_only"] == [{"terminal": "13900000001", "kind": "lane", "at_ns": str(T0_NS)}]


def test_what_a_radars_pose_is_off_by_is_shown_and_an_alarm_names_it() -> None:
    it = reporters()
    assert rsu_row("RSU001", None, it, T0_NS, (0, 0), [])["registration"] == {}
    receive(it, status(registration={"R1": pose("beyond", T0_NS), "R2": pose("fits")}))
    row = rsu_row("RSU001", None, it, T0_NS, (0, 0), [])
    shown = row["registration"]["R1"]
    assert (shown["state"], shown["estimate"], shown["n_trucks"]) == (
        "beyond",
        (0.9, -1.2, 0.0175, 0.004, -0.1),
        24,
    )
    assert shown["since_ns"] == str(T0_NS)
    assert row["registration"]["R2"]["since_ns"] is None, "its RSU does not say"
    assert misplaced([row]) == ["RSU001/R1 1.50 m, +1.00°, +4 ms, -0.10 m"]


def test_an_estimate_that_trembles_is_no_news_and_a_state_is() -> None:
    it = reporters()
    receive(it, status(registration={"R1": pose("fits")}))
    trembles = msgspec.structs.replace(pose("fits"), estimate=(0.1, 0.0, 0.0, 0.0, 0.0))
    assert receive(it, status(registration={"R1": trembles}), T0_NS + S) is None
    assert receive(it, status(registration={"R1": pose("drifting")}), T0_NS + 2 * S) is not None
