"""Another process of our name: noticed by losses and by its status together, and given turns."""

import pytest

from edge.takeover import HEALS_S, HOLD_S, LOSSES_MAX, TakeoverWatch


def watch():
    begun = []
    return TakeoverWatch(lambda: 0.5, lambda: begun.append(1)), begun


def test_losses_and_a_foreign_status_are_a_twin_until_it_is_gone():
    it, begun = watch()
    for n in range(LOSSES_MAX):
        it.foreign(float(n))
        it.lost(float(n))
    assert (it.hold_s(3.0), begun) == (0.0, [])
    it.lost(3.0)
    assert (it.hold_s(3.0), it.is_twin(3.0), begun) == (HOLD_S, True, [1])
    it.lost(40.0)  # later ones of the same twin: held too, reported once
    it.foreign(41.0)
    assert (it.hold_s(80.0), begun) == (HOLD_S, [1])
    assert (it.hold_s(41.0 + HEALS_S + 0.1), it.is_twin(102.0)) == (0.0, False)


@pytest.mark.parametrize(
    ("lost_s", "foreign_s"),
    [
        ((0.0, 1.0, 2.0, 3.0, 4.0), None),  # a bad network
        ((0.0, 11.0, 22.0, 33.0, 44.0), 30.0),  # too slow
        ((50.0, 51.0, 52.0, 53.0), 0.0),  # that one was our own of the start before
    ],
)
def test_neither_alone_holds_it_back(lost_s, foreign_s):
    it, begun = watch()
    if foreign_s is not None:
        it.foreign(foreign_s)
    for now_s in lost_s:
        it.lost(now_s)
    assert (it.hold_s(lost_s[-1]), begun) == (0.0, [])
