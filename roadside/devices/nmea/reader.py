"""NMEA 0183 receivers: a stream of sentences to one fix per epoch, pure; NMEA 0183 v4.11.

Zero trust: no date, no fix, no place on earth, no sentence with a wrong checksum becomes a position. Place,
speed, date and quality are read from whichever sentence bears them: RMC, GGA, GNS, GLL, VTG, ZDA, GST.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.wire import GnssFix
from roadside.devices.nmea import quality as qualities
from roadside.devices.nmea.fields import field_of, midnight_of, midnight_s, number, position, second_of
from roadside.devices.nmea.lines import LineReader
from roadside.devices.nmea.quality import Belief, Claim

_EPOCH_KINDS = frozenset(("RMC", "GGA", "GNS", "GLL", "GST", "VTG"))  # of an epoch, beside ZDA
_KNOTS_MPS = 1852.0 / 3600.0
_DAY_S = 86_400
_SATELLITES_MAX = 999
_SAME_DATUM = ("", "W84", "P90")  # PZ-90 agrees with WGS 84 within centimetres

Date = tuple[int, float]  # midnight in seconds since 1970, and the second of that day when it was stated


@dataclass(slots=True)
class Epoch:
    """The values that the sentences of one instant have stated so far; None: not stated."""

    second_s: float  # of the UTC day
    lon_deg: float | None = None
    lat_deg: float | None = None
    alt_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    sigma_m: float | None = None
    satellites: int | None = None
    belief: Belief = field(default_factory=Belief)
    kinds: set[str] = field(default_factory=set)
    emitted: bool = False  # before its end, since all that was expected had come

    def place(self, position: tuple[float, float] | None) -> None:
        if position is not None:
            self.lat_deg, self.lon_deg = position


class NmeaReader:
    """One receiver's stream; `terminal` is given by who listens, since a receiver has no name.

    An epoch ends when the time changes, and already when every kind of sentence that the epoch before had
    has come: a receiver at 1 Hz would else always be a second late.

    skipped : counts whole sentences that are not read, by kind; date : known beforehand, of a log read twice
    """

    def __init__(
        self,
        terminal: str,
        counts: Counter[str],
        skipped: Counter[str] | None = None,
        date: Date | None = None,
    ) -> None:
        self.skipped: Counter[str] = Counter() if skipped is None else skipped
        self.first_date: Date | None = None  # that a sentence stated
        self._terminal = terminal
        self._counts = counts
        self._lines = LineReader(counts, self.skipped)
        self._epoch: Epoch | None = None
        self._date = date
        self._stated: Date | None = None  # the newest that a sentence stated
        self._heading_deg: float | None = None  # HDT and THS come without a time
        self._foreign_datum = False
        self._expected: frozenset[str] = frozenset()  # kinds of the last whole epoch
        self._readers: dict[str, Callable[[list[str]], None]] = {
            "RMC": self._rmc,
            "GGA": self._gga,
            "GNS": self._gns,
            "GLL": self._gll,
            "GST": self._gst,
            "VTG": self._vtg,
            "ZDA": self._zda,
            "HDT": self._hdt,
            "THS": self._ths,
            "DTM": self._dtm,
        }
        self._arrived_ns: int | None = None
        self._fixes: list[GnssFix] = []

    @property
    def n_sentences(self) -> int:
        """How many came from a GNSS talker with the right checksum."""
        return self._lines.n_sentences

    @property
    def held_bytes(self) -> int:
        return self._lines.held_bytes

    def feed(self, data: bytes, arrived_ns: int | None = None) -> list[GnssFix]:
        """Return the fixes of the epochs that these bytes ended, in the order of the stream."""
        self._arrived_ns = arrived_ns
        for fields in self._lines.feed(data):
            self._sentence(fields)
        return self._taken()

    def flush(self, arrived_ns: int | None = None) -> list[GnssFix]:
        """End the epoch under way: the stream is silent."""
        self._arrived_ns = arrived_ns
        self._end()
        return self._taken()

    def end(self, arrived_ns: int | None = None) -> list[GnssFix]:
        """End the line and the epoch under way: the stream is over."""
        return self.feed(b"\r\n", arrived_ns) + self.flush(arrived_ns)

    def _taken(self) -> list[GnssFix]:
        fixes, self._fixes = self._fixes, []
        return fixes

    def _sentence(self, fields: list[str]) -> None:
        kind = fields[0]
        reader = self._readers.get(kind)
        if reader is None:
            self._lines.skip(kind)
            return
        try:
            reader(fields)
        except (ValueError, IndexError):  # the checksum holds, the content doesn't
            self._counts["nmea.field"] += 1
            return
        epoch = self._epoch
        if epoch is None:
            return
        if kind in _EPOCH_KINDS:
            if epoch.emitted:  # it came too late for the fix of its epoch
                self._counts["nmea.after_fix"] += 1
            epoch.kinds.add(kind)
        if self._expected and not epoch.emitted and epoch.kinds >= self._expected:
            epoch.emitted = True
            self._emit(epoch)

    def _at(self, time: str) -> Epoch | None:
        """Return the epoch of a sentence's time; another time than before ends the epoch before."""
        if not time:
            self._counts["nmea.no_time"] += 1
            return None
        second_s = second_of(time)
        if self._epoch is None or self._epoch.second_s != second_s:
            self._end()
            self._epoch = Epoch(second_s)
            self._carry_date(second_s)
        return self._epoch

    def _rmc(self, fields: list[str]) -> None:
        epoch = self._at(fields[1])
        place, speed_knots = position(fields[3:7]), number(fields[7], 0.0)
        course_deg = number(fields[8], 0.0, 360.0)
        midnight = midnight_s(fields[9]) if fields[9] else None
        if epoch is None:
            return
        epoch.belief.add(qualities.of_status(fields[2], field_of(fields, 12)))
        self._count_unsafe(fields)
        epoch.place(place)
        if speed_knots is not None:
            epoch.speed_mps = speed_knots * _KNOTS_MPS
        if course_deg is not None:
            epoch.course_deg = course_deg
        if midnight is not None:
            self._set_date(midnight, epoch.second_s)

    def _gga(self, fields: list[str]) -> None:
        self._solution(fields, qualities.of_digit(fields[6]))

    def _gns(self, fields: list[str]) -> None:
        self._solution(fields, qualities.of_letters(fields[6]))
        self._count_unsafe(fields)

    def _solution(self, fields: list[str], claim: Claim) -> None:
        """GGA and GNS, which differ in how they state the quality."""
        epoch = self._at(fields[1])
        place, satellites, alt_m = position(fields[2:6]), _satellites(fields[7]), number(fields[9])
        if epoch is None:
            return
        epoch.belief.add(claim)
        epoch.place(place)
        epoch.satellites = satellites if satellites is not None else epoch.satellites
        epoch.alt_m = alt_m if alt_m is not None else epoch.alt_m

    def _count_unsafe(self, fields: list[str]) -> None:
        """Count a navigational status (NMEA 4.1) U; V says that the receiver does not judge it, as most."""
        if field_of(fields, 13) == "U":
            self._counts["nmea.unsafe"] += 1

    def _gll(self, fields: list[str]) -> None:
        epoch = self._at(field_of(fields, 5))  # the oldest edition has a place only
        place = position(fields[1:5])
        if epoch is None:
            return
        has_status = len(fields) > 6
        claim = qualities.of_status(fields[6], field_of(fields, 7)) if has_status else qualities.VALID
        epoch.belief.add(claim)
        if epoch.lat_deg is None:  # the others have as many digits or more
            epoch.place(place)

    def _gst(self, fields: list[str]) -> None:
        epoch = self._at(fields[1])
        lat_m, lon_m = number(fields[6], 0.0), number(fields[7], 0.0)
        if epoch is not None and lat_m is not None and lon_m is not None:
            epoch.sigma_m = math.sqrt((lat_m**2 + lon_m**2) / 2.0)  # per axis

    def _vtg(self, fields: list[str]) -> None:
        """Speed and course without a time: of the epoch under way, where RMC stated none."""
        epoch, letter = self._epoch, field_of(fields, 9)
        course_deg, speed_kmh = number(fields[1], 0.0, 360.0), number(fields[7], 0.0)
        speed_knots = number(fields[5], 0.0)
        if epoch is None:
            self._lines.skip("VTG")
            return
        if letter and qualities.of_status("A", letter)[1] == 0:  # simulated, or no speed at all
            if letter != "N":
                epoch.belief.add(qualities.of_status("A", letter))
            return
        if epoch.course_deg is None:
            epoch.course_deg = course_deg
        if epoch.speed_mps is None and speed_kmh is not None:
            epoch.speed_mps = speed_kmh / 3.6
        elif epoch.speed_mps is None and speed_knots is not None:
            epoch.speed_mps = speed_knots * _KNOTS_MPS

    def _zda(self, fields: list[str]) -> None:
        """The date; it opens no epoch, since some receivers send it for the pulse of the next second."""
        midnight = midnight_of(*fields[2:5])
        if not fields[1]:
            self._counts["nmea.no_time"] += 1
        elif midnight is not None:
            second_s = second_of(fields[1])
            self._set_date(midnight, second_s)
            if self._epoch is not None and self._epoch.second_s == second_s:
                self._epoch.kinds.add("ZDA")  # to be waited for in the next epoch as well

    def _hdt(self, fields: list[str]) -> None:
        self._heading_deg = number(fields[1], 0.0, 360.0)

    def _ths(self, fields: list[str]) -> None:
        if fields[2] in ("A", "E"):  # measured or estimated, neither manual nor simulated nor void
            self._heading_deg = number(fields[1], 0.0, 360.0)

    def _dtm(self, fields: list[str]) -> None:
        """Positions on another datum are 100 m off; one without an offset is ours by another name."""
        same = fields[1] in _SAME_DATUM or (number(fields[3]), number(fields[5])) == (0.0, 0.0)
        self._foreign_datum = not same

    def _set_date(self, midnight: int, second_s: float) -> None:
        if self._stated is not None and self._stated[1] == second_s and self._stated[0] != midnight:
            self._counts["nmea.date_conflict"] += 1  # of two sentences of one second
        self._date = self._stated = (midnight, second_s)
        self.first_date = self.first_date or self._date

    def _carry_date(self, second_s: float) -> None:
        """Carry the date on over midnight, for receivers that state it rarely."""
        if self._date is None:
            return
        date = _nearest_day(self._date, second_s)
        if (date, second_s) > self._date:
            self._date = (date, second_s)

    def _end(self) -> None:
        epoch, self._epoch = self._epoch, None
        if epoch is None:
            return
        self._expected = frozenset(epoch.kinds)
        if not epoch.emitted:
            self._emit(epoch)

    def _emit(self, epoch: Epoch) -> None:
        """Make a fix of an epoch that has one."""
        heading_deg, self._heading_deg = self._heading_deg, None
        if self._date is None:
            self._counts["nmea.no_date"] += 1
            return
        if epoch.lat_deg is None or epoch.lon_deg is None:
            self._counts["nmea.no_position"] += 1
            return
        midnight = _nearest_day(self._date, epoch.second_s)
        stamp_ns = (midnight * 1_000 + round(epoch.second_s * 1_000)) * 1_000_000
        if self._foreign_datum:
            self._counts["nmea.datum"] += 1
        self._counts.update(epoch.belief.faults)
        self._fixes.append(
            GnssFix(
                terminal=self._terminal,
                stamp_ns=stamp_ns,
                arrived_ns=self._arrived_ns,
                lon_deg=epoch.lon_deg,
                lat_deg=epoch.lat_deg,
                alt_m=epoch.alt_m,
                speed_mps=epoch.speed_mps,
                course_deg=heading_deg if epoch.course_deg is None else epoch.course_deg,
                sigma_m=epoch.sigma_m,
                quality="none" if self._foreign_datum else epoch.belief.quality,
                satellites=epoch.satellites,
            )
        )


def _nearest_day(date: Date, second_s: float) -> int:
    """Return the midnight before a second of the day that lies within half a day of the stated date."""
    midnight, at_s = date
    if second_s < at_s - _DAY_S / 2:
        return midnight + _DAY_S
    if second_s > at_s + _DAY_S / 2:
        return midnight - _DAY_S
    return midnight


def _satellites(text: str) -> int | None:
    n_satellites = number(text, 0.0, _SATELLITES_MAX)
    return None if n_satellites is None else int(n_satellites)
