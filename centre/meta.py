"""What the tables of all parts of the centre hang on; each part has its own in a module `tables`."""

from typing import Any

import sqlalchemy as sa

META = sa.MetaData()
PARTIAL: list[tuple[sa.Index, sa.ColumnElement[bool]]] = []  # indexes of some rows, and which these are
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts only a column of its own name


def partial_index(name: str, *columns: sa.Column[Any], where: sa.ColumnElement[bool]) -> None:
    """Add an index of the rows that its queries can find: the others cost nothing to add or to pass over."""
    PARTIAL.append((sa.Index(name, *columns, sqlite_where=where), where))


def let_postgresql_have_partial_indexes() -> None:
    """Give the same indexes to PostgreSQL; call it before the tables are created there.

    SQLAlchemy loads its part for a database with the first argument of that name: 2 MiB that a centre on
    SQLite has no use for.
    """
    for index, where in PARTIAL:
        index.dialect_options["postgresql"]["where"] = where
