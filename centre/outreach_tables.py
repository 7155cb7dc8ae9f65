"""The tables of what the centre says outward: warnings of drivers, and events for other platforms."""

import sqlalchemy as sa

from centre.meta import META, NUMBER

# One row per warning that a person sent to a driver; `id` is that of the gateway's command.
DRIVER_WARNING = sa.Table(
    "driver_warning", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("violation", sa.String(36), nullable=False, index=True),
    sa.Column("terminal", sa.String(64), nullable=False),
    sa.Column("text", sa.String(100), nullable=False),
    sa.Column("user", sa.String(64), nullable=False),
    sa.Column("sent_ns", sa.BigInteger, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),  # of `centre.outreach.warning`
    sa.Column("answered_ns", sa.BigInteger),
    sqlite_autoincrement=True,
)  # fmt: skip

# What was said of an alarm so far: what comes next is an event where it differs.
SAID = sa.Table(
    "outreach_said", META,
    sa.Column("violation", sa.String(36), primary_key=True),
    sa.Column("grade", sa.SmallInteger, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),  # number of the last one
)  # fmt: skip

# Events that wait for a platform, one row for each of them and each way; what was delivered is deleted.
OUTREACH = sa.Table(
    "outreach", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("way", sa.String(16), nullable=False),  # webhook, topic
    sa.Column("id", sa.String(160), nullable=False),
    sa.Column("violation", sa.String(36), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_ns", sa.BigInteger, nullable=False),
    sa.Column("dead", sa.Boolean, nullable=False),  # given up
    sa.Column("fault", sa.String(200)),
    sqlite_autoincrement=True,
)  # fmt: skip
sa.Index("ix_outreach_waiting", OUTREACH.c.way, OUTREACH.c.dead, OUTREACH.c.n)
