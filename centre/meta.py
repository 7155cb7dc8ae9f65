"""What the tables of all parts of the centre hang on; each part has its own in a module `tables`."""

import sqlalchemy as sa

META = sa.MetaData()
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts only a column of its own name
