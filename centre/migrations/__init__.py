"""Schema migrations: each revision changes the tables of the one before, on SQLite and PostgreSQL.

A change of `centre.store`'s tables needs a file in `versions/` and the next `SCHEMA_VERSION`.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from centre.faults import SchemaError

FOLDER = Path(__file__).parent


def upgrade(db: sa.Connection, versions: Path = FOLDER / "versions") -> None:
    """Apply the missing revisions within the transaction of `db`; those before Alembic begin at the first.

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


def newest(versions: Path = FOLDER / "versions") -> str | None:
    """Return the name of the newest revision."""
    return ScriptDirectory.from_config(_config(versions)).get_current_head()


def _config(versions: Path) -> Config:
    config = Config()
    # Alembic substitutes % in these texts
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    return config
