"""The quality of one NMEA epoch: each sentence claims a range, the epoch gets their intersection. Pure.

A sentence may be vague: a mode letter D can mean a fixed solution, and only GGA's digit decides.
Where sentences contradict each other the lowest claim counts: a position is rather lost than believed.
"""

from dataclasses import dataclass, field

from edge.wire import Quality

_ORDER: tuple[Quality, ...] = ("none", "dead_reckoning", "single", "dgnss", "float", "fixed")
_NONE, _DEAD, _SINGLE, _DGNSS, _FLOAT, _FIXED = range(6)

Claim = tuple[int, int, str | None]  # at least, at most (places in _ORDER), why there is no measurement
VOID: Claim = (_NONE, _NONE, None)
VALID: Claim = (_SINGLE, _FIXED, None)  # status A of a receiver before NMEA 2.3, which has no mode letter
_UNKNOWN: Claim = (_NONE, _NONE, "nmea.mode")
_SIMULATED: Claim = (_NONE, _NONE, "nmea.simulated")
_MANUAL: Claim = (_NONE, _NONE, "nmea.manual")

_BY_DIGIT: dict[str, Claim] = {  # GGA field 6
    "0": VOID,
    "": VOID,
    "1": (_SINGLE, _SINGLE, None),
    "2": (_DGNSS, _DGNSS, None),
    "3": (_SINGLE, _SINGLE, None),  # PPS
    "4": (_FIXED, _FIXED, None),
    "5": (_FLOAT, _FLOAT, None),
    "6": (_DEAD, _DEAD, None),
    "7": _MANUAL,
    "8": _SIMULATED,
}
_BY_LETTER: dict[str, Claim] = {  # RMC, GLL, VTG, and each constellation's in GNS
    "A": (_SINGLE, _SINGLE, None),
    "D": (_DGNSS, _FIXED, None),  # before NMEA 4.1 also float and fixed
    "E": (_DEAD, _DEAD, None),
    "F": (_FLOAT, _FLOAT, None),
    "M": _MANUAL,
    "N": VOID,
    "P": (_SINGLE, _FIXED, None),
    "R": (_FIXED, _FIXED, None),
    "S": _SIMULATED,
}


def of_digit(digit: str) -> Claim:
    """Return the range of GGA's quality digit; an unknown digit is no measurement."""
    return _BY_DIGIT.get(digit, _UNKNOWN)


def of_status(status: str, letter: str) -> Claim:
    """Return the range of a status (A valid, V void) and a mode letter, which is empty before NMEA 2.3."""
    if letter in ("S", "M"):  # named even where the status is void
        return _BY_LETTER[letter]
    if status != "A":
        return VOID
    return _BY_LETTER.get(letter, _UNKNOWN) if letter else VALID


def of_letters(letters: str) -> Claim:
    """Return the range of GNS: a letter for each constellation, N for those that are not used."""
    claims = [_BY_LETTER.get(letter, _UNKNOWN) for letter in letters if letter != "N"]
    for claim in claims:
        if claim[1] == _NONE:  # one that is simulated spoils the whole solution
            return claim
    if not claims:
        return VOID
    return min(least for least, _, _ in claims), max(most for _, most, _ in claims), None


@dataclass(slots=True)
class Belief:
    """The claims of one epoch's sentences."""

    least: int = _NONE
    most: int = _FIXED
    n_claims: int = 0
    reasons: set[str] = field(default_factory=set)

    def add(self, claim: Claim) -> None:
        least, most, reason = claim
        self.least, self.most = max(self.least, least), min(self.most, most)
        self.n_claims += 1
        if reason is not None:
            self.reasons.add(reason)

    @property
    def quality(self) -> Quality:
        """Return the lowest that all allow; where they disagree, the lowest of all."""
        return _ORDER[min(self.least, self.most)] if self.n_claims else "none"

    @property
    def faults(self) -> list[str]:
        """Return by name why a position is no measurement, or that the sentences disagree about it."""
        disagree = ["nmea.conflict"] if self.n_claims and self.least > self.most else []
        return sorted(self.reasons) + disagree
