"""The table of evidence files that were asked for."""

import sqlalchemy as sa

from centre.meta import META, NUMBER

# One row per file; it stays when the file is deleted. The file lies in the directory of `files.Shelf`.
EVIDENCE = sa.Table(
    "evidence", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("violation", sa.String(36), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, ready, failed, deleted
    sa.Column("user", sa.String(64), nullable=False),
    sa.Column("asked_ns", sa.BigInteger, nullable=False),
    sa.Column("made_ns", sa.BigInteger),
    sa.Column("n_bytes", sa.BigInteger),
    sa.Column("sha256", sa.LargeBinary(32)),
    sa.Column("missing", sa.LargeBinary),  # JSON: what the file lacks, and why
    sa.Column("fault", sa.String(300)),  # why there is none
    sqlite_autoincrement=True,
)  # fmt: skip
