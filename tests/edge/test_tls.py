"""The TLS side of `[mqtt]`: which files, which addresses need it, reload, and the end of a certificate."""

import ssl

import pytest
import structlog

from core.errors import ConfigError
from edge.link import LinkSettings, link_settings
from edge.link_security import LinkSecurity
from edge.sections import MqttConfig
from edge.tls import Holder, credentials, is_loopback, tls_paths
from edge.tls_causes import WORDS, cause_of, words
from tests.support.tls_site import FILES, issued, plain_site, tls_site

LOG = structlog.wrap_logger(structlog.ReturnLogger())  # the configured one may write to a file that is closed

R1 = Holder("rsu", "R1")


@pytest.fixture
def site(tmp_path):
    return tls_site(tmp_path, 1, "nats")


def test_files_are_beside_the_site_file_and_name_the_part(tmp_path, monkeypatch, site):
    monkeypatch.chdir("/")  # a unit's working directory is another
    found = credentials(site.config.mqtt, site.where, R1)
    assert str(found.own.identity) == "rsu R1"
    mqtt = MqttConfig(ca_file="/etc/ca.crt", cert_file="{role}/{name}.crt")
    paths = tls_paths(mqtt, "/etc/petroroad/site.toml", R1)
    assert [str(path) for path in paths[:2]] == ["/etc/ca.crt", "/etc/petroroad/rsu/R1.crt"]


def test_a_certificate_of_another_part_is_the_operators_error(tmp_path):
    site = tls_site(tmp_path, 1, "nats", files=FILES.replace("{role}-{name}", "rsu-R2"))
    with pytest.raises(ConfigError, match="that of rsu R2, and this is rsu R1"):
        credentials(site.config.mqtt, site.where, R1)


def test_every_connection_verifies_name_authority_and_version(site):
    context = credentials(site.config.mqtt, site.where, R1).context
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_what_is_this_machine_itself(host, ours):
    assert is_loopback(host) == ours


@pytest.mark.parametrize(
    ("mqtt", "refused"),
    [
        (MqttConfig(brokers=("127.0.0.1:1", "[::1]:1", "localhost:1")), False),
        (MqttConfig(brokers=("10.0.0.1:1883",)), True),
        (MqttConfig(brokers=("127.0.0.1:1", "broker.example:1")), True),  # one is enough
        (MqttConfig(brokers=("10.0.0.1:1883",), username="u", password="p"), True),
        (MqttConfig(brokers=("10.0.0.1:1883",), insecure=True), False),
    ],
)
def test_the_network_needs_tls(mqtt, refused):
    if refused:
        with pytest.raises(ConfigError, match=r"mqtt\.brokers: needs TLS .* insecure = true"):
            link_settings(mqtt, "a")
    else:
        assert link_settings(mqtt, "a").tls is None


def test_what_is_meant_to_be_insecure_says_so(caplog):
    settings = link_settings(MqttConfig(brokers=("10.0.0.1:1883",), insecure=True), "a")
    security = LinkSecurity(settings, {}, LOG)
    assert security.faults() == ("insecure",)
    assert security.counts() == {"tls.insecure": 1}
    local = LinkSettings(addresses=(("127.0.0.1", 1),), client_id="a")
    assert LinkSecurity(local, {}, LOG).faults() == ()


class Reconnects:
    """A link that counts what it is asked for."""

    def __init__(self):
        self.n = 0

    def reconnect(self):
        self.n += 1


def test_a_new_certificate_is_used_without_a_restart(tmp_path, site):
    settings = link_settings(site.config.mqtt, "a", site.where, R1)
    link = Reconnects()
    security = LinkSecurity(settings, {"link": link}, LOG)
    security.look()
    before = settings.tls.context
    assert link.n == 0
    issued(tmp_path, "rsu", "R1", days=20)
    security.look()
    assert (link.n, settings.tls.context is before) == (1, False)
    assert security.faults() == ("certificate_expires",)
    assert security.counts() == {"tls.reloaded": 1, "tls.certificate_expires": 1}
    security.look()
    assert link.n == 1  # once


def test_another_list_or_authority_counts_from_the_next_connection(tmp_path, site):
    settings = link_settings(site.config.mqtt, "a", site.where, R1)
    link = Reconnects()
    before = settings.tls.context
    issued(tmp_path, "rsu", "R9")
    path = tmp_path / "pki" / "crl.pem"
    path.write_bytes(path.read_bytes() + b"\n")
    LinkSecurity(settings, {"link": link}, LOG).look()
    assert (link.n, settings.tls.context is before) == (0, False)


