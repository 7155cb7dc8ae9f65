"""Ages are counted by the wall clock where it can be believed."""

from pathlib import Path

import pytest

from edge.age_clock import SLACK_S, AgeClock

T0, DAY, YEAR = 1_790_000_000.0, 86_400.0, 365 * 86_400.0


class Passing:
    """A monotonic clock that the test moves."""

    now_s = 77.0

    def __call__(self) -> float:
        return self.now_s


def running(newest_s: float | None, wall_s: float) -> tuple[AgeClock, Passing]:
    passing = Passing()
    clock = AgeClock(passing)
    clock.now_s(wall_s, newest_s)
    return clock, passing


def test_a_clock_that_is_right_is_believed_for_years() -> None:
    clock, passing = running(T0 - 3_600.0, T0)
    for hour in range(1, 24 * 800, 7):
        passing.now_s = 77.0 + hour * 3_600.0
        assert clock.now_s(T0 + hour * 3_600.0, T0) == T0 + hour * 3_600.0


def test_a_clock_that_is_set_years_ahead_ages_nothing_and_set_right_again_is_believed() -> None:
    clock, passing = running(T0 - 3_600.0, T0)
    passing.now_s += 3_600.0
    assert clock.now_s(T0 + 5 * YEAR, T0 + 5 * YEAR) <= T0 + SLACK_S + 3_600.0
    passing.now_s += 3_600.0
    assert clock.now_s(T0 + 7_200.0, T0 + 5 * YEAR) == T0 + 7_200.0


def test_a_clock_that_is_set_back_and_right_again_is_believed() -> None:
    clock, passing = running(T0 - 3_600.0, T0)
    for hour, wall_s in enumerate((T0 - 5 * YEAR, T0 - 5 * YEAR, T0 + 3 * 3_600.0), 1):
        passing.now_s = 77.0 + hour * 3_600.0
        assert clock.now_s(wall_s, T0) == wall_s


def test_a_start_with_a_wrong_clock_is_held_against_what_was_kept() -> None:
    clock, _ = running(T0, T0 + 5 * YEAR)
    assert clock.now_s(T0 + 5 * YEAR, T0) == T0 + SLACK_S


def test_a_second_start_under_the_same_wrong_clock_deletes_nothing_either(tmp_path: Path) -> None:
    """The first one wrote things of that time: their newest proves nothing."""
    path, wrong_s = tmp_path / "age", T0 + 5 * YEAR
    passing = Passing()
    first = AgeClock(passing, path)
    first.now_s(wrong_s, T0)
    passing.now_s += 2 * 3_600.0
    first.now_s(wrong_s + 7_200.0, wrong_s)
    for hours in (2, 3, 4):
        again = AgeClock(Passing(), path)
        assert again.now_s(wrong_s + hours * 3_600.0, wrong_s) < T0 + SLACK_S + 5 * 3_600.0
    assert AgeClock(Passing(), path).now_s(T0 + 3_600.0, wrong_s) == T0 + 3_600.0, "it is set right"


def test_starts_add_no_time(tmp_path: Path) -> None:
    path = tmp_path / "age"
    for _ in range(1_000):
        assert AgeClock(Passing(), path).now_s(T0 + 5 * YEAR, T0) <= T0 + SLACK_S


def test_where_another_clock_agrees_age_counts_at_once(tmp_path: Path) -> None:
    clock = AgeClock(Passing(), tmp_path / "age")
    clock.now_s(T0 - 6 * YEAR, None)  # a board of 2020
    assert clock.now_s(T0, None) < T0
    assert clock.now_s(T0, None, is_shown_right=True) < T0, "a single look could be a mistake"
    assert clock.now_s(T0, None, is_shown_right=True) == T0
    assert clock.now_s(T0 + 60.0, None) == T0 + 60.0


def test_two_looks_that_show_different_clocks_right_prove_nothing(tmp_path: Path) -> None:
    clock = AgeClock(Passing(), tmp_path / "age")
    clock.now_s(T0, T0, is_shown_right=True)
    assert clock.now_s(T0 + 5 * YEAR, T0, is_shown_right=True) <= T0 + SLACK_S
    clock.now_s(T0 + 5 * YEAR, T0)
    assert clock.now_s(T0 + 5 * YEAR, T0, is_shown_right=True) <= T0 + SLACK_S


@pytest.mark.parametrize("text", ["", "x", "-5", "1.5", "\u00b2", "9" * 400])
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "age"
    path.write_text(text, encoding="utf-8")
    assert AgeClock(Passing(), path).now_s(T0 + 5 * YEAR, T0) == T0 + SLACK_S


def test_without_room_for_the_file_ages_are_counted_all_the_same(tmp_path: Path) -> None:
    clock = AgeClock(Passing(), tmp_path / "not there" / "age")
    assert clock.now_s(T0 + 5 * YEAR, T0) == T0 + SLACK_S


def test_after_weeks_without_power_age_catches_up() -> None:
    clock, passing = running(T0, T0 + 30 * DAY)
    passing.now_s += 28 * DAY
    assert clock.now_s(T0 + 58 * DAY, T0) == T0 + 57 * DAY
    passing.now_s += 2 * DAY
    assert clock.now_s(T0 + 60 * DAY, T0) == T0 + 60 * DAY
