"""A CA and certificates for tests, made by the library itself: independent of the product's own issuing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


@dataclass
class Authority:
    """A certificate authority; `issue` writes NAME.key beside it and returns the certificate."""

    folder: Path
    name: str = "site"

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._made(self.name, self.key.public_key(), None, 3650)
        (self.folder / "ca.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def issue(
        self, role: str, name: str, *, days: int = 30, key: Key | None = None, since_days: int = 1
    ) -> x509.Certificate:
        key = key or ed25519.Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{name}.key").write_bytes(pem)
        return self._made(
            name, key.public_key(), f"urn:petroroad:{self.name}:{role}:{name}", days, since_days
        )

    def parts(self, *certificates: x509.Certificate) -> Path:
        path = self.folder / "parts.pem"
        path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
        return path

    def revoke(self, *certificates: x509.Certificate) -> Path:
        now = datetime.now(UTC)
        crl = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        crl = crl.last_update(now).next_update(now + timedelta(days=30))
        for one in certificates:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(now)
            crl = crl.add_revoked_certificate(entry.build())
        path = self.folder / "crl.pem"
        path.write_bytes(crl.sign(self.key, SHA256()).public_bytes(Encoding.PEM))
        return path

    def _made(
        self, name: str, key: object, urn: str | None, days: int, since_days: int = 1
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if urn is None else self.certificate.subject
        now = datetime.now(UTC)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)  # type: ignore[arg-type]
        made = made.serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=since_days)).not_valid_after(
            now + timedelta(days=days)
        )
        if urn is not None:
            names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(urn)])
            made = made.add_extension(names, critical=False)
        else:
            made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return made.sign(self.key, SHA256())
