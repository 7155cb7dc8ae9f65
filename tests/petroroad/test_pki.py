"""`petroroad pki`: what it writes, what it refuses, and that openssl agrees."""

import json
import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from core.errors import CommandError, UsageError
from edge.identity import Identity, identity_of
from petroroad.cli import run
from petroroad.pki import authority as pki
from petroroad.pki import index
from petroroad.pki.index import Issued, Revoked
from tests.conftest import find_program

EXAMPLE = Path(__file__).parents[1] / "data" / "example" / "site.toml"


@pytest.fixture
def folder(tmp_path):
    pki.create(tmp_path / "pki", "panjin", None)
    return tmp_path / "pki"


def verified(folder, name, *arguments):
    """Ask openssl whether a certificate of the folder is sound."""
    if find_program("openssl") is None:
        pytest.skip("openssl is not installed")
    argv = ["openssl", "verify", "-x509_strict", "-CAfile", str(folder / "ca.crt"), *arguments]
    done = subprocess.run([*argv, str(folder / f"{name}.crt")], capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_site_gets_all_its_certificates_in_one_go(tmp_path, capsys):
    folder = tmp_path / "pki"
    assert run(["pki", "init", "panjin", "--dir", str(folder)]) == 0
    assert "no passphrase" in capsys.readouterr().err
    issue = ["pki", "issue", "--all", "--config", str(EXAMPLE), "--dir", str(folder), "--json"]
    assert run(issue) == 0
    issued = json.loads(capsys.readouterr().out)["issued"]
    assert {"rsu", "gateway", "centre", "broker", "operator"} == {one["role"] for one in issued}
    for one in issued:
        found = x509.load_pem_x509_certificate(Path(one["cert_file"]).read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        assert identity_of(uris) == Identity("panjin", one["role"], one["name"])
        assert found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == one["name"]
        use = "sslserver" if one["role"] == "broker" else "sslclient"
        ok, said = verified(folder, f"{one['role']}-{one['name']}", "-purpose", use)
        assert ok, said
    assert {mode(path) for path in folder.glob("*.key")} == {0o600}
    assert mode(folder) == 0o700
    assert run(issue) == 0  # again: nothing to do
    assert json.loads(capsys.readouterr().out) == {"issued": []}


def test_a_part_can_not_pose_as_a_broker(folder):
    with pki.opened(folder, None) as authority:
        authority.issue(authority.identity("rsu", "R1"), (), 365)
    ok, said = verified(folder, "rsu-R1", "-purpose", "sslserver")
    assert not ok
    assert "purpose" in said


def test_a_server_is_named_by_its_hosts(folder):
    with pki.opened(folder, None) as authority:
        authority.issue(authority.identity("broker", "b"), ("broker.panjin.cn", "10.0.0.7", "[::1]"), 365)
    assert verified(folder, "broker-b", "-verify_hostname", "broker.panjin.cn")[0]
    assert verified(folder, "broker-b", "-verify_ip", "10.0.0.7")[0]
    assert verified(folder, "broker-b", "-verify_ip", "::1")[0]
    assert not verified(folder, "broker-b", "-verify_ip", "10.0.0.8")[0]


def test_what_is_revoked_is_on_the_list(folder):
    with pki.opened(folder, None) as authority:
        part = authority.identity("rsu", "R1")
        old = authority.issue(part, (), 365)
        with_crl = ("-crl_check", "-CRLfile", str(folder / "crl.pem"))
        assert verified(folder, "rsu-R1", *with_crl)[0]
        new = authority.renew(part, 365)
        assert new.issued.key_sha256 != old.issued.key_sha256
        assert [one.serial for one in authority.revoke(part, None, only_replaced=True)] == [old.issued.serial]
        assert verified(folder, "rsu-R1", *with_crl)[0]
        authority.revoke(part, None)
        ok, said = verified(folder, "rsu-R1", *with_crl)
        assert not ok
        assert "revoked" in said
        again = authority.issue(part, (), 365)  # the repaired unit comes back under its name
        assert verified(folder, "rsu-R1", *with_crl)[0]
        states = [one.state for one in authority.index.certificates(datetime.now(UTC))]
    assert states == ["revoked", "revoked", "valid"]
    assert pki.read(folder).index.current(part, datetime.now(UTC)).issued == again.issued


def test_renewal_finds_who_is_due(folder, capsys):
    with pki.opened(folder, None) as authority:
        authority.issue(authority.identity("rsu", "R1"), (), 10)
        authority.issue(authority.identity("rsu", "R2"), (), 100)
        authority.issue(authority.identity("broker", "b"), ("h",), 10)
    assert run(["pki", "renew", "--within", "30", "--dir", str(folder)]) == 0
    capsys.readouterr()
    assert run(["pki", "show", "--json", "--dir", str(folder)]) == 0
    rows = json.loads(capsys.readouterr().out)["certificates"]
    assert [(row["name"], row["state"], round(row["days_left"])) for row in rows] == [
        ("R1", "replaced", 10), ("R2", "valid", 100), ("b", "replaced", 10),
        ("R1", "valid", 365), ("b", "valid", 365),
    ]  # fmt: skip
    assert rows[-1]["hosts"] == ["h"]
    assert run(["pki", "renew", "--within", "30", "--dir", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"issued": []}  # they are renewed


def test_the_key_opens_by_its_passphrase_only(tmp_path, capsys):
    folder, right, wrong = tmp_path / "pki", tmp_path / "right", tmp_path / "wrong"
    right.write_text("gehe im\n")
    wrong.write_text("other\n")
    assert run(["pki", "init", "s", "--dir", str(folder), "--passphrase-file", str(right)]) == 0
    assert capsys.readouterr().err == ""
    assert b"ENCRYPTED" in (folder / "ca.key").read_bytes()
    issue = ["pki", "issue", "rsu", "R1", "--dir", str(folder)]
    assert run(issue) == 2
    assert "needs --passphrase-file" in capsys.readouterr().err
    assert run([*issue, "--passphrase-file", str(wrong)]) == 2
    assert "passphrase is another" in capsys.readouterr().err
    assert not (folder / "rsu-R1.crt").exists()
    assert run([*issue, "--passphrase-file", str(right)]) == 0
    assert run(["pki", "show", "--dir", str(folder)]) == 0  # needs no key


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["init", "again"], "has an authority"),
        (["issue", "rsu", "R1"], "use renew"),
        (["issue", "driver", "R9"], "is no role"),
        (["issue", "rsu", "R 9"], "'R 9': must be 1 to 64"),
        (["init", "a b"], "'a b': must be 1 to 64"),
        (["issue", "operator", "R1"], "of role rsu"),  # brokers know a client by its name alone
        (["issue", "broker", "b"], "--host"),
        (["issue", "rsu", "R9", "--host", "h"], "--host"),
        (["issue", "broker", "b", "--host", "盘锦"], "--host"),
        (["issue", "rsu", "R9", "--days", "5000"], "after the authority"),
        (["issue", "rsu", "R9", "--days", "0"], "--days"),
        (["issue", "rsu"], "either ROLE and NAME"),
        (["issue", "--all"], "either ROLE and NAME"),
        (["renew", "rsu", "R9"], "use issue"),
        (["renew"], "either ROLE and NAME"),
        (["revoke", "rsu", "R9"], "nothing to revoke"),
        (["revoke", "rsu", "R1", "--serial", "ff"], "nothing to revoke"),
    ],
)
def test_wrong_use_changes_nothing(folder, capsys, arguments, said):
    with pki.opened(folder, None) as authority:
        authority.issue(authority.identity("rsu", "R1"), (), 365)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(["pki", *arguments, "--dir", str(folder)]) == 2
    captured = capsys.readouterr()
    assert said in captured.err + captured.out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_without_authority_is_named(tmp_path, capsys):
    assert run(["pki", "show", "--dir", str(tmp_path / "none")]) == 2
    assert "has no authority: petroroad pki init" in capsys.readouterr().err


