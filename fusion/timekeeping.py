"""Every clock that the tracker depends on: the radars', the terminals', the gateway's.

A stamp of a terminal is corrected where that is sure, else refused; then only its arrival places a report.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from core.arrays import F64, I64, Bools
from core.kernel import checked_once
from core.times import NS
from fusion.clocks import (
    ACCEPTED_NS,
    CLOCK_FORGET_NS,
    CLOCK_NAMES,
    KIND,
    KINDS,
    N_CLOCK,
    NO_FAULT,
    OFFSET,
    REGISTRY,
    ROLLOVER,
    SOUND_AT,
    SPAN_NS_MIN,
    SPREAD_NS_MAX,
    TIME_ZONE,
    ClockFault,
    Clocks,
    add_count,
    common_offset_s,
    longer,
)
from fusion.columns import Columns, columns_of, read_floats, read_ints
from fusion.config import Terminal
from fusion.observations import GnssFixes
from fusion.prompt_clocks import UsualClocks, note_prompt

SILENT_NS = NS  # a radar that sent nothing for longer is silent
GATEWAY = 0  # the row of all gateways: an RSU has one at a time
ROLLOVER_NS = 1_024 * 7 * 86_400 * NS  # GPS counts its weeks in ten bits
ROLLED_NS_MAX = 2 * 86_400 * NS  # an age may remain after the correction: time zone, stored report
PROMPT_NS = (-300_000_000, NS)  # ages of a fix that is live
WAY_NS, WAY_NS_MAX = 5 * NS // 2, 35 * NS  # the transport time of a fix whose stamp does not show it
LAST_NS = 3 * NS  # a stored report does not replace one of now for this long
CLOCKS_NAMED_MAX = 64  # clocks in one status
SHOWN_STEP_S = 0.01  # of offsets that radar shows
SHOWN_NS_MIN = 200_000_000  # a smaller one is no fault: reports' own errors and a vehicle's length
HOST_MIN, HOST_SHARE = 3, 0.8  # if so many senders are wrong alike, the clock of the host is wrong
HOST_NS = 300 * NS  # a terminal that sent within this counts

# Row of `more` (n, N_MORE), int64: corrections, and the last report with an unusable stamp
CORRECTED_BY_NS, CORRECTED_AT, CORRECTED_N, REPORT_NS, REPORT_WAY_NS, REPORT_STAMP = range(6)
N_MORE = 6
# Row of `place` (n, N_PLACE): of that report
P_EAST, P_NORTH, P_HEADING, P_SPEED, P_SIGMA = range(5)
N_PLACE = 5
INT_NAMES = (
    "terminal", *CLOCK_NAMES, "corrected_by_ns", "corrected_at_ns", "n_corrected", "report_ns",
    "report_way_ns", "report_stamp_ns", "shown_by_radar_ns",
)  # fmt: skip
PLACE_NAMES = ("east_m", "north_m", "heading_rad", "speed_mps", "sigma_m")


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseReports:
    """Reports with unusable stamps, as n columns; each was measured up to `way_ns` before its arrival."""

    terminal: I64  # (n,) row
    arrived_ns: I64
    way_ns: I64
    east_m: F64  # of the antenna, site frame
    north_m: F64
    heading_rad: F64  # NaN unknown
    speed_mps: F64  # NaN unknown
    sigma_m: F64

    def __len__(self) -> int:
        return len(self.terminal)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReport:
    """The wrong clocks, as the status names them."""

    terminals: Mapping[str, ClockFault]  # CLOCKS_NAMED_MAX at most, the uncorrected first
    n_terminals: int  # of all, named or not
    host: ClockFault | None  # this RSU's, its gateway's, or all terminals' alike
    radars: Mapping[str, ClockFault] = field(default_factory=dict)


_note_prompt_once = checked_once(note_prompt)


class TerminalClocks:
    """The clocks of the tracker's terminals, by their rows."""

    def __init__(self, late_ns: int) -> None:
        """late_ns : the greatest age that the tracker fuses."""
        self.clocks = Clocks(0, late_ns)
        self.more: I64 = np.zeros((0, N_MORE), dtype=np.int64)
        self.place: F64 = np.zeros((0, N_PLACE))
        self.declared_ns: I64 = np.zeros(0, dtype=np.int64)
        self.shown_ns: I64 = np.zeros(0, dtype=np.int64)  # by radar, see fusion.doubt_clock
        self.known_ns: I64 = np.zeros(0, dtype=np.int64)  # both together: stamps are corrected by it
        self.n = 0

    def grow(self, about: Sequence[Terminal]) -> None:
        """Add a row for each new terminal; rows are never freed."""
        kept, self.n = self.n, len(about)
        if self.n > len(self.more):
            room = max(64, 2 * self.n)
            self.clocks.ints = longer(self.clocks.ints, room)
            self.more, self.place = longer(self.more, room), longer(self.place, room)
            self.declared_ns, self.shown_ns = longer(self.declared_ns, room), longer(self.shown_ns, room)
            self.known_ns = longer(self.known_ns, room)
        for w in range(kept, self.n):
            self.declared_ns[w] = self.known_ns[w] = round(about[w].clock_offset_s * NS)

    def step(
        self, now_ns: int, who: I64, seen: GnssFixes, usable: Bools, sigma_m: F64, counts: dict[str, int]
    ) -> tuple[I64, Bools]:
        """Return the stamps of a message's fixes, corrected where that is sure, and which are doubtful (n,).

        who : (n,) rows.  usable : (n,) has a position; others are no evidence of a clock.  sigma_m : (n,)
        """
        stamps = np.ascontiguousarray(seen.stamp_ns, np.int64)
        if _note_prompt_once(
            now_ns, who, stamps, usable, *PROMPT_NS, self.known_ns, self.clocks.ints, self.more
        ):
            return seen.stamp_ns, np.zeros(len(who), dtype=np.bool_)
        stamp_ns = seen.stamp_ns - self.known_ns[who]
        age_ns = now_ns - stamp_ns
        weeks_ns = np.rint(age_ns / ROLLOVER_NS).astype(np.int64) * ROLLOVER_NS
        weeks_ns = np.where(np.abs(age_ns - weeks_ns) <= ROLLED_NS_MAX, weeks_ns, 0)
        stamp_ns, age_ns = stamp_ns + weeks_ns, age_ns - weeks_ns
        prompt = (age_ns >= PROMPT_NS[0]) & (age_ns <= PROMPT_NS[1])
        by_ns = weeks_ns - self.known_ns[who]
        odd = ~prompt | (by_ns != 0) | (self.clocks.ints[who, KIND] != NO_FAULT) | self.more[who].any(axis=1)
        if odd.any():
            odd = np.isin(who, who[odd])  # all fixes of a terminal, to find its freshest
        at = who[usable & ~odd]  # the usual case: nothing to find out
        self.clocks.ints[at, SOUND_AT] = now_ns
        self.clocks.ints[at, ACCEPTED_NS] = now_ns
        if not odd.any():
            return stamp_ns, odd
        add_count(counts, "gnss.rollover", int(np.count_nonzero(weeks_ns)))
        add_count(counts, "gnss.offset_corrected", int(np.count_nonzero(self.known_ns[who])))
        for w in dict.fromkeys(who[usable & odd].tolist()):
            mine = np.flatnonzero((who == w) & usable)
            j = int(mine[np.argmin(age_ns[mine])])  # the freshest fix shows the clock best
            kind = self.clocks.note(w, now_ns, int(stamp_ns[j]), _key(seen, j))
            add_count(counts, f"clock.terminal.{KINDS[kind]}", int(kind != NO_FAULT))
            self._correct(w, now_ns, int(by_ns[j]), len(mine))
            if prompt[j] and not self.clocks.doubtful(w):
                self.more[w, [REPORT_NS, REPORT_WAY_NS, REPORT_STAMP]] = 0
            else:
                self._keep_report(w, now_ns, int(age_ns[j]), seen, j, float(sigma_m[j]))
        return stamp_ns, self.clocks.ints[who, KIND] != NO_FAULT

    def shift(self, w: int, by_s: float) -> None:
        """Correct terminal w's stamps by a further offset that radar shows; near zero its clock is right."""
        shown_ns = int(self.shown_ns[w]) + round(by_s / SHOWN_STEP_S) * round(SHOWN_STEP_S * NS)
        self.shown_ns[w] = shown_ns if abs(shown_ns) >= SHOWN_NS_MIN else 0
        self.known_ns[w] = self.declared_ns[w] + self.shown_ns[w]

    def _correct(self, w: int, now_ns: int, by_ns: int, n_fixes: int) -> None:
        row = self.more[w]
        if by_ns != row[CORRECTED_BY_NS]:
            row[CORRECTED_BY_NS], row[CORRECTED_AT], row[CORRECTED_N] = by_ns, now_ns, 0
        row[CORRECTED_N] += n_fixes if by_ns else 0
        if not by_ns:
            row[CORRECTED_AT] = 0

    def _keep_report(self, w: int, now_ns: int, age_ns: int, seen: GnssFixes, j: int, sigma_m: float) -> None:
        row = self.more[w]
        stamped = 0 <= age_ns <= WAY_NS_MAX and not self.clocks.doubtful(w)
        if age_ns > WAY_NS_MAX and self._has_newer(row, now_ns, now_ns - age_ns):
            return
        row[REPORT_NS], row[REPORT_STAMP] = now_ns, now_ns - age_ns
        row[REPORT_WAY_NS] = max(age_ns, WAY_NS) if stamped else WAY_NS
        self.place[w] = (seen.east_m[j], seen.north_m[j], seen.heading_rad[j], seen.speed_mps[j], sigma_m)

    @staticmethod
    def _has_newer(row: I64, now_ns: int, stamp_ns: int) -> bool:
        """Whether the last report arrived a moment ago, was measured after stamp_ns and was not stored."""
        came_ns, newer = int(row[REPORT_NS]), int(row[REPORT_STAMP])
        return 0 <= now_ns - came_ns <= LAST_NS and newer > stamp_ns and came_ns - newer <= WAY_NS_MAX

    def loose(self, t_ns: int, within_ns: int) -> LooseReports:
        """Return the newest report with an unusable stamp of each terminal that sent one within within_ns."""
        arrived_ns = self.more[: self.n, REPORT_NS]
        w = np.flatnonzero((arrived_ns > 0) & (t_ns - arrived_ns <= within_ns))
        place = self.place[w]
        return LooseReports(
            terminal=w,
            arrived_ns=arrived_ns[w],
            way_ns=self.more[w, REPORT_WAY_NS],
            east_m=place[:, P_EAST],
            north_m=place[:, P_NORTH],
            heading_rad=place[:, P_HEADING],
            speed_mps=place[:, P_SPEED],
            sigma_m=place[:, P_SIGMA],
        )

    # ---- wrong clocks

    def report(self, t_ns: int, ids: Sequence[str], witnesses: Sequence[float]) -> ClockReport:
        """Return the faults at t_ns.

        ids : (n,) of the terminals.  witnesses : offsets [s] of other clocks against this host's
        """
        ints = self.clocks.ints[: self.n]
        odd = (ints[:, KIND] != NO_FAULT) | (self.more[: self.n, CORRECTED_AT] > 0)
        rows = np.flatnonzero(odd & (t_ns - ints[:, ACCEPTED_NS] <= CLOCK_FORGET_NS))
        faults = {w: self._fault(w, t_ns) for w in rows.tolist()}
        host = self._host(t_ns, faults, witnesses)
        if host is not None:
            faults = {w: fault for w, fault in faults.items() if not _alike(fault, host)}
        order = sorted(faults, key=lambda w: (faults[w].corrected, -faults[w].since_ns, w))
        named = {ids[w]: faults[w] for w in order[:CLOCKS_NAMED_MAX]}
        return ClockReport(terminals=named, n_terminals=len(faults), host=host)

    def _fault(self, w: int, t_ns: int) -> ClockFault:
        fault, row = self.clocks.fault(w, t_ns), self.more[w]
        declared_ns = int(self.declared_ns[w])
        if fault is not None and declared_ns:
            return replace(fault, kind=KINDS[REGISTRY], offset_s=round(fault.offset_s + declared_ns / NS, 1))
        if fault is not None:
            return fault
        return ClockFault(
            kind=KINDS[REGISTRY if declared_ns else OFFSET if self.shown_ns[w] else ROLLOVER],
            offset_s=round(-int(row[CORRECTED_BY_NS]) / NS, 1),
            corrected=True,
            since_ns=int(row[CORRECTED_AT]),
            n=int(row[CORRECTED_N]),
        )

    def _host(
        self, t_ns: int, faults: Mapping[int, ClockFault], witnesses: Sequence[float]
    ) -> ClockFault | None:
        """Return the fault of the host: nearly all terminals have the same offset.

        Terminals of one maker may all be off by a time zone; then another clock must confirm the fault.
        """
        n_senders = int(np.count_nonzero(self._sent_lately(t_ns)))
        wrong = [
            fault
            for w, fault in faults.items()
            if (not fault.corrected or self.shown_ns[w]) and t_ns - fault.since_ns >= 0
        ]
        offset_s, n = common_offset_s([fault.offset_s for fault in wrong])
        if n < HOST_MIN or n < HOST_SHARE * n_senders:
            return None
        alike = [fault for fault in wrong if abs(fault.offset_s - offset_s) <= SPREAD_NS_MAX / NS]
        if any(fault.kind == KINDS[TIME_ZONE] for fault in alike) and not any(
            abs(other - offset_s) <= 2 * SPREAD_NS_MAX / NS for other in witnesses
        ):
            return None
        since_ns = min(fault.since_ns for fault in alike)
        return ClockFault(
            kind="host", offset_s=offset_s, corrected=False, since_ns=since_ns, n=sum(f.n for f in alike)
        )

    def _sent_lately(self, t_ns: int) -> Bools:
        accepted_ns = self.clocks.ints[: self.n, ACCEPTED_NS]
        return np.asarray((accepted_ns > 0) & (t_ns - accepted_ns <= HOST_NS))

    # ---- through a restart

    def packed(self) -> tuple[Columns, Columns]:
        """Return the clocks of all terminals that sent anything, and the last reports of the same rows."""
        w = np.flatnonzero(self.clocks.ints[: self.n].any(axis=1))
        ints = np.column_stack([w, self.clocks.ints[w], self.more[w], self.shown_ns[w]])
        return columns_of(INT_NAMES, ints), columns_of(PLACE_NAMES, self.place[w])

    def unpack(self, ints: Columns | None, place: Columns | None, about: Sequence[Terminal]) -> None:
        """Restore what `packed` returned; what is missing starts fresh.

        about : the terminals by row
        """
        self.grow(about)
        numbers = read_ints(ints, INT_NAMES)
        w = numbers[:, 0]
        self.clocks.ints[w], self.more[w] = numbers[:, 1 : 1 + N_CLOCK], numbers[:, 1 + N_CLOCK : -1]
        self.shown_ns[w] = numbers[:, -1]
        self.known_ns[:] = self.declared_ns + self.shown_ns
        places = read_floats(place, PLACE_NAMES)
        if len(places) == len(w):
            self.place[w] = places


class ClockState(msgspec.Struct, frozen=True, kw_only=True):
    """All clocks in storage; `reports` are the last reports of the rows of `terminals`."""

    radars: Columns | None = None
    gateway: Columns | None = None
    terminals: Columns | None = None
    reports: Columns | None = None


class Timekeeping:
    """The clocks of all senders, compared with the arrivals of their messages."""

    def __init__(self, history_s: float, n_radars: int) -> None:
        """history_s : the greatest age that the tracker fuses."""
        late_ns = int(history_s * 1e9)
        self.terminals = TerminalClocks(late_ns)
        self.radars = Clocks(n_radars, late_ns, SPAN_NS_MIN)  # a radar stores nothing: no patience
        self._gateway, self._late_ns = Clocks(1, late_ns), late_ns
        self._usual: UsualClocks | None = None

    def usual(self) -> UsualClocks:
        """Return the clocks as the kernel of the usual case reads and notes them."""
        own, usual = self.terminals, self._usual
        if usual is None or usual.terminals is not own.clocks.ints:  # its arrays are replaced together
            rows = self._gateway.ints, own.known_ns, own.clocks.ints, own.more
            usual = self._usual = UsualClocks(*PROMPT_NS, self._late_ns, *rows)
        return usual

    def fixes(
        self,
        now_ns: int,
        about: Sequence[Terminal],
        who: I64,
        seen: GnssFixes,
        usable: Bools,
        sigma_m: F64,
        counts: dict[str, int],
    ) -> tuple[I64, Bools]:
        """Return the stamps of a message's fixes, corrected where that is sure, and which are doubtful (n,).

        about : the terminals by row;  who : (n,) rows, 0 of none;  usable, sigma_m : (n,) as of the tracker
        """
        if len(who) == 0:
            return seen.stamp_ns, usable
        self.terminals.grow(about)
        kind = self._gateway.note(GATEWAY, now_ns, max(seen.arrived_ns.tolist()), 0)
        if kind:
            add_count(counts, f"clock.gateway.{KINDS[kind]}")
        return self.terminals.step(now_ns, who, seen, usable, sigma_m, counts)

    def radar_state(self, q: int, t_ns: int) -> str:
        """Return "clock" if radar q sends and its clock is wrong, else ""."""
        row = self.radars.ints[q]
        return "clock" if row[KIND] != NO_FAULT and t_ns - row[ACCEPTED_NS] <= SILENT_NS else ""

    def report(self, t_ns: int, ids: Sequence[str], sensors: Sequence[str]) -> ClockReport:
        """Return the wrong clocks at t_ns.

        ids : of the terminals by row;  sensors : the radars by row
        """
        radars = {
            sensor: fault
            for q, sensor in enumerate(sensors)
            if (fault := self.radars.fault(q, t_ns)) is not None
        }
        gateway = self._gateway.fault(GATEWAY, t_ns)
        witnesses = [fault.offset_s for fault in (*radars.values(), gateway) if fault is not None]
        found = self.terminals.report(t_ns, ids, witnesses)
        if found.host is None and gateway is not None:
            found = replace(found, host=replace(gateway, kind="gateway"))
        return replace(found, radars=radars)

    def packed(self) -> ClockState:
        """Return all clocks as plain data."""
        ints, place = self.terminals.packed()
        return ClockState(
            radars=columns_of(CLOCK_NAMES, self.radars.ints),
            gateway=columns_of(CLOCK_NAMES, self._gateway.ints),
            terminals=ints,
            reports=place,
        )

    def unpack(self, state: ClockState | None, about: Sequence[Terminal]) -> None:
        """Restore what `packed` returned; what is missing starts fresh.

        about : the terminals by row
        """
        state = state or ClockState()
        for clocks, columns in ((self.radars, state.radars), (self._gateway, state.gateway)):
            rows = read_ints(columns, CLOCK_NAMES)
            if len(rows) == len(clocks.ints):
                clocks.ints[:] = rows
        self.terminals.unpack(state.terminals, state.reports, about)


def _key(seen: GnssFixes, j: int) -> int:
    """Return a key that distinguishes fix j from others of its stamp: its serial number, else its place."""
    serial = int(seen.source_seq[j])
    if serial >= 0:
        return serial
    return zlib.crc32(np.array([seen.east_m[j], seen.north_m[j]], dtype=np.float64).tobytes())


def _alike(fault: ClockFault, host: ClockFault) -> bool:
    return not fault.corrected and abs(fault.offset_s - host.offset_s) <= SPREAD_NS_MAX / NS
