"""The banner's lines: what an operator must look after though all of it works."""

from typing import Any

import pytest

from centre.views.warnings import PARTS_MAX, Reported, warnings
from centre.workers.watch import Fault

OWN = Reported("centre", (), {})
ALONE = [{"centre": "centre", "state": "online", "database": "a", "own": True}]
BOTH = [*ALONE, {"centre": "standby", "state": "online", "database": "b", "own": False}]
SILENT = [*ALONE, {"centre": "standby", "state": "silent", "database": "b", "own": False}]


def lines(**given: Any) -> list[dict[str, Any]]:
    usual: dict[str, Any] = {
        "own": OWN, "rsus": [], "gateways": [], "notices": [], "asked_of": [], "centres": ALONE,
        "expected": None,
    }  # fmt: skip
    return warnings(**(usual | given))


def rsu(name: str, *degraded: str, **counts: int) -> Reported:
    return Reported(name, degraded, counts)


@pytest.mark.parametrize(("given", "want"), [
    ({}, []),
    ({"notices": ["centre.sqlite.damaged-1 was set aside"]},
     [("database_aside", [], "centre.sqlite.damaged-1 was set aside")]),
    ({"failing": {"desk.intake": "KeyError: x", "evidence": "y"}},
     [("work_fails", ["desk.intake", "evidence"], "KeyError: x")]),
    ({"platforms": {"webhook": "TimeoutError"}}, [("platform_silent", ["webhook"], "TimeoutError")]),
    ({"doubts_clock": True}, [("centre_clock", ["centre"], "")]),
    ({"lost_of": {"RSU-1": 2, "RSU-2": 3}}, [("items_lost", ["RSU-1", "RSU-2"], "5")]),
    ({"asked_of": ["RSU-1"]}, [("asking", ["RSU-1"], "")]),
    ({"workers": Fault(absent=True, silent=("w1", "w2"))}, [("workers_absent", ["w1", "w2"], "")]),
    ({"workers": Fault(absent=True)}, [("workers_absent", [], "")]),  # none was ever there
    ({"workers": Fault(silent=("w2",))}, [("worker_silent", ["w2"], "")]),
    ({"workers": Fault(behind=4000)}, [("workers_behind", [], "4000")]),
    ({"expected": "standby", "centres": BOTH}, []),
    ({"expected": "standby"}, [("centre_missing", ["standby"], "")]),  # it was never there
    ({"expected": "standby", "centres": SILENT}, [("centre_missing", ["standby"], "")]),
    ({"expected": "main", "main": "main", "centres": [*ALONE, BOTH[1] | {"centre": "main"}]},
     [("standby_desk", ["main"], "")]),  # the first one lives: alarms are handled there
    ({"expected": "main", "main": "main"}, [("centre_missing", ["main"], "")]),  # now they are handled here
    ({"expected": "standby", "main": "centre", "centres": BOTH}, []),
    ({"rsus": [rsu("R1", "twin"), rsu("R2", "disk_full", "twin")]}, [("twin", ["R1", "R2"], "")]),
    ({"rsus": [rsu("R1", "port_closed")], "gateways": [Reported("GW", ("port_closed",), {})]},
     [("port_closed", ["GW", "R1"], "")]),
    ({"rsus": [rsu("R1", "one_centre")]}, [("one_centre", ["R1"], "")]),
    ({"rsus": [rsu("R1", "registration")], "misplaced": ["R1/west 1.20 m"]},
     [("registration", ["R1"], "R1/west 1.20 m")]),
    ({"rsus": [rsu("R1", "disk_full")]}, []),  # in its row of the table
    ({"own": Reported("centre", (), {"tls.certificate_expires": 1}),
      "rsus": [rsu("R1", "certificate_expires")],
      "gateways": [Reported("GW", (), {"tls.certificate_expired": 1})]},
     [("certificate_expired", ["GW"], ""), ("certificate_expires", ["centre", "R1"], "")]),
    ({"own": Reported("centre", (), {"tls.forged_messages": 1, "refused.rsu/R2.not_allowed": 3}),
      "gateways": [Reported("GW", (), {"tls.forged_messages": 1, "refused.unknown.missing": 1})]},
     [("forged_messages", ["centre", "GW"], "rsu/R2 not_allowed, unknown missing")]),
    ({"gateways": [Reported("GW", (), {}, {"strange_terminals": {"139": "10.0.0.9"}})],
      "rsus": [Reported("R1", (), {}, {"strange_terminals": {}, "strange_radars": {"L1": "10.0.0.8"}})]},
     [("strange_terminal", ["GW"], "139 ← 10.0.0.9"), ("strange_radar", ["R1"], "L1 ← 10.0.0.8")]),
    ({"others": [Reported("w1", (), {"tls.forged_messages": 1, "refused.rsu/R3.wrong": 1}),
                 Reported("broker mqtt:8883", (), {"tls.certificate_expires": 1})]},
     [("certificate_expires", ["broker mqtt:8883"], ""), ("forged_messages", ["w1"], "rsu/R3 wrong")]),
    ({"own": Reported("centre", (), {"centres.twin": 2})}, [("centre_twin", ["centre"], "")]),
])  # fmt: skip
def test_lines(given: dict[str, Any], want: list[tuple[str, list[str], str]]) -> None:
    assert [(each["kind"], each["parts"], each["detail"]) for each in lines(**given)] == want


def test_a_line_names_some_and_counts_all() -> None:
    (line,) = lines(rsus=[rsu(f"R{n}", "twin") for n in range(40)])
    assert (len(line["parts"]), line["n"]) == (PARTS_MAX, 40)
