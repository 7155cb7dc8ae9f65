"""The keys of a site's parts, from certificate files: whose each is, and which ones were revoked.

A part's certificate serves for TLS and for signatures. It names the part in a URI, one of its subject's
alternative names: `urn:petroroad:SITE:ROLE:NAME`. The certificates of all parts lie in one file.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from core.errors import ConfigError
from core.times import NS
from edge.identity import identity_of
from edge.signing.files import SigningFiles
from edge.signing.guard import Known, Own
from edge.signing.policy import ROLES, Signer
from edge.signing.suites import key_id_of, signing_with, verifying_with
from edge.tls import is_issued_by, uris_of

PARTS_BYTES_MAX = 16 * 2**20  # of the file of all certificates: some 20 000


def load_own(path: Path, where: str) -> Own:
    """Load our private key; ConfigError names the file and what is wrong with it."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
        suite, sign = signing_with(key)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(where, "mqtt.key_file", f"no key that can sign: {error}", str(path)) from error
    return Own(suite, key_id_of(key.public_key()), sign)


def load_known(files: SigningFiles, where: str) -> dict[bytes, Known]:
    """Load the keys whose certificates the site's CA issued and has not revoked, by key id.

    A certificate of a broker or of no role is left out: it signs no message. ConfigError names a file that
    can't be read, and a certificate that is not the CA's.
    """
    authorities = _certificates(files.ca, "mqtt.ca_file", where)
    revoked = _revoked(files.crl, authorities, where)
    known: dict[bytes, Known] = {}
    for certificate in _certificates(files.parts, "mqtt.parts_file", where):
        if not any(is_issued_by(certificate, authority) for authority in authorities):
            rule = f"certificate {certificate.subject.rfc4514_string()} is of another CA"
            raise ConfigError(where, "mqtt.parts_file", rule, str(files.parts))
        signer = signer_of(certificate)
        if signer is None or certificate.serial_number in revoked:
            continue
        key = certificate.public_key()
        try:
            suite, verify = verifying_with(key)
        except ValueError as error:
            raise ConfigError(where, "mqtt.parts_file", str(error), str(files.parts)) from error
        known[key_id_of(key)] = Known(
            suite, verify, signer, _ns(certificate.not_valid_before_utc), _ns(certificate.not_valid_after_utc)
        )
    return known


def signer_of(certificate: x509.Certificate) -> Signer | None:
    """Return the part that a certificate names; None for one without a role that signs."""
    identity = identity_of(uris_of(certificate))
    return Signer(identity.role, identity.name) if identity is not None and identity.role in ROLES else None


def _certificates(path: Path, field: str, where: str) -> list[x509.Certificate]:
    try:
        if path.stat().st_size > PARTS_BYTES_MAX:
            raise ValueError(f"more than {PARTS_BYTES_MAX} bytes")
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(where, field, f"no PEM certificates: {error}", str(path)) from error


def _revoked(path: Path | None, authorities: Iterable[x509.Certificate], where: str) -> set[int]:
    """Return the serial numbers that a CRL of the site's CA names."""
    if path is None:
        return set()
    try:
        crl = x509.load_pem_x509_crl(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            where, "mqtt.crl_file", f"no PEM list of revoked ones: {error}", str(path)
        ) from error
    if not any(crl.is_signature_valid(ca.public_key()) for ca in authorities):  # type: ignore[arg-type]
        raise ConfigError(where, "mqtt.crl_file", "not signed by the site's CA", str(path))
    return {entry.serial_number for entry in crl}


def _ns(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp()) * NS
