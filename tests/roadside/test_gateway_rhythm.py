"""For how long a silent terminal counts as live, and who is named that used another's name."""

from hypothesis import given
from hypothesis import strategies as st

from edge.strangers import NAMES_MAX, SHOWN_S, Strangers
from roadside.gateway.rhythm import GAPS_MIN, SILENT_S, SILENT_S_MIN, WINDOW_S, Rhythm


def after(*gaps_s: float) -> Rhythm:
    it, now_s = Rhythm(), 1_000.0
    it.note(now_s)
    for gap_s in gaps_s:
        now_s += gap_s
        it.note(now_s)
    return it


def test_an_event_report_at_once_after_another_lowers_no_hold() -> None:
    usual = [10.0] * GAPS_MIN
    assert after(*usual).hold_s() == SILENT_S
    assert after(*usual, 0.02).hold_s() == SILENT_S
    assert after(*usual, *[0.02] * 500).hold_s() == SILENT_S
    assert after(*[10.0] * 30, *[0.02, 10.0] * 30, 0.02).hold_s() == SILENT_S


def test_a_new_connection_is_held_as_long_as_any_until_its_rhythm_is_known() -> None:
    assert Rhythm().is_live(0.0) is False
    assert after().hold_s() == SILENT_S
    assert after(*[1.0] * (GAPS_MIN - 1)).hold_s() == SILENT_S
    assert after(*[1.0] * GAPS_MIN).hold_s() == SILENT_S_MIN


def test_a_gap_of_long_ago_is_forgotten() -> None:
    gaps = [10.0, *[1.0] * int(2 * WINDOW_S + 4)]
    assert after(*gaps).hold_s() == SILENT_S_MIN
    assert after(*gaps[: int(WINDOW_S)]).hold_s() == SILENT_S


@given(st.lists(st.floats(0.0, 90.0), min_size=GAPS_MIN, max_size=60))
def test_the_hold_follows_the_longest_gap_of_the_last_minute(gaps_s: list[float]) -> None:
    it, hold_s = after(*gaps_s), after(*gaps_s).hold_s()
    assert SILENT_S_MIN <= hold_s <= SILENT_S
    recent = [gap for i, gap in enumerate(gaps_s) if sum(gaps_s[i:]) <= WINDOW_S] or gaps_s[-1:]
    assert hold_s >= min(SILENT_S, 3.0 * max(recent)) - 1e-9
    assert it.reported_s is not None
    assert it.is_live(it.reported_s + hold_s)


def test_strangers_are_named_for_a_while_the_newest_of_them() -> None:
    it = Strangers()
    for n in range(NAMES_MAX + 1):
        it.note(f"t{n:02}", "10.0.0.1", float(n))
    it.note("t05", "10.0.0.2", 20.0)
    shown = it.shown(21.0)
    assert len(shown) == NAMES_MAX
    assert "t00" not in shown
    assert shown["t05"] == "10.0.0.2"
    assert list(it.shown(SHOWN_S + 19.0)) == ["t05"]
    assert it.shown(SHOWN_S + 21.0) == {}
