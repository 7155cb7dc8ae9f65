"""The rule book is whole: each registered rule has its section, words, documents and simulated truth."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from geofence.config import RulesConfig, section_of
from geofence.grading import Grading, RuleSettings
from geofence.rules import GRADED, MEASURED, OWN_STAMPS, REGISTRY
from geofence.state import SHARED_STAMPS
from geofence.violation import Rule as RuleName
from sim import truth

ROOT = Path(__file__).parents[2]
WORDS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "centre/web/src").glob("*.ts"))
PAGE_ROWS = (ROOT / "centre/web/src/rules.ts").read_text(encoding="utf-8")
DOCS = (ROOT / "docs" / "geofence.md").read_text(encoding="utf-8")

each_rule = pytest.mark.parametrize("rule", REGISTRY, ids=lambda rule: rule.name)


@each_rule
def test_a_rule_has_the_section_and_the_keys_that_it_states(rule):
    rules = RulesConfig()
    if rule.Config is not None:
        assert type(section_of(rules, rule.name)) is rule.Config
        with pytest.raises(msgspec.ValidationError, match=rule.name):
            msgspec.toml.decode(f"[{rule.name}]\nno_such_key = 1", type=RulesConfig)
    assert set(rule.keys) <= set(RuleSettings.__struct_fields__)


@each_rule
def test_a_rule_has_words_in_both_languages(rule):
    found = re.search(rf'\b{rule.name}: \["([^"]+)", "([^"]+)"\]', WORDS)
    assert found is not None
    assert re.search(rf"^  {rule.violation}: (?:{{|PLAIN)", PAGE_ROWS, re.MULTILINE), "how the page shows it"
    chinese, english = found.groups()
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert english.isascii()


@each_rule
def test_a_rule_has_a_row_in_the_documents(rule):
    rows = [line for line in DOCS.splitlines() if line.startswith(f"| `{rule.name}` |")]
    assert len(rows) == 1
    assert rule.kind in rows[0]
    assert rule.decided_by in rows[0]
    assert f"{rule.kind} [{rule.unit}]" in rows[0] or not rule.unit


@each_rule
def test_a_rule_has_a_simulated_truth_or_a_reason_for_none(rule):
    assert (rule.name in truth.LEVELS) != bool(truth.NONE.get(rule.name))


def test_names_stand_once_and_matrices_begin_with_the_measured_rules():
    names = [rule.name for rule in REGISTRY]
    assert len(set(names)) == len(names)
    assert tuple(names[: len(MEASURED)]) == MEASURED == GRADED[: len(MEASURED)]
    assert all(rule.column in names for rule in REGISTRY)
    stamps = [*SHARED_STAMPS, *OWN_STAMPS]
    assert len(set(stamps)) == len(stamps)


@each_rule
def test_a_rule_says_what_its_kind_needs(rule):
    assert rule.violation in get_args(RuleName)
    assert (rule.name == rule.violation) == rule.accuses, "a record alone is called otherwise on the wire"
    is_graded = rule.Config is not None and issubclass(rule.Config, Grading)
    assert is_graded == (rule.name in GRADED)
    if rule.kind == "measured":
        assert rule.decided_by == "observation"
        assert is_graded
    elif rule.kind == "event":
        assert not is_graded, "it says its grade by itself"
