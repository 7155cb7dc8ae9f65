"""The table of the audit log."""

import sqlalchemy as sa

from centre.meta import META, NUMBER

# One row per act of a person or of the centre itself; rows are only ever added. `sha256` covers the row and
# the one before it, so that no row can be changed, taken out or put in between without a trace.
AUDIT = sa.Table(
    "audit", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("user", sa.String(64), nullable=False),  # the account; empty: the centre itself
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("act", sa.String(32), nullable=False),  # acknowledge, sign_in, user_add, …
    sa.Column("subject", sa.String(64), nullable=False),  # an alarm's id, an account, a shelf, …
    sa.Column("body", sa.LargeBinary, nullable=False),  # JSON: the act's details, such as its reason
    sa.Column("sha256", sa.LargeBinary(32), nullable=False),
    sqlite_autoincrement=True,
)  # fmt: skip
sa.Index("ix_audit_subject", AUDIT.c.subject, AUDIT.c.n)
sa.Index("ix_audit_at", AUDIT.c.at_ns)
