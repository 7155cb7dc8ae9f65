"""Nameless vehicles that an RSU lost on their way to a neighbour, as a handover carries them. Pure.

Where no radar sees the last of one stretch and the first of the next, the neighbour knows by them which id a
vehicle had before (`roadside.found_again`).
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

from core.times import FUTURE_NS
from edge.decoding import decoder
from edge.wire import SIDE_MAX
from fusion.handover_doubt import PLACE_M_MAX
from fusion.observations import SPEED_MPS_MAX
from roadside.found_again import KEPT_NS
from roadside.pipeline_state import LostState

NO_LANE = -1  # of a lane that our map does not have


class LostVehicle(msgspec.Struct, frozen=True, kw_only=True):
    """Where a nameless vehicle was measured last."""

    track: int
    lane: str | None = None
    s_m: float
    v_east_mps: float
    v_north_mps: float
    rate_mps: float  # of its station; 0: it is found
    at_ns: int


_ENCODER = msgspec.msgpack.Encoder()
_decode = decoder(msgspec.msgpack.Decoder(LostVehicle))


def towards(
    rows: Sequence[LostState], neighbours: Sequence[tuple[str, float, float]], lanes: Sequence[str]
) -> dict[str, list[bytes]]:
    """Return the vehicles as sent, by the neighbour that each drives to.

    neighbours : esn and stretch of each.  lanes : the map's names, by number
    """
    sent: dict[str, list[bytes]] = {}
    for row in rows:
        for esn in _ahead(row, neighbours):
            if len(sent.get(esn, ())) < SIDE_MAX:
                sent.setdefault(esn, []).append(_ENCODER.encode(_vehicle(row, lanes)))
    return sent


def _ahead(row: LostState, neighbours: Sequence[tuple[str, float, float]]) -> list[str]:
    """Return the neighbour that a vehicle drives to; all of them for one that is found."""
    if row.rate_mps == 0.0:
        return [esn for esn, _, _ in neighbours]
    ahead = [
        (abs((from_m if row.rate_mps > 0.0 else to_m) - row.s_m), esn)
        for esn, from_m, to_m in neighbours
        if (to_m > row.s_m if row.rate_mps > 0.0 else from_m < row.s_m)
    ]
    return [min(ahead)[1]] if ahead else []


def _vehicle(row: LostState, lanes: Sequence[str]) -> LostVehicle:
    return LostVehicle(
        track=row.track,
        lane=lanes[row.lane] if 0 <= row.lane < len(lanes) else None,
        s_m=row.s_m,
        v_east_mps=row.v_east_mps,
        v_north_mps=row.v_north_mps,
        rate_mps=row.rate_mps,
        at_ns=row.at_ns,
    )


def received(rows: Sequence[msgspec.Raw], now_ns: int, lane_of: Mapping[str, int]) -> list[LostState]:
    """Return the vehicles of a neighbour's message that can be true; lane_of : number of each lane."""
    found = []
    for raw in rows:
        try:
            row = _decode(bytes(raw))
        except (msgspec.DecodeError, ValueError):  # another version's, or a broken neighbour's
            continue
        if _is_sound(row, now_ns):
            found.append(
                LostState(
                    track=row.track, lane=lane_of.get(row.lane or "", NO_LANE), s_m=row.s_m,
                    v_east_mps=row.v_east_mps, v_north_mps=row.v_north_mps, rate_mps=row.rate_mps,
                    at_ns=row.at_ns,
                )
            )  # fmt: skip
    return found


def _is_sound(row: LostVehicle, now_ns: int) -> bool:
    speeds = (row.v_east_mps, row.v_north_mps, row.rate_mps)
    return (
        0 < row.track < 2**64
        and math.isfinite(row.s_m)
        and abs(row.s_m) <= PLACE_M_MAX
        and all(abs(speed) <= SPEED_MPS_MAX for speed in speeds)  # NaN fails
        and now_ns - KEPT_NS <= row.at_ns <= now_ns + FUTURE_NS
    )
