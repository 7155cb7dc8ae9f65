"""Ages are counted by the wall clock where it can be believed."""

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


def test_after_weeks_without_power_age_catches_up() -> None:
    clock, passing = running(T0, T0 + 30 * DAY)
    passing.now_s += 28 * DAY
    assert clock.now_s(T0 + 58 * DAY, T0) == T0 + 57 * DAY
    passing.now_s += 2 * DAY
    assert clock.now_s(T0 + 60 * DAY, T0) == T0 + 60 * DAY
