"""Schema migrations: each revision changes the tables of the one before, on SQLite and PostgreSQL.

A change of `centre.store`'s tables needs a new file in `versions/`; its revision is the next number.
"""

import functools
from pathlib import Path

import sqlalchemy as sa

from centre.faults import SchemaError

FOLDER = Path(__file__).parent


def upgrade(db: sa.Connection, versions: Path = FOLDER / "versions") -> None:
    """Apply the missing revisions within the transaction of `db`.

    A database from before Alembic begins at the first revision, which creates only what is missing.
    Raises SchemaError where the database is at a revision that is not in `versions`.
    """
    if _revision(db) == f"{newest(versions):04d}":
        return
    # only here: it takes 3 MiB that the centre would hold for ever, and most starts migrate nothing
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    # Alembic substitutes % in these texts
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    config.attributes["connection"] = db
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SchemaError(
            f"table alembic_version: {error}: install the petroroad that wrote it again, or name another "
            "database"
        ) from error


def begin_at_newest(db: sa.Connection) -> None:
    """Note in an empty database that it is at the newest revision: its tables are made as they are now."""
    table = sa.Table(
        "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )  # fmt: skip
    table.create(db)
    db.execute(sa.insert(table).values(version_num=f"{newest():04d}"))


@functools.cache
def newest(versions: Path = FOLDER / "versions") -> int:
    """Return the number of the newest revision."""
    numbers = [int(path.name[1:5]) for path in versions.glob("v[0-9][0-9][0-9][0-9]_*.py")]
    assert numbers, "there is a first revision"
    return max(numbers)


def _revision(db: sa.Connection) -> str | None:
    """Return the revision that the database is at; None where Alembic never saw it."""
    if not sa.inspect(db).has_table("alembic_version"):
        return None
    found: str | None = db.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found
