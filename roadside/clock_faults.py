"""Wrong clocks as the status has them. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from edge import wire
from fusion.clocks import ClockFault
from fusion.terminal_clocks import ClockReport


def fault_of(fault: ClockFault) -> wire.ClockFault:
    """Return one fault as it goes on the wire."""
    return wire.ClockFault(
        kind=fault.kind,
        offset_s=fault.offset_s,
        corrected=fault.corrected,
        since_ns=fault.since_ns,
        n=fault.n,
    )


def faults_of(faults: Mapping[str, ClockFault]) -> dict[str, wire.ClockFault]:
    """Return faults by name as they go on the wire."""
    return {name: fault_of(fault) for name, fault in faults.items()}


def report_of(report: ClockReport) -> dict[str, Any]:
    """Return a whole report as plain data, under the status' names."""
    host = None if report.host is None else msgspec.to_builtins(fault_of(report.host))
    return {
        "clocks": msgspec.to_builtins(faults_of(report.terminals)),
        "clocks_n": report.n_terminals,
        "radar_clocks": msgspec.to_builtins(faults_of(report.radars)),
        "host_clock": host,
    }
