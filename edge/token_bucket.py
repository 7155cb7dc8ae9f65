"""Token buckets: the rate limits of one peer, whether it is paused or its messages are dropped. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Holds up to `burst` tokens and gains `rate_hz` a second."""

    rate_hz: float
    burst: float
    tokens: float
    at_s: float

    @staticmethod
    def full(rate_hz: float, burst: float, now_s: float) -> "TokenBucket":
        return TokenBucket(rate_hz, burst, burst, now_s)

    def spend(self, n_tokens: float, now_s: float) -> float:
        """Spend tokens, into debt where there are too few; return the seconds until it is out of debt."""
        self._fill(now_s)
        self.tokens -= n_tokens
        return max(0.0, -self.tokens / self.rate_hz)

    def take(self, n_tokens: float, now_s: float) -> bool:
        """Spend tokens only where there are enough; return whether there were."""
        self._fill(now_s)
        if self.tokens < n_tokens:
            return False
        self.tokens -= n_tokens
        return True

    def _fill(self, now_s: float) -> None:
        elapsed_s = max(0.0, now_s - self.at_s)  # a clock that was set back costs nothing
        self.tokens = min(self.burst, self.tokens + elapsed_s * self.rate_hz)
        self.at_s = now_s
