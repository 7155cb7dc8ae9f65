"""The states of an alarm's handling: laws over all states, acts and roles."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centre.accounts.actor import Actor, Role
from centre.desk.machine import OF_SUPERVISORS, STATES, STEPS, ActName, may_act, step

ACTS = get_args(ActName)
ORDER = {state: i for i, state in enumerate(STATES)}


@given(st.lists(st.sampled_from(ACTS), max_size=40))
def test_any_acts_lead_from_state_to_state_and_only_reopening_leads_back(acts):
    state = "new"
    for act in acts:
        found = step(state, act)
        if found is None:
            continue
        assert found.state in STATES
        assert ORDER[found.state] >= ORDER[state] or act == "reopen"
        assert found.acknowledges == (state == "new" and found.state != "new")
        state = found.state


@pytest.mark.parametrize("state", STATES)
def test_no_state_is_a_dead_end(state):
    """Law: whatever happened, an alarm can be closed, and one that is closed can be opened again."""
    acts = ["reopen"] if state == "closed" else ["close", "false"]
    assert all(step(state, act) is not None for act in acts)


@pytest.mark.parametrize("act", [act for act in ACTS if STEPS[act].get("new") != None])  # noqa: E711
def test_an_act_that_moves_a_state_is_not_done_twice(act):
    """Law: what moved the state does not fit the state that it led to, so that of two people one is told."""
    after = step("new", act).state
    assert step(after, act) is None or STEPS[act][after] is None


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("viewer", set()),
        ("auditor", set()),
        ("operator", set(ACTS) - OF_SUPERVISORS),
        ("supervisor", set(ACTS)),
        ("administrator", set(ACTS)),
    ],
)
def test_roles(role, allowed):
    assert role in get_args(Role)
    assert {act for act in ACTS if may_act(Actor("x", role), act)} == allowed
