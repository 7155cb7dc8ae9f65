"""What happens on the road, as TOML: how much traffic, which manoeuvres, how often."""

import os
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.errors import ConfigError
from core.tables import check_finite
from sim.settings import (
    RADAR,
    TERMINALS,
    TRAFFIC,
    NotNegative,
    Positive,
    RadarSettings,
    Share,
    TerminalSettings,
    TrafficConfig,
)

Range = tuple[Positive, Positive]  # drawn evenly between the two
EventKind = Literal["overspeed", "illegal_stop", "wrong_way", "off_road", "dark_vehicle"]


class Departures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tank trucks that leave the hazmat lane: one begins each `period_s`, jittered."""

    first_s: NotNegative = 6.2  # of the run: when the first one's footprint crosses the line
    period_s: Positive = 3.2
    jitter_s: NotNegative = 0.3
    boundary_every: Annotated[int, Meta(ge=1)] = (
        3  # each so-and-so-many one crosses into the next RSU's stretch
    )
    rate_mps: Range = (0.4, 1.4)  # fastest sideways speed
    depth_m: Range = (0.8, 2.2)  # of the footprint's edge beyond the line
    hold_s: Range = (4.0, 7.0)
    left_share: Share = 0.5


class NearMisses(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tank trucks that only come near the line."""

    first_s: NotNegative = 8.0
    period_s: Positive = 8.0
    gap_m: Range = (0.18, 0.3)  # between edge and line on a straight
    hold_s: Range = (2.0, 4.0)


class Scripted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the other rules' events."""

    kind: EventKind
    first_s: NotNegative
    every_s: Positive | None = None  # None: once
    hold_s: Positive = 15.0  # at full extent
    speed_mps: Positive = 21.0  # overspeed: the speed; wrong_way: how fast backwards
    offset_m: Positive = 45.0  # off_road: how far to the right


class WrongClock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Terminals whose clocks are off; a vehicle's own driving and the truth stay as they are."""

    offset_s: Annotated[float, Meta(ge=-1.8e9, le=2e9)]  # how far ahead; GPS rollover: -619315200
    share: Share = 1.0  # of the registered terminals, drawn by the seed


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    purpose: str = ""
    traffic: TrafficConfig = TRAFFIC
    departures: Departures | None = None
    near_misses: NearMisses | None = None
    event: tuple[Scripted, ...] = ()
    radar: RadarSettings = RADAR
    terminals: TerminalSettings = TERMINALS
    clock: tuple[WrongClock, ...] = ()  # each of its share among the terminals without an earlier one


def load_scenario(name: str) -> Scenario:
    """Return a shipped scenario by its name, or one by its path; raises ConfigError."""
    shipped = resources.files("sim.scenarios").joinpath(f"{name}.toml")
    is_path = os.sep in name or name.endswith(".toml")
    if not is_path and not shipped.is_file():
        known = sorted(p.name.removesuffix(".toml") for p in resources.files("sim.scenarios").iterdir())
        there = ", ".join(k for k in known if not k.startswith("_"))
        raise ConfigError(name, "scenario", f"no such scenario; there are {there}, or a path to a TOML file")
    try:
        text = Path(name).read_text(encoding="utf-8-sig") if is_path else shipped.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(name, "", f"can't be read: {error}") from error
    return parse_scenario(text, name)


def parse_scenario(text: str, where: str) -> Scenario:
    """Return the scenario in a TOML text; raises ConfigError."""
    try:
        found = msgspec.toml.decode(text, type=Scenario)
        check_finite(msgspec.to_builtins(found), where)
    except (msgspec.DecodeError, RecursionError) as error:  # a ValidationError is one, too, and names the key
        raise ConfigError(where, "", str(error)) from error
    for key in ("departures", "near_misses", "radar", "terminals"):
        table = getattr(found, key)
        for field in () if table is None else table.__struct_fields__:
            value = getattr(table, field)
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ConfigError(where, f"{key}.{field}", "must be [from, to], from no larger", value)
    return found
