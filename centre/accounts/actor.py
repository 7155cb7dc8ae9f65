"""Who asks and acts: the account, its role, and its desk. Pure."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Role = Literal["viewer", "operator", "supervisor", "administrator", "auditor"]
SCOPE_KEY = "petroroad.actor"  # of the ASGI scope: the guard puts the actor there


class Actor(NamedTuple):
    """A person at a desk."""

    name: str  # of the account
    role: Role
    desk: str = ""  # one window's name, as the page gives it


def actor_of(scope: Mapping[str, Any]) -> Actor:
    """Return who sent a request; the guard has let nobody else pass."""
    actor: Actor = scope[SCOPE_KEY]
    return actor
