"""The outputs of one step of the pipeline, in order; bodies are the very bytes that are sent and recorded.

Also here: the wrong clocks, which are no output but a part of the status.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edge import wire
from edge.radar_errors import RegistrationReported
from fusion.clocks import ClockFault
from fusion.registration import Registered
from fusion.timekeeping import ClockReport
from fusion.tracks import TrackBatch
from geofence.clocks import judging_ns
from geofence.coverage import Unjudged
from geofence.episode_book import Judged
from geofence.plausible import WITHHELD, Bounds, plain
from geofence.plausible import fault_of as implausible
from geofence.violation import Violation
from geofence.violation import encode as encode_violation


@dataclass(frozen=True, slots=True)
class Raised:
    """A version of a violation, and the open episode that a restart would need (None: it closed)."""

    violation: Violation
    body: bytes
    episode: bytes | None


@dataclass(frozen=True, slots=True)
class Withheld:
    """A version that can't be true: the centre gets a void with the reason instead."""

    violation_id: str
    reason: str
    episode: bytes | None  # as in Raised


@dataclass(frozen=True, slots=True)
class Released:
    """An episode that a neighbour continues: it is no longer resumed here after a restart."""

    episode_id: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a restart needs beside episodes: stored fixes, publications, what was learnt (None: forget it)."""

    key: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tracks at a tick, as `track/up`.

    `tracks` has the same rows unrounded, for scoring in process; None where another process made it.
    """

    stamp_ns: int
    n_tracks: int
    body: bytes
    tracks: TrackBatch | None = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class HandoverOffer:
    """A handover offered to neighbour `to`; repeated under the same seq until it is acknowledged."""

    to: str
    seq: int
    body: bytes


@dataclass(frozen=True, slots=True)
class OfferAck:
    """The acknowledgement of a neighbour's handover."""

    giver: str
    body: bytes


@dataclass(frozen=True, slots=True)
class WholeState:
    """The pipeline's whole state, from which an exact replay can start."""

    stamp_ns: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Travelled:
    """A version of a journey; while it is open, a restart needs it."""

    stamp_ns: int
    journey_id: str
    version: int
    body: bytes
    is_open: bool


@dataclass(frozen=True, slots=True)
class JourneyReleased:
    """A journey that a neighbour continues, or that another one of ours replaces."""

    journey_id: str


Output = (
    Raised | Withheld | Released | Snapshot | HandoverOffer | OfferAck | WholeState | Travelled
    | JourneyReleased | Held
)  # fmt: skip


def raised(found: Sequence[Judged], bounds: Bounds, t_ns: int, count: Callable[[str], None]) -> list[Output]:
    """Return the violations that can be true, and in place of each other one the reason for a void."""
    outputs: list[Output] = []
    for violation, episode in found:
        # what was open before the clock was set closes by the clock that it was seen by
        fault = implausible(violation, bounds, judging_ns(violation.stamps.arrived_ns, t_ns))
        if fault is None:
            outputs.append(Raised(violation, encode_violation(violation), episode))
            continue
        count(f"violation.implausible.{fault.field}")
        outputs.append(Withheld(violation.id, plain(f"{WITHHELD}{violation.rule}: {fault}"), episode))
    return outputs


def fault_of(fault: ClockFault) -> wire.ClockReported:
    """Return one fault as the status has it."""
    return wire.ClockReported(
        kind=fault.kind,
        offset_s=fault.offset_s,
        corrected=fault.corrected,
        since_ns=fault.since_ns,
        n=fault.n,
    )


def faults_of(faults: Mapping[str, ClockFault]) -> dict[str, wire.ClockReported]:
    """Return faults by name as the status has them."""
    return {name: fault_of(fault) for name, fault in faults.items()}


def registrations_of(found: Mapping[str, Registered]) -> dict[str, RegistrationReported]:
    """Return the errors of radars' poses as the status has them."""
    return {
        sensor: RegistrationReported(
            state=one.state, estimate=one.estimate, sigma=one.sigma, applied=one.applied,
            n_trucks=one.n_trucks, n_pairs=one.n_pairs, since_ns=one.since_ns,
        )
        for sensor, one in found.items()
    }  # fmt: skip


def stretches_of(rows: Sequence[Unjudged]) -> tuple[wire.UnjudgedStretch, ...]:
    """Return the stretches that can't be judged as the status has them."""
    return tuple(
        wire.UnjudgedStretch(
            road=row.road, from_m=row.from_m, to_m=row.to_m, reason=row.reason, since_ns=row.since_ns
        )
        for row in rows
    )  # fmt: skip


def report_of(report: ClockReport) -> dict[str, Any]:
    """Return a whole report as plain data, under the status' names."""
    host = None if report.host is None else msgspec.to_builtins(fault_of(report.host))
    return {
        "clocks": msgspec.to_builtins(faults_of(report.terminals)),
        "clocks_n": report.n_terminals,
        "radar_clocks": msgspec.to_builtins(faults_of(report.radars)),
        "host_clock": host,
    }
