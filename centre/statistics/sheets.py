"""Statistics and reports as tables for people: CSV and XLSX. Pure but for the library that writes XLSX."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from centre.csv_text import BOM, Cell, csv_text
from centre.local_time import stamp_text
from centre.unset_clocks import time_by_arrival
from centre.words import Lang, word

_WORDED = ("rule", "grade_max", "handling")  # columns of names that have words
_HEADS: dict[str, tuple[str, str]] = {
    "rule": ("规则", "Rule"), "km": ("公里", "km"), "hour": ("时", "Hour"), "carrier": ("承运人", "Carrier"),
    "violations": ("违规", "Violations"), "false": ("误报", "False"), "n": ("样本数 n", "n"),
    "false_share": ("误报率", "False share"), "esn": ("RSU", "RSU"), "watched_h": ("监看小时", "Watched h"),
    "online_share": ("在线率", "Online share"), "road_km_h": ("里程 km·h", "Road km·h"),
    "judged_km_h": ("可判定 km·h", "Judged km·h"), "judged_share": ("可判定率", "Judged share"),
    "never_seen": ("未接入 RSU", "RSUs never seen"),
    "lane": ("车道", "Lane"), "hazmat": ("危化车", "Hazmat"), "records": ("仅记录", "Records"),
    "p50_ms": ("p50 ms", "p50 ms"), "p95_ms": ("p95 ms", "p95 ms"), "p99_ms": ("p99 ms", "p99 ms"),
    "start": ("开始", "Start"), "end": ("结束", "End"), "plate": ("车牌", "Plate"),
    "corrected": ("更正车牌", "Corrected plate"), "un": ("UN", "UN"),
    "grade_max": ("最高等级", "Highest grade"), "s_m": ("桩号 m", "Station m"), "id": ("编号", "id"),
    "zone": ("区域", "Zone"), "terminal": ("终端", "Terminal"), "handling": ("处置", "Handling"),
    "excess_m_max": ("最大越限 m", "Largest excess m"), "speed_kmh": ("判定车速 km/h", "Speed km/h"),
    "limit_kmh": ("限速 km/h", "Limit km/h"), "is_false": ("误报", "False"),
    "clock_unset": ("时钟未校准（时间按到达）", "Clock not set (times by arrival)"),
}  # fmt: skip
_TITLES: dict[str, tuple[str, str]] = {
    "totals": ("合计", "Totals"), "rules": ("按规则", "By rule"), "places": ("按公里", "By km"),
    "hours": ("按时段", "By hour"), "carriers": ("按承运人", "By carrier"),
    "stations": ("按 RSU", "By RSU"),
    "latency": ("检测时延", "Latency"),
    "rsus": ("RSU 可用率", "RSU availability"), "judged": ("判定可用率", "Judgement"),
    "lanes": ("车道流量", "Traffic by lane"), "traffic": ("时段流量", "Traffic by hour"),
    "items": ("违规清单", "Violations"),
}  # fmt: skip


class Sheet(NamedTuple):
    """One table: its title, the names of its columns, its rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def sheets(found: dict[str, Any], lang: Lang) -> list[Sheet]:
    """Return the tables of statistics, and of a report's violations where it has some."""
    period = " – ".join(stamp_text(int(found[key])) for key in ("since_ns", "until_ns"))
    judged = {key: value for key, value in found["units"].items() if key not in ("rsus", "esn")}
    parts: list[tuple[str, Sequence[dict[str, Any]]]] = [
        ("totals", [found["totals"]]), ("rules", found["rules"]), ("places", found["places"]),
        ("hours", found["hours"]), ("carriers", found["carriers"]),
        ("stations", found["stations"]), ("latency", [found["latency"]]),
        ("rsus", found["units"]["rsus"]), ("judged", [judged]), ("lanes", found["traffic"]["lanes"]),
        ("traffic", found["traffic"]["hours"]),
    ]  # fmt: skip
    if "items" in found:
        parts.append(("items", [row_of(each) for each in found["items"]]))
    return [_sheet(name, rows, lang, period) for name, rows in parts]


def row_of(episode: dict[str, Any]) -> dict[str, Cell]:
    """Return an Episode of API.md as a row for people."""
    vehicle = episode["vehicle"] or {}
    at = episode["decided"] or episode
    limit = episode["limit_mps"]
    start_ns, end_ns = (time_by_arrival(episode, name) for name in ("start_ns", "end_ns"))
    return {
        "start": None if start_ns is None else stamp_text(start_ns),
        "end": None if end_ns is None else stamp_text(end_ns),
        "rule": episode["rule"], "grade_max": episode["grade_max"], "plate": vehicle.get("plate"),
        "corrected": episode.get("corrected"), "terminal": vehicle.get("terminal"),
        "carrier": vehicle.get("carrier"), "un": vehicle.get("un"),
        "s_m": at["s_m"], "lane": at["lane"], "zone": at["zone"], "esn": episode["esn"],
        "excess_m_max": episode["excess_m_max"], "speed_kmh": round(at["speed_mps"] * 3.6, 1),
        "limit_kmh": None if limit is None else round(limit * 3.6, 1),
        "is_false": int(bool(episode.get("is_false"))), "handling": episode.get("handling"),
        "clock_unset": int(bool(episode.get("clock_unset"))), "id": episode["id"],
    }  # fmt: skip


def _sheet(name: str, rows: Sequence[dict[str, Any]], lang: Lang, period: str) -> Sheet:
    place = 0 if lang == "zh" else 1
    columns = tuple(rows[0]) if rows else ("n",)
    return Sheet(
        f"{_TITLES[name][place]} {period}",
        tuple(_HEADS[column][place] if column in _HEADS else column for column in columns),
        tuple(tuple(_cell(column, row[column], lang) for column in columns) for row in rows),
    )


def _cell(column: str, value: Cell, lang: Lang) -> Cell:
    return word(value, lang) if column in _WORDED and isinstance(value, str) else value


def csv_bytes(found: Sequence[Sheet]) -> bytes:
    """Return tables one below the other as CSV that spreadsheets read, with nothing in it that they run."""
    rows: list[Sequence[Cell]] = []
    for sheet in found:
        rows += [()] if rows else []
        rows += [(sheet.title,)] if len(found) > 1 else []
        rows += [sheet.columns, *sheet.rows]
    return (BOM + csv_text(rows)).encode()


def xlsx_bytes(found: Sequence[Sheet]) -> bytes:
    """Return a workbook with a sheet for each table; texts are texts, never formulas."""
    import xlsxwriter  # of use to few, and 2 MiB

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        bold = book.add_format({"bold": True})
        for i, sheet in enumerate(found, 1):
            name = sheet.title.split(" 2")[0][:24]
            page = book.add_worksheet(f"{i} {name}")
            page.write_string(0, 0, sheet.title, bold)
            for column, head in enumerate(sheet.columns):
                page.write_string(1, column, head, bold)
            for r, row in enumerate(sheet.rows, 2):
                for column, cell in enumerate(row):
                    if isinstance(cell, str):
                        page.write_string(r, column, cell)
                    elif cell is not None:
                        page.write_number(r, column, cell)
            page.freeze_panes(2, 0)
            page.autofit()
    return out.getvalue()
