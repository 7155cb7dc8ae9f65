"""The codes that terminals authenticate with: made of the site's secret, never of a public value. Pure."""

import hashlib
import hmac
import secrets
from collections.abc import Callable

CODE_LENGTH = 32  # hexadecimal digits: 128 bits; every edition carries it
SECRET_BYTES = 32


def codes_of(secret: bytes) -> Callable[[str], str]:
    """Return the function from a terminal's id to its code, by HMAC-SHA-256.

    A restart or a standby derives the same. Who has one terminal's code learns nothing of another's.
    """
    assert secret, "an empty secret is none"

    def code_of(terminal: str) -> str:
        message = f"petroroad/terminal/{terminal}".encode()
        return hmac.new(secret, message, hashlib.sha256).hexdigest()[:CODE_LENGTH]

    return code_of


def drawn_codes() -> Callable[[str], str]:
    """Return codes of a secret that lasts as long as the process: terminals register again after its end."""
    return codes_of(secrets.token_bytes(SECRET_BYTES))


def same_code(given: str, code: str) -> bool:
    """Compare in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode(), code.encode())
