"""Recorded messages as inputs of pipelines, in blocks: each is decoded and routed once. Pure.

The numbers of a block lie in few arrays. So its fixes are projected and routed in one call, and a process
that reads ahead can hand a block on without an object for each message.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from core.arrays import F64, I64, Bools
from core.errors import CommandError, RecordingError
from edge.wire import GnssFix
from fusion.observations import F_EAST, F_NORTH, F_USABLE, GnssFixes, ObjectScan, RadarScan
from geofence.map.frames import SiteFrame
from roadside.gateway.routing import Esns
from roadside.inputs import (
    GatewayFixes,
    Input,
    Payload,
    RadarPayload,
    decode,
    fix_matrices,
    input_of,
    is_raw,
    payload_of,
    scan_numbers,
)

BODY_ERRORS = (msgspec.DecodeError, ValueError)
READ_ERRORS = (CommandError, RecordingError, OSError)  # of a recording that can't be read any further
UNDECODABLE = "input.undecodable"
BLOCK_MESSAGES = 256
# What a message is: no input; a fix; a scan of detections; another observation; decoded where it is used
NONE, FIX, SCAN, WHOLE, RAW = range(5)

# log time; the RSUs that get it, None: it is no input; the input, None where none of them is wanted
Arrival = tuple[int, Esns | None, Input | None]


class LoggedMessage(Protocol):
    """One message of a recording."""

    topic: str
    body: bytes
    log_ns: int
    publish_ns: int


def decoded(message: LoggedMessage, frame: SiteFrame, unread: Counter[str] | None) -> Input | None:
    """Return the input of a message; None for an output, for truth, and for a message that can't be read.

    The live agent records only inputs that it could decode, so an unreadable one was none for it either.
    """
    try:
        return decode(message.topic, message.body, message.log_ns, frame)
    except BODY_ERRORS:
        if unread is not None:
            unread[UNDECODABLE] += 1
        return None


class Routes(Protocol):
    """Who gets an input; a fix is routed after those before it."""

    everyone: Esns

    def of_fixes(self, terminals: Sequence[str], seen: Bools, east_m: F64, north_m: F64) -> list[Esns]:
        """Return the RSUs that get each fix; seen : (n,) its place is known."""

    def of_radar(self, sensor: str) -> Esns:
        """Return the RSU of a radar."""

    def of_gateway(self) -> Esns:
        """Return the RSUs that get a gateway's message."""


class Own:
    """The routes of an RSU's own recording: it gets all."""

    def __init__(self, esn: str) -> None:
        self.everyone: Esns = (esn,)

    def of_fixes(self, terminals: Sequence[str], *_: object) -> list[Esns]:
        return [self.everyone] * len(terminals)

    def of_radar(self, _: str) -> Esns:
        return self.everyone

    def of_gateway(self) -> Esns:
        return self.everyone


@dataclass(slots=True)
class Block:
    """Some messages that follow each other."""

    log_ns: list[int]
    kinds: bytes
    esns: list[Esns | None]  # None: no input, or not known before it is decoded
    terminals: list[str]  # of the fixes
    ints: I64  # (fixes, rows, 1) of GnssFixes
    floats: F64
    scans: list[tuple[str, int, int, int, int, int]]  # sensor, stamp, arrival, number; its columns from, to
    columns: F64  # (4, m) of the detections, in the order of RadarScan
    whole: list[Input]
    raw: list[LoggedMessage]

    def arrivals(
        self, wanted: Container[str], decoded: Callable[[LoggedMessage], Input | None]
    ) -> Iterator[Arrival]:
        """Yield the messages in their order.

        wanted : RSUs whose inputs are made.  decoded : returns the input of a raw message
        """
        of_kind = (None, self._fix, self._scan, self.whole.__getitem__, None)
        raw, places, is_wanted = iter(self.raw), [0] * len(of_kind), dict[Esns, bool]()
        for log_ns, kind, esns in zip(self.log_ns, self.kinds, self.esns, strict=True):
            make = of_kind[kind]
            if kind == RAW:
                item = decoded(next(raw))
                yield log_ns, None if item is None else esns, item
                continue
            if make is None or esns is None:
                yield log_ns, None, None
                continue
            at, places[kind] = places[kind], places[kind] + 1
            if esns not in is_wanted:
                is_wanted[esns] = any(esn in wanted for esn in esns)
            yield log_ns, esns, make(at) if is_wanted[esns] else None

    def _fix(self, k: int) -> Input:
        return GnssFixes.of((self.terminals[k],), self.ints[k], self.floats[k])

    def _scan(self, k: int) -> Input:
        sensor, stamp_ns, arrived_ns, scan, begin, end = self.scans[k]
        range_m, azimuth_rad, range_rate_mps, rcs_dbsm = self.columns
        return RadarScan(
            sensor=sensor, stamp_ns=stamp_ns, arrived_ns=arrived_ns, scan=scan, range_m=range_m[begin:end],
            azimuth_rad=azimuth_rad[begin:end], range_rate_mps=range_rate_mps[begin:end],
            rcs_dbsm=rcs_dbsm[begin:end],
        )  # fmt: skip


