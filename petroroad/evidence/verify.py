"""Verifies an evidence file: members, signature, chain of acts, versions; then replays its recordings."""

import hashlib
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from centre.evidence.manifest import (
    CERTIFICATE,
    DOMAIN,
    MANIFEST,
    SEALED,
    SIGNATURE,
    AuditRow,
    Manifest,
    StoredVersion,
    decode_signature,
    members_digest,
)
from core.errors import CommandError, ConfigError, RecordingError
from edge.identity import identity_of
from edge.recording.chain import chains
from edge.signing.suites import key_id_of, verifying_with
from edge.tls import is_issued_by, uris_of
from edge.versions import versions as software
from geofence import violation as codec
from petroroad.evidence.archive import ALL_BYTES_MAX, Archive, FalseError, opened
from petroroad.replay.run import pace_of, part_to_replay, replay_chain

ACTS = "desk/acts.json"
_decode_acts = msgspec.json.Decoder(list[AuditRow]).decode


@dataclass(slots=True)
class Verdict:
    """What was found.  faults : empty: the file is true"""

    faults: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_true(self) -> bool:
        return not self.faults


def verify(path: Path, authorities: list[x509.Certificate]) -> Verdict:
    """Verify a file; UsageError where there is none.  authorities : of the site; empty: none was named"""
    verdict = Verdict()
    try:
        with opened(path) as archive:
            _describe(verdict, archive.manifest)
            verdict.faults += archive.faults()
            verdict.faults += _signature_faults(archive, authorities, verdict.facts)
            verdict.faults += _audit_faults(archive)
            verdict.faults += _version_faults(archive)
            if verdict.is_true:  # a recording that was changed is not run through the pipeline
                verdict.faults += replay_faults(archive, verdict.facts)
    except FalseError as error:
        verdict.faults.append(str(error))
    return verdict


def _describe(verdict: Verdict, manifest: Manifest) -> None:
    verdict.facts |= {
        "violation": manifest.violation,
        "site": manifest.site,
        "centre": manifest.centre,
        "made_ns": str(manifest.made_ns),
        "user": manifest.user,
        "versions": len(manifest.versions),
        "clock_unset": [one.esn for one in manifest.versions if one.clock_unset],
        "members": len(manifest.members),
        "missing": [{"what": one.what, "why": one.why} for one in manifest.missing],
        "audit": {"n": manifest.audit.n, "sha256": manifest.audit.sha256},
        "signature": "none",
        "replayed": {},
    }


