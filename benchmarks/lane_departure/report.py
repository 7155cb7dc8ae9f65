"""The report of docs/geofence.md: a table for each part between two marks, written anew by each long run.

A part that was not run keeps its table. The plot is drawn with the delays.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parents[2] / "docs"
PLOT = "geofence-departures.svg"
SPEEDS = ("v03", "v05", "v10")
# of the issue: median seconds from the true crossing to the notice at 0.3, 0.5 and 1.0 m/s
DELAY_GOALS = {
    "white.s03": (2.2, 1.45, 0.9),
    "white.s05": (3.2, 2.2, 1.4),
    "white.s10": (5.2, 3.5, 2.2),
    "tau4.s03": (5.4, 3.1, 1.35),
    "tau4.s05": (8.9, 5.3, 2.5),
    "tau10.s03": (5.2, 2.8, 1.0),
    "tau10.s05": (8.8, 4.7, 1.9),
}
CHAIN_GOALS = {"r60": (None, 0.85, 0.5), "r120": (None, 1.45, 0.95), "r250": (None, 2.3, 1.5)}
Figures = Mapping[str, Mapping[str, float | None]]  # by name, the value and what is beside it
mpl.rcParams |= {"svg.hashsalt": "petroroad", "svg.fonttype": "none", "font.size": 8.0}


def begin(part: str) -> str:
    """Return the mark before a part's table."""
    return f"<!-- written by python -m benchmarks.lane_departure {part}; replaced by the next run -->"


def end(part: str) -> str:
    """Return the mark after it."""
    return f"<!-- end of {part} -->"


def write(parts: Sequence[str], found: Figures, docs: Path = DOCS) -> None:
    """Replace the tables of the parts that were run."""
    path = docs / "geofence.md"
    text = path.read_text(encoding="utf-8")
    for part in parts:
        head, mark, rest = text.partition(begin(part))
        assert mark, f"{path} has no place for {part}"
        _, mark, tail = rest.partition(end(part))
        assert mark, f"{path} has no end of {part}"
        text = head + "\n".join((begin(part), "", *TABLES[part](found), "", end(part))) + tail
    path.write_text(text, encoding="utf-8")
    if "delays" in parts:
        _plot(docs / PLOT, found)


def number(value: float | None) -> str:
    """Return a figure for a table; never found: a dash."""
    return "–" if value is None else f"{value:.3g}"


def _against(value: float | None, goal: float | None) -> str:
    """Return a figure and its goal in brackets, bold where it misses it."""
    if goal is None:
        return number(value)
    shown = f"{number(value)} ({goal:g})"
    return shown if value is not None and value <= goal else f"**{shown}**"


def _delay_rows(found: Figures, goals: Mapping[str, Sequence[float | None]], prefix: str) -> Iterator[str]:
    yield "| error | " + " | ".join(f"{int(v[1:]) / 10:g} m/s" for v in SPEEDS) + " | warning |"
    yield "|---|---|---|---|---|"
    for name, goal in goals.items():
        cells = [found.get(f"{prefix}.{name}.{v}", {}) for v in SPEEDS]
        medians = (_against(cell.get("value"), want) for cell, want in zip(cells, goal, strict=True))
        warnings = " ".join(number(cell.get("warning")) for cell in cells)
        yield f"| {name} | {' | '.join(medians)} | {warnings} |"


def delays(found: Figures) -> Iterator[str]:
    """Return the table of delays by error."""
    yield from _delay_rows(found, DELAY_GOALS, "delay")
    yield ""
    yield f"![Delays against the goals]({PLOT})"


def chain(found: Figures) -> Iterator[str]:
    """Return the table of delays by range."""
    yield from _delay_rows(found, CHAIN_GOALS, "chain")


def false_alarms(found: Figures) -> Iterator[str]:
    """Return the table of false alarms by driver."""
    yield "| driver or claim | warnings an hour | asked | 95 % | hours |"
    yield "|---|---|---|---|---|"
    for name, row in found.items():
        if name.startswith("false_per_hour."):
            low, high = number(row["ci95_low"]), number(row["ci95"])
            rate, asked, hours = number(row["value"]), number(row["asked"]), number(row["hours"])
            yield f"| {name.split('.')[1]} | {rate} | {asked} | {low} to {high} | {hours} |"


def alone(found: Figures) -> Iterator[str]:
    """Return the table of GNSS without radar."""
    yield "| case | found | undecidable | either | false alarms an hour |"
    yield "|---|---|---|---|---|"
    for name, row in found.items():
        if name.startswith("gnss.") and name.endswith(".false_per_hour"):
            case = name.removesuffix(".false_per_hour")
            hit, blind = found.get(f"{case}.found", {}), found.get(f"{case}.undecidable", {})
            cells = (hit.get("value"), blind.get("value"), hit.get("either"), row["value"])
            yield f"| {case.removeprefix('gnss.')} | {' | '.join(number(cell) for cell in cells)} |"
        if name.startswith("gnss.") and name.endswith(".accused"):
            case = name.removeprefix("gnss.").removesuffix(".accused")
            yield f"| {case} | – | – | – | {number(row['value'])} of {number(row['n'])} trucks accused |"


