"""Whether a message's stamps are beyond doubt, which those of nearly all messages are; compiled."""

from typing import NamedTuple

from core.arrays import B1, I1, I2
from core.kernel import kernel
from fusion.clocks import ACCEPTED_NS, EARLY_NS, KIND, N_AGES, NO_FAULT, SOUND_AT


class UsualClocks(NamedTuple):
    """The clocks of the gateway and of all terminals."""

    least_ns: int  # bounds of a prompt age of a fix
    most_ns: int
    late_ns: int  # greatest age that is usual of a message
    gateway: I2  # (1, N_CLOCK)
    known_ns: I1  # as of `note_prompt`
    terminals: I2  # (n, N_CLOCK)
    more: I2


@kernel
def note_prompt(
    now_ns: int, who: I1, stamp_ns: I1, usable: B1, least_ns: int, most_ns: int, declared_ns: I1, clocks: I2,
    more: I2,
) -> bool:  # fmt: skip
    """Note n prompt fixes of sound clocks and return True; False, and nothing noted, if any is another.

    who : (n,) rows of `declared_ns`, `clocks` (n, N_CLOCK) and `more`.  usable : (n,) has a position
    least_ns, most_ns : bounds of a prompt age.  more : corrections and doubtful reports, all zero without any
    """
    for j in range(who.shape[0]):
        w = who[j]
        age_ns = now_ns - stamp_ns[j]
        if age_ns < least_ns or age_ns > most_ns or declared_ns[w] != 0 or clocks[w, KIND] != NO_FAULT:
            return False
        for c in range(more.shape[1]):
            if more[w, c] != 0:
                return False
    for j in range(who.shape[0]):
        if usable[j]:
            clocks[who[j], SOUND_AT], clocks[who[j], ACCEPTED_NS] = now_ns, now_ns
    return True


@kernel(inner=True)
def note_usual(now_ns: int, who: I1, stamp_ns: I1, arrived_ns: I1, usable: B1, clocks: UsualClocks) -> bool:
    """Note n prompt fixes of sound clocks, that a gateway with a sound clock sends, and return True.

    False, and nothing noted, if any clock is another: then the whole of `fusion.timekeeping` must look.
    """
    if who.shape[0] == 0:
        return True
    newest_ns = arrived_ns[0]
    for j in range(1, arrived_ns.shape[0]):
        newest_ns = max(newest_ns, arrived_ns[j])
    age_ns, gateway = now_ns - newest_ns, clocks.gateway
    if not -EARLY_NS <= age_ns <= clocks.late_ns or gateway[0, KIND] != NO_FAULT or gateway[0, N_AGES] != 0:
        return False
    least_ns, most_ns = clocks.least_ns, clocks.most_ns
    if not note_prompt(
        now_ns, who, stamp_ns, usable, least_ns, most_ns, clocks.known_ns, clocks.terminals, clocks.more
    ):
        return False
    gateway[0, ACCEPTED_NS] = gateway[0, SOUND_AT] = now_ns
    return True
