"""Speed limits beside the posted ones, of `[rules]` and of the law. Imports nothing heavy."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from geofence.map.windows import windows_of

HIGHEST_LIMIT_MPS = 120 / 3.6  # of any road in the country
WALKING_MPS = 1.0
Limit = Annotated[float, Meta(ge=WALKING_MPS, le=HIGHEST_LIMIT_MPS)]
# further than 20 km nobody sees
Visibility = Annotated[float, Meta(gt=0.0, le=20_000.0)]
WeatherKind = Literal["fog", "rain", "snow", "ice", "sand", "hail"]
VehicleClass = Literal["unknown", "car", "bus", "truck", "hazmat", "other"]
KINDS: tuple[VehicleClass, ...] = ("unknown", "car", "bus", "truck", "hazmat", "other")
RoadKind = Literal["any", "expressway", "other"]
ROWS_MAX = 64


class Weather(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the weather is on the site's roads now; data like the rest of `[rules]`, and changed with it."""

    visibility_m: Visibility | None = None
    kinds: Annotated[tuple[WeatherKind, ...], Meta(max_length=6)] = ()  # in the air or on the road


class SpeedLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of `[[rules.speed_limits]]`: it holds where and while each condition that it names does."""

    limit_mps: Limit | None = None  # one of both:
    share: Annotated[float, Meta(gt=0.1, lt=1.0)] | None = None  # of the lowest of the other limits
    name: Annotated[str, Meta(max_length=40)] = ""  # shown with its layer
    source: str = ""  # the order or law that states it; for people
    on: RoadKind = "any"
    roads: tuple[str, ...] = ()  # of the map; empty: all
    classes: tuple[VehicleClass, ...] = ()  # empty: all
    hazmat_classes: tuple[str, ...] = ()  # of the registry: "3" holds for 3 and 3.2; empty: all
    time_window: str = ""  # as of a zone on the map; empty: always
    visibility_below_m: Visibility | None = None
    weather: tuple[WeatherKind, ...] = ()  # any of them; empty: any weather

    def __post_init__(self) -> None:
        """Refuse a row without a limit, and a time that is none."""
        if (self.limit_mps is None) == (self.share is None):
            raise ValueError("a speed limit has either limit_mps or share")
        if self.time_window:
            windows_of(self.time_window)

    @property
    def layer(self) -> str:
        """The kind of limit that a violation names."""
        if self.weather or self.visibility_below_m is not None:
            return "weather"
        if self.time_window:
            return "time"
        if self.hazmat_classes:
            return "hazmat_class"
        return "class" if self.classes else "road"

    def is_weather(self, weather: Weather) -> bool:
        """Return whether the weather is one that it asks for."""
        sight, kinds = self.visibility_below_m, self.weather
        seen = sight is None or (weather.visibility_m is not None and weather.visibility_m < sight)
        return seen and (not kinds or not set(kinds).isdisjoint(weather.kinds))


# Regulation on the implementation of the Road Traffic Safety Law (State Council 405, 2004): art. 81 on
# expressways, art. 46 (3), (4) on other roads
LAW = (
    SpeedLimit(limit_mps=60 / 3.6, on="expressway", visibility_below_m=200.0, source="405 art. 81 (1)"),
    SpeedLimit(limit_mps=40 / 3.6, on="expressway", visibility_below_m=100.0, source="405 art. 81 (2)"),
    SpeedLimit(limit_mps=20 / 3.6, on="expressway", visibility_below_m=50.0, source="405 art. 81 (3)"),
    SpeedLimit(limit_mps=30 / 3.6, on="other", visibility_below_m=50.0, source="405 art. 46 (3)"),
    SpeedLimit(limit_mps=30 / 3.6, on="other", weather=("snow", "ice"), source="405 art. 46 (4)"),
)
