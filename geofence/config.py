"""`[rules]` of the site file, and the rows of the vehicle registry (`[[vehicle]]`)."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from geofence.grading import Grading, Hold, RuleSettings
from geofence.layers import KINDS, VehicleClass
from geofence.plausible import TEXT_LENGTH_MAX, first_refused, is_plain
from geofence.rules import REGISTRY

__all__ = ["KINDS", "Grading", "Hold", "RulesConfig", "VehicleClass", "VehicleConfig", "section_of"]

Size = Annotated[float, Meta(gt=0.0, le=100.0)]  # of a vehicle; millimetres are refused
Phone = Annotated[str, Meta(min_length=1, max_length=32)]
Lever = Annotated[float, Meta(ge=-100.0, le=100.0)]


if TYPE_CHECKING:

    class RulesConfig(RuleSettings, frozen=True, kw_only=True):
        """`[rules]`: versioned data; thresholds of evidence follow from the wanted false-alarm rate."""

else:
    # one section for each registered rule that has one, so that a new rule needs no line here
    RulesConfig = msgspec.defstruct(
        "RulesConfig",
        [(rule.name, rule.Config, rule.Config()) for rule in REGISTRY if rule.Config is not None],
        bases=(RuleSettings,),
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        module=__name__,
    )


def section_of(rules: RuleSettings, rule: str) -> Any:
    """Return the rule's own section of `[rules]`, an instance of its `Config`; None for a rule without."""
    return getattr(rules, rule, None)


class VehicleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One registered vehicle and its terminal."""

    terminal: Annotated[str, Meta(min_length=1, max_length=32)]
    plate: str | None = None
    class_: VehicleClass = msgspec.field(name="class", default="hazmat")
    hazmat_class: str | None = None
    un: str | None = None
    carrier: str | None = None
    phone: Phone | None = None  # of the carrier's dispatcher
    driver: str | None = None
    driver_phone: Phone | None = None
    length_m: Size | None = None
    width_m: Size | None = None
    antenna_m: tuple[Lever, Lever] = (0.0, 0.0)  # forward, left of the vehicle's centre
    permits: tuple[str, ...] = ()  # further classes of `allowed` that it may use lanes as
    # how far the terminal's clock is known to be ahead of UTC; its stamps are put right by it
    clock_offset_s: Annotated[float, Meta(ge=-1e9, le=1e9)] = 0.0

    def __post_init__(self) -> None:
        """Refuse texts that the page must not show: with a direction override, a zero width, a line end."""
        for name in ("terminal", "plate", "hazmat_class", "un", "carrier", "phone", "driver", "driver_phone"):
            text = getattr(self, name)
            if text is None or is_plain(text):
                continue
            code = first_refused(text)
            rule = f"the character {code}, which does not show" if code else f"more than {TEXT_LENGTH_MAX}"
            raise ValueError(f"{name} has {rule}")

    @property
    def kind(self) -> int:
        """Class number of docs/design.md section 7."""
        return KINDS.index(self.class_)
