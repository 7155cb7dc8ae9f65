"""`petroroad evidence`: look into an evidence file, and verify it without the centre."""

import json
import sys
from pathlib import Path
from typing import Annotated

from cryptography import x509
from cyclopts import App, Parameter

from centre.local_time import stamp_text
from core.errors import UsageError
from edge.config import load_site
from edge.tls import Holder, tls_paths
from petroroad.commands.running import ended_whole
from petroroad.evidence.archive import opened
from petroroad.evidence.verify import Verdict
from petroroad.evidence.verify import verify as verdict_of

app = App(name="evidence", help="Evidence files: look into one, verify one.")


@app.command
def verify(
    file: Annotated[Path, Parameter(negative=())],
    /,
    *,
    ca: Path | None = None,
    site: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Verify an evidence file: digests, signature, chain of acts; replay its recordings to the same bytes.

    Ends with 0 where it is true, with 1 where it is not, with 2 where it can't be looked at.

    Parameters
    ----------
    file
        The ZIP.
    ca
        The certificate of the site's authority: who signed must be that site's centre.
    site
        The site file, in place of --ca: its `[mqtt] ca_file`.
    as_json
        One JSON object on stdout.
    """
    with ended_whole():
        verdict = verdict_of(file, _authorities(ca, site))
    if as_json:
        print(
            json.dumps(
                {"true": verdict.is_true, "faults": verdict.faults, **verdict.facts}, ensure_ascii=False
            )
        )
    else:
        print(_text(verdict), flush=True)
    for fault in verdict.faults:
        print(f"petroroad: {file.name}: {fault}", file=sys.stderr)
    return 0 if verdict.is_true else 1


@app.command
def show(
    file: Annotated[Path, Parameter(negative=())],
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Show what an evidence file says of itself; nothing of it is verified.

    Parameters
    ----------
    file
        The ZIP.
    as_json
        Its manifest on stdout.
    """
    with opened(file) as archive:
        if as_json:
            print(archive.manifest_bytes.decode())
            return 0
        manifest = archive.manifest
    print(f"violation  {manifest.violation}\nsite       {manifest.site}, centre {manifest.centre}")
    print(f"asked by   {manifest.user}\naudit      row {manifest.audit.n}, {manifest.audit.sha256}")
    for version in manifest.versions:
        key = f"key {version.epoch}/{version.seq}"
        clock = (
            f", clock never set, arrived {stamp_text(version.received_ns)} UTC+8"
            if version.clock_unset
            else ""
        )
        print(f"version    {version.esn} {version.version} (hop {version.hop}, {key}{clock})")
    for member in manifest.members:
        print(f"member     {member.n_bytes:>9}  {member.sha256[:16]}  {member.name}")
    for one in manifest.missing:
        print(f"missing    {one.what}: {one.why}")
    return 0


def _authorities(ca: Path | None, site: Path | None) -> list[x509.Certificate]:
    if ca is not None and site is not None:
        raise UsageError("name --ca or --site, not both")
    if site is not None:
        loaded = load_site(site)
        ca = tls_paths(loaded.config.mqtt, loaded.where, Holder("centre", loaded.config.centre.id)).ca
        if ca is None:  # such a site signs nothing
            return []
    if ca is None:
        return []
    try:
        return x509.load_pem_x509_certificates(ca.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{ca}: no PEM certificate: {error}") from error


def _text(verdict: Verdict) -> str:
    facts = verdict.facts
    lines = [f"violation  {facts.get('violation', '-')}"]
    if facts:
        lines += [
            f"site       {facts['site']}, centre {facts['centre']}",
            f"members    {facts['members']}",
            f"signature  {facts['signature']}",
            f"audit      row {facts['audit']['n']}, {facts['audit']['sha256']}",
        ]
        lines += [
            f"replayed   {esn}: {found['violations']} violations, {found['versions']} versions of this one"
            for esn, found in facts["replayed"].items()
        ]
        unset = dict.fromkeys(facts["clock_unset"])
        lines += [
            f"clock      {esn}: never set when it detected this, its times mean nothing" for esn in unset
        ]
        lines += [f"missing    {one['what']}: {one['why']}" for one in facts["missing"]]
    return "\n".join([*lines, "true" if verdict.is_true else "FALSE"])
