"""The schema of version 5: indexes of the desk hold only the rows that their queries can find."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"
REPLACED = ("ix_handling_rule", "ix_handling_vehicle", "ix_handling_closed", "ix_handling_shelf")


def upgrade() -> None:
    """Drop the indexes of all rows; `open_database` adds those that replace them."""
    if sa.inspect(op.get_bind()).has_table("handling"):
        for name in REPLACED:
            op.drop_index(name, "handling", if_exists=True)
