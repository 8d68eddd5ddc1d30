"""One example of each answer, for the OpenAPI document; a test holds them against the types."""

from typing import Any

NOON = "2026-11-22T12:00:00.000000Z"
MIDNIGHT = "2026-11-22T00:00:00.000000Z"
NEXT_MIDNIGHT = "2026-11-23T00:00:00.000000Z"
CAUSE = {"source": "/cars/7", "id": "42"}

ACCEPTED: dict[str, Any] = {
    "events": [{"id": "42", "topic": "agent.messages.v1", "partition": 3, "offset": 1917}]
}

_SUMS: dict[str, Any] = {
    "calls": 12,
    "input_tokens": 14_400,
    "output_tokens": 960,
    "cache_read_tokens": 0,
    "cache_creation_tokens": 0,
    "cost_usd": "0.0456",
    "reported_usd": "0",
    "computed_usd": "0.0456",
    "adjusted_usd": "0",
    "unpriced_calls": 2,
    "late_events": 0,
    "runs": 3,
    "runs_by_state": {
        "START": 0,
        "RUNNING": 1,
        "OTHER": 0,
        "COMPLETE": 2,
        "ABORT": 0,
        "FAIL": 0,
    },
    "run_seconds": 5_412.25,
    "memory_byte_hours": 1_843_200.0,
    "embeddings": 4,
}
USAGE: dict[str, Any] = {
    "tenant": "t1",
    "timezone": "UTC",
    "period": "day",
    "buckets": [
        {"start": MIDNIGHT, "end": NEXT_MIDNIGHT, "group": {"model": "gpt-4o"}, **_SUMS},
    ],
    "total": _SUMS,
    "unpriced": [{"provider": "openai", "model": "not-in-the-catalogue", "calls": 2}],
    "prices": [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "version": "tenant/2026-11-01T00:00:00.000000Z",
            "effective_from": "2026-11-01T00:00:00.000000Z",
            "input_usd_per_mtok": "2",
            "output_usd_per_mtok": "8",
            "cache_read_usd_per_mtok": None,
        }
    ],
    "as_of": NOON,
}
BUDGETS: dict[str, Any] = {
    "items": [
        {
            "config": {
                "budget_id": "daily",
                "limit_usd": "40",
                "period": "day",
                "timezone": "UTC",
                "thresholds": [50, 80, 100],
                "forecast": True,
                "scope": {},
            },
            "revision": 1,
            "counted_since": MIDNIGHT,
            "spent_usd": "21.5",
            "held_usd": "0.75",
            "forecast_usd": "43",
            "fired": [50],
            "exceeded": False,
            "unpriced_calls": 0,
            "period_start": MIDNIGHT,
            "period_end": NEXT_MIDNIGHT,
        }
    ],
    "next": None,
    "as_of": NOON,
}
RESERVED: dict[str, Any] = {"reservation_id": "call-17", "granted": True, "left_usd": "17.75"}
SETTLED: dict[str, Any] = RESERVED | {"left_usd": "18.1", "amount_usd": "0.4"}
RESERVATION: dict[str, Any] = {
    "reservation_id": "call-17",
    "budget_id": "daily",
    "state": "open",
    "granted": True,
    "amount_usd": "0.75",
    "left_usd": "17.75",
    "reported_usd": "0",
    "settled_usd": None,
    "expires_at": "2026-11-22T12:01:00.000000Z",
}
ALERTS: dict[str, Any] = {
    "items": [
        {
            "alert_id": "0d1f6c1e-0c62-5d8e-9b0f-0f4a6f3a7d11",
            "type": "budget.threshold.crossed",
            "tenant": "t1",
            "budget_id": "daily",
            "revision": 1,
            "period_start": MIDNIGHT,
            "period_end": NEXT_MIDNIGHT,
            "timezone": "UTC",
            "threshold_percent": 50,
            "limit_usd": "40",
            "spent_usd": "20.0031",
            "forecast_usd": None,
            "unpriced_calls": 0,
            "late": False,
            "severity": "info",
            "cause": CAUSE,
            "at": NOON,
        }
    ],
    "next": None,
    "as_of": NOON,
}
AUDIT: dict[str, Any] = {
    "action": "budget.set",
    "tenant": "t1",
    "at": NOON,
    "actor": "/api",
    "target": {"kind": "budget", "id": "daily"},
    "outcome": "done",
    "error": None,
    "details": {"limit_usd": "40", "period": "day"},
}
AUDITS: dict[str, Any] = {"items": [AUDIT], "next": None, "as_of": NOON}

