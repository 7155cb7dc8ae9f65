"""Rules that are published while an RSU runs: what stays open, what closes, what a restart uses."""

import msgpack
import msgspec
import pytest

from edge.config_down import ConfigDown
from geofence.config import RulesConfig
from geofence.rule_changes import changes, differences
from roadside.inputs import Start, decode
from roadside.outputs import Held, Raised
from roadside.pipeline import Pipeline
from roadside.pipeline_config import KEY
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from tests.support.roadside_drive import NS, T0_NS, drive, leave, raised, run

AT_NS = T0_NS + 8 * NS  # while the truck is over the line
SAME = "[rules]\nversion = '2'\n"
STRICTER = SAME + "[rules.overspeed]\nnotice = [{over = 0.02, for_s = 1.0}]\n"
DEPARTURE = SAME + "[rules.lane_departure]\nwarning = [{over = 0.3, for_s = 0.6}]\n"


def is_config(output):
    return isinstance(output, Held) and output.key == KEY


def down(text, seq=1):
    return ConfigDown(seq=seq, rules=text)


def with_config(setup, *items, seconds=13.0):
    return sorted([*drive(setup, leave, seconds), *items], key=lambda row: row[0])


def departures(outputs):
    return [v for v in raised(outputs) if v.rule == "lane_departure" and v.grade != "undecidable"]


def test_the_same_rules_under_another_version_change_the_version_alone(setup):
    """No episode, evidence or stamp is lost: what follows is the same but for the name of the rules."""
    before = run(Pipeline(setup), drive(setup, leave))
    after = run(Pipeline(setup), with_config(setup, (AT_NS + 1, down(SAME))))
    (held,) = [output for output in after if is_config(output)]
    assert held.key == "config"
    versions = raised(after)
    assert {v.rules_version for v in versions} == {setup.rules.version, "2"}
    assert [msgspec.structs.replace(v, rules_version="") for v in versions] == [
        msgspec.structs.replace(v, rules_version="") for v in raised(before)
    ]


def test_an_episode_of_an_unchanged_rule_stays_open(setup):
    found = departures(run(Pipeline(setup), with_config(setup, (AT_NS + 1, down(STRICTER)))))
    assert len({v.id for v in found}) == 1
    assert [v.reason for v in found if v.phase == "close"] in ([], [None], ["lost"])
    assert found[-1].rules_version == "2"


def test_an_episode_of_a_changed_rule_closes_and_the_new_rule_judges(setup):
    found = departures(run(Pipeline(setup), with_config(setup, (AT_NS + 1, down(DEPARTURE)))))
    first, second = dict.fromkeys(v.id for v in found)
    closes = [v for v in found if v.phase == "close" and v.id == first]
    assert [(v.reason, v.rules_version) for v in closes] == [("rules_changed", setup.rules.version)]
    assert {v.rules_version for v in found if v.id == second} == {"2"}
    opened = next(v for v in found if v.id == second)
    assert opened.start_ns >= AT_NS - NS // 10  # the old rule's evidence does not count for the new one


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[rules", "no TOML"),
        ("[rules]\nclear_s = nan\n", "rules.clear_s"),
        ("[rules]\nhazmat_limit_mps = 60.0\n", "rules.hazmat_limit_mps"),
        ("[rules]\nexpressways = ['nowhere']\n", "nowhere"),
        ("[rules]\nversion = 'a\u202e'\n", "rules.version"),
        ("[site]\nname = 'x'\n", "site"),
        (SAME + "[rules.overspeed]\nwarning = [{over = 0.01}]\n", "rules.overspeed.warning[0]"),
        ("[rules]\nversion = '" + "2" * 66_000 + "'\n", "characters"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name_and_the_old_rules_stay(setup, text, names):
    pipeline = Pipeline(setup)
    outputs = run(pipeline, with_config(setup, (AT_NS + 1, down(text))))
    assert {v.rules_version for v in raised(outputs)} == {setup.rules.version}
    answer = pipeline.config.state.answered
    assert answer.seq == 1
    assert names in answer.refused
    assert not any(is_config(output) for output in outputs)
    assert pipeline.counts["config.refused"] == 1


def test_a_repeat_and_an_older_one_change_nothing(setup):
    """The topic is retained: each connection brings the newest again."""
    pipeline = Pipeline(setup)
    items = [
        (AT_NS + k, down(text, seq)) for k, (text, seq) in enumerate([(SAME, 5), (SAME, 5), (DEPARTURE, 4)])
    ]
    outputs = run(pipeline, with_config(setup, *items))
    assert len([output for output in outputs if is_config(output)]) == 1
    assert pipeline.counts["config.repeated"] == 2
    assert pipeline.setup.rules.version == "2"


def test_a_restart_uses_the_newest_accepted_rules(setup):
    outputs = run(Pipeline(setup), with_config(setup, (AT_NS + 1, down(SAME, 7))))
    (held,) = [output.body for output in outputs if is_config(output)]
    pipeline = Pipeline(setup)
    pipeline.step(T0_NS, Start(epoch=1, episodes=(held,)))
    assert pipeline.setup.rules.version == "2"
    assert pipeline.config.state.answered.seq == 7
    assert "start.episode" not in pipeline.monitor.counts
    damaged = held.replace(b"'2'", b"'3'")
    pipeline = Pipeline(setup)
    pipeline.step(T0_NS, Start(epoch=1, episodes=(damaged,)))
    assert pipeline.setup.rules.version == setup.rules.version
    assert pipeline.monitor.counts["start.episode"] == 1


def test_a_state_continues_exactly_under_published_rules(setup):
    inputs = with_config(setup, (AT_NS + 1, down(STRICTER)))
    cut_ns = T0_NS + 9 * NS
    whole = run(Pipeline(setup), inputs)
    first = Pipeline(setup)
    run(first, [row for row in inputs if row[0] < cut_ns])
    first.step(cut_ns, None)
    second = Pipeline(setup)
    second.restore(decode_state(encode_state(first.state(cut_ns))))
    assert second.setup.rules.version == "2"
    rest = [
        output
        for output in run(second, [row for row in inputs if row[0] >= cut_ns])
        if isinstance(output, Raised)
    ]
    assert rest == [output for output in whole if isinstance(output, Raised)][-len(rest) :]
    assert rest


def test_a_recorded_publication_is_the_same_input(setup):
    body = msgspec.msgpack.encode(down(SAME, 9))
    assert decode("/config", body, T0_NS, setup.frame) == down(SAME, 9)
    assert (
        decode("/config", msgpack.packb({"seq": 9, "rules": SAME, "map": b"later"}), T0_NS, setup.frame).seq
        == 9
    )


def test_differences_name_each_key(setup):
    old = RulesConfig()
    new = msgspec.structs.replace(old, clear_s=4.0, hazmat_limit_mps=15.0)
    assert [row[0] for row in differences(old, new)] == ["rules.clear_s", "rules.hazmat_limit_mps"]
    assert changes(old, new).rules == {"overspeed"}
    assert changes(old, old) == (frozenset(), frozenset())
    rate = msgspec.structs.replace(old, false_alarms_per_vehicle_hour=1e-3)
    assert changes(old, rate).rules == frozenset()
    assert "lane_departure" in changes(old, rate).anew
