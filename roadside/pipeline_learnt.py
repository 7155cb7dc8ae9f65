"""What a restart keeps of what the tracker has learnt: on the RSU's disk, and in its `start`. Pure."""

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from core.times import NS
from fusion.learnt import Learnt, learnt_of, relearn
from fusion.tracker import Tracker
from roadside.inputs import ClockStep
from roadside.outputs import Held
from roadside.pipeline_setup import Setup
from roadside.pipeline_tracker import tracker_of

KEY = "learnt"  # of the outbox
VERSION = 1  # of `Learnt`: of another one nothing is taken
AGE_NS_MAX = 86_400 * NS  # of what is older, evidence of poses has faded, weather and fleet are others
EARLY_NS_MAX = (
    60 * NS
)  # a host without a battery's clock may start a little before the time at which it ended


class KeptLearnt(msgspec.Struct, frozen=True, kw_only=True, tag="learnt"):
    """What was learnt, on the RSU's disk; a damaged row is none."""

    version: int
    esn: str
    stamp_ns: int
    sha256: bytes  # of esn, stamp and body
    body: bytes  # encoded Learnt


_ENCODER = msgspec.msgpack.Encoder()
_DECODER, _DECODER_OF_BODY = msgspec.msgpack.Decoder(KeptLearnt), msgspec.msgpack.Decoder(Learnt)


class LearntMemory:
    """Keeps what one RSU's tracker has learnt, and begins a tracker with it.

    count : counts a reason so many times
    """

    def __init__(self, setup: Setup, count: Callable[[str, int], None]) -> None:
        self._esn, self._radars, self._count = setup.esn, setup.radars, count

    def kept(self, t_ns: int, tracker: Tracker) -> Held:
        """Return what the disk is to keep."""
        body = _ENCODER.encode(learnt_of(tracker, self._radars))
        digest = _sha256(self._esn, t_ns, body)
        kept = KeptLearnt(version=VERSION, esn=self._esn, stamp_ns=t_ns, sha256=digest, body=body)
        return Held(KEY, _ENCODER.encode(kept))

    def start(
        self, now_ns: int, setup: Setup, epoch: int, bodies: Sequence[bytes]
    ) -> tuple[Tracker, tuple[bytes, ...]]:
        """Return an epoch's tracker, with what the disk kept where that is usable, and the other bodies."""
        found = [kept for body in bodies if (kept := _decoded(body)) is not None]
        others = tuple(body for body in bodies if _decoded(body) is None) if found else tuple(bodies)
        if not found:
            return tracker_of(setup, epoch), others
        refused = self._refusal(now_ns, found[-1])
        tracker = tracker_of(setup, epoch)
        if not refused:
            age_ns = max(now_ns - found[-1].stamp_ns, 0)
            try:
                anew = relearn(tracker, self._radars, _DECODER_OF_BODY.decode(found[-1].body), age_ns)
                self._count("learnt.kept", 1)
                self._count("learnt.other_survey", len(anew))
                return tracker, others
            except (msgspec.DecodeError, ValueError, IndexError):  # written wrong: nothing of it is used
                refused, tracker = "damaged", tracker_of(setup, epoch)
        self._count(f"learnt.{refused}", 1)
        return tracker, others

    def _refusal(self, now_ns: int, kept: KeptLearnt) -> str:
        """Return why a row is not used; empty: it is."""
        if kept.sha256 != _sha256(kept.esn, kept.stamp_ns, kept.body):
            return "damaged"
        if kept.version != VERSION or kept.esn != self._esn:
            return "foreign"
        return "" if -EARLY_NS_MAX <= now_ns - kept.stamp_ns <= AGE_NS_MAX else "old"

    def reset_clock(self, tracker: Tracker, step: ClockStep) -> None:
        """Clear a tracker after a step of the clock, but for what does not depend on the clock."""
        learnt = learnt_of(tracker, self._radars)
        tracker.clear()
        relearn(tracker, self._radars, msgspec.structs.replace(learnt, clocks_ns=()), 0)
        since_ns = tracker.registration.since_ns
        since_ns[since_ns > 0] += step.to_ns - step.from_ns


def _sha256(esn: str, stamp_ns: int, body: bytes) -> bytes:
    return hashlib.sha256(f"{esn}\n{stamp_ns}\n".encode() + body).digest()


def _decoded(body: bytes) -> KeptLearnt | None:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
