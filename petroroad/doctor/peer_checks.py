"""What the broker knows of the other parts: RSUs and gateways that are off, and clocks that disagree."""

from collections.abc import Iterator, Mapping, Sequence

from edge.config import Site
from edge.wire import GatewayStatus, Status
from petroroad.doctor.checks import Check

OFFSET_S_MAX = 0.1  # of a unit against the centre, by its own probe
HEARTBEAT_S_MAX = 0.5  # of a centre's heartbeat against our clock: the way of one message, and a busy machine
NAMED_MAX = 5  # of one kind; the rest is counted
Statuses = Mapping[str, Status | GatewayStatus]


def peer_checks(site: Site, units: Statuses, live: frozenset[str]) -> list[Check]:
    """Return a check of the site's RSUs, one of its gateway, and one of their clocks.

    units : the last status by name.  live : those that sent a heartbeat while we listened
    """
    kinds = {"peers.rsus": [rsu.esn for rsu in site.config.rsu]}
    if site.config.gateway is not None:
        kinds["peers.gateway"] = [site.config.gateway.id]
    return [*(_kind(name, names, units, live) for name, names in kinds.items()), _clocks(units)]


def _kind(name: str, names: Sequence[str], units: Statuses, live: frozenset[str]) -> Check:
    faults = [f"{unit} {fault}" for unit in names if (fault := _fault(unit, units.get(unit), live))]
    n_good = len(names) - len(faults)
    text = f"{n_good} of {len(names)} send heartbeats and report no fault"
    if not faults:
        return Check(name, "ok", text)
    return Check(name, "warn", f"{text}: {_joined(faults)}")


def _fault(name: str, status: Status | GatewayStatus | None, live: frozenset[str]) -> str | None:
    if status is None:
        return "has no status: never started, or with another broker"
    if status.state == "offline":
        return "is offline: look at its power, its link and its unit"
    if name not in live:
        return "is silent: its broker has not noticed that it is gone"
    reasons = status.degraded
    return f"is degraded: {', '.join(reasons)}" if reasons else None


def _clocks(units: Statuses) -> Check:
    offsets = {
        name: status.clock_offset_ms / 1e3
        for name, status in units.items()
        if status.state == "online" and status.clock_offset_ms is not None
    }
    wrong = [
        f"{name} is {_ahead(offset_s)} the centre"
        for name, offset_s in offsets.items()
        if abs(offset_s) > OFFSET_S_MAX
    ]
    if wrong:
        remedy = "run chrony on both, against one time source"
        return Check("peers.clocks", "warn", f"{_joined(wrong)}: {remedy}")
    return Check("peers.clocks", "ok", f"{len(offsets)} units are within {OFFSET_S_MAX:g} s of the centre")


def own_clock(ages_s: Mapping[str, float]) -> Iterator[Check]:
    """Yield whether our clock agrees with each live centre's.

    ages_s : age of a centre's heartbeat at its arrival here, by our clock; the smallest of each
    """
    for centre, age_s in ages_s.items():
        if abs(age_s) <= HEARTBEAT_S_MAX:
            yield Check(f"clock.{centre}", "ok", f"within {HEARTBEAT_S_MAX:g} s of this machine's")
        else:
            text = f"this machine's clock is {_ahead(age_s)} {centre}'s: run chrony on both"
            yield Check(f"clock.{centre}", "fail", text)


def _ahead(offset_s: float) -> str:
    return f"{abs(offset_s):.2f} s {'ahead of' if offset_s > 0.0 else 'behind'}"


def _joined(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - NAMED_MAX} more" if len(faults) > NAMED_MAX else ""
    return "; ".join(faults[:NAMED_MAX]) + more