@pytest.mark.parametrize("wrong", ["half", "gone", "other key"])
def test_files_that_can_not_be_used_change_nothing(tmp_path, site, wrong):
    """The operator copies one file after the other."""
    settings = link_settings(site.config.mqtt, "a", site.where, R1)
    link, before = Reconnects(), settings.tls.context
    security = LinkSecurity(settings, {"link": link}, LOG)
    path = tmp_path / "pki" / "rsu-R1.crt"
    whole = path.read_bytes()
    if wrong == "half":
        path.write_bytes(whole[:200])
    elif wrong == "gone":
        path.unlink()
    else:
        path.write_bytes((tmp_path / "pki" / "rsu-R2.crt").read_bytes())
    security.look()
    security.look()
    assert settings.tls.context is before
    assert security.counts()["tls.reload_failed"] >= 1
    issued(tmp_path, "rsu", "R1")
    security.look()
    assert settings.tls.context is not before
    assert (link.n, settings.tls.problem) == (1, None)


@pytest.mark.parametrize("name", ["rsu-R1.key", "rsu-R1.crt", "ca.crt", "crl.pem", "parts.pem"])
@pytest.mark.parametrize("how", ["empty", "cut", "altered"])
def test_an_rsu_starts_with_a_damaged_file_and_connects_once_it_is_whole(tmp_path, name, how):
    """It judges and keeps what it raises meanwhile; a unit that ends with 2 would not be started again."""
    site = tls_site(tmp_path, 1, "nats", files=FILES + 'parts_file = "pki/parts.pem"\n')
    path = tmp_path / "pki" / name
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[:60], "altered": whole.replace(b"M", b"!", 1)}[how])
    settings = link_settings(site.config.mqtt, "a", site.where, R1)
    link = Reconnects()
    security = LinkSecurity(settings, {"link": link}, LOG)
    assert (settings.signing.problem is None) == (name == "rsu-R1.crt")  # signatures need no own one
    assert not settings.signing.guard.accepts("v2x/v1/rsu/R1/violation/ack", b"\x80")
    status = settings.signing.guard.signed("v2x/v1/rsu/R1/status", b"\x80")
    assert ("signature" in str(status)) == (name != "rsu-R1.key"), "else the centre refuses what it raises"
    assert security.faults() == ("certificate_damaged",)
    if name != "parts.pem":
        assert settings.tls.context.verify_mode == ssl.CERT_REQUIRED, "nobody is believed"
        assert (settings.tls.context.check_hostname, settings.tls.context.get_ca_certs()) == (True, [])
    security.look()
    path.write_bytes(whole)
    security.look()
    assert (settings.tls.problem, settings.signing.problem) == (None, None)
    assert security.faults() == ("forged_messages",)  # an acknowledgement without a signature counts as one
    assert str(settings.tls.own.identity) == "rsu R1"
    assert link.n == (name != "parts.pem")
    assert "signature" in str(settings.signing.guard.signed("v2x/v1/rsu/R1/status", b"\x80"))


def test_a_folder_that_is_not_ours_to_read_is_a_named_error(tmp_path, monkeypatch, site):
    """The files were copied by root; systemd shows the error, and no trace of the program."""

    def refused(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.stat", refused)
    monkeypatch.setattr("pathlib.Path.read_bytes", refused)
    monkeypatch.setattr("os.path.isfile", lambda path: False)
    monkeypatch.setattr("edge.tls.file_stamp", lambda path: None)
    (tmp_path / "pki" / "rsu-R1.key").write_bytes(b"")
    with pytest.raises(ConfigError, match="TLS files can't be loaded"):
        link_settings(site.config.mqtt, "a", site.where, R1)


def test_what_is_no_damage_still_ends_the_start(tmp_path, site):
    path = tmp_path / "pki" / "rsu-R1.key"
    for role, name in (("gateway", "G1"), ("centre", "centre")):
        issued(tmp_path, role, name)
        (tmp_path / "pki" / f"{role}-{name}.key").write_bytes(b"")
        with pytest.raises(ConfigError, match="TLS files can't be loaded"):
            link_settings(site.config.mqtt, "a", site.where, Holder(role, name))
    path.write_bytes((tmp_path / "pki" / "rsu-R2.key").read_bytes())
    with pytest.raises(ConfigError, match="TLS files can't be loaded"):
        link_settings(site.config.mqtt, "a", site.where, R1)
    path.unlink()
    with pytest.raises(ConfigError, match="TLS files can't be loaded"):
        link_settings(site.config.mqtt, "a", site.where, R1)


def test_a_key_with_a_passphrase_is_refused_and_asks_nobody(tmp_path, site):
    from cryptography.hazmat.primitives import serialization

    path = tmp_path / "pki" / "rsu-R1.key"
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    how = serialization.BestAvailableEncryption(b"x")
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
    with pytest.raises(ConfigError, match="TLS files can't be loaded"):
        credentials(site.config.mqtt, site.where, R1)


def test_each_cause_has_words():
    for code in (9, 10, 18, 20, 23, 62, 64):
        error = ssl.SSLCertVerificationError()
        error.verify_code = code
        assert words(cause_of(error)) == WORDS[cause_of(error)]
    assert cause_of(ConnectionResetError()) is None


def test_a_site_without_tls_has_none(tmp_path):
    site = plain_site(tmp_path, "127.0.0.1:1")
    assert credentials(site.config.mqtt, site.where, R1) is None
