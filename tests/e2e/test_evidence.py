"""An evidence file is asked for, made with the RSU's recording, verified by replay, and not to be forged."""

import asyncio
import hashlib
import json
import zipfile
from pathlib import Path

import msgspec
import pytest

from centre.audit.log import check
from centre.evidence import clip_client, jobs
from centre.evidence.manifest import MANIFEST, SIGNATURE, members_digest
from centre.evidence.manifest import decode as decode_manifest
from edge import topics
from petroroad.__main__ import main
from petroroad.evidence.verify import verify
from tests.support.evidence_stage import Wire, joined, serving
from tests.support.series_of import ESN

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]


def rewritten(source, target, change):
    """Copy a ZIP member by member; change(name, body) returns the new body, None to leave it out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            body = change(info.filename, old.read(info.filename))
            if body is not None:
                new.writestr(info.filename, body)
    return target


def faults_of(path, capsys, *more):
    capsys.readouterr()
    status = main(["evidence", "verify", str(path), *map(str, more), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert status == (0 if found["true"] else 1)
    return found["faults"]


async def test_a_file_is_made_and_replays_to_the_same_bytes_and_every_change_is_found(tmp_path, capsys):
    path, ca = tmp_path / "evidence.zip", tmp_path / "centre" / "pki" / "ca.crt"
    async with joined(tmp_path) as it:
        row = await it.evidence(path)
        assert row["disposition"].startswith('attachment; filename="evidence-')
        assert [one["why"][:20] for one in row["missing"]] == ["the recording begins"]  # 5 s before it
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        with it.centre.database.engine.begin() as db:
            assert check(db) is None
            acts = list(db.exec_driver_sql("SELECT act FROM audit WHERE subject = ? ORDER BY n", (it.id,)))
        assert [act for (act,) in acts] == ["evidence_ask", "evidence_made", "evidence_get"]
        listed = (await it.http.get(f"/api/violations/{it.id}/evidence")).json()["items"]
        assert [one["id"] for one in listed] == [row["id"]]
    await asyncio.to_thread(everything_is_checked, path, ca, capsys)


def everything_is_checked(path: Path, ca: Path, capsys) -> None:
    assert faults_of(path, capsys, "--ca", ca) == []
    main(["evidence", "verify", str(path), "--ca", str(ca), "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["replayed"][ESN]["versions"] == facts["versions"] > 1
    assert main(["evidence", "show", str(path)]) == 0
    assert facts["violation"] in capsys.readouterr().out
    names = zipfile.ZipFile(path).namelist()
    for wanted in (
        "versions/",
        "clip/",
        "site/site.toml",
        "site/map.geojson",
        "desk/acts.json",
        "plot/violation.pdf",
    ):
        assert any(name.startswith(wanted) for name in names), wanted
    forged = path.with_name("forged.zip")
    for changed in names:  # each member in turn: a byte in its middle

        def flip(name, body, changed=changed):
            middle = len(body) // 2
            return (
                body[:middle] + bytes((body[middle] ^ 1,)) + body[middle + 1 :] if name == changed else body
            )

        found = faults_of(rewritten(path, forged, flip), capsys, "--ca", ca)
        assert any(changed in fault for fault in found), (changed, found)
        found = faults_of(
            rewritten(path, forged, lambda name, body, changed=changed: None if name == changed else body),
            capsys, "--ca", ca,
        )  # fmt: skip
        assert any(changed in fault for fault in found), (changed, found)
    assert "name --ca or --site" in faults_of(path, capsys)[0]


async def test_a_forger_with_the_file_alone_gets_nowhere(tmp_path, capsys):
    path, ca = tmp_path / "evidence.zip", tmp_path / "centre" / "pki" / "ca.crt"
    async with joined(tmp_path) as it:
        await it.evidence(path)
    forged = tmp_path / "forged.zip"

    def in_manifest(name, body, change):
        """Change a member, and its digest in the manifest with it; the act's digest of members too."""
        with zipfile.ZipFile(path) as old:
            manifest = decode_manifest(old.read(MANIFEST))
            bodies = {one.name: change(one.name, old.read(one.name)) for one in manifest.members}
        members = tuple(
            msgspec.structs.replace(
                one, n_bytes=len(bodies[one.name]), sha256=hashlib.sha256(bodies[one.name]).hexdigest()
            )
            for one in manifest.members
        )
        body_of = json.dumps({"members": members_digest(members)})
        row = msgspec.structs.replace(manifest.audit, body=body_of)
        made = msgspec.json.encode(msgspec.structs.replace(manifest, members=members, audit=row))
        return made if name == MANIFEST else bodies.get(name, body)

    def swapped(name, body):
        return body.replace(b"lane", b"LANE") if name.startswith("site/") else body

    found = await asyncio.to_thread(
        lambda: faults_of(
            rewritten(path, forged, lambda n, b: in_manifest(n, b, swapped)), capsys, "--ca", ca
        )
    )
    assert any(SIGNATURE in fault for fault in found)
    assert any("log of acts" in fault for fault in found)
    unsigned = rewritten(path, forged, lambda name, body: None if name == SIGNATURE else body)
    assert SIGNATURE in faults_of(unsigned, capsys, "--ca", ca)[0]
    cut = tmp_path / "cut.zip"
    cut.write_bytes(path.read_bytes()[:-200])
    assert "no whole ZIP" in faults_of(cut, capsys, "--ca", ca)[0]
    for name in ("../../etc/passwd", "/etc/passwd", "a\\b"):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(forged, "w") as new:
            for info in old.infolist():
                new.writestr(info.filename, old.read(info.filename))
            new.writestr(name, b"x")
        assert "is no name of a member" in faults_of(forged, capsys, "--ca", ca)[0]
    with (
        zipfile.ZipFile(forged, "w", zipfile.ZIP_DEFLATED) as bomb,
        bomb.open("clip/a.mcap", "w", force_zip64=True) as member,
    ):
        for _ in range(600):
            member.write(bytes(2**20))
    assert "longer than" in faults_of(forged, capsys, "--ca", ca)[0]
    assert main(["evidence", "verify", str(tmp_path / "none.zip")]) == 2


