"""Positions out of JT/T 808 messages whose packages did not all arrive. Pure."""

from collections import Counter

from core.errors import DeviceError
from edge.wire import GnssFix
from roadside.devices.jt808 import batch as batches
from roadside.devices.jt808 import location as locations
from roadside.devices.jt808.fix import fix_of
from roadside.devices.jt808.location import Location
from roadside.devices.jt808.messages import Id
from roadside.devices.jt808.packages import Assembly


def salvage(message: Assembly, terminal: str, plate: str | None, counts: Counter[str]) -> list[GnssFix]:
    """Return the whole fixes; they arrived with the newest package. Broken ones are counted."""
    fixes: list[GnssFix] = []
    for report in _reports(message, counts):
        try:
            fixes.append(fix_of(report, terminal, plate, message.newest_ns, message.first_seq))
        except DeviceError as error:  # one report costs itself only
            counts[error.reason] += 1
    return fixes


def _reports(message: Assembly, counts: Counter[str]) -> list[Location]:
    found: list[Location] = []
    for number, body in message.runs():
        if message.msg_id == Id.LOCATION_BATCH:
            found += batches.salvage(body[batches.HEAD_BYTES if number == 1 else 0 :], counts)
        elif message.msg_id == Id.LOCATION and number == 1 and len(body) >= locations.HEAD_BYTES:
            try:
                found.append(locations.decode(body))  # the position is at its beginning
            except DeviceError as error:
                counts[error.reason] += 1
    return found
