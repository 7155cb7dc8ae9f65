"""Epochs that run back, are forged, or take turns: no unit stays invisible for ever."""

import pytest

from centre.twins import RETURNS_MIN, TWIN_NS, TwinWatch
from centre.unit_registry import DAY_S, EPOCH_GIVEN_NS, STALE_NS, UnitRegistry
from centre.views.units import rsu_row
from edge import wire
from tests.support.centre_samples import T0_NS, status

S = 1_000_000_000
T0_S = T0_NS // S
ESN = "RSU001"


def registry(started_ns: int = T0_NS) -> UnitRegistry:
    return UnitRegistry("rsu", [ESN], started_ns)


def receive(it: UnitRegistry, at_s: float, retained: bool = False, **fields) -> None:
    it.receive_status(ESN, wire.encode(status(**fields)), retained=retained, now_ns=T0_NS + round(at_s * S))


def shown(it: UnitRegistry, at_s: float) -> dict:
    return rsu_row(ESN, None, it, T0_NS + round(at_s * S), (0, 0), ())


def beats(it: UnitRegistry, begin_s: float, end_s: float, **fields) -> None:
    for n in range(int((end_s - begin_s) / 2) + 1):
        receive(it, begin_s + 2 * n, **fields)


BOARD = T0_S - 180 * 86_400  # booted with the clock of half a year ago


@pytest.mark.parametrize("last", ["online", "offline"])  # it vanished, or the broker sent its will
def test_a_lower_epoch_is_believed_once_the_higher_one_is_silent(last: str) -> None:
    it = registry()
    receive(it, 0.0, epoch=T0_S, last_seq=9)
    receive(it, 0.1, epoch=T0_S, state=last)
    beats(it, 2.0, 6.0, epoch=BOARD)
    assert shown(it, 6.0)["epoch"] == T0_S, "perhaps the one that is known lives"
    assert it.counts["status.outdated"] == 3
    beats(it, 8.0, 10.0, epoch=BOARD)
    row = shown(it, 10.0)
    assert (row["state"], row["stale"], row["epoch"]) == ("online", False, BOARD)
    assert it.counts["status.epoch_back"] == 1


def test_a_board_with_a_lower_epoch_is_answered_with_the_highest_that_is_known() -> None:
    it = registry()
    receive(it, 0.0, epoch=T0_S)
    assert it.pop_behind() == {}
    receive(it, 2.0, epoch=BOARD)
    assert it.pop_behind() == {ESN: T0_S}
    receive(it, 4.0, epoch=BOARD)
    assert it.pop_behind() == {}, "not with each heartbeat"
    receive(it, 2.0 + EPOCH_GIVEN_NS / S, epoch=BOARD)
    assert it.pop_behind() == {ESN: T0_S}
    it.prove_epoch(ESN, T0_S + 7)  # of items that are stored
    receive(it, 40.0, epoch=BOARD)
    assert it.pop_behind() == {ESN: T0_S + 7}
    receive(it, 42.0, epoch=T0_S + 8)
    assert it.pop_behind() == {}
    assert shown(it, 42.0)["epoch"] == T0_S + 8, "at once"


@pytest.mark.parametrize("epoch", [2**32 - 1, T0_S + 2 * DAY_S])
@pytest.mark.parametrize("state", ["online", "offline"])
def test_a_forged_epoch_hides_no_unit_that_lives(epoch: int, state: str) -> None:
    it = registry()
    receive(it, 0.0, epoch=T0_S, last_seq=3)
    receive(it, 1.0, epoch=epoch, state=state, last_seq=999)
    row = shown(it, 1.0)
    assert (row["state"], row["epoch"], row["last_seq"]) == ("online", T0_S, 3)
    assert it.rows()[ESN].last_seqs == {T0_S: 3}, "and nothing is missed that never was"
    receive(it, 2.0, epoch=T0_S - 5)
    assert it.pop_behind() == {ESN: T0_S}, "nor is it given to a unit"
    assert it.counts["status.outdated"] == 2


@pytest.mark.parametrize("forged", [{"epoch": 2**32 - 1}, {"epoch": T0_S, "connection": 2**62}])
def test_what_was_forged_while_nobody_lived_heals_also_after_a_restart(forged: dict) -> None:
    it = registry()
    receive(it, 0.0, **forged)
    assert shown(it, 0.0)["epoch"] == forged["epoch"]
    kept = wire.encode(it.rows()[ESN].status)  # type: ignore[arg-type]
    for again in (it, registry()):
        if again is not it:
            again.restore(ESN, T0_NS, kept)
        beats(again, 1.0, STALE_NS / S + 3.0, epoch=T0_S, connection=1)
        row = shown(again, 10.0)
        assert (row["state"], row["stale"], row["epoch"], row["connection"]) == ("online", False, T0_S, 1)


def test_an_epoch_of_2_to_the_62_is_no_status() -> None:
    it = registry()
    receive(it, 0.0, epoch=2**62)
    assert it.counts["status.unreadable"] == 1


def test_a_unit_whose_clock_is_far_ahead_is_believed_by_what_it_stored() -> None:
    it, ahead = registry(), T0_S + 40 * DAY_S
    receive(it, 0.0, epoch=T0_S)
    it.prove_epoch(ESN, ahead)
    receive(it, 1.0, epoch=ahead, last_seq=4)
    assert shown(it, 1.0)["epoch"] == ahead
    assert it.rows()[ESN].last_seqs == {ahead: 4}
    it.prove_epoch(ESN, 2**40)  # of a forged batch: no RSU could continue above it
    assert it.rows()[ESN].proven == ahead


@pytest.mark.parametrize(
    ("words", "n"),
    [
        ([(1, 1), (1, 1), (1, 2), (1, 3)], 0),  # heartbeats and reconnects of one
        ([(1, 9), (2, 1), (3, 1), (4, 1)], 0),  # restarts
        ([(1, 1), (2, 1), (1, 1), (2, 1)], 2),
        ([(1, 1), (2, 1), (1, 1), (2, 1), (2, 1), (1, 2), (2, 2)], 4),
        ([(1, 1), (2, 1), (1, 1), (2, 2)], 2),
        ([(1, 1), (2, 1), (1, 1)], 0),  # one late message
        ([(1, 5), (1, 3), (1, 6), (1, 4), (1, 7)], 2),  # of one epoch: two copies of one disk
    ],
)  # fmt: skip
def test_two_of_one_name_take_turns(words: list, n: int) -> None:
    it = TwinWatch()
    for i, (epoch, connection) in enumerate(words):
        it.receive(epoch, connection, i * S)
    assert it.n_returns(len(words) * S) == n
    assert it.n_returns(len(words) * S + TWIN_NS) == 0, "one is gone"


def test_a_twin_is_named_in_its_row_and_not_led_from_epoch_to_epoch() -> None:
    it = registry()
    for turn in range(RETURNS_MIN + 1):
        receive(it, 4.0 * turn, epoch=T0_S - 100)
        receive(it, 4.0 * turn + 2.0, epoch=T0_S)
    it.pop_behind()
    row = shown(it, 12.0)
    assert (row["degraded"], row["twin_n"]) == (["twin"], 4)
    receive(it, 30.0, epoch=T0_S - 100)
    assert it.pop_behind() == {}
    beats(it, 32.0, 96.0, epoch=T0_S)
    assert (shown(it, 96.0)["degraded"], shown(it, 96.0)["twin_n"]) == ([], 0)