STATE: dict[str, Any] = {
    "value": {"step": 1200, "loss": 0.5},
    "version": 7,
    "updated_at": NOON,
}
STATES: dict[str, Any] = {
    "items": [
        {
            "key": "checkpoint",
            "version": 7,
            "updated_at": NOON,
            "expires_at": None,
            "bytes": 24,
        }
    ],
    "next": None,
    "as_of": NOON,
}
RUNS: dict[str, Any] = {
    "items": [
        {
            "run_id": "train-4",
            "job": {"namespace": "argo", "name": "train"},
            "state": "COMPLETE",
            "kind": "training",
            "cluster": "eu-1",
            "node": "gpu-3",
            "started_at": MIDNIGHT,
            "ended_at": NOON,
            "parent_run_id": "nightly-2026-11-22",
            "inputs": [{"namespace": "s3://lake", "name": "silver/orders"}],
            "outputs": [{"namespace": "s3://models", "name": "churn/4"}],
            "message": "12 epochs",
            "stale": False,
        }
    ],
    "next": None,
    "as_of": NOON,
}

MEMORY: dict[str, Any] = {
    "id": "gate-2026-11-22",
    "tenant": "t1",
    "agent": "quality-1",
    "session": "s1",
    "content": "The quality gate failed: 3 of 400 rows had no customer id.",
    "timestamp": NOON,
    "priority": "HIGH",
    "context_tags": ["argo_workflow"],
    "tier": "working",
    "kind": "observed",
    "sources": [],
    "related_memories": [],
    "access_count": 0,
    "last_accessed": None,
    "ttl_seconds": 43_200,
    "gdpr_deletion_date": NEXT_MIDNIGHT,
    "cost_attribution": "project-a",
    "cluster_state": {"cluster": "eu-1"},
    "pipeline_context": ["ingest"],
    "subject": None,
    "metadata": {"rows": 400},
    "revision": 1,
    "consolidated_into": None,
    "embedding_model": "all-MiniLM-L6-v2",
    "bytes": 1041,
}
MEMORIES: dict[str, Any] = {"items": [MEMORY], "next": None, "as_of": NOON}

FOUND: dict[str, Any] = {
    "results": [
        {
            "memory": MEMORY,
            "score": 14.5,
            "parts": {
                "lexical": 9.5,
                "dense": 3.0,
                "neighbours": 1.25,
                "related": 0.0,
                "tags": 0.0,
                "cluster": 0.0,
                "pipeline": 0.0,
                "cost_attribution": 0.0,
                "agent": 0.5,
                "priority": 0.0625,
                "recency": 0.1015625,
                "use": 0.0859375,
                "linked": 0.0,
            },
        }
    ],
    "as_of": NOON,
}

QUOTA: dict[str, Any] = {
    "quota_mb": 512,
    "used_bytes": 429496730,
    "reserve_bytes": 0,
    "class": "standard",
    "as_of": NOON,
}

ERASURES: dict[str, Any] = {
    "items": [
        {
            "at": NOON,
            "source": "/api",
            "id": "7",
            "reason": "request 4711",
            "memory_ids": [],
            "subject": "customer-17",
            "subject_hash": "0a4c1f6f7d8a2b8de1c07a6bb8e41d53",
            "all": False,
            "erased": 12,
            "state": 1,
            "runs": 0,
            "deferred": 0,
            "rows_removed": NOON,
            "places": [
                {"place": "local files", "by": None, "done": NOON},
                {"place": "tenant.log.v1", "by": "2026-11-29T19:00:00.000000Z", "done": None},
            ],
            "completed": None,
        }
    ],
    "next": None,
    "as_of": NOON,
}
LOOKS: dict[str, Any] = {
    "items": [
        {"place": "local files", "looked": 1204, "found": 0, "where": [], "error": None},
        {
            "place": "tenant.log.v1",
            "looked": 5130,
            "found": 1,
            "where": ["tenant.log.v1[3] at offset 17"],
            "error": None,
        },
    ],
    "next": None,
    "as_of": NOON,
}

OF_OPERATIONS: dict[str, tuple[str, Any]] = {
    "messages": ("202", ACCEPTED),
    "jobs": ("202", ACCEPTED),
    "context": ("202", ACCEPTED),
    "commands": ("200", AUDIT),
    "usage": ("200", USAGE),
    "budgets": ("200", BUDGETS),
    "quota": ("200", QUOTA),
    "erasures": ("200", ERASURES),
    "verify": ("200", LOOKS),
    "reserve": ("200", RESERVED),
    "settle": ("200", SETTLED),
    "reservation": ("200", RESERVATION),
    "alerts": ("200", ALERTS),
    "audit": ("200", AUDITS),
    "memories": ("200", MEMORIES),
    "memory": ("200", MEMORY),
    "search": ("200", FOUND),
    "state": ("200", STATE),
    "set_state": ("200", STATE),
    "delete_state": ("200", STATE | {"value": None}),
    "states": ("200", STATES),
    "runs": ("200", RUNS),
}
"""Operation id: status and example."""
