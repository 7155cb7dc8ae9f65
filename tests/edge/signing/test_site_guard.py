"""The keys of a site from its files: how a process follows them, and what it says of those it cannot use."""

import time
from pathlib import Path

import pytest

from core.errors import ConfigError
from edge import topics
from edge.sections import MqttConfig
from edge.signing.site_guard import site_guard
from edge.tls import Holder
from edge.wire import ViolationAck, encode
from tests.edge.signing.site_keys import Authority

ACK = encode(ViolationAck(centre="centre", epoch=1, stored=(1,)))
TO_RSU = topics.violation_ack("RSU-01")
MQTT = MqttConfig(ca_file="ca.pem", key_file="{name}.key", cert_file="{name}.pem", parts_file="parts.pem")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.parts(made.issue("centre", "centre"), made.issue("rsu", "RSU-01"))
    return made


def guard_of(authority: Authority, role: str, name: str):
    found = site_guard(MQTT, str(authority.folder / "site.toml"), Holder(role, name))
    assert found is not None
    return found


def test_a_site_without_the_file_signs_nothing() -> None:
    assert site_guard(MqttConfig(), "site.toml", None) is None


def test_the_file_needs_its_authority() -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.parts_file: needs ca_file"):
        site_guard(MqttConfig(parts_file="parts.pem"), "site.toml", None)


def test_files_are_relative_to_the_site(authority: Authority) -> None:
    centre, rsu = guard_of(authority, "centre", "centre"), guard_of(authority, "rsu", "RSU-01")
    assert rsu.guard.accepts(TO_RSU, centre.guard.signed(TO_RSU, ACK))


def test_a_part_that_is_added_counts_without_a_restart(authority: Authority) -> None:
    rsu = guard_of(authority, "rsu", "RSU-01")
    authority.parts(authority.issue("centre", "second"), authority.issue("rsu", "RSU-01"))
    message = guard_of(authority, "centre", "second").guard.signed(TO_RSU, ACK)
    assert not rsu.guard.accepts(TO_RSU, message)
    assert rsu.refresh()
    assert rsu.guard.accepts(TO_RSU, message)
    assert not rsu.refresh(), "nothing has changed since"


def test_half_a_file_changes_nothing_until_it_is_whole(authority: Authority) -> None:
    centre, rsu = guard_of(authority, "centre", "centre"), guard_of(authority, "rsu", "RSU-01")
    path = authority.folder / "parts.pem"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    assert not rsu.refresh()
    assert rsu.problem is not None
    assert "mqtt.parts_file" in rsu.problem
    assert rsu.guard.counts["signature.reload_failed"] == 1
    assert rsu.guard.accepts(TO_RSU, centre.guard.signed(TO_RSU, ACK))
    path.write_bytes(whole)
    assert rsu.refresh()
    assert rsu.problem is None


def test_signing_does_not_wait_for_the_clock_to_move(authority: Authority) -> None:
    gateway = authority.issue("gateway", "GW")
    authority.parts(gateway, authority.issue("rsu", "RSU-01"))
    sender, reader = guard_of(authority, "gateway", "GW"), guard_of(authority, "rsu", "RSU-01")
    topic = topics.gnss_down("RSU-01")
    begun_ns = time.time_ns()
    messages = [sender.guard.signed(topic, ACK) for _ in range(200)]
    assert all(reader.guard.accepts(topic, message) for message in messages)
    assert time.time_ns() > begun_ns
