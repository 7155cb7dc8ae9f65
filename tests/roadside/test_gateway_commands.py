"""Texts for drivers: each command gets exactly one outcome."""

from collections import Counter

import msgpack
import pytest

from roadside.gateway.commands import ANSWER_WITHIN_NS, COMMANDS_WAITING_MAX, Commands

NOW_NS = 1_790_000_000 * 10**9


def commands(connected=("T1",)):
    sent: list[tuple[str, str]] = []
    counts: Counter[str] = Counter()

    def send(terminal: str, text: str) -> int | None:
        if terminal not in connected:
            return None
        sent.append((terminal, text))
        return len(sent)

    return Commands(send, counts), sent, counts


def command(i: int = 1, **more: object) -> bytes:
    return msgpack.packb({"id": f"c{i}", "kind": "text", "terminal": "T1", "text": "偏离车道"} | more)


def said(outcomes) -> list[tuple[str, str]]:
    return [(outcome.id, outcome.outcome) for outcome in outcomes]


@pytest.mark.parametrize(
    ("result", "outcome"),
    [(0, "delivered"), (4, "delivered"), (1, "refused"), (3, "refused")],  # 4: alarm confirmed
)
def test_terminals_answer_decides(result, outcome):
    waiting, sent, _ = commands()
    assert waiting.execute(command(), NOW_NS) == []
    assert sent == [("T1", "偏离车道")]
    assert waiting.answered("T1", 99, 0, NOW_NS) == []  # an answer to something else
    assert said(waiting.answered("T1", 1, result, NOW_NS)) == [("c1", outcome)]
    assert waiting.answered("T1", 1, result, NOW_NS) == []
    assert waiting.overdue(NOW_NS + 10**12) == []


@pytest.mark.parametrize(
    ("body", "outcomes"),
    [
        (command(terminal="T9"), [("c1", "not_connected")]),
        (command(kind="sign"), [("c1", "unsupported")]),
        (b"\xc1", []),  # no MessagePack
        (msgpack.packb({"text": "without an id"}), []),
        (command(text="x" * 501), []),
    ],
)
def test_what_can_not_be_done_is_said_at_once(body, outcomes):
    waiting, sent, counts = commands()
    assert said(waiting.execute(body, NOW_NS)) == outcomes
    assert sent == []
    assert counts.total() == 1


def test_silence_is_an_outcome_too():
    waiting, _, _ = commands()
    waiting.execute(command(), NOW_NS)
    assert waiting.overdue(NOW_NS + ANSWER_WITHIN_NS) == []
    assert said(waiting.overdue(NOW_NS + ANSWER_WITHIN_NS + 1)) == [("c1", "no_answer")]
    assert waiting.answered("T1", 1, 0, NOW_NS) == []  # too late: the outcome was told


def test_repeated_command_is_sent_once():
    waiting, sent, counts = commands()
    waiting.execute(command(), NOW_NS)
    assert waiting.execute(command(), NOW_NS) == []
    assert len(sent) == 1
    assert counts["command.duplicate"] == 1


def test_too_many_waiting_are_refused():
    waiting, sent, _ = commands()
    outcomes = [out for i in range(COMMANDS_WAITING_MAX + 3) for out in waiting.execute(command(i), NOW_NS)]
    assert [outcome.outcome for outcome in outcomes] == ["overloaded"] * 3
    assert len(sent) == COMMANDS_WAITING_MAX
