"""How much one connection may send: a token bucket, pure; time is what the caller says."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Holds up to `burst` tokens and gains `rate_hz` a second; may go into debt, which is waited for."""

    rate_hz: float
    burst: float
    tokens: float
    at_s: float

    @staticmethod
    def full(rate_hz: float, burst: float, now_s: float) -> "TokenBucket":
        return TokenBucket(rate_hz, burst, burst, now_s)

    def take(self, n_tokens: float, now_s: float) -> float:
        """Take them; return how many seconds to wait until the bucket is out of debt, 0 when it is not in."""
        self.tokens = min(self.burst, self.tokens + (now_s - self.at_s) * self.rate_hz) - n_tokens
        self.at_s = now_s
        return max(0.0, -self.tokens / self.rate_hz)
