"""Sub-packages of JT/T 808: put together, asked for again, bounded, and no other message's."""

from collections import Counter
from itertools import zip_longest
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DeviceError
from edge.wire import GnssFix
from roadside.devices.jt808 import batch as batches
from roadside.devices.jt808 import frame as framing
from roadside.devices.jt808 import messages
from roadside.devices.jt808.client import Client
from roadside.devices.jt808.fix import location_of
from roadside.devices.jt808.frame import Frame, Splitter
from roadside.devices.jt808.location import encode as encode_location
from roadside.devices.jt808.messages import Id
from roadside.devices.jt808.packages import PackageLimits, Packages
from roadside.devices.jt808.salvage import salvage
from roadside.devices.jt808.session import Received, Session, SessionRules

FIELD = Path(__file__).parents[1] / "data" / "devices"
NS = 1_000_000_000
NOW_NS = 1_790_000_000 * NS
TERMINAL = "13900000001"
FIX = GnssFix(terminal=TERMINAL, stamp_ns=NOW_NS, lon_deg=122.0, lat_deg=41.0, quality="single", satellites=9)


def stored(n_fixes: int) -> list[GnssFix]:
    return [msgspec.structs.replace(FIX, stamp_ns=NOW_NS + i * NS) for i in range(n_fixes)]


def batch_body(n_fixes: int) -> bytes:
    return batches.encode_batch([location_of(fix) for fix in stored(n_fixes)])


def cut(body: bytes, n_bytes: int, first_seq: int, msg_id: int = Id.LOCATION_BATCH, **more) -> list[Frame]:
    """The packages of a message."""
    pieces = [body[at : at + n_bytes] for at in range(0, len(body), n_bytes)]
    return [
        Frame(
            msg_id=msg_id, phone=TERMINAL.zfill(20 if "version" in more else 12), body=piece,
            seq=(first_seq + i) & 0xFFFF, package=(len(pieces), i + 1), **more,
        )
        for i, piece in enumerate(pieces)
    ]  # fmt: skip


