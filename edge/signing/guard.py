"""Signs what a process publishes, and refuses what nobody signed who may. Pure: stamps come from outside."""

import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from core.times import NS
from edge.signing.accepted import Accepted
from edge.signing.envelope import (
    RUN_BYTES,
    NoMapError,
    Seal,
    read_run,
    read_seal,
    sealed,
    to_sign,
    unseal,
    with_run,
)
from edge.signing.policy import Rule, Signer, may_sign, rule_of
from edge.token_bucket import TokenBucket

AGE_S_MAX = 60.0  # of a message that must be fresh: a link that was away keeps none that long
BEFORE_START_S = 3.0  # by which a signer's clock may be behind ours at our start
# why a message is refused
REASONS = ("wrong", "not_allowed", "unknown", "missing", "expired", "stale", "repeated", "too_often")
REFUSALS = frozenset(f"signature.{reason}" for reason in REASONS)
PAIRS_MAX = 4_096  # pairs of signer and topic; of each the stamps of accepted messages are remembered
# A signature costs 150 µs of CPU and more for a long message; whoever has seen a key's id can make us check
# some. Of one signer on one topic so many are checked, twice what an honest one sends at its worst.
CHECKS_HZ, CHECKS_BURST = 500.0, 5_000.0
CHECKED_BYTES_HZ, CHECKED_BYTES_BURST = 16e6, 64e6
REFUSED_MAX = 16  # parts and reasons that are named
NOBODY = "unknown"  # no part of the site: whoever it is has none of its keys

Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], bool]  # signature, data
Admits = Callable[[], bool]


class Own(NamedTuple):
    """The key of this process."""

    suite: int
    key_id: bytes
    sign: Sign


class Known(NamedTuple):
    """A key of the site: whose it is, and until when [UTC, ns]."""

    suite: int
    verify: Verify
    signer: Signer
    from_ns: int
    until_ns: int


