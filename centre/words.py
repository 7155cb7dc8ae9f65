"""The words for rules, grades and states in files for people, Chinese and English: those of the page."""

from typing import Literal

Lang = Literal["zh", "en"]
WORDS: dict[str, tuple[str, str]] = {
    "lane_departure": ("偏离车道", "Lane departure"),
    "off_dedicated_road": ("驶离专用道路", "Off dedicated road"),
    "overspeed": ("超速", "Overspeed"),
    "too_slow": ("低速行驶", "Too slow"),
    "illegal_stop": ("违规停车", "Illegal stop"),
    "wrong_way": ("逆行", "Wrong way"),
    "dark_vehicle": ("无定位车辆", "Dark vehicle"),
    "ghost_report": ("虚假位置", "Ghost report"),
    "zone_entry": ("进入区域", "Zone entry"),
    "zone_exit": ("离开区域", "Zone exit"),
    "time_window": ("时段违规", "Time window"),
    "route_deviation": ("偏离路线", "Route deviation"),
    "missed_exit": ("错过出口", "Missed exit"),
    "following_distance": ("车距过近", "Following distance"),
    "unauthorised_vehicle": ("无许可车辆", "Unauthorised vehicle"),
    "gnss_integrity": ("卫导异常", "GNSS integrity"),
    "closed_road": ("驶入封闭路段", "Closed road"),
    "convoy": ("危化车过密", "Convoy"),
    "parking_timeout": ("停车超时", "Parking timeout"),
    "undecidable": ("不可判定", "Undecidable"),
    "permit": ("通行许可", "Permit"),
    "driving_time": ("驾驶时间", "Driving time"),
    "dragged": ("位置被拖离", "dragged away"),
    "frozen": ("位置冻结", "frozen"),
    "overconfident": ("误差远超自报精度", "errors far beyond what it states"),
    "jammed": ("受干扰", "jammed"),
    "violation": ("违规", "Violation"),
    "warning": ("预警", "Warning"),
    "notice": ("提示", "Notice"),
    "new": ("未确认", "Not acked"),
    "acknowledged": ("已确认", "Acked"),
    "handled": ("处置中", "In hand"),
    "closed": ("已结案", "Closed"),
}
FAULTS = ("dragged", "frozen", "overconfident", "jammed")  # reasons of `gnss_integrity`


def word(key: str, lang: Lang) -> str:
    """Return the word for a rule, a grade or a state; one that has none keeps its name."""
    return WORDS[key][0 if lang == "zh" else 1] if key in WORDS else key
