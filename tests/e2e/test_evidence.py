"""An evidence file is asked for, made with the RSU's recording, verified by replay, and not to be forged."""

import asyncio
import hashlib
import json
import shutil
import zipfile

import msgspec
import pytest
from cryptography import x509

from centre.audit.log import check
from centre.evidence import clip_client, jobs
from centre.evidence.manifest import MANIFEST, SIGNATURE, members_digest
from centre.evidence.manifest import decode as decode_manifest
from edge import topics
from edge.recording.file import RecordingFile
from edge.recording.reader import read_messages
from petroroad.__main__ import main
from petroroad.evidence import archive
from petroroad.evidence.verify import replay_faults, verify
from petroroad.pki import authority as pki
from tests.support.evidence_stage import Wire, joined, serving
from tests.support.series_of import EPOCH, ESN

pytestmark = pytest.mark.e2e


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


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make one file; return it, its authority's certificate, and what the centre said of it."""
    folder = tmp_path_factory.mktemp("evidence")

    async def make():
        async with joined(folder) as it:
            row = await it.evidence(folder / "evidence.zip")
            with it.centre.database.engine.begin() as db:
                assert check(db) is None
                acts = db.exec_driver_sql("SELECT act FROM audit WHERE subject = ? ORDER BY n", (it.id,))
                row["acts"] = [act for (act,) in acts]
            row["listed"] = (await it.http.get(f"/api/violations/{it.id}/evidence")).json()["items"]
        return row

    row = asyncio.run(make())
    return folder / "evidence.zip", folder / "centre" / "pki" / "ca.crt", row


