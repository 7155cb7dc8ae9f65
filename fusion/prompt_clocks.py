"""Whether a message's stamps are beyond doubt, which those of nearly all messages are; compiled."""

from core.arrays import B1, I1, I2
from core.kernel import kernel
from fusion.clocks import ACCEPTED_NS, KIND, NO_FAULT, SOUND_AT


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
