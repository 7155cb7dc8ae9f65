"""Schema migrations: each revision changes the tables of the one before, on SQLite and PostgreSQL.

A change of `centre.store`'s tables needs a new file in `versions/`; its revision is the next number.
"""

import functools
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from centre.faults import SchemaError

FOLDER = Path(__file__).parent


def upgrade(db: sa.Connection, versions: Path = FOLDER / "versions") -> None:
    """Apply the missing revisions within the transaction of `db`.

    A database from before Alembic begins at the first revision, which creates only what is missing.
    Raises SchemaError where the database is at a revision that is not in `versions`.
    """
    config = _config(versions)
    config.attributes["connection"] = db
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SchemaError(
            f"table alembic_version: {error}: install the petroroad that wrote it again, or name another "
            "database"
        ) from error


@functools.cache
def newest(versions: Path = FOLDER / "versions") -> int:
    """Return the number of the newest revision."""
    head = ScriptDirectory.from_config(_config(versions)).get_current_head()
    assert head is not None, "there is a first revision"
    return int(head)


def _config(versions: Path) -> Config:
    config = Config()
    # Alembic substitutes % in these texts
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    return config
