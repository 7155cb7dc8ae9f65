"""Wrong clocks as the status has them. Pure."""

from collections.abc import Mapping

from edge import wire
from fusion.clocks import ClockFault


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
