"""TLS towards brokers: the files of `[mqtt]`, a context that follows them, the end of our certificate.

Nothing here connects: `edge.tls_causes` says why a broker and we do not agree.
"""

import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from core.errors import ConfigError
from edge.identity import Identity, Role, identity_of
from edge.sections import MqttConfig

if TYPE_CHECKING:
    from cryptography import x509

EXPIRES_DAYS = 30.0  # from then on it is a fault that people are shown
EXPIRES, EXPIRED, INSECURE = "certificate_expires", "certificate_expired", "insecure"  # in `degraded`
DAMAGED = "certificate_damaged"  # the same: a file of ours was cut off or altered
LOCAL_NAMES = ("localhost", "ip6-localhost")


class Holder(NamedTuple):
    """Which part we are: what our certificate must name."""

    role: Role
    name: str


class TlsPaths(NamedTuple):
    """The files of `[mqtt]`, as paths; None: not given."""

    ca: Path | None
    certificate: Path | None
    key: Path | None
    crl: Path | None
    parts: Path | None = None


class OwnCertificate(NamedTuple):
    """What our own certificate says of us; `identity` is None in one of another authority."""

    identity: Identity | None
    not_after: datetime
    serial: int

    def days_left(self, now: datetime) -> float:
        return (self.not_after - now).total_seconds() / 86_400.0


