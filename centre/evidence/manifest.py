"""The manifest of an evidence file: what belongs to it, what it lacks, and what its signature covers. Pure.

The centre writes it, and `petroroad evidence verify` reads it: both stand on this module alone.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from centre.audit.chain import digest_of

MANIFEST, SIGNATURE, CERTIFICATE = "manifest.json", "signature.json", "certificate.pem"
FORM = "petroroad evidence 1"
DOMAIN = b"petroroad evidence 1\x00"  # a signature of another protocol by the same key is none of ours
SEALED = "evidence_made"  # the act of the audit log that names the members
MEMBERS_MAX = 20_000
Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$", max_length=512)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One file within the ZIP."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    n_bytes: Annotated[int, Meta(ge=0)]
    sha256: Digest


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Something that belongs to such a file and is not in it."""

    what: str
    why: str


class StoredVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the violation as the centre holds it committed."""

    esn: str
    version: int
    hop: int
    epoch: int
    seq: int
    sha256: Digest
    file: str  # its bytes
    detected_ns: int
    received_ns: int
    committed_ns: int | None = None
    clock_unset: bool = (
        False  # the RSU's clock was never set as it detected it: only `received_ns` says when that was
    )


class ClipMember(msgspec.Struct, frozen=True, kw_only=True):
    """One recording of a clip."""

    esn: str
    file: str


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the centre's log of acts, with the digest of the row before it: its own can be computed."""

    n: int
    at_ns: int
    user: str
    role: str
    act: str
    subject: str
    body: str  # JSON, as stored
    before: Hex
    sha256: Digest

    @property
    def fits(self) -> bool:
        """Say whether its digest is that of its fields."""
        fields = (self.n, self.at_ns, self.user, self.role, self.act, self.subject)
        return digest_of(bytes.fromhex(self.before), fields, self.body.encode()).hex() == self.sha256


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole manifest."""

    form: str
    site: str
    centre: str
    violation: str
    made_ns: int
    user: str  # who asked for it
    versions: tuple[StoredVersion, ...]
    clips: tuple[ClipMember, ...]
    missing: tuple[Missing, ...]
    software: dict[str, str]
    members: Annotated[tuple[Member, ...], Meta(max_length=MEMBERS_MAX)]
    audit: AuditRow  # the newest row of the log when the file was made: it names the members


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Of the manifest's bytes behind DOMAIN, by the key of the certificate in the ZIP."""

    suite: int  # of edge.signing
    key_id: Hex
    signature: Hex


def members_digest(members: Sequence[Member]) -> str:
    """Return the SHA-256 over all members, in the order of their names."""
    rows = sorted((member.name, member.n_bytes, member.sha256) for member in members)
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


def sealed_body(manifest_members: Sequence[Member], job: str) -> Mapping[str, Any]:
    """Return the body of the act that names the members."""
    return {"members": members_digest(manifest_members), "job": job}


def encode(manifest: Manifest) -> bytes:
    """Return the manifest's bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


decode = msgspec.json.Decoder(Manifest).decode
decode_signature = msgspec.json.Decoder(Signature).decode
