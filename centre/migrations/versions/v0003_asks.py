"""The schema of version 3: which RSUs were asked for their violations, and an index of the voids."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Create the table of asks, and the index of the few keys that hold a void."""
    op.create_table(
        "ask",
        sa.Column("esn", sa.String(64), primary_key=True),
        sa.Column("since_ns", sa.BigInteger, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("asked_ns", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    is_void = sa.text("void IS NOT NULL")
    op.create_index(
        "ix_transport_void", "transport", ["esn"],
        if_not_exists=True, sqlite_where=is_void, postgresql_where=is_void,
    )  # fmt: skip