def test_a_file_is_made_with_all_that_belongs_to_it_and_replays_to_the_same_bytes(made, capsys):
    path, ca, row = made
    assert row["disposition"].startswith('attachment; filename="evidence-')
    assert [one["why"][:20] for one in row["missing"]] == ["the recording begins"]  # 5 s before it
    assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert row["acts"] == ["evidence_ask", "evidence_made", "evidence_get"]
    assert [one["id"] for one in row["listed"]] == [row["id"]]
    assert main(["evidence", "verify", str(path), "--ca", str(ca), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["faults"] == []
    assert facts["replayed"][ESN]["versions"] == facts["versions"] > 1
    assert main(["evidence", "show", str(path)]) == 0
    assert facts["violation"] in capsys.readouterr().out
    names = zipfile.ZipFile(path).namelist()
    for wanted in ("versions/", "clip/", "site/site.toml", "site/map.geojson", "desk/acts.json", "plot/"):
        assert any(name.startswith(wanted) for name in names), wanted
    assert "name --ca or --site" in faults_of(path, capsys)[0]
    assert main(["evidence", "verify", str(path.with_name("none.zip"))]) == 2


def test_each_changed_and_each_missing_member_is_found_and_named(made, tmp_path):
    path, ca, _ = made
    authorities = x509.load_pem_x509_certificates(ca.read_bytes())
    for changed in zipfile.ZipFile(path).namelist():

        def flip(name, body, changed=changed):
            if name != changed:
                return body
            middle = len(body) // 2
            return body[:middle] + bytes((body[middle] ^ 1,)) + body[middle + 1 :]

        for change in (flip, lambda name, body, changed=changed: None if name == changed else body):
            found = verify(rewritten(path, tmp_path / "forged.zip", change), authorities).faults
            assert any(changed in fault for fault in found), (changed, found)


def test_a_forger_with_the_file_alone_gets_nowhere(made, tmp_path, capsys, monkeypatch):
    path, ca, _ = made
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(path) as old:
        manifest = decode_manifest(old.read(MANIFEST))
        bodies = {one.name: old.read(one.name) for one in manifest.members}
    bodies["site/site.toml"] = bodies["site/site.toml"].replace(
        b"sigma_range_m = 0.25", b"sigma_range_m = 2.5 "
    )
    members = tuple(
        msgspec.structs.replace(one, sha256=hashlib.sha256(bodies[one.name]).hexdigest())
        for one in manifest.members
    )  # the manifest says what the members are, and so does its row of the log of acts
    row = msgspec.structs.replace(manifest.audit, body=json.dumps({"members": members_digest(members)}))
    bodies[MANIFEST] = msgspec.json.encode(msgspec.structs.replace(manifest, members=members, audit=row))
    rewritten(path, forged, lambda name, body: bodies.get(name, body))
    found = faults_of(forged, capsys, "--ca", ca)
    assert any(SIGNATURE in fault for fault in found)
    assert any("log of acts" in fault for fault in found)
    unsigned = rewritten(path, forged, lambda name, body: None if name == SIGNATURE else body)
    assert SIGNATURE in faults_of(unsigned, capsys, "--ca", ca)[0]
    pki.create(tmp_path / "other", "example", None)
    assert "not issued by" in faults_of(path, capsys, "--ca", tmp_path / "other" / "ca.crt")[0]


def test_a_file_that_is_cut_or_would_do_harm_is_refused(made, tmp_path, capsys, monkeypatch):
    path, ca, _ = made
    forged = tmp_path / "forged.zip"
    forged.write_bytes(path.read_bytes()[:-200])
    assert "no whole ZIP" in faults_of(forged, capsys, "--ca", ca)[0]
    for name in ("../../etc/passwd", "/etc/passwd", "a\\b"):
        shutil.copy(path, forged)
        with zipfile.ZipFile(forged, "a") as more:
            more.writestr(name, b"x")
        assert "is no name of a member" in faults_of(forged, capsys, "--ca", ca)[0]
    monkeypatch.setattr(archive, "ALL_BYTES_MAX", 4 * 2**20)
    shutil.copy(path, forged)
    with zipfile.ZipFile(forged, "a", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("clip/a.mcap", bytes(5 * 2**20))
    assert "longer than" in faults_of(forged, capsys, "--ca", ca)[0]


def test_another_recording_in_place_of_the_clip_is_found_by_the_replay(made, tmp_path):
    """Even the centre's own key can't pass off a recording that does not give the versions."""
    path, _, _ = made
    with archive.opened(path) as found:
        (clip,) = found.manifest.clips
        recording = tmp_path / "clip.mcap"
        found.extract(clip.file, recording)
        messages = list(read_messages(recording))
        other = RecordingFile(tmp_path / "other.mcap", {"esn": ESN, "epoch": str(EPOCH), "part": "1"})
        for message in messages:  # the radar saw nothing of the truck from the middle on
            if not (
                message.topic.startswith("/radar/") and message.log_ns > messages[len(messages) // 2].log_ns
            ):
                other.add(message)
        other.end()
        other.flush()
        other.close()
        swapped = (tmp_path / "other.mcap").read_bytes()
        original = found.extract

        def extract(name, target):
            target.write_bytes(swapped) if name == clip.file else original(name, target)

        found.extract = extract
        faults = replay_faults(found, {"replayed": {}})
    assert any("the replay differs" in fault for fault in faults)


@pytest.mark.anyio
async def test_what_the_rsu_can_t_give_is_said_and_the_rest_is_evidence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(clip_client, "TRIES", 1)
    path, ca = tmp_path / "evidence.zip", tmp_path / "centre" / "pki" / "ca.crt"
    async with joined(tmp_path, with_rsu=False) as it:
        it.centre.outward.evidence.clips._answer_s = 0.05
        row = await it.evidence(path)
    assert [one["what"] for one in row["missing"]] == [f"clip of {ESN}", "site as of then"]
    assert "does not answer" in row["missing"][0]["why"]
    found = verify(path, [])
    assert ["name --ca" in fault for fault in found.faults] == [True]
    assert faults_of(path, capsys, "--ca", ca) == []


@pytest.mark.anyio
async def test_lost_pieces_and_a_restart_cost_only_their_repetition(tmp_path, monkeypatch):
    monkeypatch.setattr("roadside.clip_server.PIECE_BYTES_MAX", 16_384)
    async with joined(tmp_path) as it:
        it.centre.outward.evidence.clips._answer_s = 0.05
        seen = []

        def loses(topic):  # each third of the first messages of both ways
            seen.append(topic)
            is_one = topic.endswith(("command/up", "command/down"))
            return is_one and len(seen) % 3 == 0 and len(seen) < 16

        it.wire.is_lost = loses
        row = await it.evidence(tmp_path / "evidence.zip")
        assert [one["why"][:20] for one in row["missing"]] == ["the recording begins"]  # 5 s before it
        assert it.centre.outward.evidence.clips.counts["clip.unanswered"] > 0
        it.wire.is_lost = lambda topic: topic == topics.rsu_command_up(ESN)
        asked = (await it.post(f"/api/violations/{it.id}/evidence")).json()
        again = (await it.post(f"/api/violations/{it.id}/evidence")).json()
        assert again["id"] == asked["id"]  # one at a time for a violation
        raised = it.raised
    monkeypatch.setattr(clip_client, "TRIES", 1)
    monkeypatch.setattr(clip_client, "ANSWER_S", 0.05)
    async with serving(tmp_path / "centre" / "site.toml", Wire(), raised) as later:
        assert (await later.made(asked["id"]))["state"] == "ready"


@pytest.mark.anyio
async def test_old_files_are_deleted_and_a_full_disk_is_a_fault_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "TEND_S", 0.05)
    async with joined(tmp_path, more="\n[centre.evidence]\ngib = 1e-9\n") as it:
        row = (await it.post(f"/api/violations/{it.id}/evidence")).json()
        async with asyncio.timeout(20.0):
            while (found := (await it.http.get(f"/api/evidence/{row['id']}")).json())["state"] != "deleted":
                await asyncio.sleep(0.02)
        assert "more than 1e-09 GiB" in found["fault"]
        assert not it.centre.outward.evidence.shelf.path(row["id"]).exists()
        gone = await it.http.get(f"/api/evidence/{row['id']}/file")
        assert gone.status_code == 404
        monkeypatch.setattr(it.centre.outward.evidence.shelf.__class__, "is_full", lambda self: True)
        full = await it.made((await it.post(f"/api/violations/{it.id}/evidence")).json()["id"])
        assert (full["state"], "the centre's disk" in full["fault"]) == ("failed", True)
        unknown = await it.post("/api/violations/none/evidence")
        assert unknown.status_code == 404