def crossing(found: Figures) -> Iterator[str]:
    """Return the table of the way across, by kind of course."""
    yield "| course | who passes most (1e-4/h) | over the level | found at 1 Hz after 25, 60 s | at 10 Hz |"
    yield "|---|---|---|---|---|"
    for course in dict.fromkeys(name.split(".")[1] for name in found if name.startswith("crossing.")):
        rows = {
            name.split(".")[2]: row for name, row in found.items() if name.startswith(f"crossing.{course}.")
        }
        drivers = {name: row for name, row in rows.items() if "_after_" not in name}
        worst = max(drivers, key=lambda name: drivers[name]["value"] or 0.0)
        alarms, hours = (sum(row[key] or 0.0 for row in drivers.values()) for key in ("alarms", "hours"))
        shares = [number(row["value"]) for name, row in rows.items() if "_after_" in name]
        yield (
            f"| {course} | {worst}: {number(drivers[worst]['value'])} nats | {alarms:.0f} in {hours:.0f} h "
            f"| {' '.join(shares[:2])} | {' '.join(shares[2:])} |"
        )


def shifts(found: Figures) -> Iterator[str]:
    """Return the table of errors that move: accused trucks over ramps of each jump, all errors together."""
    cases = {name: row for name, row in found.items() if name.startswith("shift.")}
    jumps = list(dict.fromkeys(name.split(".", 4)[4] for name in cases))
    yield "| course, rate | " + " | ".join(jumps) + " | of | least found or undecidable |"
    yield "|---" * (len(jumps) + 3) + "|"
    for kind in dict.fromkeys(tuple(name.split(".")[1:3]) for name in cases):
        rows = {name: row for name, row in cases.items() if tuple(name.split(".")[1:3]) == kind}
        sums = [
            sum(row["value"] or 0.0 for name, row in rows.items() if name.split(".", 4)[4] == jump)
            for jump in jumps
        ]
        n = sum(row["n"] or 0.0 for row in rows.values()) / len(jumps)
        least = min(row["either"] or 0.0 for row in rows.values())
        cells = " | ".join(f"{value:.0f}" for value in sums)
        yield f"| {', '.join(kind)} | {cells} | {n:.0f} | {number(least)} |"


def calibration(found: Figures) -> Iterator[str]:
    """Return the table of errors of `p_violation`, and of its mean square error."""
    yield "| samples | error (goal .03, of a class .05) | n |"
    yield "|---|---|---|"
    for name, row in found.items():
        if name.startswith(("ece", "brier")):
            yield f"| {name} | {number(row['value'])} | {number(row['n'])} |"


def peers(found: Figures) -> Iterator[str]:
    """Return the table of other systems' rules on the same fixes."""
    yield "| error | rule | setting | alarm at 0.5, 1 m/s | found | false an hour: typical, worst driver |"
    yield "|---|---|---|---|---|---|"
    for name, row in found.items():
        if name.startswith("peers."):
            _, kind, sigma, rule = name.split(".", 3)
            is_ours = row["buffer_m"] is None
            setting = "–" if is_ours else f"{number(row['buffer_m'])} m, {number(row['for_s'])} s"
            delay = f"{number(row['value'])} s, {number(row['v10'])} s"
            rates = f"{number(row['typical_per_hour'])}, {number(row['worst_per_hour'])}"
            yield f"| {kind}.{sigma} | {rule} | {setting} | {delay} | {number(row['found'])} | {rates} |"


TABLES = {
    "delays": delays, "chain": chain, "false_alarms": false_alarms, "alone": alone,
    "crossing": crossing, "shifts": shifts, "calibration": calibration, "peers": peers,
}  # fmt: skip


def _plot(path: Path, found: Figures) -> None:
    """Draw the delays over speed, the goals dashed."""
    figure = Figure((7.0, 2.6), layout="constrained")
    at = [int(v[1:]) / 10 for v in SPEEDS]
    for axes, kind in zip(figure.subplots(1, 3, sharey=True), ("white", "tau4", "tau10"), strict=True):
        for k, (name, goal) in enumerate(item for item in DELAY_GOALS.items() if item[0].startswith(kind)):
            medians = [found.get(f"delay.{name}.{v}", {}).get("value") for v in SPEEDS]
            shown = [float("nan") if median is None else median for median in medians]
            axes.plot(at, shown, f"C{k}o-", markersize=3, label=f"{int(name[-2:]) / 10:g} m")
            axes.plot(at, goal, f"C{k}--", linewidth=0.8)
        axes.set_title(kind)
        axes.set_xlabel("m/s across the lane")
        axes.legend()
    figure.axes[0].set_ylabel("notice, s after the crossing")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
