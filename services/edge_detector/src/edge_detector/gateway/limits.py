"""How often somebody may speak: a token bucket; pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` in the long run, `burst` at once."""

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is left of a rate; `filled_at` never goes back."""

    tokens: float
    filled_at: datetime


def take(bucket: Bucket | None, rate: Rate, at: datetime) -> tuple[Bucket, float]:
    """Return the bucket after one more, and seconds to wait: 0 when it was granted.

    Args:
        bucket: None for somebody who has not spoken yet.
        rate: What is allowed.
        at: A backlog that is delivered late brings its own times, so it is no flood.
    """
    if bucket is None:
        bucket = Bucket(rate.burst, at)
    elapsed_s = max(0.0, (at - bucket.filled_at).total_seconds())
    tokens = min(rate.burst, bucket.tokens + elapsed_s * rate.per_s)
    filled_at = max(at, bucket.filled_at)
    if tokens < 1:
        return Bucket(tokens, filled_at), (1 - tokens) / rate.per_s
    return Bucket(tokens - 1, filled_at), 0.0