def _signature_faults(
    archive: Archive, authorities: list[x509.Certificate], facts: dict[str, Any]
) -> list[str]:
    if not archive.has(SIGNATURE):
        if authorities:
            return [f"{SIGNATURE}: is missing: nobody of the site has signed this file"]
        facts["signature"] = "unsigned"
        return []
    try:
        signature = decode_signature(archive.read(SIGNATURE, 10_000))
        certificate = x509.load_pem_x509_certificate(archive.read(CERTIFICATE, 100_000))
        suite, check = verifying_with(certificate.public_key())
        key_id = key_id_of(certificate.public_key())
    except (msgspec.DecodeError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        return [f"{SIGNATURE}, {CERTIFICATE}: can't be read: {error}"]
    if (suite, key_id.hex()) != (signature.suite, signature.key_id):
        return [f"{SIGNATURE}: is of another key than {CERTIFICATE}"]
    if not check(bytes.fromhex(signature.signature), DOMAIN + archive.manifest_bytes):
        return [f"{MANIFEST}: was changed: {SIGNATURE} does not fit"]
    facts["signature"] = certificate.subject.rfc4514_string()
    if not authorities:
        return [f"{CERTIFICATE}: whose it is can't be said without the site's CA: name --ca or --site"]
    return _certificate_faults(certificate, archive.manifest, authorities)


def _certificate_faults(
    certificate: x509.Certificate, manifest: Manifest, authorities: list[x509.Certificate]
) -> list[str]:
    if not any(is_issued_by(certificate, authority) for authority in authorities):
        return [f"{CERTIFICATE}: was not issued by the site's CA"]
    identity = identity_of(uris_of(certificate))
    if identity is None or (identity.role, identity.name) != ("centre", manifest.centre):
        return [f"{CERTIFICATE}: is that of {identity or 'nobody'}, not of centre {manifest.centre}"]
    made = datetime.fromtimestamp(manifest.made_ns / 1e9, UTC)
    if not certificate.not_valid_before_utc <= made <= certificate.not_valid_after_utc:
        return [f"{CERTIFICATE}: was not valid when the file was made ({made:%Y-%m-%d %H:%M:%S} UTC)"]
    return []


def _audit_faults(archive: Archive) -> list[str]:
    """Hold acts against their digests, and the members against the act that names them."""
    manifest, found = archive.manifest, []
    row = manifest.audit
    if not row.fits or (row.act, row.subject) != (SEALED, manifest.violation):
        found.append(f"{MANIFEST}: its row of the log of acts was changed")
    try:
        sealed = msgspec.json.decode(row.body, type=dict[str, str]).get("members")
    except msgspec.DecodeError:
        sealed = None
    if sealed != members_digest(manifest.members):
        found.append(f"{MANIFEST}: its members are not those that the log of acts names")
    try:
        acts = _decode_acts(archive.read(ACTS))
    except (msgspec.DecodeError, ValueError) as error:
        return [*found, f"{ACTS}: can't be read: {error}"]
    false = [act.n for act in acts if not act.fits or act.subject != manifest.violation or act.n >= row.n]
    return [*found, *(f"{ACTS}: row {n} was changed, or is of another alarm" for n in false)]


def _version_faults(archive: Archive) -> list[str]:
    """Hold the bytes of each version against what the manifest says of it."""
    found = []
    for stored in archive.manifest.versions:
        try:
            body = archive.read(stored.file)
            one = codec.decode(body)
        except (msgspec.DecodeError, ValueError) as error:
            found.append(f"{stored.file}: is no violation: {error}")
            continue
        said = (archive.manifest.violation, stored.esn, stored.version, stored.hop)
        if (one.id, one.esn, one.version, one.hop) != said:
            found.append(f"{stored.file}: is version {one.version} of {one.id} by {one.esn}")
        if hashlib.sha256(body).hexdigest() != stored.sha256:
            found.append(f"{stored.file}: its SHA-256 is not that of its row in the manifest")
    if not archive.manifest.versions:
        found.append(f"{MANIFEST}: names no version")
    return found


def replay_faults(archive: Archive, facts: dict[str, Any]) -> list[str]:
    """Replay the clip of each RSU, and look for the versions of the violation among its outputs."""
    manifest, found = archive.manifest, []
    for esn in dict.fromkeys(clip.esn for clip in manifest.clips):
        files = [clip.file for clip in manifest.clips if clip.esn == esn]
        versions = [one for one in manifest.versions if one.esn == esn]
        with tempfile.TemporaryDirectory(prefix="petroroad-evidence-") as folder:
            paths = []
            for i, name in enumerate(files):
                paths.append(Path(folder) / f"{i:02d}.mcap")
                archive.extract(name, paths[-1])
            try:
                found += _replayed(archive, esn, (paths, files), versions, facts)
            except (CommandError, ConfigError, RecordingError) as error:
                found.append(f"clip of {esn}: can't be replayed: {error}")
    for esn in dict.fromkeys(one.esn for one in manifest.versions):
        is_said = any(esn in one.what.split() for one in manifest.missing)
        if all(clip.esn != esn for clip in manifest.clips) and not is_said:
            found.append(f"{MANIFEST}: has no clip of {esn}, and does not say why")
    return found


def _replayed(
    archive: Archive, esn: str, clip: tuple[list[Path], list[str]], versions: list[StoredVersion],
    facts: dict[str, Any],
) -> list[str]:  # fmt: skip
    paths, names = clip
    found: list[str] = []
    recorded: list[bytes] = []
    replayed: list[bytes] = []
    for chain in chains([part_to_replay(path) for path in paths]):
        run = replay_chain(chain, None, pace_of("max"), None)
        name = names[paths.index(chain[0].path)]
        others = sorted(set(run.recorded) - {esn})
        if others:
            found.append(f"{name}: is a recording of {', '.join(others)}, not of {esn}")
        if run.reading.damaged:
            found.append(f"{name}: {run.reading.text()}")
        difference = run.difference()
        if difference is not None:
            found.append(f"{name}: the replay differs: {difference}{_other_software(archive.manifest)}")
        recorded += run.recorded.get(esn, [])
        replayed += run.replayed.violations.get(esn, [])
    for stored in versions:
        body = archive.read(stored.file, ALL_BYTES_MAX)
        if body not in recorded:
            found.append(f"{stored.file}: is not in the recording of {esn}")
        elif body not in replayed:
            found.append(f"{stored.file}: a replay of the recording does not give it")
    facts["replayed"][esn] = {
        "violations": len(replayed),
        "recorded": len(recorded),
        "versions": len(versions),
    }
    return found


def _other_software(manifest: Manifest) -> str:
    """Return what differs from where the file was made: equal bytes are promised for equal software only."""
    here = software()
    others = [f"{name} {was}, here {here.get(name, 'none')}" for name, was in manifest.software.items()
              if here.get(name) != was]  # fmt: skip
    return f" (made with other software: {'; '.join(others)})" if others else ""
