"""Prometheus metrics of a worker (CONTRACT.md section 8)."""

import platform
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram, Info

import streams
from streams.core.fold import DeadLetter, Effect, Output
from streams.topology import BUDGET_ALERTS

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

EVENTS = Counter("streams_events", "Records done, by topic and outcome", ["topic", "outcome"])
SKIPPED = Counter("streams_skipped", "Records that were folded before, by reason", ["reason"])
CHUNK_SECONDS = Histogram("streams_chunk_seconds", "Fold and commit of a chunk", buckets=_QUICK)
FOLD_SECONDS = Histogram("streams_fold_seconds", "Folding of a chunk", buckets=_QUICK)
TRANSACTION_SECONDS = Histogram(
    "streams_transaction_seconds", "Transaction of a chunk and its write", buckets=_QUICK
)
LAG = Gauge("streams_lag_records", "Records not folded yet", ["topic", "partition"])
ALERTS = Counter("streams_alerts", "Alerts sent, by type", ["type"])
DLQ = Counter("streams_dlq", "Refused records, by code", ["code"])
RECOVERY_SECONDS = Histogram(
    "streams_recovery_seconds", "Take-over of a partition", buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60)
)
MEMORY_BYTES = Gauge(
    "streams_memory_bytes", "What a tenant's memory takes, of the largest here", ["tenant"]
)
SEARCH_SECONDS = Histogram(
    "streams_search_seconds", "Answers to questions about memories", buckets=(*_QUICK, 5, 10, 30)
)
SEARCH_INDEX_BYTES = Gauge("streams_search_index_bytes", "Indexes kept for the next search")
EMBED_SECONDS = Histogram(
    "streams_embed_seconds",
    "Embedding of a batch of texts or of a query",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
SNAPSHOT_BYTES = Counter("streams_snapshot_bytes", "Bytes uploaded for snapshots")
ARCHIVED_BYTES = Counter("streams_archived_bytes", "Bytes uploaded of logs")
SNAPSHOT_AGE = Gauge(
    "streams_snapshot_age_seconds", "Age of the last snapshot", ["topic", "partition"]
)
ERASURES_OPEN = Gauge(
    "streams_erasures_open",
    "Erasures here that have not reached every place, by lateness",
    ["late"],
)
STORES_LOST = Counter("streams_stores_lost", "Stores closed and taken over again", ["reason"])
_BUILD = Info("streams_build", "Version of this worker")
_BUILD.info({"version": streams.__version__, "python": platform.python_version()})


def count_effects(effects: Iterable[Effect]) -> None:
    """Count what a committed transaction sent."""
    for effect in effects:
        if isinstance(effect, DeadLetter):
            DLQ.labels(effect.code).inc()
        elif isinstance(effect, Output) and effect.topic == BUDGET_ALERTS:
            ALERTS.labels(effect.type).inc()
