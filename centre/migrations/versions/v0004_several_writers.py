"""The schema of version 4: what the feed has not announced yet, the quarantine by RSU, long numbers."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"
NUMBERED = ("episode", "feed", "quarantine", "journey")
BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table of unsettled transactions and an index; PostgreSQL gets numbers of 64 bits."""
    op.create_table(
        "unsettled",
        sa.Column("n", BIG, primary_key=True, autoincrement=True),
        sa.Column("changes", sa.LargeBinary, nullable=False),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_quarantine_esn", "quarantine", ["esn", "n"], if_not_exists=True)
    if op.get_bind().dialect.name == "postgresql":
        for table in NUMBERED:
            op.alter_column(table, "n", type_=sa.BigInteger(), existing_type=sa.Integer())
            op.execute(f"ALTER SEQUENCE {table}_n_seq AS bigint")
