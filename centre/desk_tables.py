"""The tables of the desk: the handling of each alarm, losses of view, shelves, shifts."""

import sqlalchemy as sa

from centre.meta import META, NUMBER, partial_index

# A case of so many takes no more: each alarm that joins changes all of its case. The indexes below hold it:
# another number needs a migration that makes them anew
ALARMS_MAX = 50

# One row per alarm: how far its handling is, and the facts by which it was put into a case and a priority.
# Rows are only changed together with a row of the audit log, but for what follows from the ledger.
HANDLING = sa.Table(
    "handling", META,
    sa.Column("id", sa.String(64), primary_key=True),  # the violation's id, loss-N, exercise-N
    sa.Column("kind", sa.String(16), nullable=False),  # violation, loss
    sa.Column("exercise", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # new, acknowledged, handled, closed
    sa.Column("by_user", sa.String(64)),  # who acted last
    sa.Column("assigned", sa.String(64)),
    sa.Column("raised_ns", sa.BigInteger, nullable=False),  # when the desk learnt of it
    sa.Column("since_ns", sa.BigInteger),  # when the state last changed; nil: it never did
    sa.Column("acknowledged_ns", sa.BigInteger),  # the first time
    sa.Column("deadline_ns", sa.BigInteger),  # of the next escalation; nil: none
    sa.Column("escalated", sa.SmallInteger, nullable=False),
    sa.Column("reason", sa.String(32)),
    sa.Column("is_false", sa.Boolean, nullable=False),
    sa.Column("plate", sa.String(32)),  # as a person corrected it
    sa.Column("n_notes", sa.Integer, nullable=False),
    sa.Column("shelf", sa.Integer),
    sa.Column("ended_by", sa.String(64)),  # who ended the episode of a dead RSU
    sa.Column("ended_ns", sa.BigInteger),
    sa.Column("ended_at", sa.String(64)),  # version and RSU that the episode showed then
    sa.Column("resumed_ns", sa.BigInteger),  # when the RSU said something else of it
    sa.Column("version", sa.BigInteger, nullable=False),  # number of its last act in the audit log
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("why", sa.String(400), nullable=False),  # words of the priority, parted by blanks
    sa.Column("case_id", sa.String(64), nullable=False),
    sa.Column("case_n", sa.Integer, nullable=False),
    # facts of the ledger, as the last intake read them
    sa.Column("rule", sa.String(32), nullable=False),  # of a loss: its kind
    sa.Column("vehicle", sa.String(64)),  # the terminal, else the plate; nil: unidentified
    sa.Column("marked", sa.String(32)),  # the plate of the registry
    sa.Column("esn", sa.String(64), nullable=False),  # of a loss: its part
    sa.Column("start_ns", sa.BigInteger, nullable=False),
    sa.Column("last_ns", sa.BigInteger, nullable=False),  # its end, or its newest observation
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("over_ns", sa.BigInteger),  # when the desk learnt that it has ended
    sa.Column("lon_deg", sa.Float),
    sa.Column("lat_deg", sa.Float),
    sa.Column("s_m", sa.Float),
)  # fmt: skip
sa.Index("ix_handling_state", HANDLING.c.state, HANDLING.c.raised_ns)
sa.Index("ix_handling_raised", HANDLING.c.raised_ns)
sa.Index("ix_handling_deadline", HANDLING.c.deadline_ns)
sa.Index("ix_handling_case", HANDLING.c.case_id)


# what may still join a case: in a flood of alarms at one place the others are thousands in one window
_may_join = HANDLING.c.case_n < ALARMS_MAX
partial_index("ix_handling_rule_joins", HANDLING.c.rule, HANDLING.c.start_ns, where=_may_join)
_is_named = HANDLING.c.vehicle.is_not(None)
partial_index(
    "ix_handling_vehicle_joins", HANDLING.c.vehicle, HANDLING.c.start_ns, where=_is_named & _may_join
)
partial_index(
    "ix_handling_changed", HANDLING.c.state, HANDLING.c.since_ns, where=HANDLING.c.since_ns.is_not(None)
)
partial_index("ix_handling_shelved", HANDLING.c.shelf, where=HANDLING.c.shelf.is_not(None))

LOSS = sa.Table(
    "loss", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("part", sa.String(130), nullable=False),
    sa.Column("start_ns", sa.BigInteger, nullable=False),
    sa.Column("end_ns", sa.BigInteger),
    sa.Column("detail", sa.String(200), nullable=False),
    sa.Column("base_m", sa.Float),  # cover: the metres without judgement from which it grew
)  # fmt: skip
sa.Index("ix_loss_end", LOSS.c.end_ns, LOSS.c.n)

SHELF = sa.Table(
    "shelf", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("plate", sa.String(32)),
    sa.Column("terminal", sa.String(64)),
    sa.Column("esn", sa.String(64)),
    sa.Column("rule", sa.String(32)),
    sa.Column("from_m", sa.Float),
    sa.Column("to_m", sa.Float),
    sa.Column("until_ns", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Column("by_user", sa.String(64), nullable=False),
    sa.Column("begun_ns", sa.BigInteger, nullable=False),
    sa.Column("n_held", sa.Integer, nullable=False),
    sa.Column("ended_ns", sa.BigInteger),
    sqlite_autoincrement=True,
)  # fmt: skip
sa.Index("ix_shelf_ended", SHELF.c.ended_ns, SHELF.c.n)

SHIFT = sa.Table(
    "shift", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("by_user", sa.String(64), nullable=False),
    sa.Column("desk", sa.String(64), nullable=False),
    sa.Column("begun_ns", sa.BigInteger, nullable=False),
    sa.Column("ended_ns", sa.BigInteger),
    sa.Column("given_to", sa.String(64)),  # of a shift that was handed over
    sa.Column("note", sa.String(2_000)),
    sqlite_autoincrement=True,
)  # fmt: skip
sa.Index("ix_shift_ended", SHIFT.c.ended_ns)

# One row per made-up alarm of an exercise; none of them is in the ledger.
EXERCISE = sa.Table(
    "exercise", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("script", sa.String(64), nullable=False),
    sa.Column("by_user", sa.String(64), nullable=False),
    sa.Column("begin_ns", sa.BigInteger, nullable=False),
    sa.Column("end_ns", sa.BigInteger, nullable=False),
    sa.Column("until_ns", sa.BigInteger, nullable=False),  # of the whole exercise
    sa.Column("stage", sa.SmallInteger, nullable=False, index=True),
    sa.Column("body", sa.LargeBinary, nullable=False),  # as a violation's
    sqlite_autoincrement=True,
)  # fmt: skip

# How far the desk has read the feed.
DESK_CURSOR = sa.Table(
    "desk_cursor", META,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("n", sa.BigInteger, nullable=False),
)  # fmt: skip
