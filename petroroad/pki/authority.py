"""A site's certificate authority: a folder with its key, what it issued, and the revocation list.

    pki/ca.crt  ca.key           the authority; its key never leaves this folder
    pki/crl.pem                  what is revoked; each broker and part gets it
    pki/parts.pem                the certificates of all parts that sign messages; each part gets it
    pki/index.jsonl              what was issued and revoked
    pki/rsu-RSU-23.crt  .key     one pair for each part, which goes to that part's machine

Each file is replaced as a whole; the index is written first, so that it knows every certificate that exists.
"""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.errors import CommandError, UsageError
from edge.identity import ROLES, Identity
from edge.topics import NAME
from petroroad.pki import certificates, index, parts_file
from petroroad.pki.certificates import SERVERS, CaKey
from petroroad.pki.index import Certificate, Issued, Revoked

LOCK_S = 10.0
CA_DAYS = 3_652.0
PART_DAYS = 365.0


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a new certificate."""

    identity: Identity
    issued: Issued
    certificate: Path
    key: Path


@dataclass(slots=True)
class Authority:
    """An opened authority; use `opened`, which holds its lock."""

    folder: Path
    certificate: x509.Certificate
    index: index.Index
    _key: CaKey | None

    @property
    def site(self) -> str:
        (name,) = self.certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
        return str(name.value)

    def identity(self, role: str, name: str) -> Identity:
        """Return a part's identity in this site; UsageError where role or name can't be one."""
        found = Identity(self.site, role, name)  # type: ignore[arg-type]  # checked by the next lines
        checked = checked_identity(found)
        used = self.index.role_of(name)
        if used not in (None, role):
            rule = "brokers know a client by its name alone: give it another one"
            raise UsageError(f"{name}: is the name of a certificate of role {used}; {rule}")
        return checked

    def issue(self, identity: Identity, hosts: Sequence[str], days: float) -> Written:
        """Issue the first certificate of a part; UsageError where it has one that can be used."""
        now = _now()
        has = self.index.current(identity, now)
        if has is not None:
            raise UsageError(f"{identity}: has a certificate for {has.days_left(now):.0f} days: use renew")
        if identity.role in SERVERS and not hosts:
            raise UsageError(f"{identity}: --host: name each DNS name or address that its clients use")
        if identity.role not in SERVERS and hosts:
            raise UsageError(f"{identity}: --host is for the roles {' and '.join(sorted(SERVERS))} only")
        return self._issue(identity, hosts, days)

    def renew(self, identity: Identity, days: float) -> Written:
        """Issue another certificate with a new key; that of now stays valid until it ends or is revoked."""
        has = [
            one.issued
            for one in self.index.certificates(_now())
            if one.state != "revoked" and (one.issued.role, one.issued.name) == identity[1:]
        ]
        if not has:
            raise UsageError(f"{identity}: has no certificate: use issue")
        return self._issue(identity, has[-1].hosts, days)

    def due(self, within_days: float) -> list[Identity]:
        """Return the parts whose newest certificate ends within so many days, or has ended."""
        now = _now()
        newest: dict[Identity, Certificate] = {}
        for one in self.index.certificates(now):
            if one.state != "revoked":
                newest[Identity(self.site, one.issued.role, one.issued.name)] = one
        return [part for part, one in newest.items() if one.days_left(now) <= within_days]

    def revoke(self, identity: Identity, serial: str | None, *, only_replaced: bool = False) -> list[Issued]:
        """Revoke a part's certificates (one, the replaced ones, all) and write the list anew."""
        now = _now()
        usable = [
            one
            for one in self.index.certificates(now)
            if one.usable and (one.issued.role, one.issued.name) == identity[1:]
        ]
        chosen = [
            one.issued
            for one in usable
            if (serial is None or one.issued.serial == serial.lower())
            and (not only_replaced or one.state == "replaced")
        ]
        if not chosen:
            serials = ", ".join(one.issued.serial for one in usable) or "none"
            raise UsageError(f"{identity}: nothing to revoke; its usable certificates: {serials}")
        self._append([
            Revoked(at=now, serial=one.serial, role=one.role, name=one.name) for one in chosen
        ])  # fmt: skip
        self.write_revocations()
        self.write_parts()
        return chosen

    def write_parts(self) -> None:
        """Write the file of all usable certificates that sign; a renewed one stands beside the old one."""
        usable = [one.issued.serial for one in self.index.certificates(_now()) if one.usable]
        text = parts_file.parts_pem(parts_file.load(self.folder), usable)
        write_whole(self.folder / parts_file.NAME, text, 0o644)

    def write_revocations(self) -> None:
        """Write the list of all revoked certificates."""
        revoked = [line for line in self.index.lines if isinstance(line, Revoked)]
        rows = [(int(line.serial, 16), line.at.replace(microsecond=0)) for line in revoked]
        # the number counts lines of the index, which only grows
        made = certificates.revocation_list(rows, len(self.index.lines) + 1, self._ca())
        write_whole(self.folder / "crl.pem", certificates.pem(made), 0o644)

    def _issue(self, identity: Identity, hosts: Sequence[str], days: float) -> Written:
        until = certificates.ends_after(_now(), days)
        if until > self.certificate.not_valid_after_utc:
            end = self.certificate.not_valid_after_utc.date()
            raise UsageError(f"--days {days:.0f}: ends after the authority itself, on {end}")
        key = certificates.new_key(identity.role)
        try:
            made = certificates.part_certificate(identity, key, hosts, until, self._ca())
        except ValueError as error:  # of a host that is no DNS name
            raise UsageError(f"--host {' '.join(hosts)}: {error}") from error
        issued = Issued(
            at=_now(),
            serial=f"{made.serial_number:x}",
            role=identity.role,
            name=identity.name,
            hosts=tuple(hosts),
            not_after=until,
            key_sha256=certificates.public_key_sha256(made),
        )
        self._append([issued])
        stem = self.folder / f"{identity.role}-{identity.name}"
        written = Written(
            identity, issued, stem.with_name(stem.name + ".crt"), stem.with_name(stem.name + ".key")
        )
        write_whole(written.key, certificates.key_pem(key), 0o600)
        write_whole(written.certificate, certificates.pem(made), 0o644)
        self.write_parts()
        return written

    def _append(self, lines: Sequence[Issued | Revoked]) -> None:
        index.append(self.folder / "index.jsonl", lines)
        self.index = index.Index((*self.index.lines, *lines))

    def _ca(self) -> tuple[x509.Certificate, CaKey]:
        assert self._key is not None, "opened to read only"
        return self.certificate, self._key


