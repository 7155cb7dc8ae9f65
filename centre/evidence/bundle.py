"""Builds an evidence file: a ZIP of everything that belongs to one violation. Blocking.

Members are added one by one, and the manifest at the end. What can't be had is named in it with the reason:
a file that lacks something is still evidence of the rest.
"""

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from centre.evidence import drawing
from centre.evidence import manifest as form
from centre.evidence.manifest import AuditRow, ClipMember, Manifest, Member, Missing, StoredVersion
from centre.evidence.plot import page_of
from centre.evidence.signer import EvidenceSigner
from centre.evidence.store import StoredBody
from centre.unset_clocks import is_clock_unset
from centre.views.safe_json import json_safe
from core.errors import ConfigError, RecordingError
from edge.versions import versions as software
from edge.wire import SiteRecord, decode_site
from geofence import violation as codec

COPY_BYTES = 2**20
READ_ME = """\
Evidence of one violation. 单起违规的证据包。

versions/  each version as the centre holds it committed: the bytes (MessagePack) and as JSON
clip/      the RSU's recording: raw observations, its state before, and its violations (MCAP)
site/      site file, map and registry as of then: radars with their calibration, rules
desk/      what people did with the alarm, from the centre's log of acts
plot/      distance, speed and probability over time
manifest.json, signature.json, certificate.pem: digests of all members, and the centre's signature

Verify / 核验:  petroroad evidence verify THIS.zip --ca ca.crt
It checks each digest, the signature and the chain of acts, and replays the clip to the very same bytes.
"""
Seal = Callable[[dict[str, Any]], AuditRow]  # adds an act with this body to the log


@dataclass(slots=True)
class Job:
    """What a file is made for.  made_ns : now"""

    id: str
    violation: str
    user: str
    site: str
    centre: str
    made_ns: int


@dataclass(slots=True)
class Bundle:
    """One file that is being built."""

    archive: zipfile.ZipFile
    members: list[Member] = field(default_factory=list)
    clips: list[ClipMember] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    def add(self, name: str, body: bytes) -> None:
        """Add a member."""
        self.archive.writestr(_info(name), body)
        self.members.append(Member(name=name, n_bytes=len(body), sha256=hashlib.sha256(body).hexdigest()))

    def add_file(self, name: str, path: Path) -> None:
        """Add a recording, which is compressed already."""
        digest, n_bytes = hashlib.sha256(), 0
        with path.open("rb") as source, self.archive.open(_info(name, zipfile.ZIP_STORED), "w") as target:
            while piece := source.read(COPY_BYTES):
                digest.update(piece)
                n_bytes += len(piece)
                target.write(piece)
        self.members.append(Member(name=name, n_bytes=n_bytes, sha256=digest.hexdigest()))

    def lacks(self, what: str, why: str) -> None:
        """Note what the file lacks."""
        self.missing.append(Missing(what=what, why=why))


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that was fetched from one RSU."""

    esn: str
    files: Sequence[Path]
    names: Sequence[str]


def add_versions(bundle: Bundle, versions: Sequence[StoredBody]) -> tuple[StoredVersion, ...]:
    """Add the bytes of all versions, as they were committed and as JSON."""
    rows = []
    for i, one in enumerate(versions, start=1):
        stem = f"versions/{i:04d}-{one.esn}-v{one.version}"
        bundle.add(f"{stem}.msgpack", one.body)
        try:
            fields = json_safe(msgspec.msgpack.decode(one.body))
            bundle.add(f"{stem}.json", msgspec.json.format(msgspec.json.encode(fields), indent=1))
        except (msgspec.DecodeError, ValueError) as error:
            bundle.lacks(f"{stem}.json", f"the bytes can't be read: {error}")
        rows.append(
            StoredVersion(
                esn=one.esn, version=one.version, hop=one.hop, epoch=one.epoch, seq=one.seq,
                sha256=hashlib.sha256(one.body).hexdigest(), file=f"{stem}.msgpack",
                detected_ns=one.detected_ns, received_ns=one.received_ns, committed_ns=one.committed_ns,
                clock_unset=is_clock_unset(one),
            )
        )  # fmt: skip
    return tuple(rows)


def add_plot(bundle: Bundle, versions: Sequence[StoredBody]) -> None:
    """Add the page of charts as SVG, PDF and PNG."""
    try:
        unset = [one.received_ns for one in versions if is_clock_unset(one)]
        page = page_of([codec.decode(one.body) for one in versions], unset)
    except (msgspec.DecodeError, ValueError) as error:
        bundle.lacks("plot", f"a version can't be read: {error}")
        return
    bundle.add("plot/violation.svg", drawing.svg(page))
    bundle.add("plot/violation.pdf", drawing.pdf(page))
    try:
        bundle.add("plot/violation.png", drawing.png(page))
    except (ImportError, OSError) as error:
        bundle.lacks("plot/violation.png", f"it can't be drawn: {error}")


def add_clip(bundle: Bundle, clip: Clip) -> None:
    """Add the recordings of one RSU."""
    for path, name in zip(clip.files, clip.names, strict=True):
        member = f"clip/{clip.esn}/{name}"
        bundle.add_file(member, path)
        bundle.clips.append(ClipMember(esn=clip.esn, file=member))


def add_site(bundle: Bundle, clips: Sequence[Clip], own: SiteRecord) -> None:
    """Add the texts of the site as the RSU used them; of a site without a clip, the centre's of now."""
    record = next((found for clip in clips for path in clip.files if (found := _site_of(path))), None)
    if record is None:
        bundle.lacks("site as of then", "there is no clip: these are the centre's own files of now")
        record = own
    bundle.add("site/site.toml", record.config.encode())
    bundle.add("site/map.geojson", record.map.encode())
    if record.registry is not None:
        bundle.add("site/registry.csv", record.registry.encode())
    if record.permits is not None:
        bundle.add("site/permits.csv", record.permits.encode())