class _Making:
    """A block that is being made."""

    def __init__(self, frame: SiteFrame, routes: Routes, unread: Counter[str]) -> None:
        self._frame, self._routes, self._unread = frame, routes, unread
        self.log_ns: list[int] = []
        self._kinds = bytearray()
        self._esns: list[Esns | None] = []
        self._fixes: list[tuple[GnssFix, int]] = []
        self._scans: list[tuple[str, int, int, int, int, int]] = []
        self._columns: tuple[list[float | None], ...] = ([], [], [], [])
        self._whole: list[Input] = []
        self._raw: list[LoggedMessage] = []

    def add(self, message: LoggedMessage, is_kept: bool) -> None:
        """Add a message; what can't be read is counted, and no input, as `decoded` has it.

        is_kept : it is handed on as it is, though it is no input
        """
        kind: int = NONE
        esns: Esns | None = None
        try:
            if is_kept or is_raw(message.topic):
                kind, esns = RAW, self._routes.everyone
                self._raw.append(message)
            else:
                payload = payload_of(message.topic, message.body)
                if payload is not None:
                    kind, esns = self._observed(message, payload)
        except BODY_ERRORS:
            self._unread[UNDECODABLE] += 1
        self.log_ns.append(message.log_ns)
        self._kinds.append(kind)
        self._esns.append(esns)

    def _observed(self, message: LoggedMessage, payload: Payload) -> tuple[int, Esns | None]:
        """Keep an observation; return its kind and who gets it."""
        if isinstance(payload, GnssFix):
            self._fixes.append((payload, message.log_ns))
            return FIX, None  # it is routed with those beside it
        if isinstance(payload, RadarPayload) and payload.detections is not None:
            seen, first = payload.detections, len(self._columns[0])
            values = (seen.range_m, seen.azimuth_rad, seen.range_rate_mps, seen.rcs_dbsm)
            for column, more in zip(self._columns, values, strict=True):
                column.extend(more)
            numbers = scan_numbers(payload, message.log_ns)
            self._scans.append((payload.sensor, *numbers, first, len(self._columns[0])))
            return SCAN, self._routes.of_radar(payload.sensor)
        item = input_of(message.topic, payload, message.log_ns, self._frame)
        self._whole.append(item)
        if isinstance(item, ObjectScan):
            return WHOLE, self._routes.of_radar(item.sensor)
        assert isinstance(item, GatewayFixes), "what is no observation is raw"
        return WHOLE, self._routes.of_gateway()

    def block(self) -> Block:
        """Return the block: its fixes are projected and routed."""
        ints, floats = fix_matrices(self._fixes, self._frame)
        terminals = [fix.terminal for fix, _ in self._fixes]
        east_m, north_m = floats[:, F_EAST, 0].copy(), floats[:, F_NORTH, 0].copy()
        routed = iter(self._routes.of_fixes(terminals, floats[:, F_USABLE, 0] > 0.0, east_m, north_m))
        esns = [next(routed) if kind == FIX else at for kind, at in zip(self._kinds, self._esns, strict=True)]
        return Block(
            self.log_ns, bytes(self._kinds), esns, terminals, ints, floats, self._scans,
            np.array(self._columns, dtype=np.float64), self._whole, self._raw,
        )  # fmt: skip


def blocks_of(
    messages: Iterable[LoggedMessage], frame: SiteFrame, routes: Routes, unread: Counter[str],
    keeps: Callable[[str], bool] = lambda _: False,
) -> Iterator[Block]:  # fmt: skip
    """Yield the messages in blocks; where `messages` can't be read on, the error comes behind those before.

    unread : counts what can't be read.  keeps : says of a topic that its messages are handed on as they are
    """
    making = _Making(frame, routes, unread)
    try:
        for message in messages:
            making.add(message, keeps(message.topic))
            if len(making.log_ns) == BLOCK_MESSAGES:
                yield making.block()
                making = _Making(frame, routes, unread)
    except READ_ERRORS:
        yield making.block()
        raise
    yield making.block()
