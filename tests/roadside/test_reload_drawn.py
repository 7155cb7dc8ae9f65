"""Publications at random times of a drive, sound and unsound: what each does to what is open, and replay."""

import tomllib

import numpy as np
import pytest

from edge.config_down import ConfigDown
from geofence import rule_checks
from roadside.outputs import Raised
from roadside.pipeline import Pipeline
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from tests.support.roadside_drive import NS, T0_NS, drive, leave, raised, run

SECONDS = 16.0
# Keys above all sections: the one rule that reads each, None where several do, and values to draw from
KEYS = {
    "hazmat_limit_mps": ("overspeed", (12.0, 13.0, 16.0)),
    "undecidable_s": ("undecidable", (3.0, 5.0, 7.0)),
    "stop_speed_mps": ("illegal_stop", (0.5, 0.8)),
    "false_alarms_per_vehicle_hour": (None, (1e-3, 1e-4)),
    "clear_s": (None, (2.0, 3.0)),
}
SECTIONS = {
    "lane_departure": ("warning = [{over = 0.3, for_s = 0.6}]", "violation = [{over = 0.9, for_s = 1.0}]"),
    "overspeed": ("notice = [{over = 0.02, for_s = 1.0}]", "notice = [{over = 0.03, for_s = 1.0}]"),
    "driving_time": ("continuous_s = 4.0", "continuous_s = 6.0\nrest_s = 2.0", "grade = 'notice'"),
    "permit": ("goods = ['3']", "goods = ['7']", "grade = 'warning'"),
}
SHIPPED = {"undecidable_s": 5.0, "stop_speed_mps": 0.8}
SHORT, SHORT_REPLAYS = 3, 2  # seeds
WRONG = ("[rules", "[rules]\nclear_s = -1\n", "[rules]\nhazmat_limit_mps = 60.0\n", "[site]\nname = 'x'\n",
         "[rules.lane_departure]\nwarning = [{over = 9999.0}]\n")  # fmt: skip


@pytest.fixture(autouse=True)
def _limits_of_seconds(monkeypatch):
    """Let a drive of seconds break the limits of driving time."""
    monkeypatch.setattr(rule_checks, "DRIVEN_S_MIN", {})


def seeds(n, n_short):
    """Return n seeds; those that a short run leaves out are marked."""
    return [pytest.param(k, marks=() if k < n_short else (pytest.mark.long,)) for k in range(n)]


def book(rng, version):
    """Return the text of a rule book that makes sense."""
    keys = [f"{name} = {rng.choice(values)}" for name, (_, values) in KEYS.items() if rng.random() < 0.4]
    named = [(name, rows) for name, rows in SECTIONS.items() if rng.random() < 0.5]
    sections = [f"[rules.{name}]\n{rows[rng.integers(len(rows))]}" for name, rows in named]
    return "\n".join(["[rules]", f"version = '{version}'", *keys, *sections])


def drawn(rng):
    """Return publications by their times: new ones, wrong ones, repeats, and older ones."""
    out, seq = [], 0
    for k, at_s in enumerate(np.sort(rng.uniform(2.0, SECONDS - 1.0, 7)).tolist()):
        what, at_ns = rng.random(), T0_NS + int(at_s * NS) + 1
        if what < 0.2:
            seq += 1
            out.append((at_ns, ConfigDown(seq=seq, rules=str(rng.choice(WRONG)))))
        elif what < 0.35 and seq:
            out.append((at_ns, ConfigDown(seq=int(rng.integers(1, seq + 1)), rules=book(rng, f"old{k}"))))
        else:
            seq += 1
            out.append((at_ns, ConfigDown(seq=seq, rules=book(rng, f"v{k}"))))
    return out


def accepted(publications):
    """Return what must be in force from when on: (time, text), by the texts alone."""
    newest, out = 0, [(0, "[rules]\nversion = '1'")]
    for at_ns, item in publications:
        if item.seq > newest:
            newest = item.seq
            if item.rules not in WRONG:
                out.append((at_ns, item.rules))
    return out


def own_keys(text, rule):
    """Return what a book's text says of one rule."""
    rules = tomllib.loads(text)["rules"]
    keys = {name: rules.get(name, SHIPPED.get(name)) for name, (owner, _) in KEYS.items() if owner == rule}
    return rules.get(rule), keys


def differs(before, after, rule):
    """Return whether a rule's settings may differ; what is not named is as shipped."""
    return own_keys(before, rule) != own_keys(after, rule)


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=() if n < 3 else (pytest.mark.long,)) for n in range(24)]
)
def test_whatever_is_published_each_case_ends_once_and_for_its_reason(setup, seed):
    rng = np.random.default_rng(seed)
    publications = drawn(rng)
    inputs = sorted([*drive(setup, leave, SECONDS), *publications], key=lambda row: row[0])
    pipeline = Pipeline(setup)
    outputs = run(pipeline, inputs)
    in_force = accepted(publications)
    assert pipeline.setup.rules.version == tomllib.loads(in_force[-1][1])["rules"]["version"]
    episodes = {}
    for output in outputs:
        if isinstance(output, Raised):
            episodes.setdefault(output.violation.id, []).append(output.violation)
    assert any(versions[0].rule == "lane_departure" for versions in episodes.values())
    for versions in episodes.values():
        assert [v.version for v in versions] == list(range(1, len(versions) + 1))
        assert [v.phase for v in versions[:-1]].count("close") == 0, "what comes after a close has a new id"
        assert [v.phase for v in versions].count("open") == 1
        self_made = "undecidable" if versions[0].grade == "undecidable" else versions[0].rule
        for at in range(1, len(in_force)):
            at_ns, text = in_force[at]
            is_over = versions[-1].phase == "close"
            end_ns = versions[-1].stamps.measured_ns if is_over else T0_NS + int(SECONDS * NS)
            if not versions[0].stamps.measured_ns < at_ns <= end_ns:
                continue
            changed = differs(in_force[at - 1][1], text, self_made)
            closed_here = versions[-1].reason == "rules_changed" and end_ns == at_ns
            assert closed_here == changed, f"{self_made} at {(at_ns - T0_NS) / NS:.1f} s"
        if versions[-1].reason == "rules_changed":
            assert versions[-1].stamps.measured_ns in {at_ns for at_ns, _ in in_force}


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=() if n < 2 else (pytest.mark.long,)) for n in range(12)]
)
def test_a_replay_from_any_state_gives_the_same_bytes(setup, seed):
    rng = np.random.default_rng([seed, 1])
    inputs = sorted([*drive(setup, leave, SECONDS), *drawn(rng)], key=lambda row: row[0])
    whole = [output.body for output in run(Pipeline(setup), inputs) if isinstance(output, Raised)]
    cut_ns = T0_NS + int(rng.uniform(3.0, SECONDS - 2.0)) * NS
    first, second = Pipeline(setup), Pipeline(setup)
    begun = run(first, [row for row in inputs if row[0] < cut_ns]) + first.step(cut_ns, None)
    second.restore(decode_state(encode_state(first.state(cut_ns))))
    rest = run(second, [row for row in inputs if row[0] >= cut_ns])
    again = [output.body for output in [*begun, *rest] if isinstance(output, Raised)]
    assert again == whole
    assert raised(rest)
