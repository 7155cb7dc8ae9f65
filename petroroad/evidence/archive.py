"""Opens an evidence file without trusting it: names, lengths and digests are checked before any use."""

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import msgspec

from centre.evidence.manifest import (
    FORM,
    MANIFEST,
    MEMBERS_MAX,
    SIGNATURE,
    Manifest,
    Member,
    decode,
)
from core.errors import CommandError, UsageError

MANIFEST_BYTES_MAX = 16 * 2**20
ALL_BYTES_MAX = 512 * 2**20  # of all members, unpacked: a clip has 64 MiB at most
OUTSIDE = (MANIFEST, SIGNATURE)  # members that the manifest can't name
COPY_BYTES = 2**20
BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
)
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # as a centre packs members


class FalseError(CommandError):
    """The file is not what it says; says what and where."""


class Archive:
    """An opened evidence file whose names and lengths are plausible."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._infos = {info.filename: info for info in archive.infolist()}
        self._check_names()
        self.manifest_bytes = self.read(MANIFEST, MANIFEST_BYTES_MAX)
        self.manifest = _decoded(self.manifest_bytes)

    def _check_names(self) -> None:
        infos = self._archive.infolist()
        if len(infos) > MEMBERS_MAX + len(OUTSIDE):
            raise FalseError(f"has {len(infos)} members")
        if len(self._infos) < len(infos):
            raise FalseError("holds two members of one name")
        total = 0
        for info in infos:
            path = PurePosixPath(info.filename)
            mode = info.external_attr >> 16
            is_odd = path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in info.filename
            if is_odd or not info.filename.isprintable() or info.is_dir() or stat.S_ISLNK(mode):
                raise FalseError(f"{info.filename!r}: is no name of a member")
            if info.compress_type not in PACKED:
                raise FalseError(f"{info.filename}: is packed as no centre packs")
            total += info.file_size
            if total > ALL_BYTES_MAX:
                raise FalseError(
                    f"{info.filename}: unpacked, all members are longer than {ALL_BYTES_MAX} bytes"
                )

    def has(self, name: str) -> bool:
        """Say whether there is a member of this name."""
        return name in self._infos

    def pieces(self, name: str, bytes_max: int) -> Iterator[bytes]:
        """Yield a member's bytes, never more than bytes_max; raises FalseError."""
        if name not in self._infos:
            raise FalseError(f"{name}: is missing")
        n_bytes = 0
        try:
            with self._archive.open(self._infos[name]) as file:
                while piece := file.read(min(COPY_BYTES, bytes_max + 1 - n_bytes)):
                    n_bytes += len(piece)
                    if n_bytes > bytes_max:
                        raise FalseError(f"{name}: is longer than {bytes_max} bytes")
                    yield piece
        except BROKEN as error:
            raise FalseError(f"{name}: can't be unpacked: {error}") from error

    def read(self, name: str, bytes_max: int = MANIFEST_BYTES_MAX) -> bytes:
        """Return a member's bytes; raises FalseError."""
        return b"".join(self.pieces(name, bytes_max))

    def extract(self, name: str, path: Path) -> None:
        """Write a member to a path of the caller's choice."""
        with path.open("wb") as file:
            for piece in self.pieces(name, ALL_BYTES_MAX):
                file.write(piece)

    def faults(self) -> list[str]:
        """Return what is wrong with the members: another digest, one too many, one too few."""
        members = {member.name: member for member in self.manifest.members}
        found = [
            f"{name}: is not in the manifest" for name in self._infos if name not in (*members, *OUTSIDE)
        ]
        if len(members) < len(self.manifest.members):
            found.append(f"{MANIFEST}: names a member twice")
        for member in members.values():
            try:
                found += self._faults_of(member)
            except FalseError as error:
                found.append(str(error))
        return found

    def _faults_of(self, member: Member) -> list[str]:
        digest, n_bytes = hashlib.sha256(), 0
        for piece in self.pieces(member.name, min(member.n_bytes, ALL_BYTES_MAX)):
            digest.update(piece)
            n_bytes += len(piece)
        if n_bytes != member.n_bytes:
            return [f"{member.name}: has {n_bytes} bytes, the manifest says {member.n_bytes}"]
        if digest.hexdigest() != member.sha256:
            return [f"{member.name}: was changed: its SHA-256 is not the manifest's"]
        return []


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a file; UsageError where there is none, FalseError where it is no evidence file."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        raise FalseError(f"is no whole ZIP: {error}") from error
    with archive:
        yield Archive(archive)


def _decoded(body: bytes) -> Manifest:
    try:
        manifest = decode(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise FalseError(f"{MANIFEST}: can't be read: {error}") from error
    if manifest.form != FORM:
        raise FalseError(f"{MANIFEST}: is of the form {manifest.form!r:.60}, not {FORM!r}")
    return manifest
