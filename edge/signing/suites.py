"""How a message is signed: Ed25519 (RFC 8032), or ECDSA on P-256 with SHA-256 (FIPS 186-5). Pure.

Both have signatures of 64 bytes. SM2 with SM3 (GM/T 0003) is a reserved suite: docs/security.md says why.
"""

import hashlib
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.signing.guard import Sign, Verify

ED25519, ECDSA_P256, SM2_RESERVED = 1, 2, 3
KEY_ID_BYTES = 8
_SCALAR_BYTES = 32


def key_id_of(key: PublicKeyTypes) -> bytes:
    """Return the first bytes of the SHA-256 of a public key (SubjectPublicKeyInfo): its name in a seal."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()[:KEY_ID_BYTES]


def signing_with(key: PrivateKeyTypes) -> tuple[int, Sign]:
    """Return the suite of a private key and how it signs; ValueError for a kind of key without a suite."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ED25519, key.sign
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        private = key

        def sign(data: bytes) -> bytes:
            r, s = decode_dss_signature(private.sign(data, ec.ECDSA(SHA256())))
            return r.to_bytes(_SCALAR_BYTES) + s.to_bytes(_SCALAR_BYTES)

        return ECDSA_P256, sign
    raise ValueError(f"a key that can't sign messages: {type(key).__name__}")


def verifying_with(key: PublicKeyTypes) -> tuple[int, Verify]:
    """Return the suite of a public key and how it checks; ValueError for a kind of key without a suite."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        edwards = key

        def check(signature: bytes, data: bytes) -> bool:
            return _holds(lambda: edwards.verify(signature, data))

        return ED25519, check
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        public = key

        def check_ecdsa(signature: bytes, data: bytes) -> bool:
            r, s = signature[:_SCALAR_BYTES], signature[_SCALAR_BYTES:]
            der = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
            return _holds(lambda: public.verify(der, data, ec.ECDSA(SHA256())))

        return ECDSA_P256, check_ecdsa
    raise ValueError(f"a key that can't check messages: {type(key).__name__}")


def _holds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except (InvalidSignature, ValueError):
        return False
    return True
