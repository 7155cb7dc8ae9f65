"""A stream of bytes to NMEA sentences, pure: other bytes are skipped, and counted by their kind."""

from collections import Counter

from roadside.devices import count_kind
from roadside.devices.nmea.fields import checksum, stated_checksum

SENTENCE_BYTES_MAX = 512  # the standard says 82; receivers with many satellites don't care
SKIPPED = "nmea.skipped"  # family of counts: sentences that are whole and not read, by kind
_OTHER = "other"  # binary messages, text, anything else
# of satellite receivers and of integrated navigation; BD, QZ and PQ are older names of GB and GQ
TALKERS = frozenset(("GP", "GN", "GL", "GA", "GB", "BD", "GQ", "QZ", "PQ", "GI", "IN", "II"))


class LineReader:
    """Cuts one stream into the sentences of GNSS talkers; holds at most one unfinished line."""

    def __init__(self, counts: Counter[str], skipped: Counter[str]) -> None:
        self.n_sentences = 0  # of a GNSS talker, with the right checksum
        self._counts = counts
        self._skipped = skipped
        self._rest = b""
        self._long = False

    @property
    def held_bytes(self) -> int:
        return len(self._rest)

    def feed(self, data: bytes) -> list[list[str]]:
        """Return the sentences that these bytes end: their fields, the kind such as RMC first."""
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if _is_whole(self._rest):  # a datagram may hold a sentence without a line end
            lines, self._rest = [*lines, self._rest], b""
        if lines:
            self._long = False
        if len(self._rest) > SENTENCE_BYTES_MAX:
            self._counts["nmea.long"] += not self._long  # once for each line without an end
            self._long = True
            self._rest = self._rest[-SENTENCE_BYTES_MAX:]  # a sentence may begin among other bytes
        found: list[list[str]] = []
        for line in lines:
            self._line(line, found)
        return found

    def skip(self, kind: str) -> None:
        """Count a sentence that is whole and of no use."""
        count_kind(self._skipped, SKIPPED, kind)

    def _line(self, line: bytes, found: list[list[str]]) -> None:
        """Find the sentences of one line: a lost line end, or bytes before one, cost no sentence."""
        before, *pieces = line.split(b"$")
        if before.strip():
            self.skip(_OTHER)
        for piece in pieces:
            fields = self._fields(piece)
            if fields is not None:
                found.append(fields)

    def _fields(self, piece: bytes) -> list[str] | None:
        """Return the fields of one sentence of a GNSS talker; anything else is counted."""
        body, star, sent = piece.partition(b"*")
        ours = body[:2].decode("ascii", errors="replace") in TALKERS
        stated = stated_checksum(sent) if star and body.isascii() else None
        if len(piece) > SENTENCE_BYTES_MAX or stated is None or stated != checksum(body):
            if ours:
                self._counts["nmea.checksum"] += 1
            else:
                self.skip(_OTHER)
            return None
        address, *fields = body.decode("ascii").split(",")
        if not ours:
            proprietary = address.startswith("P")  # then three letters of the maker
            self.skip((address[:4] if proprietary else address[:8]) if address.isalnum() else _OTHER)
            return None
        self.n_sentences += 1
        return [address[2:], *fields]


def _is_whole(rest: bytes) -> bool:
    """Say whether bytes end with a whole sentence: nothing can follow its checksum but a line end."""
    if rest[-3:-2] != b"*":
        return False
    body = rest[rest.rfind(b"$") + 1 : -3]
    return stated_checksum(rest[-2:]) == checksum(body)
