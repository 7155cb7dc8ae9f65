"""Histograms of durations, their bounds and limits, and what Prometheus reads of them."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edge.exposition import text_of
from edge.histograms import BOUNDS_S, Histograms
from edge.metric_names import METRICS, described


@pytest.mark.parametrize(
    ("value_s", "bucket"),
    [
        (0.0, 0), (0.001, 0),  # a bound belongs to its bucket: `le`
        (0.0011, 1), (0.025, 4), (60.0, len(BOUNDS_S) - 1), (60.1, len(BOUNDS_S)), (9e9, len(BOUNDS_S)),
    ],
)  # fmt: skip
def test_a_value_lies_in_the_first_bucket_that_holds_it(value_s, bucket):
    family = Histograms("tick_seconds")
    family.observe((), value_s)
    assert family[()].counts.index(1) == bucket


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=50))
def test_the_text_says_what_was_observed(values):
    family = Histograms("violation_latency_seconds")
    for value in values:
        family.observe(("RSU001", "total", "live"), value)
    (parsed,) = text_string_to_metric_families(text_of({}, [family]))
    found = {(s.name.removeprefix(parsed.name), s.labels.get("le")): s.value for s in parsed.samples}
    for bound in BOUNDS_S:
        assert found["_bucket", repr(bound)] == sum(value <= bound for value in values)
    assert found["_bucket", "+Inf"] == found["_count", None] == len(values)
    assert found["_sum", None] == pytest.approx(sum(values))
    assert parsed.samples[0].labels == {"rsu": "RSU001", "stage": "total", "kind": "live", "le": "0.001"}


def test_series_are_limited_and_what_finds_no_room_is_counted():
    family = Histograms("snapshot_age_seconds", series_max=2)
    for esn in ("A", "B", "C", "C", "A"):
        family.observe((esn,), 0.1)
    assert family.totals() == {("A",): 2, ("B",): 1}
    assert family.n_dropped == 2


def test_odd_values_of_labels_are_read_back():
    odd = 'a\\b"c\nd 危 {e="f"}'
    (parsed,) = text_string_to_metric_families(text_of({"link_up": {(odd,): True}}, []))
    assert (parsed.samples[0].labels, parsed.samples[0].value) == ({"link": odd}, 1.0)


def test_a_metric_that_is_not_listed_is_a_plain_gauge():
    assert text_of({"of_tomorrow": 2}, []).splitlines() == [
        "# HELP petroroad_of_tomorrow Of tomorrow.",
        "# TYPE petroroad_of_tomorrow gauge",
        "petroroad_of_tomorrow 2.0",
    ]


@pytest.mark.parametrize("name", METRICS)
def test_a_name_has_its_unit_and_its_kind(name):
    about = described(name)
    assert name.endswith("_total") == (about.kind == "counter")
    assert about.kind != "histogram" or name.endswith("_seconds")
    assert about.help.endswith("."), "a sentence"
    assert not {"part", "unit", "job", "instance"} & set(about.labels), "Prometheus sets them by target"
    assert not {"_ms", "_ns", "_mib", "_percent"} & {f"_{part}" for part in name.split("_")}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_say_of_any_metric():
    histograms = [name for name, about in METRICS.items() if about.kind == "histogram"]
    families = [Histograms(name) for name in histograms]
    for family in families:
        family.observe(described(family.name).labels, 0.1)
    samples = {name: {about.labels: 1.0} for name, about in METRICS.items() if name not in histograms}
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text_of(samples, families), text=True, capture_output=True
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
