"""Certificates, rights and keys of a cluster's nodes and of workers."""

import pytest
from cryptography import x509

from petroroad.cli import run
from tests.centre.test_worker import POSTGRESQL, site_with

NODES = ("nats-1", "nats-2", "nats-3")
SERVERS = "[nats]\nservers = [" + ", ".join(f'"{name}.example.org:4222"' for name in NODES) + "]\n"


@pytest.fixture
def site(tmp_path):
    path = site_with(tmp_path, f'{POSTGRESQL}ingest = "workers"\n', SERVERS)
    assert run(["pki", "init", "test", "--dir", str(tmp_path / "pki")]) == 0
    assert run(["pki", "issue", "--all", "--config", path, "--dir", str(tmp_path / "pki")]) == 0
    return path


def acl(site, folder, *words):
    out = folder / "out"
    assert run(["pki", "acl", site, "--dir", str(folder / "pki"), "--out", str(out), *words]) == 0
    return out.read_text()


def test_each_node_gets_a_certificate_for_its_own_name(tmp_path, site):
    for name in NODES:
        found = x509.load_pem_x509_certificate((tmp_path / "pki" / f"broker-{name}.crt").read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [f"{name}.example.org"]
        used = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert {use.dotted_string[-1] for use in used} == {"1", "2"}  # a server, and a client of the others
    assert (tmp_path / "pki" / "worker-w1.key").exists()


def test_a_worker_may_use_its_queues_and_nothing_else(tmp_path, site):
    text = acl(site, tmp_path, "--kind", "nats")
    (line,) = [part for part in text.split("{ user: ") if part.startswith('"urn:petroroad:test:worker:w1"')]
    assert '["STANDARD"]' in line
    assert '"v2x.v1.rsu.*.violation.ack"' in line
    assert '"$JS.API.CONSUMER.MSG.NEXT.petroroad-violations.workers"' in line
    assert 'subscribe: { allow: ["_INBOX_w1.>"] }' in line
    assert not {"config.down", "clock.rsp", "$JS.API.>", "DELETE", "PURGE"} & set(line.split('"'))
    assert "worker" not in acl(site, tmp_path, "--kind", "mosquitto")


def test_the_keys_that_nodes_admit_are_those_that_are_not_revoked(tmp_path, site):
    pins = tmp_path / "pins"
    acl(site, tmp_path, "--kind", "nats", "--pins", str(pins))
    before = set(pins.read_text().split('"')[1::2])
    assert run(["pki", "revoke", "worker", "w1", "--dir", str(tmp_path / "pki")]) == 0
    acl(site, tmp_path, "--kind", "nats", "--pins", str(pins))
    assert len(before - set(pins.read_text().split('"')[1::2])) == 1
    words = ["pki", "acl", site, "--dir", str(tmp_path / "pki"), "--kind", "mosquitto", "--pins", str(pins)]
    assert run(words) == 2  # it reads the list itself
