"""The interface of a rule: its name and section, the kind of its evidence, its verdicts on a batch of tracks.

Rule files import no kernel: the configuration reads them for their sections.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Never, Protocol

import msgspec

from geofence.grading import RuleSettings
from geofence.sample import Sample, Vehicle
from geofence.violation import Rule as RuleName

if TYPE_CHECKING:  # it loads the compiler
    from geofence.context import Context, TickContext

Kind = Literal["measured", "timed", "event"]
SAME_M = 12.0  # two tracks of one vehicle are nearer to each other than this; two trucks are not
NO_MEASURES: Mapping[str, Never] = MappingProxyType({})


class Verdict(NamedTuple):
    """A rule's statement on one track now, and within it on one scope."""

    i: int  # the track's place in its batch
    grade: int  # index into geofence.violation.GRADES
    start_ns: int  # of the episode that opens now
    opens: bool  # a new episode may open; False: only an open one is continued
    clear: bool = False  # an open episode closes: the rule has been kept for long enough
    scope: str = ""  # the zone or fault; "" for a rule of whole tracks
    p_violation: float | None = None  # None: `Rule.p_violation` says
    measures: Mapping[str, float] = NO_MEASURES  # what the rule measured now, by evidence column


class Rule(Protocol):
    """One rule of one monitor. Subclass it, name it, and put the class into the registry.

    A "measured" rule gives values with errors for the sequential tests; a "timed" one counts seconds; an
    "event" rule returns verdicts with its own grade. Rules decided by an observation override `measure`
    (measured, timed) or `judge` (event); rules decided by a tick override `tick`.
    """

    name: ClassVar[str]  # of its section, its evidence, its words
    violation: ClassVar[RuleName]  # `rule` of its violations
    kind: ClassVar[Kind]
    decided_by: ClassVar[Literal["observation", "tick"]] = "observation"
    # one episode for each track, or for each track and zone, or fault of its terminal
    scope: ClassVar[Literal["track", "zone", "fault"]] = "track"
    over_max: ClassVar[float] = 1e4  # no `over` of its section is higher: in its unit no vehicle reaches it
    Config: ClassVar[type[msgspec.Struct] | None] = None  # its section; None: `keys` are all it has
    keys: ClassVar[tuple[str, ...]] = ()  # of geofence.grading.RuleSettings, read by this rule alone
    column: ClassVar[str]  # the rule whose measured values a violation shows as evidence
    stamps: ClassVar[tuple[str, ...]] = ()  # names of the stamps that it keeps of each track (State.stamp)
    counts_standing: ClassVar[bool] = False  # it begins when the vehicle began to stand (State's STANDING)
    unit: ClassVar[str] = ""  # of its values; "m": they are distances beyond a line
    shared_column: ClassVar[str | None] = None  # the evidence column that shows its values with every rule
    accuses: ClassVar[bool] = True  # False: a record only
    # which vehicles it judges: rules that never judge the same one share its budget of false alarms
    judges: ClassVar[Literal["all", "hazmat", "ordinary"]] = "all"
    # so long a track without a name must have kept a measured rule before it can break it [s]
    kept_s: ClassVar[float] = 0.0
    updates: ClassVar[bool] = True  # an open episode gets a new version from time to time
    shows_limit: ClassVar[bool] = False  # its violations have `limit_mps`
    # while the track has an open episode of one of these rules, which is the cause, none opens of this one
    explained_by: ClassVar[tuple[str, ...]] = ()
    same_m: ClassVar[float] = SAME_M  # how near two tracks of one vehicle are, at most
    # a terminal's own fixes and the map suffice for it: it judges stored fixes of blind areas too
    alone: ClassVar[bool] = False

    active: bool = True  # False: nothing on this site's map concerns it

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        """Read the site's settings.

        settings : the common keys.  config : the rule's own section.  zone_roles : of the zones on the map
        """

    def clear_below(self) -> float:
        """Return the value below which the rule is kept again."""
        return 0.0

    @staticmethod
    def measure(v: Vehicle) -> Sample:
        """Measure one vehicle; geofence.measuring compiles it, so it is arithmetic and nothing else."""
        raise NotImplementedError

    def judge(self, ctx: "Context") -> Sequence[Verdict]:
        """Return an event rule's verdicts on the owned tracks of an observation."""
        return ()

    @classmethod
    def judges_observations(cls) -> bool:
        """Return whether the rule has verdicts of its own on observations."""
        return cls.judge is not Rule.judge

    def tick(self, ctx: "TickContext") -> Sequence[Verdict]:
        """Advance by one tick; return the verdicts on the owned tracks."""
        return ()

    def start_ns(self, ctx: "Context", i: int) -> int | None:
        """Return the stamp since which track i breaks the rule; None: the start of its evidence."""
        return None

    def still_holds(self, ctx: "Context", i: int) -> bool:
        """Return whether the rule is certainly broken although it can't be measured now."""
        return False

    def limit(self, ctx: "Context", i: int) -> tuple[float, str | None]:
        """Return the speed limit that a version of track i shows, and the layer that states it."""
        return ctx.limit(i)

    def p_violation(self, ctx: "Context", i: int) -> float:
        """Return the probability that track i breaks the rule now."""
        raise NotImplementedError
