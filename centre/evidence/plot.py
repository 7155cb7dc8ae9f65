"""The page of an evidence file: who and where, and how far, how fast and how sure over time. Pure."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from centre.evidence.drawing import HEIGHT, WIDTH, Anchor, Drawing
from centre.words import FAULTS, word
from geofence.violation import Violation

LOCAL = timezone(timedelta(hours=8))  # where the site is
LEFT, RIGHT, TOP, BOTTOM = 70.0, WIDTH - 40.0, 162.0, HEIGHT - 50.0
GAP = 34.0
TICKS_MAX = 6
STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)


# of rules that count time: what their chart is of
LASTING = {
    "illegal_stop": "standing for 停车时长", "parking_timeout": "parked for 停车时长",
    "dark_vehicle": "silent for 无上报时长", "convoy": "too many for 过密时长",
    "following_distance": "too close for 跟车过近时长",
}  # fmt: skip
LEFT_LANE = ("lane_departure", "off_dedicated_road")
CIRCLE = tuple((math.cos(i * math.pi / 8), math.sin(i * math.pi / 8)) for i in range(17))
RING_PT = 3.5


class Series(NamedTuple):
    """One chart: its title, its unit, and how to read it from the evidence."""

    title: str
    unit: str
    values: list[tuple[int, float]]  # stamp, value
    limit: float | None = None
    sigma: Sequence[tuple[int, float]] = ()  # stamp, 1 sigma
    worst: Callable[[Sequence[tuple[int, float]]], tuple[int, float]] | None = None  # which point is marked
    span: tuple[float, float] | None = None  # of the axis; None: that of the values


def page_of(versions: Sequence[Violation], unset_ns: Sequence[int] = ()) -> Drawing:
    """Return the page.

    versions : in order, at least one
    unset_ns : when those arrived whose RSU's clock was never set, by the centre's clock
    """
    drawing = Drawing()
    _head(drawing, versions)
    if unset_ns:
        arrived = f"arrived {local_time(min(unset_ns))} to {local_time(max(unset_ns))}"
        drawing.write((LEFT, 146.0), f"RSU clock was never set, its times mean nothing 时钟未校准: {arrived}")
    charts = [chart for chart in _charts(versions) if chart.values]
    if not charts:
        drawing.write((LEFT, TOP + 20.0), "no evidence columns in any version 各版本均无依据曲线", grey=0.4)
        return drawing
    stamps = [stamp for chart in charts for stamp, _ in chart.values]
    begin, end = min(stamps), max(max(stamps), min(stamps) + 1)
    height = (BOTTOM - TOP - GAP * (len(charts) - 1)) / len(charts)

    def x(stamp: int) -> float:
        return LEFT + (stamp - begin) / (end - begin) * (RIGHT - LEFT)

    for i, chart in enumerate(charts):
        top = TOP + i * (height + GAP)
        _chart(drawing, chart, (top, top + height), x)
    _time_axis(drawing, versions, (begin, end), x)
    return drawing


def local_time(stamp_ns: int, digits: int = 3) -> str:
    """Return date and time of the site."""
    moment = datetime.fromtimestamp(stamp_ns // 10**9, UTC).astimezone(LOCAL)
    part = f"{stamp_ns % 10**9:09d}"[:digits]
    return f"{moment:%Y-%m-%d %H:%M:%S}.{part} UTC+8"


def _head(drawing: Drawing, versions: Sequence[Violation]) -> None:
    first, last = versions[0], versions[-1]
    worst = max(versions, key=lambda one: one.p_violation)
    vehicle = next((one.vehicle for one in reversed(versions) if one.vehicle is not None), None)
    faults = [one.reason for one in versions if one.reason in FAULTS]
    titles = [" ".join((word(key, "en"), word(key, "zh"))) for key in (last.rule, *faults[:1])]
    drawing.write((LEFT, 48.0), " · ".join(titles), 16.0)
    who = ["unidentified vehicle"]
    if vehicle is not None:
        un = f"UN{vehicle.un}" if vehicle.un else ""
        who = [text for text in (vehicle.plate, vehicle.terminal, un, vehicle.carrier) if text]
    drawing.write((LEFT, 68.0), " · ".join(who), 11.0)
    place = "" if worst.s_m is None else f"K{int(worst.s_m // 1000)}+{worst.s_m % 1000:06.2f} "
    road = f"lane {worst.lane or '-'} zone {worst.zone or '-'}"
    drawing.write((LEFT, 86.0), f"{place}{road} lon {worst.lon_deg:.7f} lat {worst.lat_deg:.7f}")
    ended = "open" if last.end_ns is None else local_time(last.end_ns)
    drawing.write((LEFT, 101.0), f"from {local_time(first.start_ns)} to {ended}")
    esns = ", ".join(dict.fromkeys(one.esn for one in versions))
    sure = f"P(violation) max {worst.p_violation:.6f}, {len(versions)} versions of {esns}"
    drawing.write((LEFT, 116.0), f"{sure}, map {last.map_version}, rules {last.rules_version}")
    drawing.write((LEFT, 131.0), f"id {last.id}", grey=0.35)


def _charts(versions: Sequence[Violation]) -> list[Series]:
    """Return what the rule is about first, with its worst point; then speed, and how sure it is."""
    rule = versions[-1].rule
    limit = next((one.limit_mps for one in versions if one.limit_mps is not None), None)
    kmh = [(at, 3.6 * v) for at, v in _column(versions, "speed_mps")]
    speed = Series("speed 速度", "km/h", kmh, None if limit is None else 3.6 * limit)
    if rule in ("overspeed", "too_slow"):
        speed = speed._replace(worst=_highest if rule == "overspeed" else _lowest)
    sure = Series("P(violation) 违规概率", "", _column(versions, "p_violation"), span=(0.0, 1.0))
    return [*_of_rule(versions), speed, sure]


def _of_rule(versions: Sequence[Violation]) -> list[Series]:
    """Return the chart that fits the rule; of the rules of speed there is none beside the speed."""
    rule = versions[-1].rule
    gap, least = _column(versions, "gap_m"), _column(versions, "gap_least_m")
    if gap and least:
        return [Series("gap to the vehicle ahead 车距", "m", gap, least[-1][1], worst=_lowest)]
    if rule in LASTING:
        return [Series(LASTING[rule], "s", _lasting(versions), worst=_highest)]
    against = [(at, 3.6 * v) for at, v in _column(versions, "over")]
    if rule == "wrong_way" and against:
        return [Series("speed against the lane 逆行速度", "km/h", against, 0.0, worst=_highest)]
    if rule in ("overspeed", "too_slow"):
        return []
    sigma, excess = _column(versions, "sigma_d_m"), _column(versions, "excess_m")
    if excess:
        worst = _highest if rule in LEFT_LANE else None
        return [Series("over the line 越线", "m", excess, 0.0, sigma, worst)]
    return [Series("off the lane's centre 偏离车道中心", "m", _column(versions, "d_m"), None, sigma)]


def _highest(values: Sequence[tuple[int, float]]) -> tuple[int, float]:
    return max(values, key=lambda point: point[1])


def _lowest(values: Sequence[tuple[int, float]]) -> tuple[int, float]:
    return min(values, key=lambda point: point[1])


def _lasting(versions: Sequence[Violation]) -> list[tuple[int, float]]:
    """Return how long the rule had been broken at each observation and version, up to the end [s]."""
    first, last = versions[0], versions[-1]
    stamps = {at for at, _ in _column(versions, "speed_mps")} | {one.stamps.measured_ns for one in versions}
    until_ns = max(stamps) if last.end_ns is None else last.end_ns
    within = {at for at in stamps if first.start_ns <= at <= until_ns} | {first.start_ns, until_ns}
    return [(at, (at - first.start_ns) / 1e9) for at in sorted(within)]


def _column(versions: Sequence[Violation], name: str) -> list[tuple[int, float]]:
    """Return a column of the evidence over all versions; the newer version counts where two have one time."""
    found: dict[int, float] = {}
    for version in versions:
        stamps: Sequence[Any] = version.evidence.get("stamp_ns") or version.evidence.get("t_ns") or ()
        for stamp, value in zip(stamps, version.evidence.get(name) or (), strict=False):
            if isinstance(stamp, int) and isinstance(value, int | float) and value == value:  # NaN is unequal
                found[stamp] = float(value)
    return sorted(found.items())


def _chart(drawing: Drawing, chart: Series, span: tuple[float, float], x: Callable[[int], float]) -> None:
    top, bottom = span
    sigma = dict(chart.sigma)
    low = min(value - sigma.get(stamp, 0.0) for stamp, value in chart.values)
    high = max(value + sigma.get(stamp, 0.0) for stamp, value in chart.values)
    if chart.limit is not None:
        low, high = min(low, chart.limit), max(high, chart.limit)
    if chart.span is not None:
        low, high = chart.span
    high = high if high > low else low + 1.0

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    drawing.line([(LEFT, top), (LEFT, bottom), (RIGHT, bottom)], 0.8, 0.3)
    drawing.write((LEFT, top - 6.0), f"{chart.title} {f'[{chart.unit}]' if chart.unit else ''}".strip(), 9.5)
    for value in (low, (low + high) / 2.0, high):
        drawing.line([(LEFT - 3.0, y(value)), (LEFT, y(value))], 0.8, 0.3)
        drawing.write((LEFT - 6.0, y(value) + 3.0), f"{value:.2f}", 8.0, "end", 0.3)
    if chart.limit is not None:
        drawing.line([(LEFT, y(chart.limit)), (RIGHT, y(chart.limit))], 0.8, 0.2, 4.0)
        drawing.write((RIGHT, y(chart.limit) - 3.0), f"limit 限值 {chart.limit:.2f}", 8.0, "end", 0.2)
    for sign in (-1.0, 1.0):
        edge = [(x(at), y(value + sign * sigma[at])) for at, value in chart.values if at in sigma]
        drawing.line(edge, 0.6, 0.65)
    drawing.line([(x(at), y(value)) for at, value in chart.values], 1.4)
    if chart.worst is not None:
        at, value = chart.worst(chart.values)
        drawing.line([(x(at) + RING_PT * a, y(value) + RING_PT * b) for a, b in CIRCLE], 1.2)
        side: Anchor = "end" if x(at) > (LEFT + RIGHT) / 2.0 else "start"
        beside = x(at) + (-6.0 if side == "end" else 6.0)
        words = f"{value:.2f} {chart.unit}".strip()
        height = y(value) - 5.0 if y(value) - 14.0 > top else y(value) + 18.0  # inside the chart
        drawing.write((beside, height), words, 9.0, side)


def _time_axis(
    drawing: Drawing, versions: Sequence[Violation], span: tuple[int, int], x: Callable[[int], float]
) -> None:
    begin, end = span
    step = next((step for step in STEPS if (end - begin) / 1e9 / step <= TICKS_MAX), STEPS[-1])
    for i in range(int((end - begin) / 1e9 / step) + 1):
        at = x(begin + round(i * step * 1e9))
        drawing.line([(at, BOTTOM), (at, BOTTOM + 4.0)], 0.8, 0.3)
        drawing.write((at, BOTTOM + 14.0), f"{i * step:g}", 8.0, "middle", 0.3)
    drawing.write((RIGHT, BOTTOM + 28.0), f"seconds since 秒，自 {local_time(begin)}", 8.0, "end", 0.3)
    for name, stamp in (("begins 开始", versions[0].start_ns), ("confirmed 判定", versions[0].confirmed_ns)):
        if isinstance(stamp, int) and begin <= stamp <= end:
            drawing.line([(x(stamp), TOP), (x(stamp), BOTTOM)], 0.6, 0.5, 2.0)
            drawing.write((x(stamp) + 2.0, TOP + 8.0), name, 7.5, "start", 0.4)
