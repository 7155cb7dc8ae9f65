"""How a transaction tries one step: together with the others, or alone under a savepoint.

`violation_writer` first tries all steps together, which is cheap. Only where that fails through one of them
does it try each alone, so that a single bad item costs its neighbours nothing.
"""

from collections.abc import Callable

import sqlalchemy as sa

from centre.commands import CommitResult
from centre.faults import cause_of

Step = Callable[[sa.Connection, CommitResult], None]
Attempt = Callable[[sa.Connection, CommitResult, Step], Exception | None]


def together(db: sa.Connection, result: CommitResult, step: Step) -> None:
    """Run a step; its error ends the whole transaction."""
    step(db, result)


def alone(db: sa.Connection, result: CommitResult, step: Step) -> Exception | None:
    """Run a step under a savepoint; return its error where the item caused it, with the step undone.

    Raises what the storage or the schema caused: that would fail for every other item too.
    """
    trial = CommitResult(limits=result.limits)
    try:
        with db.begin_nested():
            step(db, trial)
    except Exception as error:
        if cause_of(error) != "item":
            raise
        return error
    result.counts.update(trial.counts)
    result.changes += trial.changes
    result.delivered += trial.delivered
    result.refused_journeys |= trial.refused_journeys
    return None
