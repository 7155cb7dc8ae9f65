"""The reasons for which an alarm can be closed, in both languages: `reasons.toml`."""

import functools
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

FILE = Path(__file__).with_name("reasons.toml")
Code = Annotated[str, Meta(pattern=r"^[a-z_]{1,32}$")]


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reason."""

    code: Code
    zh: str
    en: str
    is_false: bool = False  # there was nothing to handle


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: tuple[Reason, ...]


@functools.cache
def reasons() -> dict[str, Reason]:
    """Return the shipped reasons by code, in their order."""
    found = msgspec.toml.decode(FILE.read_bytes(), type=_File)
    return {each.code: each for each in found.reason}
