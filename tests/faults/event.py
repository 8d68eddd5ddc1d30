"""One event of a fault run."""

from dataclasses import dataclass
from typing import Any

HOUR = 3600 * 10**6


@dataclass(frozen=True)
class Event:
    """One CloudEvent to be sent; ``time`` in microseconds."""

    topic: str
    type: str
    tenant: str
    source: str
    id: str
    time: int
    data: dict[str, Any]
