"""MessagePack of others into structs: whatever is wrong with the bytes is one error. Pure."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")


def decoder(reader: msgspec.msgpack.Decoder[T]) -> Callable[[bytes], T]:
    """Return the decoder's `decode`, which raises msgspec.DecodeError for any bytes that are none of it.

    msgspec alone lets a text that is no UTF-8 out as ValueError and a nesting bomb as RecursionError, which
    would go through a caller that counts what can't be decoded, and end the process.
    """
    decode = reader.decode

    def guarded(body: bytes) -> T:
        try:
            return decode(body)
        except (UnicodeDecodeError, TypeError, RecursionError) as error:
            raise msgspec.DecodeError(f"{type(error).__name__}: {error}") from error

    return guarded
