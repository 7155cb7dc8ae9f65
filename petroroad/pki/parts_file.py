"""`parts.pem`: the certificates of all parts that sign messages; every part of the site reads it."""

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from core.errors import CommandError
from edge.identity import identity_of
from edge.signing.policy import ROLES
from edge.tls import uris_of
from petroroad.pki import certificates

NAME = "parts.pem"


def parts_pem(has: Iterable[x509.Certificate], usable: Iterable[str]) -> bytes:
    """Return the file's text of the certificates that sign and whose serial numbers are usable, each once.

    usable : serial numbers, hexadecimal
    """
    wanted = set(usable)
    found: dict[str, bytes] = {}
    for certificate in has:
        identity, serial = identity_of(uris_of(certificate)), f"{certificate.serial_number:x}"
        if identity is not None and identity.role in ROLES and serial in wanted:
            found[serial] = f"# {identity}\n".encode() + certificates.pem(certificate)
    return b"".join(found.values())


def load(folder: Path) -> list[x509.Certificate]:
    """Return the certificates of the file and those that lie singly beside it; CommandError.

    A folder of an earlier version has no such file yet.
    """
    found: list[x509.Certificate] = []
    for path in [folder / NAME, *sorted(folder.glob("*.crt"))]:
        try:
            text = path.read_bytes()
            found += x509.load_pem_x509_certificates(text) if text else []
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise CommandError(f"{path}: can't be read: {error}") from error
    return found
