"""Who may sign what, by real keys: forged, foreign, altered, old and repeated messages are refused."""

import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.errors import ConfigError
from core.times import NS
from edge import topics
from edge.signing import guard as guard_module
from edge.signing.files import SigningFiles
from edge.signing.guard import AGE_S_MAX, Guard
from edge.signing.keys import load_known, load_own
from edge.signing.policy import Signer
from edge.wire import ViolationAck, encode
from tests.edge.signing.site_keys import Authority

ACK = encode(ViolationAck(centre="centre", epoch=1, stored=(1,)))
TO_RSU = topics.violation_ack("RSU-01")
FIXES = topics.gnss_down("RSU-01")
DOWN = b"\x81\xa7gateway\xa2GW"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_ns = time.time_ns()

    def __call__(self) -> int:
        return self.now_ns

    def step(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path)
    names = [
        ("centre", "centre"),
        ("gateway", "GW"),
        ("rsu", "RSU-01"),
        ("rsu", "RSU-02"),
        ("operator", "li"),
    ]
    authority.parts(*(authority.issue(role, name) for role, name in names))
    return authority


def files(site: Authority, *, crl: Path | None = None) -> SigningFiles:
    return SigningFiles(site.folder / "ca.pem", site.folder / "parts.pem", crl=crl)


def guard(site: Authority, name: str, clock: Clock, *, crl: Path | None = None) -> Guard:
    own = load_own(site.folder / f"{name}.key", "site.toml")
    return Guard(own, load_known(files(site, crl=crl), "site.toml"), clock)


def test_an_acknowledgement_of_the_centre_counts(site: Authority, clock: Clock) -> None:
    centre, rsu = guard(site, "centre", clock), guard(site, "RSU-01", clock)
    assert rsu.accepts(TO_RSU, centre.signed(TO_RSU, ACK))
    assert not rsu.counts


@pytest.mark.parametrize(
    ("topic", "signer", "counted"),
    [
        (TO_RSU, "GW", "not_allowed"),
        (TO_RSU, "RSU-01", "not_allowed"),
        (topics.violation_up("RSU-01"), "RSU-02", "not_allowed"),
        (topics.status("RSU-01"), "RSU-02", "not_allowed"),
        (topics.handover("RSU-02", "RSU-01"), "RSU-01", "not_allowed"),
        (FIXES, "centre", "not_allowed"),
        (topics.gateway_command_down("GW"), "RSU-01", "not_allowed"),
        (topics.config_down("RSU-01"), "GW", "not_allowed"),
    ],
)
def test_only_who_may_sign_a_topic_signs_it(
    site: Authority, clock: Clock, topic: str, signer: str, counted: str
) -> None:
    reader = guard(site, "centre", clock)
    assert not reader.accepts(topic, guard(site, signer, clock).signed(topic, ACK))
    assert reader.counts == {f"signature.{counted}": 1}


def test_an_unsigned_message_is_refused(site: Authority, clock: Clock) -> None:
    rsu = guard(site, "RSU-01", clock)
    assert not rsu.accepts(TO_RSU, ACK)
    assert not rsu.accepts(TO_RSU, b"")
    assert rsu.counts == {"signature.missing": 2}


def test_snapshots_need_no_signature(site: Authority, clock: Clock) -> None:
    rsu = guard(site, "RSU-01", clock)
    assert rsu.signed(topics.track_up("RSU-01"), ACK) == ACK
    assert rsu.accepts(topics.track_up("RSU-01"), ACK)


def test_an_altered_message_and_one_for_another_are_refused(site: Authority, clock: Clock) -> None:
    centre, rsu = guard(site, "centre", clock), guard(site, "RSU-01", clock)
    message = bytearray(centre.signed(TO_RSU, ACK))
    message[len(ACK) - 1] ^= 1  # the last of its own fields
    assert not rsu.accepts(TO_RSU, bytes(message))
    assert not rsu.accepts(TO_RSU, centre.signed(topics.violation_ack("RSU-02"), ACK))
    assert rsu.counts == {"signature.wrong": 2}


