"""NMEA 0183 receivers: a stream of sentences to one fix per epoch, pure; NMEA 0183 v4.11.

Zero trust: no date, no fix, no place on earth, no sentence with a wrong checksum becomes a position.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from edge.wire import GnssFix, Quality
from fusion.times import STAMP_NS_MAX, STAMP_NS_MIN
from roadside.devices.nmea_fields import checksum, midnight_s, number, position, second_of, told_checksum

SENTENCE_BYTES_MAX = 512  # the standard says 82; receivers with many satellites don't care
_TALKERS = frozenset(("GP", "GN", "GL", "GA", "GB", "BD", "GQ", "GI"))
_KINDS = frozenset(("RMC", "GGA", "GST", "VTG"))  # what an epoch is made of
_KNOTS_MPS = 1852.0 / 3600.0
_DAY_S = 86_400
_NS = 1_000_000_000
_QUALITY: dict[str, Quality] = {  # GGA field 6
    "0": "none",
    "1": "single",
    "2": "dgnss",
    "3": "single",  # PPS
    "4": "fixed",
    "5": "float",
    "6": "dead_reckoning",
    "7": "dead_reckoning",  # manual input
    "8": "none",  # a receiver's own simulator is no measurement
}


@dataclass(slots=True)
class Epoch:
    """What the sentences of one instant have told so far; None: not told."""

    second_s: float  # of the UTC day
    lon_deg: float | None = None
    lat_deg: float | None = None
    alt_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    sigma_m: float | None = None
    quality: Quality | None = None
    satellites: int | None = None
    valid: bool | None = None  # RMC's status
    kinds: set[str] = field(default_factory=set)
    told: bool = False  # handed on before its end, since all that was expected had come

    def place(self, position: tuple[float, float] | None) -> None:
        if position is not None:
            self.lat_deg, self.lon_deg = position


class NmeaReader:
    """One receiver's stream; `terminal` is given by who listens, since a receiver has no name.

    An epoch ends when the time changes, and already when every kind of sentence that the epoch before had
    has come: a receiver at 1 Hz would else always be a second late.
    """

    def __init__(self, terminal: str, counts: Counter[str]) -> None:
        self.n_sentences = 0  # of a GNSS talker, with the right checksum
        self._terminal = terminal
        self._counts = counts
        self._rest = b""
        self._long = False
        self._epoch: Epoch | None = None
        self._day_s: int | None = None  # midnight of the last known date, since 1970
        self._day_at_s = 0.0  # second of that day when it was told
        self._heading_deg: float | None = None  # HDT comes without a time
        self._expected: frozenset[str] = frozenset()  # kinds of the last whole epoch

    def feed(self, data: bytes, arrived_ns: int | None = None) -> list[GnssFix]:
        """Return the fixes of the epochs that these bytes ended, in the order of the stream."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self._long = False
        if len(self._rest) > SENTENCE_BYTES_MAX:
            self._counts["nmea.long"] += not self._long  # once for each line without an end
            self._long = True
            self._rest = self._rest[-SENTENCE_BYTES_MAX:]  # a sentence may begin among other bytes
        fixes: list[GnssFix] = []
        for line in lines:
            fields = self._fields(line)
            if fields is not None:
                self._sentence(fields, arrived_ns, fixes)
        return fixes

    def flush(self, arrived_ns: int | None = None) -> list[GnssFix]:
        """End the epoch under way: the stream is over, or silent."""
        fixes: list[GnssFix] = []
        self._end(arrived_ns, fixes)
        return fixes

    def _fields(self, line: bytes) -> list[str] | None:
        """Return the fields of one sentence of a GNSS talker, kind first; the rest of the line is skipped."""
        start = line.rfind(b"$")
        if start < 0 or len(line) - start > SENTENCE_BYTES_MAX:
            return None
        body, star, sent = line[start + 1 :].rstrip(b"\r").partition(b"*")
        if not body.isascii() or body[:2].decode("ascii") not in _TALKERS:
            return None
        told = told_checksum(sent) if star else None
        if told is None or told != checksum(body):
            self._counts["nmea.checksum"] += 1
            return None
        self.n_sentences += 1
        kind, *rest = body.decode("ascii").split(",")
        return [kind[2:], *rest]

    def _sentence(self, fields: list[str], arrived_ns: int | None, fixes: list[GnssFix]) -> None:
        try:
            match fields[0]:
                case "RMC":
                    self._rmc(fields, arrived_ns, fixes)
                case "GGA":
                    self._gga(fields, arrived_ns, fixes)
                case "GST":
                    self._gst(fields, arrived_ns, fixes)
                case "VTG":
                    self._vtg(fields)
                case "HDT":
                    self._heading_deg = number(fields[1], 0.0, 360.0)
        except (ValueError, IndexError):  # the checksum holds, the content doesn't
            self._counts["nmea.field"] += 1
            return
        epoch = self._epoch
        if epoch is None or fields[0] not in _KINDS:
            return
        epoch.kinds.add(fields[0])
        if self._expected and not epoch.told and epoch.kinds >= self._expected:
            epoch.told = True
            self._tell(epoch, arrived_ns, fixes)

    def _at(self, time: str, arrived_ns: int | None, fixes: list[GnssFix]) -> Epoch | None:
        """Return the epoch of a sentence's time; another time than before ends the epoch before."""
        if not time:
            return None
        second_s = second_of(time)
        if self._epoch is None or self._epoch.second_s != second_s:
            self._end(arrived_ns, fixes)
            self._epoch = Epoch(second_s)
        return self._epoch

    def _rmc(self, fields: list[str], arrived_ns: int | None, fixes: list[GnssFix]) -> None:
        epoch = self._at(fields[1], arrived_ns, fixes)
        if epoch is None:
            return
        epoch.valid = fields[2] == "A"
        epoch.place(position(fields[3:7]))
        speed_knots = number(fields[7], 0.0)
        epoch.speed_mps = None if speed_knots is None else speed_knots * _KNOTS_MPS
        epoch.course_deg = number(fields[8], 0.0, 360.0)
        if fields[9]:
            self._day_s = midnight_s(fields[9])
            self._day_at_s = epoch.second_s

    def _gga(self, fields: list[str], arrived_ns: int | None, fixes: list[GnssFix]) -> None:
        epoch = self._at(fields[1], arrived_ns, fixes)
        if epoch is None:
            return
        epoch.place(position(fields[2:6]))
        epoch.quality = _QUALITY.get(fields[6], "none")
        epoch.satellites = int(fields[7]) if fields[7].isdecimal() else None
        epoch.alt_m = number(fields[9])

    def _gst(self, fields: list[str], arrived_ns: int | None, fixes: list[GnssFix]) -> None:
        epoch = self._at(fields[1], arrived_ns, fixes)
        if epoch is None:
            return
        lat_m, lon_m = number(fields[6], 0.0), number(fields[7], 0.0)
        if lat_m is not None and lon_m is not None:
            epoch.sigma_m = math.sqrt((lat_m**2 + lon_m**2) / 2.0)  # per axis

    def _vtg(self, fields: list[str]) -> None:
        """Speed and course without a time: of the epoch under way, where RMC told none."""
        if self._epoch is None:
            return
        course_deg, speed_kmh = number(fields[1], 0.0, 360.0), number(fields[7], 0.0)
        if self._epoch.course_deg is None:
            self._epoch.course_deg = course_deg
        if self._epoch.speed_mps is None and speed_kmh is not None:
            self._epoch.speed_mps = speed_kmh / 3.6

    def _end(self, arrived_ns: int | None, fixes: list[GnssFix]) -> None:
        epoch, self._epoch = self._epoch, None
        if epoch is None:
            return
        self._expected = frozenset(epoch.kinds)
        if not epoch.told:
            self._tell(epoch, arrived_ns, fixes)

    def _tell(self, epoch: Epoch, arrived_ns: int | None, fixes: list[GnssFix]) -> None:
        """Make a fix of an epoch that has one."""
        heading_deg, self._heading_deg = self._heading_deg, None
        if self._day_s is None:
            self._counts["nmea.no_date"] += 1
            return
        if epoch.lat_deg is None or epoch.lon_deg is None:
            self._counts["nmea.no_position"] += 1
            return
        stamp_ns = self._stamp_ns(epoch)
        if not STAMP_NS_MIN < stamp_ns < STAMP_NS_MAX:
            self._counts["nmea.stamp"] += 1
            return
        fixes.append(self._fix(epoch, stamp_ns, arrived_ns, heading_deg))

    def _stamp_ns(self, epoch: Epoch) -> int:
        """Return the epoch's instant; after midnight the time is ahead of the date that RMC told last."""
        assert self._day_s is not None, "the caller has checked"
        second_s = epoch.second_s
        if second_s < self._day_at_s - _DAY_S / 2:
            second_s += _DAY_S
        return (self._day_s * 1_000 + round(second_s * 1_000)) * 1_000_000

    def _fix(self, epoch: Epoch, stamp_ns: int, arrived_ns: int | None, heading_deg: float | None) -> GnssFix:
        quality = epoch.quality
        if epoch.valid is False:
            quality = "none"
        elif quality is None and epoch.valid:
            quality = "single"
        assert epoch.lon_deg is not None and epoch.lat_deg is not None, "the caller has checked"  # noqa: PT018
        course_deg = heading_deg if epoch.course_deg is None else epoch.course_deg
        return GnssFix(
            terminal=self._terminal,
            stamp_ns=stamp_ns,
            arrived_ns=arrived_ns,
            lon_deg=epoch.lon_deg,
            lat_deg=epoch.lat_deg,
            alt_m=epoch.alt_m,
            speed_mps=epoch.speed_mps,
            course_deg=course_deg,
            sigma_m=epoch.sigma_m,
            quality=quality or "none",
            satellites=epoch.satellites,
        )
