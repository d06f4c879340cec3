"""The one place that asks the time, so that tests can move it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> float:
    """Return the time in seconds since the epoch."""
    return time.time()


def to_datetime(epoch_s: float) -> datetime:
    """Return an epoch number as a timezone-aware UTC datetime."""
    return datetime.fromtimestamp(epoch_s, UTC)
