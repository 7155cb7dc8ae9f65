"""Open episodes: the facts of a violation between its versions, as they are stored and handed over."""

from typing import Annotated

import msgspec
from msgspec import Meta

from geofence.violation import Grade, Rule, Violation, ViolationVehicle

# ge and le refuse NaN and infinity, which no payload may show
Number = Annotated[float, Meta(ge=-1e9, le=1e9)]
Small = Annotated[int, Meta(ge=0, le=2**31)]
Stamp = Annotated[int, Meta(ge=0, le=4 * 10**18)]


class Facts(msgspec.Struct, kw_only=True):
    """The facts of one version about the vehicle, quantised."""

    vehicle: ViolationVehicle | None = None
    identity_p: Number | None = None
    lon_deg: Number
    lat_deg: Number
    lane: str | None = None
    s_m: Number | None = None
    d_m: Number | None = None
    sigma_d_m: Number | None = None
    speed_mps: Number = 0.0
    limit_mps: Number | None = None
    p_violation: Number = 0.0
    limit_of: str | None = None  # the layer that states `limit_mps`
    road_s_m: Number | None = None


class OpenEpisode(Facts, kw_only=True):
    """One open violation between its versions. A field that another version lacks has a default."""

    id: str
    rule: Rule
    undecidable: bool = False  # the record of a time that could not be judged
    scope: str = ""  # the zone, for a rule of zones
    track: Annotated[int, Meta(ge=0)]
    grade: Grade
    version: Small
    hop: Small = 0
    start_ns: Stamp
    confirmed_ns: Stamp | None = None
    version_ns: Stamp = msgspec.field(name="told_ns", default=0)  # when its last version was made
    seen_ns: Stamp = 0  # of the last observation judged
    zone: str | None = None

    def __post_init__(self) -> None:
        """Set `seen_ns` to the start where it is missing."""
        self.seen_ns = self.seen_ns or self.start_ns

    @property
    def rule_name(self) -> str:
        """The name of its rule in the rule book."""
        return "undecidable" if self.undecidable else self.rule

    def update(self, facts: Facts) -> None:
        """Replace the facts about the vehicle."""
        for name in Facts.__struct_fields__:
            setattr(self, name, getattr(facts, name))


# the fields that a version copies from its episode; the others belong to the version alone
SHARED = tuple(name for name in Violation.__struct_fields__ if name in OpenEpisode.__struct_fields__)
ENCODER = msgspec.msgpack.Encoder()
VERSION_GAP = 1_000  # for each epoch: more versions of one episode than a run makes in a second
EPOCHS_MAX = 1_000_000  # seconds, mostly; beyond, numbers would leave their range
VERSION_MAX = 2**31
_DECODER = msgspec.msgpack.Decoder(OpenEpisode)


def encoded(episode: OpenEpisode) -> bytes:
    """Return an open episode's bytes, as a restart needs them."""
    return ENCODER.encode(episode)


def decoded(body: bytes) -> OpenEpisode | None:
    """Return the episode; None for any bytes that hold none, nesting bombs and broken text included."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return None


def renumbered(body: bytes, n_epochs: int = 1) -> bytes:
    """Return an open episode whose next version no earlier run can have made; other bytes as they are.

    Versions that left from memory while the disk refused them are known to the centre, not to the disk.
    Two versions of one number with other bytes contradict each other, and the centre would keep the first.

    n_epochs : how many epochs lie between the run that stored it and this one. A run that starts on a full
        disk may end there too: the next one begins with the same state, and must not use its numbers either
    """
    episode = decoded(body)
    if not n_epochs or episode is None:
        return body
    episode.version = version_beyond(episode.version, n_epochs)
    return encoded(episode)


def version_beyond(version: int, n_epochs: int) -> int:
    """Return a version that none of the runs of so many epochs has reached from this one; 0: this one."""
    beyond = version + VERSION_GAP * min(n_epochs, EPOCHS_MAX)
    return version if beyond > VERSION_MAX else beyond
