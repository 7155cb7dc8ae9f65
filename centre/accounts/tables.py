"""The tables of accounts, sessions and failed sign-ins."""

import sqlalchemy as sa

from centre.meta import META, NUMBER

NAME_CHARS_MAX = 32
DISPLAY_CHARS_MAX = 64
DESK_CHARS_MAX = 32

# One row per person. Rows are never deleted: the audit log names them.
ACCOUNT = sa.Table(
    "account", META,
    sa.Column("name", sa.String(NAME_CHARS_MAX), primary_key=True),
    sa.Column("display", sa.String(DISPLAY_CHARS_MAX), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("hash", sa.String(200), nullable=False),  # Argon2id, with its parameters and salt
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),  # grows with password, role, disabled: ends sessions
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("signed_in_ns", sa.BigInteger),
    sa.Column("failed", sa.Integer, nullable=False),  # sign-ins since the last one that succeeded
)  # fmt: skip

# One row per session; the token itself is in the browser only.
SESSION = sa.Table(
    "sign_in_session", META,
    sa.Column("sha256", sa.LargeBinary(32), primary_key=True),
    sa.Column("name", sa.String(NAME_CHARS_MAX), nullable=False, index=True),
    sa.Column("generation", sa.Integer, nullable=False),  # of the account at the sign-in
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("seen_ns", sa.BigInteger, nullable=False),  # written once a minute
    sa.Column("desk", sa.String(DESK_CHARS_MAX), nullable=False),
)  # fmt: skip

# Failed sign-ins of an address, of an account from addresses new to it, and from one that it has used.
ATTEMPT = sa.Table(
    "sign_in_attempt", META,
    sa.Column("key", sa.String(120), primary_key=True),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False, index=True),
)  # fmt: skip

# One row: grows with each change of accounts and sessions, so that every process sees another's change.
REVISION = sa.Table(
    "access_revision", META,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("n", sa.BigInteger, nullable=False),
)  # fmt: skip
