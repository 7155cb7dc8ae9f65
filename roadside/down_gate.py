"""What an RSU reads of `gnss/down`: of the site's gateway, no oftener than it sends, no more than fits. Pure.

The inbox is shared with the radars, so the messages of gateways that wait in it are limited by themselves.
"""

from collections.abc import Callable, Collection

import msgspec

from edge.decoding import decoder
from edge.token_bucket import TokenBucket
from edge.wire import Esn

GATEWAYS_MAX = 16  # names: each is a channel of the recording
MESSAGES_HZ, MESSAGES_BURST = 250.0, 1_000.0  # a gateway sends to one RSU each 5 ms at most
BYTES_HZ, BYTES_BURST = 2e6, 4e6  # of one gateway: a thousand trucks send 0.1e6
WAITING_MAX = 256  # messages in the inbox, of all gateways,
WAITING_BYTES_MAX = 4_000_000  # and their bytes; decoded they take some ten times as much


class _Sender(msgspec.Struct, frozen=True):
    """The only field that is read of a message before it is admitted."""

    gateway: Esn


_decode_sender = decoder(msgspec.msgpack.Decoder(_Sender))


class DownGate:
    """Admits messages, and counts those that wait until they are `done`."""

    def __init__(self, count: Callable[[str], None], known: Collection[str] | None = None) -> None:
        """known : ids of the site's gateways; None: any, up to GATEWAYS_MAX names"""
        self._count, self._known = count, known
        self._buckets: dict[str, tuple[TokenBucket, TokenBucket]] = {}
        self._n_waiting, self._n_bytes = 0, 0

    def admits(self, body: bytes, now_s: float) -> bool:
        """Return whether to read a message; one that is refused is counted. Raises msgspec.DecodeError.

        now_s : a monotonic time
        """
        gateway = _decode_sender(body).gateway
        if self._known is not None and gateway not in self._known:
            return self._refuse("gateway.stranger")
        if gateway not in self._buckets:
            if len(self._buckets) >= GATEWAYS_MAX:
                return self._refuse("gateway.too_many")
            self._buckets[gateway] = (
                TokenBucket.full(MESSAGES_HZ, MESSAGES_BURST, now_s),
                TokenBucket.full(BYTES_HZ, BYTES_BURST, now_s),
            )
        messages, n_bytes = self._buckets[gateway]
        if not (messages.take(1.0, now_s) and n_bytes.take(len(body), now_s)):
            return self._refuse("gateway.too_often")
        if self._n_waiting >= WAITING_MAX or self._n_bytes + len(body) > WAITING_BYTES_MAX:
            return self._refuse("gateway.full")
        return True

    def queued(self, body: bytes) -> None:
        """Note an admitted message that waits now."""
        self._n_waiting += 1
        self._n_bytes += len(body)

    def done(self, body: bytes | None) -> None:
        """Note that a message waits no more."""
        self._n_waiting = max(0, self._n_waiting - 1)
        self._n_bytes = max(0, self._n_bytes - len(body or b""))

    def _refuse(self, reason: str) -> bool:
        self._count(reason)
        return False
