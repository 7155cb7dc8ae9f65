"""From fixes to `gnss/down`: duplicates, batches, numbers, beats and bounds."""

from collections import Counter

import msgpack
from msgspec import structs

from edge.wire import FIXES_MAX, PAYLOAD_BYTES_MAX, GnssFix, decode_down, encode
from roadside.gateway.feed import BEAT_MAX, EMPTY_AFTER_NS, REMEMBERED_NS, GatewayFeed
from roadside.gateway.seen import KEYS_MAX

NOW_NS = 1_790_000_000 * 10**9


class ByTerminal:
    """A router by the terminal's first letter; '-' is nowhere."""

    def route(self, fixes):
        return [
            () if fix.terminal[0] == "-" else tuple(fix.terminal[:2].strip("0123456789")) for fix in fixes
        ]


def feed(esns=("A", "B")):
    counts = Counter()
    return GatewayFeed(ByTerminal(), "GW1", 7, esns, counts), counts


def fix(terminal: str, i: int = 0, seq: int | None = 1) -> GnssFix:
    return GnssFix(
        terminal=terminal,
        stamp_ns=NOW_NS + i,
        arrived_ns=NOW_NS + i,
        source_seq=seq,
        lon_deg=122.0,
        lat_deg=41.0,
    )


def test_each_rsu_gets_its_fixes_in_their_order():
    gateway, _ = feed()
    gateway.add_fixes([fix("A1"), fix("B1"), fix("AB"), fix("A2")])
    downs = dict(gateway.flush(NOW_NS))
    assert downs["A"].fixes.terminal == ("A1", "AB", "A2")
    assert downs["B"].fixes.terminal == ("B1", "AB")
    assert gateway.flush(NOW_NS) == []


def test_wire_has_all_columns_and_is_read_back():
    gateway, _ = feed()
    gateway.add_fixes([fix("A1"), fix("A2", seq=None)])
    ((esn, down),) = gateway.flush(NOW_NS)
    plain = msgpack.unpackb(encode(down))
    assert (esn, plain["gateway"], plain["epoch"], plain["seq"]) == ("A", "GW1", 7, 1)
    assert set(plain["fixes"]) == set(GnssFix.__struct_fields__)
    assert {len(column) for column in plain["fixes"].values()} == {2}
    assert plain["fixes"]["arrived_ns"] == [NOW_NS, NOW_NS]
    assert plain["fixes"]["source_seq"] == [1, None]
    assert decode_down(encode(down)) == down


def test_duplicates_are_known_by_terminal_stamp_and_serial():
    gateway, counts = feed()
    gateway.add_fixes([fix("A1"), fix("A1"), fix("A1", i=1), fix("A1", seq=2), fix("A2")])
    assert len(dict(gateway.flush(NOW_NS))["A"].fixes) == 4
    gateway.add_fixes([fix("A1")])  # also long after the batch
    assert gateway.flush(NOW_NS) == []
    assert counts == {"fix.taken": 4, "fix.duplicate": 2}


def test_numbers_count_without_gaps_for_each_rsu():
    gateway, _ = feed()
    seqs: dict[str, list[int]] = {"A": [], "B": []}
    for i in range(6):
        gateway.add_fixes([fix("A1", i)] if i % 2 else [fix("AB", i)])
        for esn, down in gateway.flush(NOW_NS + i * EMPTY_AFTER_NS) + gateway.beat(
            NOW_NS + i * EMPTY_AFTER_NS
        ):
            seqs[esn].append(down.seq)
    assert seqs == {"A": [1, 2, 3, 4, 5, 6], "B": [1, 2, 3, 4, 5, 6]}


def test_silent_rsu_learns_that_the_gateway_lives():
    gateway, _ = feed()
    gateway.add_fixes([fix("A1")])
    gateway.flush(NOW_NS)
    assert [esn for esn, _ in gateway.beat(NOW_NS)] == ["B"]
    assert gateway.beat(NOW_NS + EMPTY_AFTER_NS - 1) == []
    beats = gateway.beat(NOW_NS + EMPTY_AFTER_NS)
    assert [(esn, len(down.fixes)) for esn, down in beats] == [("A", 0), ("B", 0)]
    set_back = gateway.beat(NOW_NS - 3_600 * 10**9)
    assert [esn for esn, _ in set_back] == ["A", "B"], "else silent until the time comes round again"


