"""The whole state of a pipeline, as `/state` keeps it: a replay from it gives the very bytes. Pure."""

from typing import Literal

import msgspec

from edge.wire import TrackNames
from fusion.tracker import Tracker
from fusion.tracker_state import TrackerState, stored_tracks
from geofence.carry import MonitorState
from geofence.journeys.journey import JourneysState
from roadside.pipeline_alarms import AlarmedTerminal
from roadside.pipeline_config import ConfigState
from roadside.pipeline_late_state import LateState

Phase = Literal["free", "owned", "giving", "given"]


class HoldingState(msgspec.Struct, frozen=True, kw_only=True):
    """One track's ownership."""

    track: int
    phase: Phase
    inside_since_ns: int | None
    from_outside: bool
    giving_since_ns: int | None = None
    flag_passes_ns: int | None = None
    began_m: float | None = None


class LostState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a nameless track was measured last (roadside.found_again)."""

    track: int
    lane: int
    s_m: float
    v_east_mps: float
    v_north_mps: float
    rate_mps: float
    at_ns: int
    passed_on: bool = False  # the neighbour that it drives to knows it, or told us of it


class GivingState(msgspec.Struct, frozen=True, kw_only=True):
    """An offer without an acknowledgement."""

    seq: int
    to: str
    tracks: tuple[int, ...]
    body: bytes
    sent_ns: int
    places: tuple[int, ...] = ()  # of the tracks in the message; empty: all, in their order
    episodes: tuple[str, ...] = ()  # that the message carries


class PipelineState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state after tick `stamp_ns`; the inputs from that log time on continue it."""

    stamp_ns: int
    epoch: int
    tracker: TrackerState
    monitor: MonitorState
    holdings: tuple[HoldingState, ...]
    giving: tuple[GivingState, ...]
    received: dict[str, tuple[tuple[int, ...], ...]]  # epoch, seq, refused places
    give_seq: int
    snapshot_seq: int
    feed_ns: int | None
    # the fields' first names stay in recordings
    published_names: TrackNames | None = msgspec.field(name="told")
    published_names_ns: int = msgspec.field(name="told_ns")
    counts: dict[str, int]
    nameless: tuple[LostState, ...] = ()
    journeys: JourneysState | None = None
    late: LateState = LateState()
    config: ConfigState = ConfigState()
    alarms: tuple[AlarmedTerminal, ...] = ()
    asked_ns: dict[str, int] = {}  # by terminal: when a neighbour asked last for its waiting episodes


class StateUnreadableError(ValueError):
    """A `/state` message that this version can't start from."""


_ENCODER = msgspec.msgpack.Encoder()
_TRACKS = b"\xa6tracks"  # the name of the tracker's first field; only numbers stand before it
_NONE = b"\x90"  # an empty list
_DECODER = msgspec.msgpack.Decoder(PipelineState)


encode = _ENCODER.encode


def encode_apart(state: PipelineState, tracker: Tracker) -> bytes:
    """Return the bytes of a state whose tracks are still in the tracker, as `encode` of the whole would.

    Each track is made, encoded and forgotten in turn: 1 000 of them with their rings are 26 MB as bytes, and
    as much once more as objects.
    """
    whole = encode(state)
    at = whole.index(_TRACKS + _NONE) + len(_TRACKS)
    body, n = bytearray(), 0
    for track in stored_tracks(tracker.store, tracker.terminals):
        _ENCODER.encode_into(track, body, len(body))
        n += 1
    return b"".join((whole[:at], _head_of_list(n), body, whole[at + len(_NONE) :]))


def _head_of_list(n: int) -> bytes:
    """Return how a MessagePack list of n entries begins."""
    if n < 16:
        return bytes((0x90 | n,))
    return b"\xdc" + n.to_bytes(2, "big") if n < 65_536 else b"\xdd" + n.to_bytes(4, "big")


def decode(body: bytes) -> PipelineState:
    """Return a state; StateUnreadableError where it lacks a field that this version needs."""
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise StateUnreadableError(
            f"/state is of another version ({error}): replay from the start of the recording"
        ) from None
