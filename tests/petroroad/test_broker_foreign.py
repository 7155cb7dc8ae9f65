"""Certificates of a customer's own authority, and commands that lack what their broker asks for."""

import asyncio
import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from petroroad.cli import run
from petroroad.pki import certificates
from petroroad.processes.broker import start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.ports import kept_port
from tests.support.tls_links import KINDS, linked, settings_of, skip_without
from tests.support.tls_site import plain_site, tls_site

pytestmark = pytest.mark.anyio


def foreign_certificates(folder):
    """The certificates of an authority that knows nothing of petroroad: common names, no URNs."""
    folder.mkdir()
    now = datetime.now(UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "customer")])
    for name in ("ca", "broker", "R1", "C1"):
        key = ca_key if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        subject = ca if name == "ca" else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(
            ca, subject, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(9)
        ).add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
        if name == "broker":
            host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=False)
        made = builder.sign(ca_key, hashes.SHA256())
        (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(certificates.key_pem(key))


@pytest.mark.parametrize("kind", KINDS)
async def test_certificates_of_another_authority_serve_by_their_common_names(tmp_path, kind):
    skip_without(kind)
    foreign_certificates(tmp_path / "c")
    files = 'ca_file = "c/ca.crt"\ncert_file = "c/{name}.crt"\nkey_file = "c/{name}.key"\n'
    received = []
    with kept_port() as port:
        site = plain_site(tmp_path, f"127.0.0.1:{port}", kind, files)
        child = await start_broker(kind, tmp_path, "127.0.0.1", port, server_tls(site, "broker"))
        try:
            reader = linked(
                settings_of(site, "centre", "C1"),
                subscriptions=[("v2x/v1/rsu/+/status", 1)],
                on_message=lambda topic, _payload, _retained: received.append(topic),
            )
            async with reader as centre, linked(settings_of(site, "rsu", "R1")) as rsu:
                for link in (centre, rsu):
                    await asyncio.wait_for(link.up.wait(), 15.0)
                assert rsu.settings.tls.own.identity is None
                rsu.publish("v2x/v1/rsu/R2/status", b"forged")
                rsu.publish("v2x/v1/rsu/R1/status", b"right")
                async with asyncio.timeout(10.0):
                    while not received:
                        await asyncio.sleep(0.02)
            assert received == ["v2x/v1/rsu/R1/status"]
        finally:
            await child.stop(2.0)


def test_a_command_refuses_a_broker_on_the_network_without_tls(tmp_path, capsys):
    site = plain_site(tmp_path, "192.0.2.1:1883")
    assert run(["tail", "--config", site.where]) == 2
    assert "mqtt.brokers: needs TLS outside this machine" in capsys.readouterr().err


def test_a_command_needs_the_certificate_of_its_operator(tmp_path, capsys, monkeypatch):
    site = tls_site(tmp_path, 1, "nats")
    monkeypatch.setenv("PETROROAD_OPERATOR", "li")
    assert run(["tail", "--config", site.where]) == 2
    assert "operator-li.crt" in capsys.readouterr().err