def test_a_key_of_another_ca_is_unknown(site: Authority, clock: Clock, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = Authority(folder)
    other.parts(other.issue("centre", "centre"))
    rsu = guard(site, "RSU-01", clock)
    assert not rsu.accepts(TO_RSU, guard(other, "centre", clock).signed(TO_RSU, ACK))
    assert rsu.counts == {"signature.unknown": 1}


def test_fixes_that_were_recorded_off_the_broker_are_refused(site: Authority, clock: Clock) -> None:
    gateway, rsu = guard(site, "GW", clock), guard(site, "RSU-01", clock)
    first, second = gateway.signed(FIXES, DOWN), gateway.signed(FIXES, DOWN)
    assert rsu.accepts(FIXES, second)
    assert not rsu.accepts(FIXES, second)
    assert not rsu.accepts(FIXES, first)
    fresh_start = guard(site, "RSU-01", clock)  # it remembers none, but knows the time
    clock.step(AGE_S_MAX + 1)
    assert not fresh_start.accepts(FIXES, second)
    assert rsu.counts == {"signature.repeated": 2}
    assert fresh_start.counts == {"signature.stale": 1}


def test_an_acknowledgement_may_come_late_and_twice(site: Authority, clock: Clock) -> None:
    """The key of the item says what it is about: it deletes nothing else."""
    centre, rsu = guard(site, "centre", clock), guard(site, "RSU-01", clock)
    message = centre.signed(TO_RSU, ACK)
    clock.step(3_600)
    assert rsu.accepts(TO_RSU, message)
    assert rsu.accepts(TO_RSU, message)


@pytest.mark.parametrize("seconds", [AGE_S_MAX + 5, 3_600, 7 * 86_400])
def test_a_clock_that_was_ahead_and_is_set_right_does_not_deafen_its_readers(
    site: Authority, clock: Clock, seconds: float
) -> None:
    """Both parts have one machine's clock: what was accepted under it is newer than all that follows."""
    gateway, rsu = guard(site, "GW", clock), guard(site, "RSU-01", clock)
    clock.step(seconds)
    ahead = gateway.signed(FIXES, DOWN)
    assert rsu.accepts(FIXES, ahead)
    clock.step(1.0 - seconds)
    right = gateway.signed(FIXES, DOWN)
    assert rsu.accepts(FIXES, right)
    assert not rsu.accepts(FIXES, right)
    assert not rsu.accepts(FIXES, ahead)
    assert rsu.counts == {"signature.repeated": 1, "signature.stale": 1}


def test_what_was_accepted_by_a_clock_ahead_counts_no_second_time_when_the_clock_gets_there(
    site: Authority, clock: Clock
) -> None:
    gateway, rsu = guard(site, "GW", clock), guard(site, "RSU-01", clock)
    assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))
    clock.step(3_600)
    ahead = []
    for _ in range(6):  # more than a message may be old apart
        ahead.append((clock.now_ns, gateway.signed(FIXES, DOWN)))
        assert rsu.accepts(FIXES, ahead[-1][1])
        clock.step(200)
    clock.step(-4_000)
    for at_ns, message in ahead:
        assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN)), "it is set right"
        clock.now_ns = at_ns + NS
        assert not rsu.accepts(FIXES, message)
        clock.step(100)
    assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))
    assert rsu.counts == {"signature.repeated": 6}


def test_a_clock_that_is_set_back_does_not_silence_its_gateway(site: Authority, clock: Clock) -> None:
    gateway, rsu = guard(site, "GW", clock), guard(site, "RSU-01", clock)
    assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))
    clock.step(-20)
    assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))


def test_a_clock_that_was_far_ahead_and_is_put_right_is_trusted_again(site: Authority) -> None:
    ahead, right = Clock(), Clock()
    ahead.step(7_200)
    gateway, rsu = guard(site, "GW", ahead), guard(site, "RSU-01", right)
    assert not rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))
    ahead.step(-7_200)
    assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))


def test_a_forged_stamp_does_not_block_the_true_messages(site: Authority, clock: Clock) -> None:
    gateway, rsu = guard(site, "GW", clock), guard(site, "RSU-01", clock)
    forged = bytearray(gateway.signed(FIXES, DOWN))
    forged[-65] ^= 0xFF  # the last byte of its stamp: the future, by less than a second
    assert not rsu.accepts(FIXES, bytes(forged))
    assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))


def test_a_revoked_key_is_unknown_once_the_list_is_loaded(site: Authority, clock: Clock) -> None:
    certificate = site.issue("centre", "late")
    site.parts(certificate, site.issue("rsu", "RSU-01"))
    message = guard(site, "late", clock).signed(TO_RSU, ACK)
    rsu = guard(site, "RSU-01", clock)
    assert rsu.accepts(TO_RSU, message)
    rsu.renew(None, load_known(files(site, crl=site.revoke(certificate)), "site.toml"))
    assert not rsu.accepts(TO_RSU, message)
    assert rsu.counts == {"signature.unknown": 1}


def test_an_expired_key_does_not_count(site: Authority, clock: Clock) -> None:
    site.parts(site.issue("centre", "old", days=2), site.issue("rsu", "RSU-01"))
    message = guard(site, "old", clock).signed(TO_RSU, ACK)
    rsu = guard(site, "RSU-01", clock)
    assert rsu.accepts(TO_RSU, message)
    clock.step(3 * 86_400)
    assert not rsu.accepts(TO_RSU, message), "its stamp is of the time when it held"


def test_a_p256_key_signs_too(site: Authority, clock: Clock) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    site.parts(site.issue("centre", "nist", key=key), site.issue("rsu", "RSU-01"))
    rsu = guard(site, "RSU-01", clock)
    for _ in range(50):  # r and s have leading zeros now and then
        assert rsu.accepts(TO_RSU, guard(site, "nist", clock).signed(TO_RSU, ACK))


