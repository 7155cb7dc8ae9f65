"""`config/down` and its answer (docs/design.md section 7): published rules, and a published map. Pure."""

import zlib
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.decoding import decoder

RULES_LENGTH_MAX = 65_536
# With the longest rules within the 1 MB that a message may have; a site's map of 2 000 lanes takes a tenth
MAP_BYTES_MAX = 780_000
MAP_TEXT_MAX = 64 * 2**20  # what it may unpack to
Publication = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class ConfigDown(msgspec.Struct, frozen=True, kw_only=True):
    """`config/down`: a whole rule book, as TOML text of `[rules]`; a map, as GeoJSON packed by zlib."""

    seq: Publication
    rules: Annotated[str, Meta(max_length=RULES_LENGTH_MAX)]
    map: Annotated[bytes, Meta(max_length=MAP_BYTES_MAX)] | None = None


def packed_map(text: str) -> bytes:
    """Return a map's text as a publication carries it; ValueError where it is too large."""
    body = zlib.compress(text.encode(), 9)
    if len(body) > MAP_BYTES_MAX:
        raise ValueError(
            f"the map has {len(body)} bytes when compressed; a publication carries {MAP_BYTES_MAX}"
        )
    return body


def unpacked_map(body: bytes) -> str:
    """Return the text of a published map; ValueError where it is none."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(body, MAP_TEXT_MAX)
    except zlib.error as error:
        raise ValueError(f"is not compressed by zlib: {error}") from error
    if not unpacking.eof:
        raise ValueError("is cut off, or too large")
    return text.decode()


class ConfigAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`configured` of the status: the RSU's answer to the newest publication."""

    seq: Publication
    refused: Annotated[str, Meta(max_length=1_000)] | None = None


decode_config_down = decoder(msgspec.msgpack.Decoder(ConfigDown))
