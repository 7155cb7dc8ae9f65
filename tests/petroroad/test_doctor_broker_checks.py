"""`petroroad doctor` on brokers and certificates: what would keep a part from delivering."""

import asyncio

import pytest

from petroroad.doctor.broker_checks import broker_checks
from petroroad.processes.broker import start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.ports import kept_port
from tests.support.tls_site import FILES, issued, plain_site, revoked, tls_site


def levels(site):
    return {check.name: (check.level, check.detail) for check in broker_checks(site)}


def test_a_sound_site_is_sound(tmp_path):
    found = levels(tls_site(tmp_path, 1, "nats"))
    assert {name: level for name, (level, _) in found.items()} == {
        "broker": "fail",  # nobody listens
        "certificates": "ok",
        "certificate.rsu-R1": "ok", "certificate.rsu-R2": "ok", "certificate.rsu-R3": "ok",
        "certificate.gateway-G1": "ok", "certificate.centre-C1": "ok", "certificate.operator-operator": "ok",
        "certificate.broker-broker": "ok",
    }  # fmt: skip


def test_each_machine_has_the_certificates_of_its_own_parts_only(tmp_path):
    site = tls_site(tmp_path, 1, "nats")
    for path in (tmp_path / "pki").glob("*.crt"):
        if path.name not in ("ca.crt", "rsu-R1.crt"):
            path.unlink()
    assert {name for name in levels(site) if name.startswith("certificate.")} == {"certificate.rsu-R1"}


@pytest.mark.parametrize("part", [("broker", "node-2"), ("worker", "w1")])
def test_parts_that_the_site_file_does_not_name_are_found_by_their_certificates(tmp_path, part):
    site = tls_site(tmp_path, 1, "nats")
    issued(tmp_path, *part, ("127.0.0.1",) if part[0] == "broker" else (), days=20.5)
    level, said = levels(site)["certificate.{}-{}".format(*part)]
    assert (level, "valid for 20 days" in said) == ("warn", True)


@pytest.mark.parametrize(
    ("wrong", "level", "said"),
    [
        ("expires", "warn", "valid for 20 days"),
        ("expired", "fail", "renew it"),
        ("revoked", "fail", "is revoked"),
        ("other part", "fail", "that of rsu R2, and this is rsu R1"),
        ("other authority", "fail", "not of the authority"),
        ("readable", "warn", "chmod 600"),
        ("half", "fail", "can't be loaded"),
    ],
)
def test_what_is_wrong_with_a_certificate(tmp_path, wrong, level, said):
    site = tls_site(tmp_path, 1, "nats")
    folder = tmp_path / "pki"
    if wrong in ("expires", "expired"):
        issued(tmp_path, "rsu", "R1", days=20.5 if wrong == "expires" else 1e-9)
    elif wrong == "revoked":
        revoked(tmp_path, "rsu", "R1")
    elif wrong == "readable":
        (folder / "rsu-R1.key").chmod(0o644)
    elif wrong == "half":
        (folder / "rsu-R1.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    else:
        other, name = folder, "R2"
        if wrong == "other authority":
            tls_site(tmp_path / "other", 1, "nats")
            other, name = tmp_path / "other" / "pki", "R1"
        for suffix in ("crt", "key"):
            (folder / f"rsu-R1.{suffix}").write_bytes((other / f"rsu-{name}.{suffix}").read_bytes())
            (folder / f"rsu-R1.{suffix}").chmod(0o600)
    found = levels(site)
    assert found["certificate.rsu-R1"][0] == level
    assert said in found["certificate.rsu-R1"][1]
    assert found["certificate.rsu-R3"][0] == "ok"


@pytest.mark.parametrize(
    ("address", "mqtt", "level", "said"),
    [
        ("127.0.0.1:1", "", "warn", "without TLS"),
        ("10.255.255.1:1", "", "fail", "needs TLS"),
        ("10.255.255.1:1", "insecure = true\n", "warn", "insecure = true: 10.255.255.1:1"),
        ("127.0.0.1:1", 'ca_file = "none.crt"\n', "fail", "none.crt"),
    ],
)
def test_what_is_wrong_with_a_site(tmp_path, monkeypatch, address, mqtt, level, said):
    monkeypatch.setattr("petroroad.doctor.broker_checks.CONNECT_S", 0.05)
    found = levels(plain_site(tmp_path, address, "nats", mqtt))
    assert found["certificates"][0] == level
    assert said in found["certificates"][1]


@pytest.mark.anyio
async def test_a_broker_of_another_authority_is_named(tmp_path):
    with kept_port() as port:
        site = tls_site(tmp_path, port, "nats")
        other = tls_site(tmp_path / "other", port, "nats")
        child = await start_broker("nats", tmp_path, "127.0.0.1", port, server_tls(site, "broker"))
        try:
            assert (await asyncio.to_thread(levels, site))["broker"] == (
                "ok", f"127.0.0.1:{port} accepts connections and our certificate",
            )  # fmt: skip
            level, said = (await asyncio.to_thread(levels, other))["broker"]
            assert level == "fail"
            assert "not of the authority in ca_file" in said
        finally:
            await child.stop(2.0)


def test_one_certificate_for_all_parts_is_checked_once(tmp_path):
    site = tls_site(tmp_path, 1, "nats", files=FILES.replace("{role}-{name}", "rsu-R1"))
    assert [name for name in levels(site) if name.startswith("certificate.")] == ["certificate.rsu-R1"]


@pytest.mark.anyio
async def test_a_broker_whose_certificate_ends_soon_is_named_also_from_another_machine(tmp_path):
    with kept_port() as port:
        site = tls_site(tmp_path, port, "nats")
        issued(tmp_path, "broker", "broker", ("127.0.0.1",), days=20.5)
        child = await start_broker("nats", tmp_path, "127.0.0.1", port, server_tls(site, "broker"))
        try:
            found = (await asyncio.to_thread(levels, site))["broker"]
            assert found == ("warn", f"127.0.0.1:{port}: its certificate ends in 20 days")
        finally:
            await child.stop(2.0)
