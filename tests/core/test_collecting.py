"""What the cycle collector visits, and how often."""

import gc

from core.collecting import only_new_collected


def test_collections_inside_are_as_seldom_as_asked_and_visit_what_is_new():
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    with only_new_collected(12_345):
        assert gc.get_threshold() == (12_345, *usual[1:])
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() == 0


def test_a_failure_inside_leaves_collections_as_they_were():
    usual = gc.get_threshold()
    try:
        with only_new_collected(12_345):
            raise ValueError
    except ValueError:
        pass
    assert gc.get_threshold() == usual
