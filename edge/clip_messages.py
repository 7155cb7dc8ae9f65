"""`command/down` and `command/up` of an RSU: the centre asks for a clip of its recording, in pieces. Pure.

Each question gets one answer, and each may be asked again: what a link loses costs only its repetition.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.decoding import Stamp, decoder
from edge.wire import Count, Name

PIECE_BYTES_MAX = 65_536  # of one answer
CLIP_FILES_MAX = 8  # one for each start of the RSU within the clip
CLIP_BYTES_MAX = 64 * 2**20  # of one clip: hours of a usual RSU
REASON_LENGTH_MAX = 300

Kind = Annotated[str, Meta(min_length=1, max_length=32)]
Outcome = Literal[
    "preparing", "ready", "piece", "dropped", "none", "too_large", "no_room", "failed", "unsupported"
]  # fmt: skip
Sha256 = Annotated[bytes, Meta(max_length=32)]


class RsuCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question of the centre.  kind : clip (make one), piece (of a file of it), drop (it is not needed)"""

    id: Name
    kind: Kind
    violation: Name
    from_ns: Stamp | None = None
    to_ns: Stamp | None = None
    file: Count = 0
    offset: Count = 0


class ClipFile(msgspec.Struct, frozen=True, kw_only=True):
    """One recording of a clip, by its name, length and SHA-256."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    n_bytes: Count
    sha256: Sha256


class RsuAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to one command."""

    id: Name
    outcome: Outcome
    reason: Annotated[str, Meta(max_length=REASON_LENGTH_MAX)] = ""
    files: Annotated[tuple[ClipFile, ...], Meta(max_length=CLIP_FILES_MAX)] = ()
    file: Count = 0
    offset: Count = 0
    data: Annotated[bytes, Meta(max_length=PIECE_BYTES_MAX)] | None = None


decode_command = decoder(msgspec.msgpack.Decoder(RsuCommand))
decode_answer = decoder(msgspec.msgpack.Decoder(RsuAnswer))
