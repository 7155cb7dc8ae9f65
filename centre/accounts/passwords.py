"""Passwords: the rule by length, and their Argon2id hashes. Blocking and costly: `access.hasher` runs it."""

import contextlib
import ctypes
import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, get_args

from centre.accounts.actor import Role
from centre.accounts.tables import DISPLAY_CHARS_MAX, NAME_CHARS_MAX

if TYPE_CHECKING:
    from argon2 import PasswordHasher

CHARS_MIN, CHARS_MAX = 10, 128
ROLES: tuple[Role, ...] = get_args(Role)
# OWASP's figures for Argon2id with little memory, and one pass more: the whole centre lives in 120 MiB
MEMORY_KIB, PASSES, LANES = 19_456, 3, 1
# A sign-in under an unknown name is checked against this hash, which no password fits. The check is there for
# its time: without it, the sooner answer would tell that there is no such account.
NOBODYS = "$argon2id$v=19$m=19456,t=3,p=1$xscPnVx0s1irjV1U3Etyig$VXlj8DyhyMzvHqe6qoxL9psudYKCb90hWqT3bPwZzWk"
RESERVED = frozenset(("local", "demo", "console", "centre"))  # the centre's own words for who acts
MMAP_THRESHOLD, MMAP_BYTES = -3, 1 << 20  # glibc's M_MMAP_THRESHOLD
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def name_fault(name: str) -> str | None:
    """Return what is wrong with an account's name; None: nothing."""
    if len(name) > NAME_CHARS_MAX or not _NAME.fullmatch(name):
        return (
            f"must be 1 to {NAME_CHARS_MAX} of the characters a-z 0-9 . _ - and begin with a letter or digit"
        )
    return "is a word of the centre itself: choose another one" if name in RESERVED else None


def display_fault(display: str) -> str | None:
    """Return what is wrong with a person's name as it is shown; None: nothing."""
    if len(display) > DISPLAY_CHARS_MAX or not display.isprintable():
        return f"must be at most {DISPLAY_CHARS_MAX} printable characters"
    return None


def password_fault(password: str) -> str | None:
    """Return what is wrong with a new password; None: nothing. Only its length counts (NIST SP 800-63B)."""
    if not CHARS_MIN <= len(password) <= CHARS_MAX:
        return f"must have {CHARS_MIN} to {CHARS_MAX} characters"
    return None


def digest(password: str) -> str:
    """Return the hash of a password, with its parameters and a new salt."""
    return _hasher().hash(_normal(password))


def fits(stored: str, password: str) -> bool:
    """Say whether a password is the one of a hash; in the same time whether or not."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(stored, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    """Return the one form of what keyboards and systems type in several."""
    return unicodedata.normalize("NFKC", password)


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # 3 MiB: only where somebody signs in

    _give_memory_back()
    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def _give_memory_back() -> None:
    """Let the memory of a hash return to the system.

    After the first big block glibc takes such blocks from its heaps, and each thread's heap would keep 19 MiB
    for good; a threshold that is set stays as it is.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library: it has none of this
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, MMAP_BYTES)
