"""What each role may do. Pure.

A route names the right that it needs: `opt={"right": "handle"}`. One that reads needs "look" where it names
none; one that changes something must name its right.
"""

from typing import Literal

from centre.accounts.actor import Role

Right = Literal["look", "handle", "warn", "shelve", "evidence", "audit", "accounts", "exercise"]

_OPERATOR: frozenset[Right] = frozenset(("look", "handle", "warn", "evidence"))
_SUPERVISOR: frozenset[Right] = _OPERATOR.union(("shelve", "audit", "exercise"))
RIGHTS: dict[Role, frozenset[Right]] = {
    "viewer": frozenset(("look",)),
    "operator": _OPERATOR,
    "supervisor": _SUPERVISOR,
    "administrator": _SUPERVISOR.union(("accounts",)),
    "auditor": frozenset(("look", "audit", "evidence")),  # reads everything, changes nothing
}


def may(role: Role, right: Right) -> bool:
    """Return whether a role has a right."""
    return right in RIGHTS[role]