def test_files_that_can_not_be_used_are_named(site: Authority, tmp_path: Path) -> None:
    rsa_key = rsa.generate_private_key(65_537, 2_048)
    path = tmp_path / "rsa.key"
    path.write_bytes(rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigError, match="can't sign messages"):
        load_own(path, "site.toml")
    with pytest.raises(ConfigError, match="no key that can sign"):
        load_own(tmp_path / "none.key", "site.toml")
    folder = tmp_path / "other"
    folder.mkdir()
    other = Authority(folder, "elsewhere")
    foreign = files(site)._replace(parts=other.parts(other.issue("rsu", "RSU-01")))
    with pytest.raises(ConfigError, match="of another CA"):
        load_known(foreign, "site.toml")
    with pytest.raises(ConfigError, match="not signed by the site's CA"):
        load_known(files(site, crl=other.revoke()), "site.toml")
    with pytest.raises(ConfigError, match="no PEM certificates"):
        load_known(files(site)._replace(parts=path), "site.toml")


def test_a_broker_signs_nothing(site: Authority) -> None:
    site.parts(site.issue("broker", "mq"), site.issue("rsu", "RSU-01"))
    signers = {key.signer for key in load_known(files(site), "site.toml").values()}
    assert signers == {Signer("rsu", "RSU-01")}


def _forged(site: Authority, clock: Clock, topic: str, payload: bytes) -> bytes:
    """A message that claims a key of the site, whose id everybody can see, with a made-up signature."""
    message = bytearray(guard(site, "RSU-01", clock).signed(topic, payload))
    message[-1] ^= 1
    return bytes(message)


def test_what_the_gate_refuses_costs_no_signature(site: Authority, clock: Clock) -> None:
    topic, centre = topics.violation_up("RSU-01"), guard(site, "centre", clock)
    forged = _forged(site, clock, topic, b"\x81\xa5epoch\x01")
    begun_s = time.process_time()
    assert not any(centre.accepts(topic, forged, lambda: False) for _ in range(2_000))
    refused_s = time.process_time() - begun_s
    assert centre.counts == {}, "the gate counts what it refuses"
    begun_s = time.process_time()
    assert not any(centre.accepts(topic, forged) for _ in range(2_000))
    checked_s = time.process_time() - begun_s
    print(
        f"{refused_s / 2_000 * 1e6:.0f} µs for a refused one, {checked_s / 2_000 * 1e6:.0f} for a checked one"
    )
    assert refused_s < 0.3 * checked_s


def test_the_gate_is_not_asked_for_what_nobody_may_have_signed(site: Authority, clock: Clock) -> None:
    """Else a stranger without a key would use up what an honest RSU may send."""
    topic, centre = topics.violation_up("RSU-01"), guard(site, "centre", clock)
    asked: list[str] = []

    def admits() -> bool:
        asked.append(topic)
        return True

    assert not centre.accepts(topic, b"\x81\xa5epoch\x01", admits)
    assert not centre.accepts(topic, guard(site, "RSU-02", clock).signed(topic, b"\x81\xa5epoch\x01"), admits)
    assert asked == []
    assert centre.accepts(topic, guard(site, "RSU-01", clock).signed(topic, b"\x81\xa5epoch\x01"), admits)
    assert asked == [topic]


def test_a_flood_under_one_key_is_checked_at_a_bounded_rate_and_another_s_is_not_hurt(
    site: Authority, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "CHECKS_BURST", 50.0)
    topic, centre = topics.violation_up("RSU-01"), guard(site, "centre", clock)
    forged = _forged(site, clock, topic, b"\x81\xa5epoch\x01")
    assert not any(centre.accepts(topic, forged) for _ in range(500))
    assert centre.counts == {"signature.wrong": 50, "signature.too_often": 450}
    other = topics.violation_up("RSU-02")
    assert centre.accepts(other, guard(site, "RSU-02", clock).signed(other, b"\x81\xa5epoch\x01"))
    clock.step(1.0)
    assert centre.accepts(topic, guard(site, "RSU-01", clock).signed(topic, b"\x81\xa5epoch\x01"))


def test_long_messages_are_limited_in_bytes(site: Authority, clock: Clock) -> None:
    topic, centre = topics.violation_up("RSU-01"), guard(site, "centre", clock)
    forged = _forged(site, clock, topic, b"\x81\xa1x\xc6" + (900_000).to_bytes(4) + bytes(900_000))
    assert not any(centre.accepts(topic, forged) for _ in range(80))
    assert centre.counts["signature.too_often"] == 80 - 71


def test_who_was_refused_and_why_is_known_by_name(site: Authority, clock: Clock) -> None:
    topic, centre = topics.violation_up("RSU-01"), guard(site, "centre", clock)
    centre.accepts(topic, guard(site, "RSU-02", clock).signed(topic, b"\x81\xa5epoch\x01"))
    centre.accepts(topic, _forged(site, clock, topic, b"\x81\xa5epoch\x01"))
    for _ in range(3):
        centre.accepts(topic, b"\x81\xa5epoch\x01")
    assert centre.refused == {
        ("rsu/RSU-02", "not_allowed"): 1, ("rsu/RSU-01", "wrong"): 1, ("unknown", "missing"): 3,
    }  # fmt: skip
