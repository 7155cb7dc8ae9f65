"""Wrong clocks from the terminal's bytes to the replay: simulated, recorded, replayed."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from edge.recording.recorder import read_messages
from petroroad.__main__ import main
from petroroad.commands.replay import summary
from petroroad.replay.run import pace_of, replay_file
from roadside.devices.jt808.client import Client
from roadside.devices.jt808.fix import fix_of
from roadside.devices.jt808.frame import Splitter
from roadside.devices.jt808.location import decode as decode_location
from roadside.devices.jt808.session import Session, SessionRules

NS = 1_000_000_000
WEEKS_S = 1_024 * 7 * 86_400
ROLLED = bytes.fromhex("000000000000000201000f9005bbd430000000000000070113102041010400000000")
QUIET = """
name = "quiet"
[traffic]
vehicles = 30
"""
SECONDS = 6


def recorded(path: Path, clock: str) -> Path:
    scenario = path.with_suffix(".toml")
    scenario.write_text(QUIET + clock, encoding="utf-8")
    arguments = ["--duration", str(SECONDS), "--rsus", "RSU-23", "--record", str(path)]
    assert main(["sim", "run", str(scenario), *arguments]) == 0
    return path


def test_a_rolled_over_report_is_a_fix_of_its_own_date():
    """The device decodes what was sent; what is wrong with it only the arrival tells."""
    fix = fix_of(decode_location(ROLLED), "13900000001", None, 1, 20)
    assert fix.stamp_ns == 1_168_654_841 * NS  # 2007-01-13 10:20:41 GMT+8


@pytest.mark.parametrize("date", ["000101080000", "700101080000", "991231235959"])
def test_a_terminal_whose_clock_was_never_set_is_answered_and_its_report_taken(date):
    body = ROLLED[:22] + bytes.fromhex(date) + ROLLED[28:]
    location = decode_location(body)
    fix = fix_of(location, "13900000001", None, 1, 20)
    assert (fix.device_stamp_ns or fix.stamp_ns) == location.stamp_ns
    counts: Counter[str] = Counter()
    session = Session(SessionRules(known=frozenset()), counts)
    client = Client("13900000001", "辽L·A0001")
    said = client.greeting()
    while said:
        said = client.receive(bytes(session.receive(said, 1_800_000_000 * NS).replies))
    received = session.receive(client.report(fix), 1_800_000_000 * NS)
    assert [taken.device_stamp_ns for taken in received.fixes] == [fix.device_stamp_ns]
    assert len(list(Splitter(counts).feed(bytes(received.replies)))) == 1
    assert not any(reason.startswith("location.") for reason in counts)


def test_a_simulated_rollover_is_judged_as_ever(tmp_path):
    plain = replay_file(recorded(tmp_path / "a.mcap", ""), None, pace_of("max"), None)
    rolled_file = recorded(tmp_path / "b.mcap", f"[[clock]]\noffset_s = {-WEEKS_S}\n")
    rolled = replay_file(rolled_file, None, pace_of("max"), None)
    assert rolled.replayed.digest() == plain.replayed.digest()
    assert rolled.replayed.digest_tracks() == plain.replayed.digest_tracks()
    assert plain.clocks == {}
    kinds = {fault["kind"] for found in rolled.clocks.values() for fault in found["clocks"].values()}
    assert kinds == {"rollover"}
    frames = [message.body for message in read_messages(rolled_file) if message.topic == "/truth"]
    assert -WEEKS_S in msgspec.msgpack.decode(frames[-1])["clock_offset_s"]


def test_a_replay_names_the_terminals_that_are_off_and_accuses_none(tmp_path, capsys):
    path = recorded(tmp_path / "a.mcap", "[[clock]]\noffset_s = -28800.0\nshare = 0.5\n")
    told = summary([replay_file(path, None, pace_of("max"), None)])
    named = {terminal: c for found in told["clocks"].values() for terminal, c in found["clocks"].items()}
    assert named
    assert {(c["kind"], c["offset_s"], c["corrected"]) for c in named.values()} == {
        ("time_zone", -28_800.0, False)
    }
    assert told["rejected"]["gnss.clock"] > 0
    capsys.readouterr()
    assert main(["replay", str(path)]) == 0
    assert "time_zone -28800.0 s" in capsys.readouterr().out