class Guard:
    """Signs and checks messages by the keys of a site; `renew` replaces the keys while it is in use.

    A message that must be fresh is refused where it is not newer than the last of its signer's run on its
    topic, more than AGE_S_MAX from our clock, or from before our start, of which we remember nothing. So
    nothing that was recorded off a broker acts a second time.
    """

    def __init__(self, own: Own | None, known: Mapping[bytes, Known], now_ns: Callable[[], int]) -> None:
        """own : None signs nothing.  known : by key id.  now_ns : UTC"""
        self._own, self._known, self._now_ns = own, known, now_ns
        self._last_ns, self._run = 0, os.urandom(RUN_BYTES)
        self._began_ns = now_ns()
        self._accepted: OrderedDict[tuple[Signer, str], Accepted] = OrderedDict()
        self._checks: OrderedDict[tuple[Signer, str], tuple[TokenBucket, TokenBucket]] = OrderedDict()
        self.counts: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()  # (ROLE/NAME that it claims to be of, reason)

    @property
    def knows_nobody(self) -> bool:
        """Whether there is no key by which a message could be believed."""
        return not self._known

    def renew(self, own: Own | None, known: Mapping[bytes, Known]) -> None:
        """Use these keys from now on: one was renewed, added or revoked."""
        self._own, self._known = own, known

    def signed(self, topic: str, payload: bytes) -> bytes:
        """Return the message with our signature where its topic needs one, else as it is."""
        if self._own is None or (needed := rule_of(topic)) is None:
            return payload
        self._last_ns = self._next_ns()
        seal = Seal(self._own.suite, self._own.key_id, self._last_ns)
        try:
            if needed[0].fresh:
                payload = with_run(payload, self._run)
            return sealed(payload, seal._replace(signature=self._own.sign(to_sign(topic, payload, seal))))
        except NoMapError:  # a withdrawn publication is an empty message
            self.counts["signature.no_map"] += 1
            return payload

    def accepts(self, topic: str, payload: bytes, admits: Admits = lambda: True) -> bool:
        """Say whether a received message counts; one that doesn't is counted by its reason.

        admits() : asked where the message claims a signature that could count, before that is computed: a
            flood costs next to nothing. What it refuses it counts itself
        """
        needed = rule_of(topic)
        if needed is None:
            return admits()
        reason = self._refusal(topic, payload, *needed)
        if reason is None:
            if not admits():
                return False
            reason = self._refusal_of_signature(topic, payload, needed[0])
        if reason is None:
            return True
        self.refuse(self._claimed(payload), reason)
        return False

    def refuse(self, who: str, reason: str) -> None:
        """Count a message that does not count, though its signature may be right.

        who : the ROLE/NAME that it claims to be of.  reason : one of REASONS
        """
        self.counts[f"signature.{reason}"] += 1
        if (who, reason) in self.refused or len(self.refused) < REFUSED_MAX:
            self.refused[who, reason] += 1

    def _claimed(self, payload: bytes) -> str:
        """Return whose key a message claims to be signed with; nobody knows who really sent it."""
        seal = read_seal(payload)
        known = None if seal is None else self._known.get(seal.key_id)
        return NOBODY if known is None else f"{known.signer.role}/{known.signer.name}"

    def _refusal(self, topic: str, payload: bytes, rule: Rule, name: str) -> str | None:
        """Return what is wrong with a message that its signature has nothing to do with."""
        seal = read_seal(payload)
        if seal is None:
            return "missing"
        known = self._known.get(seal.key_id)
        if known is None or known.suite != seal.suite:
            return "unknown"
        if not may_sign(rule, name, known.signer):
            return "not_allowed"
        now_ns = self._now_ns()
        if seal.stamp_ns < known.from_ns or max(seal.stamp_ns, now_ns) > known.until_ns:
            return "expired"
        key = (known.signer, topic)
        if rule.fresh:
            self._began_ns = min(self._began_ns, now_ns)  # a clock that was ahead then, and is set right
            is_of_before = seal.stamp_ns < self._began_ns - BEFORE_START_S * NS
            if is_of_before or abs(now_ns - seal.stamp_ns) > AGE_S_MAX * NS:
                return "stale"
            accepted = self._accepted.get(key)
            if accepted is not None and accepted.is_repeated(seal.stamp_ns, now_ns, read_run(payload)):
                return "repeated"
        return None

    def _refusal_of_signature(self, topic: str, payload: bytes, rule: Rule) -> str | None:
        message = unseal(topic, payload)
        if message is None:
            return "missing"
        seal = message.seal
        known = self._known[seal.key_id]
        key = (known.signer, topic)
        if not self._may_check(key, len(payload)):
            return "too_often"
        if not known.verify(seal.signature, message.signed):
            return "wrong"
        if rule.fresh:  # only now: a forged stamp must not make us refuse the true ones
            self._remember(key, seal.stamp_ns, read_run(payload))
        return None

    def _may_check(self, key: tuple[Signer, str], n_bytes: int) -> bool:
        now_s = self._now_ns() / NS
        found = self._checks.get(key)
        if found is None:
            found = self._checks[key] = (
                TokenBucket.full(CHECKS_HZ, CHECKS_BURST, now_s),
                TokenBucket.full(CHECKED_BYTES_HZ, CHECKED_BYTES_BURST, now_s),
            )
            if len(self._checks) > PAIRS_MAX:
                self._checks.popitem(last=False)
        return found[0].take(1.0, now_s) and found[1].take(n_bytes, now_s)

    def _next_ns(self) -> int:
        """Return the stamp of our next message; no two share one, even while a clock is set back a little."""
        now_ns, next_ns = self._now_ns(), self._last_ns + 1
        if next_ns - now_ns <= AGE_S_MAX * NS:
            return max(now_ns, next_ns)
        self._run = os.urandom(RUN_BYTES)  # our clock was set back
        return now_ns

    def _remember(self, key: tuple[Signer, str], stamp_ns: int, run: bytes | None) -> None:
        self._accepted.setdefault(key, Accepted(int(AGE_S_MAX * NS))).add(stamp_ns, run)
        self._accepted.move_to_end(key)
        if len(self._accepted) > PAIRS_MAX:
            self._accepted.popitem(last=False)  # its messages are still bound by their age