def _site_of(path: Path) -> SiteRecord | None:
    from edge.recording.reader import read_messages  # 2 MiB: only where a file is made

    try:
        first = next(read_messages(path), None)
        return None if first is None or first.topic != "/site" else decode_site(first.body)
    except (OSError, RecordingError, msgspec.DecodeError):
        return None


def finish(
    bundle: Bundle, job: Job, versions: tuple[StoredVersion, ...], seal: Seal, signer: EvidenceSigner
) -> None:
    """Add what is said of the whole: certificate, manifest and signature."""
    why = signer.why_not()
    if why is None:
        try:
            bundle.add(form.CERTIFICATE, signer.certificate())
        except OSError as error:
            why = f"the certificate can't be read: {error.strerror}"
    if why is not None:
        bundle.lacks("signature", why)
    manifest = Manifest(
        form=form.FORM, site=job.site, centre=job.centre, violation=job.violation, made_ns=job.made_ns,
        user=job.user, versions=versions, clips=tuple(bundle.clips), missing=tuple(bundle.missing),
        software=software(), members=tuple(bundle.members),
        audit=seal(dict(form.sealed_body(bundle.members, job.id))),
    )  # fmt: skip
    body = form.encode(manifest)
    signature = None
    if why is None:
        try:
            signature = msgspec.json.encode(signer.sign(body))
        except ConfigError as error:
            bundle.lacks("signature", str(error))
            body = form.encode(msgspec.structs.replace(manifest, missing=tuple(bundle.missing)))
    bundle.archive.writestr(_info(form.MANIFEST), body)
    if signature is not None:
        bundle.archive.writestr(_info(form.SIGNATURE), signature)


def opened(path: Path) -> Bundle:
    """Return a new file; close its archive."""
    bundle = Bundle(zipfile.ZipFile(path, "w"))
    bundle.add("README.txt", READ_ME.encode())
    return bundle


def _info(name: str, compression: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the manifest says when it was made
    info.compress_type = compression
    info.external_attr = 0o600 << 16
    return info
