"""What a journey breaks now, as the rules of journeys read it; the rule book and journeys import it."""

from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

BREACHES_MAX = 32  # of one journey


class Breach(msgspec.Struct, kw_only=True):
    """Since when something is broken, and how probable that is now."""

    since_ns: Annotated[int, Meta(ge=0, le=4 * 10**18)]
    p: Annotated[float, Meta(ge=0.0, le=1.0)] = 1.0


class Trips(Protocol):
    """The journeys as rules see them."""

    def breaches(self, rule: str) -> dict[int, dict[str, Breach]]:
        """Return what the vehicles' journeys break of a rule: by track, then by scope."""

    def awaits(self, terminal: str, track: int) -> bool:
        """Say whether a terminal's journey has not been looked at since its vehicle is this track."""

    def is_between_gates(self, terminal: str) -> bool:
        """Say whether a terminal's vehicle has passed its entry gate and not yet its exit gate."""


def key_of(rule: str, scope: str) -> str:
    """Return the name of a breach within its journey."""
    return f"{rule}/{scope}"
