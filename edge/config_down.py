"""`config/down` and its answer (docs/design.md section 7): rules that are published to an RSU. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.decoding import decoder

RULES_LENGTH_MAX = 65_536
Publication = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class ConfigDown(msgspec.Struct, frozen=True, kw_only=True):
    """`config/down`: a whole rule book, as TOML text of `[rules]`."""

    seq: Publication
    rules: Annotated[str, Meta(max_length=RULES_LENGTH_MAX)]


class ConfigAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`configured` of the status: the RSU's answer to the newest publication."""

    seq: Publication
    refused: Annotated[str, Meta(max_length=1_000)] | None = None


decode_config_down = decoder(msgspec.msgpack.Decoder(ConfigDown))
