"""A recorded message acts once, and a true one always, though clocks are set and parts start again."""

from collections.abc import Callable

import pytest

from core.times import NS
from edge import topics, wire
from edge.ask import ViolationAsk, decode_ask
from edge.gateway_command import Command, decode_command
from edge.signing import guard as guard_module
from edge.signing.envelope import read_run
from tests.edge.signing.site_keys import Authority
from tests.edge.signing.test_guard import DOWN, FIXES, Clock, clock, guard, site

__all__ = ["clock", "site"]  # fixtures


def test_a_signer_that_starts_again_by_a_clock_set_right_is_believed_at_once(
    site: Authority, clock: Clock
) -> None:
    """Its clock was 40 s ahead: all that it said within the next 40 s was refused as repeated."""
    ahead = Clock()
    ahead.now_ns = clock.now_ns + 40 * NS
    rsu, before = guard(site, "RSU-01", clock), guard(site, "GW", ahead)
    old = before.signed(FIXES, DOWN)
    assert rsu.accepts(FIXES, old)
    clock.step(3.0)
    again = guard(site, "GW", clock)
    assert rsu.accepts(FIXES, again.signed(FIXES, DOWN))
    assert not rsu.accepts(FIXES, old)
    assert rsu.counts == {"signature.repeated": 1}


def test_clocks_that_were_both_ahead_for_hours_and_are_set_right_are_believed_at_once(
    site: Authority, clock: Clock
) -> None:
    """They have one time server: for as long as they had been ahead, all was refused as repeated."""
    gateway, rsu = guard(site, "GW", clock), guard(site, "RSU-01", clock)
    clock.step(3_600)
    kept = []
    for _ in range(200):
        kept.append((clock.now_ns, gateway.signed(FIXES, DOWN)))
        assert rsu.accepts(FIXES, kept[-1][1])
        clock.step(30)
    clock.step(-3_600)
    for _ in range(100):
        assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))
        clock.step(30)
        for at_ns, message in kept:
            if abs(at_ns - clock.now_ns) < 60 * NS:
                assert not rsu.accepts(FIXES, message), "a recorded one counts no second time"


def test_what_was_recorded_before_a_reader_started_again_does_not_count(
    site: Authority, clock: Clock
) -> None:
    """Its memory of what it had accepted is gone; the recorded messages were young enough for a minute."""
    gateway, rsu = guard(site, "GW", clock), guard(site, "RSU-01", clock)
    recorded = gateway.signed(FIXES, DOWN)
    assert rsu.accepts(FIXES, recorded)
    clock.step(5.0)
    rsu = guard(site, "RSU-01", clock)
    assert not rsu.accepts(FIXES, recorded)
    assert rsu.counts == {"signature.stale": 1}
    assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))


def test_a_reader_that_started_by_a_clock_ahead_believes_once_it_is_set_right(
    site: Authority, clock: Clock
) -> None:
    gateway = guard(site, "GW", clock)
    ahead = Clock()
    ahead.now_ns = clock.now_ns + 7_200 * NS
    rsu = guard(site, "RSU-01", ahead)
    ahead.now_ns = clock.now_ns
    assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))


def test_a_signer_of_the_release_before_names_no_run_and_is_believed(
    site: Authority, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "with_run", lambda payload, run: payload)
    gateway, rsu = guard(site, "GW", clock), guard(site, "RSU-01", clock)
    message = gateway.signed(FIXES, DOWN)
    assert rsu.accepts(FIXES, message)
    assert not rsu.accepts(FIXES, message)
    assert rsu.accepts(FIXES, gateway.signed(FIXES, DOWN))
    assert rsu.counts == {"signature.repeated": 1}


@pytest.mark.parametrize(
    ("topic", "signer", "message", "decode"),
    [
        (FIXES, "GW", wire.GnssDown(gateway="GW", epoch=1, seq=2, fixes=wire.columns_of([])),
         wire.decode_down),
        (topics.handover("RSU-02", "RSU-01"), "RSU-02", wire.Handover(epoch=1, seq=2, tracks=()),
         wire.decode_handover),
        (topics.handover_ack("RSU-01", "RSU-02"), "RSU-02", wire.HandoverAck(epoch=1, seq=2),
         wire.decode_handover_ack),
        (topics.violation_ask("RSU-01"), "centre", ViolationAsk(centre="centre", epoch=1, seqs=(2,)),
         decode_ask),
        (topics.gateway_command_down("GW"), "li", Command(id="a", text="b"), decode_command),
    ],
)  # fmt: skip
def test_who_knows_no_runs_reads_the_message_as_it_was(
    site: Authority, clock: Clock, topic: str, signer: str, message: object, decode: Callable[[bytes], object]
) -> None:
    said = guard(site, signer, clock).signed(topic, wire.encode(message))
    assert read_run(said) is not None
    assert decode(said) == message
