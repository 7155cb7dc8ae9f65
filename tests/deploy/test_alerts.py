"""The alert rules, by Prometheus' own promtool: each fires where it must, and only there."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.metric_names import METRICS, PREFIX
from tests.conftest import find_program

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "alerts.yml"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
DAY_S = 86_400
RSU = '{instance="r:1",part="rsu",unit="RSU-1"}'
AT = 'instance="c:1",part="centre",unit="centre"'
BUCKETS = {  # p99 in the bucket up to 2.5 s, and up to 0.05 s
    "slow": {"0.05": "0+0x60", "1.0": "0+0x60", "2.5": "0+10x60", "5.0": "0+10x60", "+Inf": "0+10x60"},
    "quick": {"0.05": "0+10x60", "1.0": "0+10x60", "2.5": "0+10x60", "5.0": "0+10x60", "+Inf": "0+10x60"},
}
BUCKETS["slower"] = {le: "0+0x60" if le == "2.5" else steps for le, steps in BUCKETS["slow"].items()}


def histogram(name: str, labels: str, shape: str) -> dict[str, str]:
    """Return the series of a histogram that has ten new values each minute."""
    lead = f"{labels}," if labels else ""
    series = {f'{name}_bucket{{{lead}le="{le}"}}': steps for le, steps in BUCKETS[shape].items()}
    return series | {f"{name}_count{{{labels}}}": BUCKETS[shape]["+Inf"]}


def latency(stage: str, shape: str, kind: str = "live") -> dict[str, str]:
    labels = f'{AT},rsu="RSU-1",stage="{stage}",kind="{kind}"'
    return histogram("petroroad_violation_latency_seconds", labels, shape)


def events(reason: str, steps: str) -> dict[str, str]:
    return {f'petroroad_events_total{{{AT},reason="{reason}"}}': steps}


def of_rsu(name: str, steps: str, more: str = "") -> dict[str, str]:
    return {f'petroroad_{name}{{{AT},rsu="RSU-1"{more}}}': steps}


def up(kind: str, steps: str, name: str = "RSU-1") -> dict[str, str]:
    return {f'petroroad_unit_up{{{AT},kind="{kind}",name="{name}"}}': steps}


def node(instance: str, name: str) -> str:
    return f'petroroad_cluster_node_up{{instance="{instance}",part="worker",unit="w",node="{name}"}}'


def ends(days: float) -> dict[str, str]:
    return {f"petroroad_certificate_not_after_timestamp_seconds{RSU}": f"{days * DAY_S:.0f}x60"}


def broker_ends(days: float) -> dict[str, str]:
    name = "petroroad_broker_certificate_not_after_timestamp_seconds"
    return {f'{name}{{{AT},broker="mqtt:8883"}}': f"{days * DAY_S:.0f}x60"}


def closed(undecidable: str, violation: str) -> dict[str, str]:
    grades = {"undecidable": undecidable, "violation": violation}
    return {
        key: steps
        for grade, found in grades.items()
        for key, steps in of_rsu("episodes_closed_total", found, f',grade="{grade}"').items()
    }


def unjudged(length_m: int) -> dict[str, str]:
    return of_rsu("rsu_unjudged_meters", f"{length_m}x60") | of_rsu("rsu_stretch_meters", "1000x60")


def snapshots(shape: str) -> dict[str, str]:
    return histogram("petroroad_snapshot_age_seconds", f'{AT},rsu="RSU-1"', shape)


def offset(seconds: str) -> dict[str, str]:
    return {'petroroad_unit_clock_offset_seconds{kind="rsu",name="RSU-1"}': f"{seconds}x60"}


def of_workers(series: dict[str, str]) -> dict[str, str]:
    """Return the same series of two workers that share the work, beside a centre that has none of it."""
    return {
        name.replace(AT, f'instance="w:{i}",part="worker",unit="w{i}"'): steps
        for name, steps in series.items() for i in (1, 2)
    } | dict.fromkeys(series, "0x60")  # fmt: skip


def queue(steps: str) -> dict[str, str]:
    return {'petroroad_queue_depth{instance="w:1",part="worker",unit="w1",queue="violations"}': steps}


SECOND_CENTRE = {'petroroad_unit_up{instance="d:1",kind="rsu",name="RSU-1"}': "1x60"}
SILENT = of_rsu("rsu_sensor_up", "0x60", ',sensor="R1"')
FREE, SIZE = "petroroad_disk_free_bytes", "petroroad_disk_size_bytes"
OUTBOX = '{instance="r:1",part="rsu",unit="RSU-1",place="outbox"}'
DATABASE = f'{{{AT},place="database"}}'
GIB = 2**30
# alert, series by step of a minute, minute, how many alerts
CASES: list[tuple[str, dict[str, str], int, int]] = [
    ("PetroroadPartUnreachable", {'up{job="petroroad",instance="r:1"}': "1 0x60"}, 4, 1),
    ("PetroroadPartUnreachable", {'up{job="petroroad",instance="r:1"}': "1 0 1x60"}, 4, 0),
    ("PetroroadRsuOff", up("rsu", "1 0x60"), 3, 1),
    ("PetroroadRsuOff", up("gateway", "0x60"), 3, 0),
    # the second centre still sees it
    ("PetroroadRsuOff", up("rsu", "0x60") | SECOND_CENTRE, 3, 0),
    ("PetroroadGatewayOff", up("gateway", "1 0x60", "GW1"), 3, 1),
    ("PetroroadGatewayOff", up("gateway", "1x60", "GW1"), 3, 0),
    ("PetroroadCentreOff", {'petroroad_centre_up{centre="standby",instance="c:1"}': "1 0x60"}, 4, 1),
    ("PetroroadCentreOff", {}, 4, 1),  # nobody reports at all
    ("PetroroadCentreOff", {'petroroad_centre_up{centre="centre",instance="c:1"}': "1x60"}, 4, 0),
    ("PetroroadWorkersAway", {f"petroroad_workers_online{{{AT}}}": "2 0x60"}, 3, 1),
    ("PetroroadWorkersAway", {f"petroroad_workers_online{{{AT}}}": "2 0 1x60"}, 3, 0),
    ("PetroroadWorkersAway", {f"petroroad_centre_up{{{AT}}}": "1x60"}, 3, 0),  # it stores all itself
    ("PetroroadQueueGrows", queue("50+40x60"), 12, 1),
    ("PetroroadQueueGrows", queue("500 500 500 0 500x60"), 7, 0),
    ("PetroroadLinkDown", {f'petroroad_link_up{RSU[:-1]},link="tracks"}}': "0x60"}, 3, 1),
    ("PetroroadLinkDown", {f'petroroad_link_up{RSU[:-1]},link="tracks"}}': "1x60"}, 3, 0),
    ("PetroroadBrokerDown", {'petroroad_broker_up{instance="b:1"}': "0x60"}, 3, 1),
    ("PetroroadBrokerDown", {'petroroad_broker_up{instance="b:1"}': "1x60"}, 3, 0),
    ("PetroroadRadarMisplaced", of_rsu("rsu_sensor_misplaced", "1x60", ',sensor="R1"'), 15, 1),
    ("PetroroadRadarMisplaced", of_rsu("rsu_sensor_misplaced", "0x60", ',sensor="R1"'), 15, 0),
    ("PetroroadClusterNodeDown", {node("w:1", "n1"): "0x60", node("w:1", "n2"): "1x60"}, 3, 1),
    ("PetroroadClusterNodeDown", {node("w:1", "n1"): "0x60", node("w:2", "n1"): "1x60"}, 3, 0),  # by one
    ("PetroroadSensorSilent", SILENT | up("rsu", "1x60"), 3, 1),
    ("PetroroadSensorSilent", SILENT | up("rsu", "0x60"), 3, 0),  # the RSU is off: another alert
    ("PetroroadBacklogOld", {f"petroroad_outbox_oldest_age_seconds{RSU}": "0+30x60"}, 5, 1),
    ("PetroroadBacklogOld", {f"petroroad_outbox_oldest_age_seconds{RSU}": "60x60"}, 5, 0),
    ("PetroroadBacklogGrows", of_rsu("rsu_outbox_depth", "1+1x60"), 30, 1),
    ("PetroroadBacklogGrows", of_rsu("rsu_outbox_depth", "60-1x59"), 30, 0),  # it drains
    ("PetroroadBacklogGrows", of_rsu("rsu_outbox_depth", "0 1 0 2 0 3 0 1 0 2 0 3 0 1 0 2 0"), 15, 0),
    ("PetroroadCommitFailing", events("commit.failed", "0 0 1 2 3x60"), 4, 1),
    ("PetroroadCommitFailing", {f"petroroad_database_up{{{AT}}}": "0x60"}, 3, 1),
    ("PetroroadCommitFailing", events("commit.failed", "7x60"), 5, 0),
    ("PetroroadItemsLost", of_rsu("rsu_lost_items", "0 0 1x60"), 3, 1),
    ("PetroroadItemsLost", of_rsu("rsu_lost_items", "1x90"), 80, 0),  # of last week
    ("PetroroadItemsVoid", of_rsu("rsu_void_items", "4 4 5x60"), 3, 1),
    ("PetroroadItemsVoid", of_rsu("rsu_void_items", "4x60"), 50, 0),
    ("PetroroadItemsMissing", of_rsu("rsu_missing_items", "2x60") | of_rsu("rsu_outbox_depth", "0x60"), 8, 1),
    ("PetroroadItemsMissing", of_rsu("rsu_missing_items", "2x60") | of_rsu("rsu_outbox_depth", "2x60"), 8, 0),
    ("PetroroadAltered", of_rsu("rsu_degraded", "1x60", ',reason="outbox_altered"'), 1, 1),
    ("PetroroadAltered", events("violation.contradicting", "0 0 1x60"), 4, 1),
    ("PetroroadAltered", of_rsu("rsu_degraded", "1x60", ',reason="disk_full"'), 1, 0),
    ("PetroroadTwin", of_rsu("rsu_twin", "1x60"), 1, 1),
    ("PetroroadTwin", of_rsu("rsu_twin", "0x60"), 1, 0),
    ("PetroroadSignaturesRefused", events("signature.wrong", "0 0 1x60"), 5, 1),
    ("PetroroadSignaturesRefused", events("signature.no_map", "0 0 1x60"), 5, 0),  # nobody's forgery
    ("PetroroadStrangeDevice", events("terminal.live", "0 0 1x60"), 5, 1),
    ("PetroroadStrangeDevice", events("radar.stranger", "0 0 1x60"), 5, 1),
    ("PetroroadStrangeDevice", events("terminal.live", "7x60"), 5, 0),
    ("PetroroadQuarantine", events("quarantine.kept", "0 0 1x60"), 5, 1),
    ("PetroroadQuarantine", events("quarantine.kept", "9x60"), 5, 0),
    ("PetroroadLatencyOverBudget", latency("total", "slow"), 30, 1),
    ("PetroroadLatencyOverBudget", latency("total", "quick"), 30, 0),
    ("PetroroadLatencyOverBudget", latency("total", "slow", "waited"), 30, 0),  # an outage, and its own alert
    ("PetroroadLatencyOverBudget", of_workers(latency("total", "slow")), 30, 1),  # both together, once
    ("PetroroadLatencyOverBudget", of_workers(latency("total", "quick")), 30, 0),
    ("PetroroadShownLate", latency("committed_to_shown", "slower"), 30, 1),
    ("PetroroadShownLate", latency("committed_to_shown", "slow"), 30, 0),
    ("PetroroadInboxFull", events("inbox.full", "0 0 5x60"), 4, 1),
    ("PetroroadInboxFull", events("inbox.full", "5x60"), 9, 0),
    ("PetroroadUndecidable", closed("0+9x60", "0+1x60"), 30, 1),
    ("PetroroadUndecidable", closed("0+2x60", "0+1x60"), 30, 0),
    ("PetroroadUndecidable", closed("0 0 3x60", "0x60"), 30, 0),  # three are chance
    # six at each worker, which is too few to judge by, and twelve together
    ("PetroroadUndecidable", of_workers(closed("0+0.2x60", "0x60")), 30, 1),
    ("PetroroadUndecidable", of_workers(closed("0+0.1x60", "0x60")), 30, 0),
    ("PetroroadUnjudged", unjudged(400), 20, 1),
    ("PetroroadUnjudged", unjudged(200), 20, 0),
    ("PetroroadTickSlow", histogram("petroroad_tick_seconds", RSU[1:-1], "slow"), 30, 1),
    ("PetroroadTickSlow", histogram("petroroad_tick_seconds", RSU[1:-1], "quick"), 30, 0),
    ("PetroroadSnapshotsOld", snapshots("slow"), 30, 1),
    ("PetroroadSnapshotsOld", snapshots("quick"), 30, 0),
    ("PetroroadDiskLow", {FREE + OUTBOX: f"{GIB // 4}x60", SIZE + OUTBOX: f"{64 * GIB}x60"}, 9, 1),
    # as retention leaves it
    ("PetroroadDiskLow", {FREE + OUTBOX: f"{GIB}x60", SIZE + OUTBOX: f"{64 * GIB}x60"}, 9, 0),
    # a small disk
    ("PetroroadDiskLow", {FREE + OUTBOX: f"{GIB // 16}x60", SIZE + OUTBOX: f"{GIB}x60"}, 9, 0),
    ("PetroroadDiskLow", {FREE + DATABASE: f"{GIB}x60"}, 9, 1),
    ("PetroroadDiskLow", {f'petroroad_degraded{RSU[:-1]},reason="disk_full"}}': "1x60"}, 9, 1),
    ("PetroroadDiskFillsUp", {FREE + DATABASE: f"{64 * GIB}-{GIB // 60}x400"}, 400, 1),
    ("PetroroadDiskFillsUp", {FREE + DATABASE: f"{64 * GIB}-1000x400"}, 400, 0),
    ("PetroroadClockWrong", offset("-0.3"), 9, 1),
    ("PetroroadClockWrong", offset("0.02"), 9, 0),
    ("PetroroadClockWrong", {f"petroroad_clock_synchronized{RSU}": "0x60"}, 9, 1),
    # a lorry's
    ("PetroroadClockWrong", {f'petroroad_clock_faults{RSU[:-1]},of="terminals"}}': "3x60"}, 9, 0),
    ("PetroroadCertificateExpires", ends(20.0), 1, 1),
    ("PetroroadCertificateExpires", ends(31.0), 1, 0),
    ("PetroroadCertificateExpires", ends(6.0), 1, 0),  # the other one
    ("PetroroadCertificateExpires", broker_ends(20.0), 1, 1),
    ("PetroroadCertificateEnds", broker_ends(6.0), 1, 1),
    ("PetroroadCertificateEnds", ends(6.0), 1, 1),
    ("PetroroadCertificateEnds", ends(8.0), 1, 0),
]  # fmt: skip


def promtool() -> str:
    found = find_program("promtool")
    if found is None:
        pytest.skip("promtool is not installed")
    return found


def alerts_at(series: dict[str, str], alert: str, minute: int, n: int) -> dict[str, Any]:
    """Return a case of promtool: `n` alerts at a minute, whatever their labels."""
    steps = [{"series": name, "values": values} for name, values in series.items()]
    state = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    return {
        "name": f"{alert} {minute} {n}", "interval": "1m", "input_series": steps,
        "promql_expr_test": [{
            "expr": state, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": n}],
        }],
    }  # fmt: skip


def test_the_rules_are_valid() -> None:
    done = subprocess.run([promtool(), "check", "rules", str(RULES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_where_it_must_and_only_there(tmp_path: Path) -> None:
    cases = [alerts_at(series, alert, minute, n) for alert, series, minute, n in CASES]
    path = tmp_path / "cases.yml"  # JSON is YAML
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}))
    done = subprocess.run([promtool(), "test", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4_000:]


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    for alert in ALERTS:
        numbers = {n for name, _, _, n in CASES if name == alert}
        assert numbers == {0, 1} or alert == "PetroroadDiskLow", alert
    assert {name for name, *_ in CASES} == set(ALERTS)


def test_each_alert_says_what_happened_and_what_to_do() -> None:
    page = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(Petroroad\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert dict(rows) == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}
    assert len(rows) == len(ALERTS)
    for rule in ALERTS.values():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "action"}


def test_each_metric_of_a_rule_is_one_of_ours() -> None:
    named = {name for rule in ALERTS.values() for name in re.findall(r"\bpetroroad_\w+", rule["expr"])}
    known = {PREFIX + name for name in METRICS}
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in named} <= known