class Platform:
    """A session that a terminal has logged in to."""

    def __init__(self, limits: PackageLimits | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.packages = Packages(self.counts, limits)
        self.connect()

    def connect(self) -> None:
        self.session = Session(SessionRules(known={TERMINAL}), self.counts, self.packages)
        self.client = Client(TERMINAL, "辽L·A0001")
        said = self.client.greeting()
        while said:
            said = self.client.receive(bytes(self.session.receive(said, NOW_NS).replies))
        assert self.client.ready

    def say(self, *frames: Frame, at_s: float = 0.0) -> Received:
        return self.session.receive(b"".join(map(framing.encode, frames)), NOW_NS + round(at_s * NS))


def results(received: Received) -> list[int]:
    frames = Splitter(Counter()).feed(bytes(received.replies))
    return [messages.decode_reply(each.body).result for each in frames if each.msg_id == Id.PLATFORM_REPLY]


def resends(data: bytes) -> list[tuple[int, list[int]]]:
    frames = Splitter(Counter()).feed(bytes(data))
    return [messages.decode_resend(each) for each in frames if each.msg_id == Id.RESEND]


def test_batch_of_the_field_in_two_packages():
    platform = Platform()
    lines = (FIELD / "j2_subpackaged_0704.hex").read_text().split()
    received = platform.session.receive(b"".join(map(bytes.fromhex, lines)), NOW_NS)
    assert len(received.fixes) == 40
    assert results(received) == [0, 0]
    assert {fix.source_seq for fix in received.fixes} == {20}  # the message's, its first package's
    assert not platform.counts - Counter({"location.blind_area": 40})


@pytest.mark.parametrize("more", [{}, {"version": 1}], ids=["2013", "2019"])
@pytest.mark.parametrize("first_seq", [20, 65_533])
def test_packages_in_any_order_with_others_between_them(more, first_seq):
    platform = Platform()
    one, other = cut(batch_body(40), 200, first_seq, **more), cut(batch_body(30), 333, 900, **more)
    mixed = [frame for pair in zip_longest(reversed(one), other) for frame in pair if frame is not None]
    received = platform.say(*mixed)
    assert Counter(fix.source_seq for fix in received.fixes) == {first_seq: 40, 900: 30}
    assert set(results(received)) == {0}


def test_every_kind_of_message_may_come_in_packages():
    platform = Platform()
    location = encode_location(location_of(FIX))
    assert len(platform.say(*cut(location, 10, 40, Id.LOCATION)).fixes) == 1
    assert len(platform.say(*cut(b"\0\7" + location, 11, 50, Id.LOCATION_REPLY)).fixes) == 1
    assert results(platform.say(*cut(b"xyz", 1, 60, 0x0801))) == [3, 3, 3]  # nobody reads it: not kept
    assert platform.counts["message.unsupported.0801"] == 3
    answer = messages.encode_reply(messages.Reply(seq=3, msg_id=Id.TEXT, result=0))
    platform.say(*cut(answer, 2, 70, Id.TERMINAL_REPLY))
    assert [each.seq for each in platform.session.answers] == [3]


def test_registration_and_authentication_may_come_in_packages():
    session = Session(SessionRules(), Counter())
    register = messages.Register(
        province=1, city=2, maker="m", model="d", device="i", colour=2, plate="辽L·A0001"
    )
    frames = cut(messages.encode_register(register), 30, 1, Id.REGISTER, version=1)
    data = session.receive(b"".join(map(framing.encode, frames)), NOW_NS).replies
    *_, last = Splitter(Counter()).feed(bytes(data))
    reply = messages.decode_register_reply(last.body)
    assert (last.msg_id, reply.result) == (Id.REGISTER_REPLY, 0)
    body = messages.encode_authenticate(reply.code, "1", "s")
    session.receive(b"".join(map(framing.encode, cut(body, 9, 9, Id.AUTHENTICATE, version=1))), NOW_NS)
    assert session.phase == "authenticated"


def test_stranger_puts_no_package_into_another_terminals_message():
    platform = Platform()
    first, second = cut(batch_body(4), 100, 20)
    platform.say(first)
    stranger = Session(SessionRules(), platform.counts, platform.packages)
    received = stranger.receive(framing.encode(msgspec.structs.replace(second, body=b"x" * 30)), NOW_NS)
    assert results(received) == [1]
    assert len(platform.say(second).fixes) == 4


def test_missing_packages_are_asked_for_after_a_pause_and_not_for_ever():
    platform = Platform()
    frames = cut(batch_body(40), 200, 20)
    received = platform.say(*frames[:1], *frames[3:])
    assert (received.fixes, resends(received.replies)) == ([], [])
    asked = [
        resends(platform.session.requests(NOW_NS + at_s * NS)) for at_s in (1, 2, 3, 7, 12, 17, 30)
    ]  # a pause, then each 5 s, three times
    assert asked == [[], [(20, [2, 3])], [], [(20, [2, 3])], [(20, [2, 3])], [], []]
    assert len(platform.say(frames[1], frames[2], at_s=31).fixes) == 40
    assert platform.counts["package.requested"] == 3


@pytest.mark.parametrize(("version", "body"), [(None, "001402000200 03"), (1, "00140002000200 03")])
def test_request_has_a_byte_in_2013_and_a_word_in_2019_for_the_count(version, body):
    assert messages.encode_resend(20, [2, 3], version) == bytes.fromhex(body)


@given(lost=st.sets(st.integers(0, 8), max_size=8), data=st.data())
def test_terminal_that_lost_any_packages_sends_them_again(lost, data):
    platform = Platform()
    frames = Splitter(Counter()).feed(platform.client.report_late(stored(250)))
    assert len(frames) > 8  # at least one comes: else nobody knows of the message
    kept = data.draw(st.permutations([frame for i, frame in enumerate(frames) if i not in lost]))
    fixes = platform.say(*kept).fixes
    said = platform.client.receive(platform.session.requests(NOW_NS + 3 * NS))
    fixes += platform.session.receive(said, NOW_NS + 3 * NS).fixes
    assert [fix.stamp_ns for fix in fixes] == [fix.stamp_ns for fix in stored(250)]


def test_repeated_packages_are_answered_and_give_nothing_twice():
    platform = Platform()
    first, second = cut(batch_body(4), 100, 20)
    received = platform.say(first, first, second, second, first)
    assert (len(received.fixes), results(received)) == (4, [0] * 5)
    assert platform.counts["package.duplicate"] == 3
    assert resends(platform.session.requests(NOW_NS + 9 * NS)) == []


def test_serial_number_that_serves_another_message_begins_anew():
    """A terminal that restarts counts from the same numbers: what it sent before must not be mixed in."""
    platform = Platform()
    platform.say(cut(batch_body(4), 100, 20)[0])
    later = batches.encode_batch([location_of(msgspec.structs.replace(FIX, lat_deg=40.5))] * 4)
    received = platform.say(*cut(later, 100, 20))
    assert {fix.lat_deg for fix in received.fixes} == {40.5}
    assert platform.counts["package.restarted"] == 1
    assert len(platform.say(*cut(batch_body(5), 100, 20)).fixes) == 5  # after a whole one as well


def test_total_that_changes_begins_anew():
    platform = Platform()
    platform.say(cut(batch_body(9), 100, 20)[0])
    assert len(platform.say(*cut(batch_body(4), 100, 20)).fixes) == 4
    assert platform.counts["package.restarted"] == 1


def test_terminal_that_numbers_messages_and_not_packages_is_understood():
    frames = [msgspec.structs.replace(frame, seq=20) for frame in cut(batch_body(40), 300, 20)]
    assert len(Platform().say(*frames).fixes) == 40


def interleaved(n_fixes: int, first_seq: int, n_between: int) -> list[Frame]:
    """Packages of a terminal that goes on reporting while it sends them, all from one counter."""
    frames: list[Frame] = []
    for package in cut(batch_body(n_fixes), 200, 0):
        frames.append(msgspec.structs.replace(package, seq=(first_seq + len(frames)) & 0xFFFF))
        for _ in range(n_between):
            seq = (first_seq + len(frames)) & 0xFFFF
            frames.append(Frame(msg_id=Id.HEARTBEAT, phone=package.phone, seq=seq))
    return frames


@pytest.mark.parametrize("first_seq", [20, 65_530])
@pytest.mark.parametrize("n_between", [1, 2, 3])
def test_frames_sent_in_between_shift_the_serial_numbers(first_seq, n_between):
    platform = Platform()
    frames = interleaved(40, first_seq, n_between)
    received = platform.say(*frames[:5], *frames, frames[0])
    assert len(received.fixes) == 40
    assert {fix.source_seq for fix in received.fixes} == {first_seq}
    assert resends(platform.session.requests(NOW_NS + 9 * NS)) == []


@pytest.mark.parametrize("lost", [{2}, {2, 4}, {4, 6}, {8}])
def test_lost_packages_among_other_frames_are_asked_for_and_taken(lost):
    platform = Platform()
    frames = interleaved(40, 20, 1)
    platform.say(*(frame for i, frame in enumerate(frames) if i not in lost))
    ((first_seq, numbers),) = resends(platform.session.requests(NOW_NS + 3 * NS))
    assert (first_seq, numbers) == (20, [i // 2 + 1 for i in sorted(lost)])
    assert len(platform.say(*(frames[i] for i in sorted(lost)), at_s=4).fixes) == 40


def test_two_messages_of_one_size_in_any_order_are_not_mixed():
    platform = Platform()
    a, b = cut(batch_body(8), 100, 10), cut(batch_body(8), 100, 20)
    received = platform.say(a[0], b[1], b[0], a[2], b[2], a[1])
    assert Counter(fix.source_seq for fix in received.fixes) == {10: 8, 20: 8}


@pytest.mark.parametrize("package", [(0, 0), (0, 1), (2, 0), (2, 3), (65_535, 0)])
def test_package_that_cannot_be_is_refused(package):
    platform = Platform()
    (frame,) = cut(encode_location(location_of(FIX)), 99, 20, Id.LOCATION)
    received = platform.say(msgspec.structs.replace(frame, package=package))
    assert (received.fixes, results(received)) == ([], [2])
    assert platform.counts == {"package.number": 1}


def test_encrypted_package_is_refused_and_costs_itself_only():
    platform = Platform()
    first, second = cut(batch_body(4), 100, 20)
    received = platform.say(first, msgspec.structs.replace(second, free_bits=0x0400), second)
    assert (len(received.fixes), results(received)) == (4, [0, 3, 0])
    assert platform.counts == {"message.encrypted": 1}


def test_message_survives_a_change_of_the_connection():
    platform = Platform()
    first, second = cut(batch_body(4), 100, 20)
    platform.say(first)
    platform.connect()
    assert len(platform.say(second).fixes) == 4


def test_what_came_of_a_message_that_never_got_whole_is_not_lost():
    platform = Platform()
    frames = cut(batch_body(40), 200, 20)
    platform.say(*frames[:2], *frames[3:])
    assert platform.packages.expire(NOW_NS + 59 * NS) == []
    ((terminal, message),) = platform.packages.expire(NOW_NS + 61 * NS)
    fixes = salvage(message, terminal, platform.session.plate, platform.counts)
    assert terminal == TERMINAL
    gone = {fix.stamp_ns for fix in stored(40)} - {fix.stamp_ns for fix in fixes}
    assert len(gone) <= 200 // 33 + 2  # what stood in the package, and in part in it
    assert {fix.source_seq for fix in fixes} == {20}
    assert platform.counts["package.incomplete"] == 1
    assert platform.packages.n_bytes == 0


def test_place_at_the_beginning_of_an_unfinished_report_is_not_lost():
    platform = Platform()
    body = encode_location(location_of(FIX)) + b"\xe1\xff" + bytes(255)
    platform.say(cut(body, 100, 20, Id.LOCATION)[0])
    ((terminal, message),) = platform.packages.expire(NOW_NS + 61 * NS)
    (fix,) = salvage(message, terminal, None, platform.counts)
    assert (fix.terminal, fix.stamp_ns, fix.satellites) == (TERMINAL, FIX.stamp_ns, FIX.satellites)


@given(
    sent=st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(1, 9), st.binary(max_size=60))
    ),
    at_s=st.lists(st.integers(0, 100), min_size=1, max_size=5),
)
def test_memory_is_bounded_and_its_account_is_right(sent, at_s):
    limits = PackageLimits(terminal_bytes=3_000, total_bytes=5_000)
    packages = Packages(Counter(), limits)
    for i, (seq, total, number, body) in enumerate(sent):
        frame = Frame(msg_id=i % 2, phone="1", seq=seq, body=body, package=(total, number))
        try:
            packages.add_package(str(i % 4), frame, NOW_NS + at_s[i % len(at_s)] * NS)
        except DeviceError as error:
            assert error.reason in ("package.number", "package.full")  # noqa: PT017
        assert packages.n_bytes <= limits.total_bytes
        assert packages.n_bytes == sum(held.n_bytes for held in packages._held.values())
    packages.expire(NOW_NS + 1_000 * NS)
    assert (packages.n_bytes, len(packages._held)) == (0, 0)


def test_endless_message_is_refused_and_others_go_on():
    platform = Platform(PackageLimits(terminal_bytes=4_000))
    endless = cut(bytes(10_000), 100, 500)
    received = platform.say(*endless)
    assert 1 in results(received)  # failed: the terminal may try again
    assert platform.counts["package.full"] >= 1
    assert len(platform.say(*cut(batch_body(20), 300, 20)).fixes) == 20


def test_terminal_that_begins_messages_without_end_is_not_asked_for_all_of_them():
    platform = Platform()
    for first_seq in range(0, 5_000, 10):
        platform.say(cut(bytes(20), 10, first_seq)[0])
    assert len(resends(platform.session.requests(NOW_NS + 3 * NS))) == PackageLimits().terminal_messages


def test_terminal_that_floods_drops_its_own_oldest_message():
    platform = Platform(PackageLimits(terminal_bytes=4_000))
    for first_seq in range(1_000, 1_100, 10):
        platform.say(cut(bytes(900), 450, first_seq)[0])
    assert platform.counts["package.full"] == 10 - 4_000 // (512 + 128 + 450)