async def test_what_the_rsu_can_t_give_is_said_and_the_rest_is_evidence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(clip_client, "TRIES", 1)
    path, ca = tmp_path / "evidence.zip", tmp_path / "centre" / "pki" / "ca.crt"
    async with joined(tmp_path, with_rsu=False) as it:
        it.centre.evidence.clips._answer_s = 0.05
        row = await it.evidence(path)
    assert [one["what"] for one in row["missing"]] == [f"clip of {ESN}", "site as of then"]
    assert "does not answer" in row["missing"][0]["why"]
    found = await asyncio.to_thread(verify, path, [])
    assert ["name --ca" in fault for fault in found.faults] == [True]
    assert faults_of(path, capsys, "--ca", ca) == []


async def test_lost_pieces_and_a_restart_cost_only_their_repetition(tmp_path, monkeypatch):
    monkeypatch.setattr("roadside.clip_server.PIECE_BYTES_MAX", 4_096)
    async with joined(tmp_path) as it:
        it.centre.evidence.clips._answer_s = 0.1
        seen = []

        def loses(topic):  # each third message of both ways
            seen.append(topic)
            return topic.endswith(("command/up", "command/down")) and len(seen) % 3 == 0

        it.wire.is_lost = loses
        row = await it.evidence(tmp_path / "evidence.zip")
        assert [one["why"][:20] for one in row["missing"]] == ["the recording begins"]  # 5 s before it
        assert it.centre.evidence.clips.counts["clip.unanswered"] > 0
        it.wire.is_lost = lambda topic: topic == topics.rsu_command_up(ESN)
        asked = (await it.post(f"/api/violations/{it.id}/evidence")).json()
        again = (await it.post(f"/api/violations/{it.id}/evidence")).json()
        assert again["id"] == asked["id"]  # one at a time for a violation
        raised = it.raised
    monkeypatch.setattr(clip_client, "TRIES", 1)
    monkeypatch.setattr(clip_client, "ANSWER_S", 0.05)
    async with serving(tmp_path / "centre" / "site.toml", Wire(), raised) as later:
        assert (await later.made(asked["id"]))["state"] == "ready"


async def test_old_files_are_deleted_and_a_full_disk_is_a_fault_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "TEND_S", 0.05)
    async with joined(tmp_path, more="\n[centre.evidence]\ngib = 1e-9\n") as it:
        row = (await it.post(f"/api/violations/{it.id}/evidence")).json()
        async with asyncio.timeout(20.0):
            while (found := (await it.http.get(f"/api/evidence/{row['id']}")).json())["state"] != "deleted":
                await asyncio.sleep(0.02)
        assert "more than 1e-09 GiB" in found["fault"]
        assert not it.centre.evidence.shelf.path(row["id"]).exists()
        gone = await it.http.get(f"/api/evidence/{row['id']}/file")
        assert gone.status_code == 404
        monkeypatch.setattr(it.centre.evidence.shelf.__class__, "is_full", lambda self: True)
        full = await it.made((await it.post(f"/api/violations/{it.id}/evidence")).json()["id"])
        assert (full["state"], "the centre's disk" in full["fault"]) == ("failed", True)
        unknown = await it.post("/api/violations/none/evidence")
        assert unknown.status_code == 404