def test_a_torn_last_line_costs_itself_only(folder):
    """The machine stopped while it was written: its certificate was not written yet."""
    with pki.opened(folder, None) as authority:
        authority.issue(authority.identity("rsu", "R1"), (), 365)
    path = folder / "index.jsonl"
    path.write_bytes(path.read_bytes() + b'{"event":"issued","at"')
    with pki.opened(folder, None) as authority:
        assert len(authority.index.lines) == 1
        authority.issue(authority.identity("rsu", "R2"), (), 365)
    assert [line.name for line in index.load(path).lines] == ["R1", "R2"]


def test_a_damaged_line_is_named(folder):
    path = folder / "index.jsonl"
    path.write_bytes(b'{"event":"issued"}\n')
    with pytest.raises(CommandError, match="line 1"):
        pki.read(folder)


def test_two_at_once_take_turns(folder):
    def issue(name):
        with pki.opened(folder, None) as authority:
            authority.issue(authority.identity("rsu", name), (), 365)

    threads = [threading.Thread(target=issue, args=(f"R{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {line.name for line in index.load(folder / "index.jsonl").lines} == {f"R{i}" for i in range(8)}


def test_names_that_brokers_would_confuse_are_refused(folder):
    with pki.opened(folder, None) as authority, pytest.raises(UsageError, match="both rsu and gateway"):
        pki.parts(authority, [("rsu", "A"), ("gateway", "A")])


def test_a_certificate_expires():
    now = datetime.now(UTC)
    line = Issued(
        at=now, serial="a", role="rsu", name="R", hosts=(), not_after=now + timedelta(days=1), key_sha256=""
    )
    log = index.Index((line, Revoked(at=now, serial="b", role="rsu", name="R")))
    assert [one.state for one in log.certificates(now + timedelta(days=2))] == ["expired"]
    assert log.current(Identity("s", "rsu", "R"), now).days_left(now) == 1.0
