"""`index.jsonl`: every certificate that an authority issued or revoked, one line each, only ever added to."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from core.errors import CommandError
from edge.identity import Identity, Role


class Issued(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="issued"):
    """A certificate; `at` is when it was issued."""

    at: datetime
    serial: str  # hexadecimal
    role: Role
    name: str
    hosts: tuple[str, ...]
    not_after: datetime
    key_sha256: str  # of its public key


class Revoked(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="revoked"):
    """The end of a certificate before its time."""

    at: datetime
    serial: str
    role: Role
    name: str


DECODER = msgspec.json.Decoder(Issued | Revoked)
State = Literal["valid", "replaced", "revoked", "expired"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of the index and its state; `replaced`: valid, but the part has a newer one."""

    issued: Issued
    state: State
    revoked_at: datetime | None

    def days_left(self, now: datetime) -> float:
        return (self.issued.not_after - now).total_seconds() / 86_400.0

    @property
    def usable(self) -> bool:
        return self.state in ("valid", "replaced")


@dataclass(frozen=True, slots=True)
class Index:
    """All lines, in their order."""

    lines: tuple[Issued | Revoked, ...]

    def certificates(self, now: datetime) -> list[Certificate]:
        """Return all certificates, in the order of their issue."""
        revoked = {line.serial: line.at for line in self.lines if isinstance(line, Revoked)}
        issued = [line for line in self.lines if isinstance(line, Issued)]
        newest = {(one.role, one.name): one.serial for one in issued if one.serial not in revoked}
        found = []
        for one in issued:
            state: State = "valid"
            if one.serial in revoked:
                state = "revoked"
            elif one.not_after <= now:
                state = "expired"
            elif newest[one.role, one.name] != one.serial:
                state = "replaced"
            found.append(Certificate(one, state, revoked.get(one.serial)))
        return found

    def current(self, identity: Identity, now: datetime) -> Certificate | None:
        """Return the newest certificate of a part that can be used."""
        found = [
            one
            for one in self.certificates(now)
            if one.state == "valid" and (one.issued.role, one.issued.name) == identity[1:]
        ]
        return found[-1] if found else None

    def role_of(self, name: str) -> Role | None:
        """Return the role that a name has had; it may have no other (brokers look at the name alone)."""
        return next((line.role for line in self.lines if line.name == name), None)


def load(path: Path) -> Index:
    """Read an index; CommandError names the line that is none.

    A last line without its end was being written when the machine stopped: the certificate of such a line
    was never written, so it is left out.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: can't be read: {error.strerror}") from error
    lines = []
    for number, line in enumerate(text.split(b"\n")[:-1], 1):
        try:
            lines.append(DECODER.decode(line))
        except msgspec.MsgspecError as error:
            raise CommandError(f"{path}: line {number}: {error}") from error
    return Index(tuple(lines))


def append(path: Path, lines: Sequence[Issued | Revoked]) -> None:
    """Add lines and wait until the disk has them; a torn last line is cut off first."""
    data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    with path.open("r+b") as file:
        whole = file.read()
        file.truncate(whole.rfind(b"\n") + 1)
        file.seek(0, os.SEEK_END)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
