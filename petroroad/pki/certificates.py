"""The certificates and the revocation list of a site, as objects: no files, no clock.

The authority signs by ECDSA on P-256, which every TLS library and browser accepts. Parts have Ed25519 keys,
which OpenSSL, Go and Python accept and which can sign messages too; the page has a P-256 key, because
browsers know no Ed25519 in TLS.

A certificate is valid from BEGINS on, not from the day of its issue: a board without a battery clock starts
in the past, and must deliver until its clock is set. Its end is what limits it.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.identity import Identity, Role

CaKey = ec.EllipticCurvePrivateKey
PartKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
BEGINS = datetime(2020, 1, 1, tzinfo=UTC)
SERVERS: frozenset[Role] = frozenset({"broker", "page"})  # roles that others connect to


def new_ca_key() -> CaKey:
    """Draw the authority's key."""
    return ec.generate_private_key(ec.SECP256R1())


def new_key(role: Role) -> PartKey:
    """Draw a part's key."""
    return new_ca_key() if role == "page" else ed25519.Ed25519PrivateKey.generate()


def ca_certificate(site: str, key: CaKey, until: datetime) -> x509.Certificate:
    """Return the authority's own certificate."""
    name = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, site),
        x509.NameAttribute(NameOID.COMMON_NAME, "petroroad authority"),
    ])  # fmt: skip
    public = key.public_key()
    key_id = x509.SubjectKeyIdentifier.from_public_key(public)
    return (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number(), BEGINS, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_ca=True), critical=True)
        .add_extension(key_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .sign(key, hashes.SHA256())
    )


def part_certificate(
    identity: Identity,
    key: PartKey,
    hosts: Sequence[str],
    until: datetime,
    ca: tuple[x509.Certificate, CaKey],
) -> x509.Certificate:
    """Return the certificate of one part.

    hosts : DNS names and IP addresses of a server; the first names that a client may use for it
    """
    issuer, ca_key = ca
    server = identity.role in SERVERS
    used = [ExtendedKeyUsageOID.SERVER_AUTH] if server else [ExtendedKeyUsageOID.CLIENT_AUTH]
    if identity.role == "broker":  # a node of a cluster connects to the others
        used.append(ExtendedKeyUsageOID.CLIENT_AUTH)
    names = [x509.UniformResourceIdentifier(identity.urn), *(_host(host) for host in hosts)]
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.site),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, identity.role),
        x509.NameAttribute(NameOID.COMMON_NAME, identity.name),
    ])  # fmt: skip
    public, serial = key.public_key(), x509.random_serial_number()
    ca_public = ca_key.public_key()
    return (
        x509.CertificateBuilder(issuer.subject, subject, public, serial, BEGINS, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(used), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_public), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def revocation_list(
    revoked: Iterable[tuple[int, datetime]], number: int, ca: tuple[x509.Certificate, CaKey]
) -> x509.CertificateRevocationList:
    """Return the list of revoked (serial, time); `number` counts up with each list.

    It is valid as long as the authority: a list that ended would stop all delivery of a site that nobody
    looks after, and a newer one replaces it at any time.
    """
    issuer, key = ca
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(BEGINS)
        .next_update(issuer.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for serial, at in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, hashes.SHA256())


def key_pem(key: PartKey, passphrase: bytes | None = None) -> bytes:
    """Return a private key as PKCS #8, encrypted by the passphrase if there is one."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def pem(made: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return made.public_bytes(serialization.Encoding.PEM)


def public_key_sha256(certificate: x509.Certificate) -> str:
    """Return the digest of the public key (SubjectPublicKeyInfo, DER), by which nats-server pins keys."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    der = certificate.public_key().public_bytes(serialization.Encoding.DER, form)
    return hashlib.sha256(der).hexdigest()


def ends_after(now: datetime, days: float) -> datetime:
    return (now + timedelta(days=days)).replace(microsecond=0)


def _host(text: str) -> x509.GeneralName:
    """Return a host as an alternative name; ValueError for what is neither address nor DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return x509.DNSName(text)


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )
