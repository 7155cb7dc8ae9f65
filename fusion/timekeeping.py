"""Every clock that the tracker depends on: the radars', the terminals', the gateway's. Pure."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from core.arrays import F64, I64, Bools
from fusion.clocks import CLOCK_NAMES, HEARD_NS, KIND, KINDS, NO_FAULT, NS, SPAN_NS_MIN, Clocks, add_count
from fusion.columns import Columns, columns_of, read_ints
from fusion.config import Terminal
from fusion.observations import GnssFixes, ObjectScan, RadarScan
from fusion.terminal_clocks import ClockReport, TerminalClocks

SILENT_NS = NS
GATEWAY = 0  # the row of all gateways: an RSU has one at a time


class ClockState(msgspec.Struct, frozen=True, kw_only=True):
    """All clocks, as they are stored; the terminals' rows with the reports that their stamps do not place."""

    radars: Columns | None = None
    gateway: Columns | None = None
    terminals: Columns | None = None
    reports: Columns | None = None


class Timekeeping:
    """Compares the stamps of senders with their arrivals."""

    def __init__(self, history_s: float, n_radars: int) -> None:
        """history_s : the greatest age that the tracker fuses."""
        late_ns = int(history_s * 1e9)
        self.terminals = TerminalClocks(late_ns)
        self._radars = Clocks(n_radars, late_ns, SPAN_NS_MIN)  # a radar stores nothing: no patience
        self._gateway = Clocks(1, late_ns)

    def scan(self, q: int, now_ns: int, seen: RadarScan | ObjectScan, counts: dict[str, int]) -> None:
        """Take the stamp of a scan of radar q."""
        kind = self._radars.note(q, now_ns, seen.stamp_ns, seen.scan)
        if kind:
            add_count(counts, f"clock.radar.{KINDS[kind]}")

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

        about : the terminals by row;  who : (n,) rows, -1 of none;  usable, sigma_m : (n,) as of the tracker
        """
        if len(who) == 0:
            return seen.stamp_ns, usable
        self.terminals.grow(about)
        kind = self._gateway.note(GATEWAY, now_ns, int(seen.arrived_ns.max()), 0)
        if kind:
            add_count(counts, f"clock.gateway.{KINDS[kind]}")
        return self.terminals.step(now_ns, np.maximum(who, 0), seen, usable, sigma_m, counts)

    def radar_state(self, q: int, t_ns: int) -> str:
        """Return clock where radar q sends and its clock is wrong, else nothing."""
        row = self._radars.ints[q]
        return "clock" if row[KIND] != NO_FAULT and t_ns - row[HEARD_NS] <= SILENT_NS else ""

    def report(self, t_ns: int, ids: Sequence[str], sensors: Sequence[str]) -> ClockReport:
        """Return whose clock is wrong.

        ids : of the terminals by row;  sensors : the radars by row
        """
        radars = {
            sensor: fault
            for q, sensor in enumerate(sensors)
            if (fault := self._radars.fault(q, t_ns)) is not None
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
            radars=columns_of(CLOCK_NAMES, self._radars.ints),
            gateway=columns_of(CLOCK_NAMES, self._gateway.ints),
            terminals=ints,
            reports=place,
        )

    def unpack(self, state: ClockState | None, about: Sequence[Terminal]) -> None:
        """Restore what `packed` returned; what is missing starts fresh.

        about : the terminals by row
        """
        state = state or ClockState()
        for clocks, columns in ((self._radars, state.radars), (self._gateway, state.gateway)):
            rows = read_ints(columns, CLOCK_NAMES)
            if len(rows) == len(clocks.ints):
                clocks.ints[:] = rows
        self.terminals.unpack(state.terminals, state.reports, about)
