"""What processes answer to Prometheus, read as Prometheus reads it; no test itself."""

import re
import subprocess
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from edge.metric_names import METRICS, PREFIX, Part
from tests.conftest import find_program

# not before an answer, a certificate, a page or a scan; or not on each machine
SOMETIMES = {
    "clock_offset_seconds", "clock_synchronized", "certificate_not_after_timestamp_seconds",
    "gateway_age_seconds", "sensor_age_seconds", "outbox_oldest_age_seconds", "workers_online",
}  # fmt: skip
Samples = dict[tuple[str, ...], float]


def scrape(address: str) -> str:
    """Return the text of /metrics at HOST:PORT."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10.0) as answer:
        text: str = answer.read().decode()
    return text


def samples_of(text: str) -> Samples:
    """Return all samples, by name and the values of their labels in the order of the labels' names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def check_names(part: Part, text: str) -> None:
    """Law: a part serves what the catalogue says of it, with that kind and those labels, and no more."""
    kinds = dict(re.findall(rf"^# TYPE {PREFIX}(\w+) (\w+)$", text, re.MULTILINE))
    own = {name: about.kind for name, about in METRICS.items() if part in about.parts}
    assert kinds.items() <= own.items()
    assert own.keys() - kinds.keys() <= SOMETIMES
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix(PREFIX)
        about = METRICS.get(name) or METRICS.get(f"{name}_total")
        for sample in family.samples if about is not None else ():
            assert set(sample.labels) - {"le"} == set(about.labels), sample
    lint(text)


def lint(text: str) -> None:
    """Law: promtool finds nothing to say."""
    promtool = find_program("promtool")
    if promtool is None:  # tests/deploy skips by its name, and CI has it
        return
    done = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