def is_secure(mqtt: MqttConfig) -> bool:
    """Say whether `[mqtt]` asks for TLS."""
    return bool(mqtt.ca_file or mqtt.cert_file or mqtt.key_file or mqtt.crl_file)


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine itself, whatever its resolver says."""
    if host.lower() in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name: it may be anywhere
        return False


def check_addresses(mqtt: MqttConfig, hosts: Sequence[str], where: str) -> None:
    """Refuse (ConfigError) a broker on the network without TLS, unless the site says that it is meant."""
    if is_secure(mqtt) or mqtt.insecure:
        return
    for host in hosts:
        if not is_loopback(host):
            rule = "needs TLS outside this machine: set ca_file, cert_file and key_file, or insecure = true"
            raise ConfigError(where, "mqtt.brokers", rule, host)


def tls_paths(mqtt: MqttConfig, where: str, holder: Holder | None) -> TlsPaths:
    """Return the files, relative to the site file `where`; `{role}` and `{name}` in them are ours."""

    def path(text: str | None) -> Path | None:
        if text is None:
            return None
        if holder is not None:
            text = text.replace("{role}", holder.role).replace("{name}", holder.name)
        return Path(where).parent / text

    ca, certificate, key = path(mqtt.ca_file), path(mqtt.cert_file), path(mqtt.key_file)
    return TlsPaths(ca, certificate, key, path(mqtt.crl_file), path(mqtt.parts_file))


@dataclass(slots=True)
class Credentials:
    """The TLS side of one part; `context` is that of the files as they were last read whole.

    An RSU starts with damaged files too (a power cut while they were copied): it judges and keeps what it
    raises, and connects to nobody until they are whole. Any other part has nothing to do without a broker.
    """

    paths: TlsPaths
    holder: Holder | None
    where: str
    context: ssl.SSLContext = field(init=False)
    own: OwnCertificate | None = field(init=False)
    counts: dict[str, int] = field(default_factory=dict)
    problem: str | None = None  # why the files of now can't be used; the ones before still are
    _seen: tuple[tuple[int, int] | None, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self._look()
        try:
            self.context, self.own = self._load()
        except ConfigError as error:
            if not bears_damage(self.paths, self.holder):
                raise
            self.problem = str(error)
            self.context, self.own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), None  # knows no authority

    def refresh(self) -> Literal["same", "other_files", "other_certificate"]:
        """Read the files again if they have changed; what can't be used is counted, and changes nothing."""
        seen = self._look()
        if seen == self._seen and self.problem is None:
            return "same"
        self._seen = seen
        before = self.own
        try:
            self.context, self.own = self._load()
        except ConfigError as error:  # half of them is copied yet, say
            self.problem = str(error)
            self.counts["tls.reload_failed"] = self.counts.get("tls.reload_failed", 0) + 1
            return "same"
        self.problem = None
        self.counts["tls.reloaded"] = self.counts.get("tls.reloaded", 0) + 1
        return "other_files" if self.own == before else "other_certificate"

    def faults(self) -> tuple[str, ...]:
        """Return what people must be shown of our certificate."""
        if self.problem is not None and self.own is None:
            return (DAMAGED,)
        days = None if self.own is None else self.own.days_left(datetime.now(UTC))
        if days is None or days >= EXPIRES_DAYS:
            return ()
        return (EXPIRES,) if days > 0.0 else (EXPIRED,)

    def _look(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(file_stamp(path) for path in self.paths)

    def _load(self) -> tuple[ssl.SSLContext, OwnCertificate | None]:
        context = client_context(self.paths, self.where)
        if self.paths.certificate is None:
            return context, None
        own = own_certificate(self.paths.certificate, self.where)
        holder = self.holder
        if own.identity is not None and holder is not None and own.identity[1:] != holder:
            rule = f"the certificate is that of {own.identity}, and this is {holder.role} {holder.name}"
            raise ConfigError(self.where, "mqtt.cert_file", rule, str(self.paths.certificate))
        return context, own


def credentials(mqtt: MqttConfig, where: str, holder: Holder | None = None) -> Credentials | None:
    """Return a part's credentials, None for a site without TLS; ConfigError where a file can't be used."""
    return Credentials(tls_paths(mqtt, where, holder), holder, where) if is_secure(mqtt) else None


def client_context(paths: TlsPaths, where: str) -> ssl.SSLContext:
    """Return a context that verifies brokers by name, authority and revocation list; ConfigError."""
    key = "mqtt"
    try:
        context = ssl.create_default_context(cafile=paths.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if paths.certificate is not None:
            context.load_cert_chain(paths.certificate, paths.key, password=_no_passphrase)
        if paths.crl is not None:
            key = "mqtt.crl_file"
            context.load_verify_locations(paths.crl)
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        named = ", ".join(str(path) for path in paths if path is not None)
        raise ConfigError(where, key, f"TLS files can't be loaded: {error}", named) from error
    return context


def bears_damage(paths: TlsPaths, holder: Holder | None) -> bool:
    """Say whether we start all the same: an RSU, one of whose files is there and is no PEM any more.

    A file that is missing, another part's or under a passphrase is the operator's mistake.
    """
    if holder is None or holder.role != "rsu":
        return False
    given = [path for path in paths if path is not None]
    are_there = all(os.path.isfile(path) for path in given)  # `is_file` raises in a folder that isn't ours
    return are_there and any(_is_damaged(path) for path in given)


def _is_damaged(path: Path) -> bool:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        raw = path.read_bytes()
        if b"X509 CRL-----" in raw:
            x509.load_pem_x509_crl(raw)
        elif b"PRIVATE KEY-----" in raw:
            load_pem_private_key(raw, None)
        else:
            x509.load_pem_x509_certificates(raw)
    except ValueError:
        return True
    except (OSError, TypeError, UnsupportedAlgorithm):  # not ours to read; under a passphrase; another kind
        return False
    return False


def own_certificate(path: Path, where: str) -> OwnCertificate:
    """Read whom a certificate names and when it ends; ConfigError."""
    from cryptography import x509  # 10 MiB: only in a process that has a certificate

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        return OwnCertificate(identity_of(uris_of(found)), found.not_valid_after_utc, found.serial_number)
    except (OSError, ValueError) as error:
        raise ConfigError(where, "mqtt.cert_file", f"can't be read: {error}", str(path)) from error


def uris_of(certificate: "x509.Certificate") -> list[str]:
    """Return the URIs among the alternative names."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def is_issued_by(certificate: "x509.Certificate", issuer: "x509.Certificate") -> bool:
    """Say whether an authority's certificate signed another one."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):  # another's, or a strange key
        return False
    return True


def _no_passphrase() -> str:
    """OpenSSL would ask for it on the terminal; a service has none."""
    raise ValueError("the key has a passphrase, and a service can't ask for it")


def file_stamp(path: Path | None) -> tuple[int, int] | None:
    """Return what changes when a file is replaced; None where there is none."""
    try:
        found = None if path is None else path.stat()
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_ino)
