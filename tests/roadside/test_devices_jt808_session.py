"""The platform's and the terminal's state machines of JT/T 808, alone and against each other."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import GnssFix, decode_fix, encode
from roadside.devices import KINDS_MAX
from roadside.devices.jt808 import frame as framing
from roadside.devices.jt808 import messages
from roadside.devices.jt808.client import Client
from roadside.devices.jt808.codes import CODE_LENGTH, codes_of, drawn_codes
from roadside.devices.jt808.fix import location_of
from roadside.devices.jt808.frame import Frame, Splitter
from roadside.devices.jt808.location import encode as encode_location
from roadside.devices.jt808.messages import Id
from roadside.devices.jt808.session import Session, SessionRules

NS = 1_000_000_000
NOW_NS = 1_790_000_000 * NS
TERMINAL = "13900000001"
FIX = GnssFix(
    terminal=TERMINAL,
    stamp_ns=NOW_NS,
    lon_deg=122.0123456,
    lat_deg=41.1234567,
    speed_mps=16.68,
    course_deg=87.6,
    alt_m=4.0,
    quality="single",
    satellites=17,
)


def rules(refuse_unknown: bool = False) -> SessionRules:
    return SessionRules(code_of=lambda t: f"code-{t}", known={TERMINAL}, refuse_unknown=refuse_unknown)


def talk(session: Session, client: Client, said: bytes) -> list[GnssFix]:
    """Let both talk until nobody has anything to say."""
    fixes: list[GnssFix] = []
    while said:
        received = session.receive(said, NOW_NS + 1)
        fixes += received.fixes
        said = client.receive(bytes(received.replies))
    return fixes


def logged_in(terminal: str = TERMINAL) -> tuple[Session, Client, Counter[str]]:
    counts: Counter[str] = Counter()
    session, client = Session(rules(), counts), Client(terminal, "辽L·A0001")
    assert talk(session, client, client.greeting()) == []
    return session, client, counts


def sent(msg_id: int, body: bytes = b"", *, phone: str = TERMINAL, seq: int = 5, **more: object) -> bytes:
    return framing.encode(Frame(msg_id=msg_id, phone=phone.zfill(12), seq=seq, body=body, **more))


def results(replies: bytes) -> list[tuple[int, int]]:
    """What general replies say: (asked message, result)."""
    frames = Splitter(Counter()).feed(bytes(replies))
    decoded = [messages.decode_reply(frame.body) for frame in frames if frame.msg_id == Id.PLATFORM_REPLY]
    return [(reply.msg_id, reply.result) for reply in decoded]


def test_terminal_registers_authenticates_and_reports():
    session, client, counts = logged_in()
    assert (client.phase, session.phase, session.terminal, session.known) == (
        "ready", "authenticated", TERMINAL, True,
    )  # fmt: skip
    (fix,) = talk(session, client, client.report(FIX))
    assert fix.lon_deg == pytest.approx(FIX.lon_deg, abs=5.1e-7)  # 1e-6 degrees
    assert fix.lat_deg == pytest.approx(FIX.lat_deg, abs=5.1e-7)
    assert fix.speed_mps == pytest.approx(FIX.speed_mps, abs=0.05 / 3.6 + 1e-9)  # 0.1 km/h
    assert (fix.terminal, fix.plate, fix.stamp_ns, fix.arrived_ns) == (
        TERMINAL, "辽L·A0001", NOW_NS, NOW_NS + 1,
    )  # fmt: skip
    assert (fix.course_deg, fix.quality, fix.satellites, fix.source_seq) == (88.0, "single", 17, 2)
    assert client.counts["reply.not_ok"] == 0
    assert not counts


def test_a_text_for_a_terminal_of_the_2013_edition_has_its_header_and_its_flag():
    session = Session(rules(), counts := Counter())
    code = f"code-{TERMINAL}".encode("gbk")
    received = session.receive(sent(Id.AUTHENTICATE, code), NOW_NS)
    assert results(bytes(received.replies)) == [(Id.AUTHENTICATE, 0)]
    seq, wire = session.text("偏离车道，请回到危化车道")
    body = b"\x0d" + "偏离车道，请回到危化车道".encode("gbk")  # 2013: urgent, shown, spoken; no type of text
    # message, length without a version bit, phone of six bytes, serial number
    head = bytes.fromhex(f"8300 {len(body):04x} 013900000001 {seq:04x}")
    check = 0
    for byte in head + body:
        check ^= byte
    plain = head + body + bytes((check,))
    assert wire == b"\x7e" + plain.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"
    answer = bytes.fromhex(f"{seq:04x} 8300 00")
    assert session.receive(sent(Id.TERMINAL_REPLY, answer, seq=6), NOW_NS).replies == b""
    assert [(each.seq, each.msg_id, each.result) for each in session.answers] == [(seq, Id.TEXT, 0)]
    assert not counts


def test_plate_of_any_length_is_cut_to_what_a_fix_may_carry():
    session, client = Session(rules(), Counter()), Client(TERMINAL, "辽" * 400)
    talk(session, client, client.greeting())
    (fix,) = talk(session, client, client.report(FIX))
    assert fix.plate == "辽" * 32
    assert decode_fix(encode(fix)) == fix


def test_plate_holds_no_control_characters():
    session, client = Session(rules(), counts := Counter()), Client(TERMINAL, "辽L\x07\x1bA1")
    talk(session, client, client.greeting())
    (fix,) = talk(session, client, client.report(FIX))
    assert fix.plate == "辽LA1"
    assert counts == {"register.plate": 1}


def test_code_is_kept_over_a_reconnection():
    _, client, _ = logged_in()
    session = Session(rules(), Counter())
    asked = client.greeting()
    assert [frame.msg_id for frame in Splitter(Counter()).feed(asked)] == [Id.AUTHENTICATE]
    talk(session, client, asked)
    assert client.ready


def test_foreign_code_leads_to_a_new_registration():
    _, client, _ = logged_in()
    elsewhere = Session(SessionRules(code_of=lambda t: "another", known={TERMINAL}), counts := Counter())
    talk(elsewhere, client, client.greeting())
    assert client.ready
    assert counts == {"session.wrong_code": 1}


def test_unknown_terminal_is_accepted_and_counted():
    session, client, counts = logged_in("13999999999")
    assert client.ready
    assert not session.known
    assert counts == {"terminal.unknown": 1}


def test_unknown_terminal_is_refused_where_the_setting_says_so():
    counts: Counter[str] = Counter()
    session, client = Session(rules(refuse_unknown=True), counts), Client("13999999999", "")
    talk(session, client, client.greeting())
    assert client.phase == "refused"
    assert session.phase == "new"
    assert counts == {"terminal.refused": 1}


@pytest.mark.parametrize(
    ("data", "result", "reason"),
    [
        # before authentication nothing counts
        (sent(Id.LOCATION, encode_location(location_of(FIX))), (Id.LOCATION, 1), "session.unauthenticated"),
        (sent(Id.HEARTBEAT), (Id.HEARTBEAT, 1), "session.unauthenticated"),
        (sent(0x0900, b"\x01"), (0x0900, 1), "session.unauthenticated"),
        (sent(Id.AUTHENTICATE, b"guess"), (Id.AUTHENTICATE, 1), "session.wrong_code"),
        (sent(Id.AUTHENTICATE, b"", version=1), (Id.AUTHENTICATE, 2), "authenticate.length"),
        (sent(Id.HEARTBEAT, phone="0"), (Id.HEARTBEAT, 1), "session.unauthenticated"),
        (
            sent(Id.LOCATION, bytes(28), free_bits=0x0400),
            (Id.LOCATION, 3),
            "message.encrypted",
        ),
        (sent(Id.LOCATION, bytes(28), package=(2, 1)), (Id.LOCATION, 1), "session.unauthenticated"),
    ],
)
def test_stranger_is_answered_and_counted(data, result, reason):
    counts: Counter[str] = Counter()
    received = Session(rules(), counts).receive(data, NOW_NS)
    assert received.fixes == []
    assert results(received.replies) == [result]
    assert counts == {reason: 1}


@pytest.mark.parametrize(
    ("data", "result", "reason"),
    [
        (sent(Id.LOCATION, bytes(27)), (Id.LOCATION, 2), "location.length"),
        (sent(Id.LOCATION, bytes(28)), (Id.LOCATION, 2), "location.time"),
        (
            sent(Id.LOCATION, bytes(7) + b"\x20" + bytes(14) + bytes.fromhex("260101000000")),
            (Id.LOCATION, 2),
            "location.encrypted",
        ),
        (
            sent(Id.LOCATION, bytes(8) + b"\x7f\xff\xff\xff" + bytes(10) + bytes.fromhex("260101000000")),
            (Id.LOCATION, 2),
            "location.range",
        ),
        (sent(Id.LOCATION_BATCH, b"\0\1\0\0\1"), (Id.LOCATION_BATCH, 2), "batch.length"),
        (sent(0x0900, b"\x01"), (0x0900, 3), "message.unsupported.0900"),
    ],
)
def test_terminal_that_errs_is_reported_and_counted(data, result, reason):
    session, _, counts = logged_in()
    received = session.receive(data, NOW_NS)
    assert received.fixes == []
    assert results(received.replies) == [result]
    assert counts == {reason: 1}


@pytest.mark.parametrize(
    ("items", "satellites", "counted"),
    [
        (b"\x01\x04\0\0\x03\xe8\x31\x01\x09", 9, {}),
        (b"\x01\x08" + bytes(8) + b"\x31\x01\x09", 9, {"location.item_length.01": 1}),  # a longer mileage
        (b"\x31\x02\x00\x09", None, {"location.item_length.31": 1}),
        (b"\xeb\x02\0\0\xe1\x00\xeb\x00", None, {"location.item.EB": 2, "location.item.E1": 1}),
        (b"\x31\x01\x09\x01\x09\0", 9, {"location.tail": 1}),  # its length leads past the end
        (b"\x31", None, {"location.tail": 1}),
    ],
)
def test_position_is_kept_whatever_the_additional_information_is(items, satellites, counted):
    session, _, counts = logged_in()
    received = session.receive(sent(Id.LOCATION, encode_location(location_of(FIX))[:28] + items), NOW_NS)
    assert [fix.satellites for fix in received.fixes] == [satellites]
    assert results(received.replies) == [(Id.LOCATION, 0)]
    assert counts == counted


@pytest.mark.parametrize("time", [bytes(6), b"\x26\x13\x01\0\0\0", b"\xff" * 6, b"\x26\x02\x30\x25\0\0"])
@pytest.mark.parametrize("msg_id", [Id.LOCATION, Id.LOCATION_REPLY])
def test_a_position_of_now_without_a_readable_time_is_used_as_one_without_a_clock(msg_id, time):
    """The truck reports: were its report refused, radar would call it dark."""
    session, _, counts = logged_in()
    report = encode_location(location_of(FIX))
    asked = b"\0\7" if msg_id == Id.LOCATION_REPLY else b""
    received = session.receive(sent(msg_id, asked + report[:22] + time + report[28:]), NOW_NS)
    assert [fix.device_stamp_ns for fix in received.fixes] == [0]
    assert [fix.lat_deg for fix in received.fixes] == [pytest.approx(FIX.lat_deg, abs=1e-6)]
    assert decode_fix(encode(received.fixes[0])) == received.fixes[0]
    assert results(received.replies) == [(msg_id, 0)]
    assert counts == {"location.time": 1}


@pytest.mark.parametrize("msg_id", [Id.LOCATION_REPLY, Id.CONTROL_REPLY])
def test_position_in_the_reply_to_a_query_is_a_position(msg_id):
    session, _, counts = logged_in()
    received = session.receive(sent(msg_id, b"\0\7" + encode_location(location_of(FIX))), NOW_NS)
    assert [fix.stamp_ns for fix in received.fixes] == [FIX.stamp_ns]
    assert not counts


def test_unread_messages_are_counted_by_id_and_a_peer_fills_no_status():
    session, _, counts = logged_in()
    for msg_id in range(0x0600, 0x0700):
        session.receive(sent(msg_id), NOW_NS)
    assert (counts["message.unsupported.0600"], counts.total()) == (1, 256)
    assert len(counts) <= KINDS_MAX + 1


def test_frame_of_another_phone_is_dropped_without_an_answer():
    session, client, counts = logged_in()
    received = session.receive(
        sent(Id.LOCATION, encode_location(location_of(FIX)), phone="13800000000"), NOW_NS
    )
    assert (received.fixes, bytes(received.replies)) == ([], b"")
    assert counts == {"session.other_phone": 1}
    assert len(talk(session, client, client.report(FIX))) == 1  # the connection goes on


def test_wrong_checksum_is_dropped_without_an_answer():
    session, client, counts = logged_in()
    report = client.report(FIX)
    received = session.receive(report[:-2] + bytes((report[-2] ^ 1,)) + report[-1:], NOW_NS)
    assert (received.fixes, bytes(received.replies)) == ([], b"")
    assert counts == {"frame.checksum": 1}


def test_peer_that_sends_only_garbage_is_cut():
    session = Session(rules(), counts := Counter())
    for _ in range(30):
        session.receive(b"\x7eGET / HTTP/1.1\r\n\x7e", NOW_NS)
    assert session.phase == "closed"
    assert counts["session.misfit"] >= 1


def test_blind_area_batch_gives_all_its_fixes():
    session, client, counts = logged_in()
    late = [FIX.__class__(**{**fields(FIX), "stamp_ns": NOW_NS - i * NS}) for i in range(25, 0, -1)]
    fixes = talk(session, client, client.report_late(late))
    assert [fix.stamp_ns for fix in fixes] == [fix.stamp_ns for fix in late]
    assert counts == {"location.blind_area": 25}


def fields(fix: GnssFix) -> dict[str, object]:
    return {name: getattr(fix, name) for name in fix.__struct_fields__}


def test_receiver_without_a_fix_says_none():
    session, client, _ = logged_in()
    (fix,) = talk(session, client, client.report(FIX.__class__(**{**fields(FIX), "quality": "none"})))
    assert fix.quality == "none"


def test_logout_ends_what_authentication_began():
    session, client, counts = logged_in()
    talk(session, client, client.logout())
    assert session.phase == "new"
    assert talk(session, client, client.report(FIX)) == []
    assert counts == {"session.unauthenticated": 1}


def test_text_reaches_the_driver_and_is_answered():
    session, client, _ = logged_in()
    seq, data = session.text("您已偏离车道，请立即驶回")
    talk(session, client, client.receive(data))
    assert client.texts == ["您已偏离车道，请立即驶回"]
    assert [(answer.seq, answer.msg_id, answer.result) for answer in session.answers] == [(seq, Id.TEXT, 0)]


@pytest.mark.parametrize(("version", "digits"), [(None, 12), (1, 20)])
def test_text_goes_in_the_edition_of_the_newest_frame(version, digits):
    """The flag of each frame decides: a number of 20 digits has no room in a header of 2013."""
    session, _, _ = logged_in()  # in the edition 2019
    session.receive(sent(Id.HEARTBEAT, version=version), NOW_NS)
    _, data = session.text("靠右")
    (frame,) = Splitter(Counter()).feed(data)
    assert (frame.msg_id, frame.version, frame.phone) == (Id.TEXT, version, TERMINAL.zfill(digits))
    assert messages.decode_text(frame) == "靠右"


@given(data=st.lists(st.binary(max_size=40) | st.sampled_from((b"\x7e", sent(Id.HEARTBEAT))), max_size=30))
def test_session_survives_anything(data):
    session, client, _ = logged_in()
    for piece in data:
        session.receive(piece, NOW_NS)
        client.receive(piece)
    if session.phase == "authenticated":
        session.receive(framing.DELIMITER, NOW_NS)
        assert len(session.receive(client.report(FIX), NOW_NS).fixes) == 1


def test_a_code_follows_from_the_sites_secret_and_from_nothing_public():
    one, same, other = codes_of(b"s" * 16), codes_of(b"s" * 16), codes_of(b"t" * 16)
    assert one(TERMINAL) == same(TERMINAL)  # after a restart, and at a standby
    assert len({one(TERMINAL), other(TERMINAL), one("13900000002"), drawn_codes()(TERMINAL)}) == 4
    assert len(one(TERMINAL)) == CODE_LENGTH
    public = hashlib.sha256(f"petroroad/{TERMINAL}".encode()).hexdigest()
    assert not public.startswith(one(TERMINAL))


@pytest.mark.parametrize(
    ("registration", "terminal", "ready"),
    [
        ("open", TERMINAL, True),
        ("open", "13999999999", True),
        ("listed", TERMINAL, True),
        ("listed", "13999999999", False),
        ("unlisted", TERMINAL, False),  # whoever says a registered number gets no code of it
        ("unlisted", "13999999999", True),
        ("closed", TERMINAL, False),
    ],
)
def test_who_is_handed_a_code_is_the_sites_choice(registration, terminal, ready):
    counts = Counter()
    session = Session(SessionRules(known={TERMINAL}, registration=registration), counts)
    client = Client(terminal, "")
    talk(session, client, client.greeting())
    assert client.ready == ready
    assert counts["register.refused"] == (not ready)


def test_a_terminal_that_reports_elsewhere_is_neither_registered_nor_accepted():
    _, owner, _ = logged_in()
    counts = Counter()
    session = Session(rules(), counts, is_live=lambda terminal: terminal == TERMINAL)
    talk(session, owner, owner.greeting())  # even with the right code; then it asks for a new one
    assert (owner.phase, session.phase) == ("refused", "new")
    assert counts == {"terminal.live": 2}