def test_beat_of_a_long_road_comes_in_parts():
    gateway, _ = feed([f"R{i}" for i in range(50)])
    first, second = gateway.beat(NOW_NS), gateway.beat(NOW_NS + 1)
    assert (len(first), len(second)) == (BEAT_MAX, 50 - BEAT_MAX)
    assert not {esn for esn, _ in first} & {esn for esn, _ in second}


def test_fix_without_a_place_is_counted():
    gateway, counts = feed()
    gateway.add_fixes([fix("-1")])
    assert gateway.flush(NOW_NS) == []
    assert counts["fix.no_place"] == 1


def test_the_largest_message_passes_a_broker():
    """One terminal's burst must not make a message for which the broker cuts the gateway off."""
    gateway, _ = feed()
    stamp = 4 * 10**18 - FIXES_MAX
    gateway.add_fixes(
        [
            GnssFix(
                terminal="A" + "1" * 63, stamp_ns=stamp + i, arrived_ns=stamp, source_seq=2**63 - 1,
                lon_deg=122.1, lat_deg=41.1, plate="\U0001f69a" * 32, alt_m=1.1, speed_mps=1.1,
                course_deg=1.1, sigma_m=1.1, tau_s=1.1, quality="dead_reckoning", satellites=2**63 - 1,
                alarm=2**63 - 1, status=2**63 - 1,
            )
            for i in range(FIXES_MAX)
        ]
    )  # fmt: skip
    for _, down in gateway.flush(NOW_NS):
        assert len(encode(down)) < PAYLOAD_BYTES_MAX
        assert decode_down(encode(down)) == down


def test_what_waits_and_what_is_remembered_is_bounded():
    gateway, counts = feed()
    flood = [fix("A1", i) for i in range(FIXES_MAX + 10)]
    gateway.add_fixes(flood)
    assert counts["fix.full"] == 10
    downs = [down for _, down in gateway.flush(NOW_NS)]
    assert sum(len(down.fixes) for down in downs) == FIXES_MAX
    assert [down.seq for down in downs] == [1, 2, 3, 4]
    for part in range(3 * KEYS_MAX // FIXES_MAX):
        gateway.add_fixes([structs.replace(each, source_seq=part + 2) for each in flood])
        gateway.flush(NOW_NS)
        assert gateway._seen.n < KEYS_MAX


def test_a_fix_that_comes_again_after_so_many_others_is_still_a_duplicate():
    gateway, counts = feed()
    gateway.add_fixes([fix("A1", 0)])
    for part in range(KEYS_MAX // FIXES_MAX - 1):
        gateway.add_fixes([structs.replace(fix("A2", i), source_seq=part + 2) for i in range(FIXES_MAX)])
        gateway.flush(NOW_NS)
    gateway.add_fixes([fix("A1", 0)])
    assert counts["fix.duplicate"] == 1


def test_reports_of_a_clock_that_stays_the_same_are_no_duplicates():
    """Without serial numbers only the place tells them apart; a copy is still one."""
    gateway, counts = feed()
    first = fix("A1", seq=None)
    gateway.add_fixes([first, structs.replace(first, lon_deg=122.001), first])
    assert counts == {"fix.taken": 2, "fix.duplicate": 1}


def test_clocks_that_were_never_set_still_keep_their_reports_apart():
    """On the wire both bear the earliest stamp that it knows; what the device showed differs."""
    gateway, counts = feed()
    first = fix("A1", seq=None)
    gateway.add_fixes([structs.replace(first, stamp_ns=0), structs.replace(first, stamp_ns=10**9)])
    assert counts == {"fix.taken": 2}


def test_fixes_are_forgotten_with_time_too_but_not_soon():
    """By number alone a small site forgets after an hour, and the gateway grows until then."""
    gateway, counts = feed()
    gateway.add_fixes([fix("A1")])
    gateway.flush(NOW_NS)
    gateway.flush(NOW_NS + REMEMBERED_NS)
    gateway.add_fixes([fix("A1")])
    assert counts["fix.duplicate"] == 1
    gateway.flush(NOW_NS)  # a clock that was set back
    gateway.flush(NOW_NS + REMEMBERED_NS)
    gateway.add_fixes([fix("A1")])
    assert counts == {"fix.taken": 2, "fix.duplicate": 1}, "it is forgotten"
