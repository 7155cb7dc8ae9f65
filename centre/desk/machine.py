"""The states of an alarm's handling and the acts that lead from one to the next. Pure.

    new -> acknowledged -> handled -> closed, and back to new where a supervisor reopens it

The alarm's own end is no act: what ended unseen stays new until somebody has looked at it.
"""

from typing import Literal, NamedTuple

from centre.accounts.actor import Actor
from centre.accounts.rights import may

State = Literal["new", "acknowledged", "handled", "closed"]
ActName = Literal[
    "acknowledge", "handle", "close", "false", "reopen", "note", "assign", "correct", "end"
]  # fmt: skip

STATES: tuple[State, ...] = ("new", "acknowledged", "handled", "closed")
UNFINISHED: tuple[State, ...] = ("new", "acknowledged", "handled")
# where each act may begin, and where it leads; None: the state stays
STEPS: dict[ActName, dict[State, State | None]] = {
    "acknowledge": {"new": "acknowledged"},
    "handle": {"new": "handled", "acknowledged": "handled"},
    "close": {"new": "closed", "acknowledged": "closed", "handled": "closed"},
    "false": {"new": "closed", "acknowledged": "closed", "handled": "closed"},
    "end": {"new": "closed", "acknowledged": "closed", "handled": "closed"},
    "reopen": {"closed": "new"},
    "assign": {"new": "acknowledged", "acknowledged": None, "handled": None},
    "note": dict.fromkeys(STATES, None),
    "correct": dict.fromkeys(STATES, None),
}
OF_SUPERVISORS: frozenset[ActName] = frozenset(("reopen", "end"))
# an act that says nothing against what another desk does at the same moment
BESIDE: frozenset[str] = frozenset(("note", "correct"))


class Step(NamedTuple):
    """What an act does to the state."""

    state: State
    acknowledges: bool  # somebody has noticed the alarm by it
    assigns: bool  # whoever acts works on it now
    restarts: bool  # its time to act begins anew


def may_act(actor: Actor, act: ActName) -> bool:
    """Return whether a role may do this at all."""
    return may(actor.role, "shelve" if act in OF_SUPERVISORS else "handle")


def step(state: State, act: ActName) -> Step | None:
    """Return what an act does in a state; None where it doesn't fit."""
    if state not in STEPS[act]:
        return None
    after = STEPS[act][state] or state
    return Step(
        state=after,
        acknowledges=state == "new" and after != "new",
        assigns=act == "handle",
        restarts=act == "reopen",
    )