def checked_identity(identity: Identity) -> Identity:
    """Return the identity itself; UsageError where no certificate could carry it."""
    if identity.role not in ROLES:
        raise UsageError(f"{identity.role}: is no role: {', '.join(ROLES)}")
    for text in (identity.site, identity.name):
        if not NAME.fullmatch(text):
            raise UsageError(f"{text!r}: must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
    return identity


def create(folder: Path, site: str, passphrase: bytes | None, days: float = CA_DAYS) -> None:
    """Make a new authority in a folder that has none; UsageError where it has."""
    checked_identity(Identity(site, "page", "x"))
    if (folder / "ca.key").exists() or (folder / "ca.crt").exists():
        raise UsageError(f"{folder}: has an authority; a new one would leave every part without a broker")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CommandError(f"{folder}: can't be made: {error.strerror}") from error
    with _locked(folder):
        key = certificates.new_ca_key()
        made = certificates.ca_certificate(site, key, certificates.ends_after(_now(), days))
        write_whole(folder / "index.jsonl", b"", 0o644)
        write_whole(folder / "ca.key", certificates.key_pem(key, passphrase), 0o600)
        write_whole(folder / "ca.crt", certificates.pem(made), 0o644)
        Authority(folder, made, index.Index(()), key).write_revocations()


@contextmanager
def opened(folder: Path, passphrase: bytes | None) -> Iterator[Authority]:
    """Open an authority to issue and revoke; CommandError where the folder has none or its key won't open."""
    certificate = _certificate(folder)
    with _locked(folder):
        key = _key(folder / "ca.key", passphrase)
        yield Authority(folder, certificate, index.load(folder / "index.jsonl"), key)


def read(folder: Path) -> Authority:
    """Open an authority only to look: its key is not needed."""
    return Authority(folder, _certificate(folder), index.load(folder / "index.jsonl"), None)


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Replace a file as a whole, with the rights of `mode`; CommandError where it can't be."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.unlink(missing_ok=True)
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(file, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CommandError(f"{path}: can't be written: {error.strerror}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder for ourselves: two that issue at once would write one index."""
    try:
        file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CommandError(f"{folder}: can't be written: {error.strerror}") from error
    try:
        until_s = time.monotonic() + LOCK_S
        while not _lock(file):
            if time.monotonic() > until_s:
                raise CommandError(f"{folder}: another `petroroad pki` holds it")
            time.sleep(0.05)
        yield
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _certificate(folder: Path) -> x509.Certificate:
    path = folder / "ca.crt"
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"{folder}: has no authority: petroroad pki init") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: can't be read: {error}") from error


def _key(path: Path, passphrase: bytes | None) -> CaKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase)
    except OSError as error:
        raise CommandError(f"{path}: can't be read: {error.strerror}") from error
    except TypeError as error:  # it is encrypted and there is no passphrase, or the reverse
        needs = "needs --passphrase-file" if passphrase is None else "has no passphrase"
        raise UsageError(f"{path}: {needs}") from error
    except ValueError as error:
        raise UsageError(f"{path}: can't be opened: the passphrase is another, or it is no key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CommandError(f"{path}: is no key on P-256")
    return key


def _now() -> datetime:
    return datetime.now(UTC)


def parts(authority: Authority, wanted: Iterable[tuple[str, str]]) -> list[Identity]:
    """Return the identities of (role, name) pairs; UsageError where two have one name."""
    found: dict[str, Identity] = {}
    for role, name in wanted:
        identity = authority.identity(role, name)
        other = found.setdefault(name, identity)
        if other != identity:
            raise UsageError(f"{name}: is both {other.role} and {role} of the site: rename one of them")
    return list(found.values())
