"""Examples of the public data, shown in the JSON Schemas; the tests hold them against the code."""

from typing import Any

INPUTS: dict[str, list[dict[str, Any]]] = {
    "agent.message": [
        {
            "usage": {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 1200,
                "gen_ai.usage.output_tokens": 80,
            }
        },
        {
            "content": "The quality gate failed: 3 of 400 rows had no customer id.",
            "priority": "HIGH",
            "agent": "quality-1",
            "session": "s1",
            "context_tags": ["argo_workflow"],
            "ttl_seconds": 86400,
            "cost_attribution": "project-a",
            "cluster_state": {"cluster": "eu-1"},
            "pipeline_context": ["ingest"],
            "related_memories": ["8f0c1a52-4f0e-5b5c-9a39-0d6c7f1a2b3c"],
            "subject": "customer-17",
            "memory_id": "gate-2026-11-22",
            "metadata": {"rows": 400, "gate": "customer_id"},
            "usage": {
                "gen_ai.provider.name": "anthropic",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.usage.input_tokens": 1200,
                "gen_ai.usage.output_tokens": 80,
                "gen_ai.usage.cache_read.input_tokens": 1000,
                "gen_ai.usage.cache_creation.input_tokens": 0,
            },
            "cost_usd": "0.0123",
        },
        {"content": "Retried twice, then it worked.", "cluster_state": "eu-1"},
    ],
    "budget.set": [
        {"budget_id": "team", "limit_usd": "40", "period": "day"},
        {
            "budget_id": "gpt-4o-eu",
            "limit_usd": 250.5,
            "period": "month",
            "timezone": "Europe/Berlin",
            "thresholds": [50, 80, 100],
            "forecast": True,
            "scope": {"model": "gpt-4o", "cluster": "eu-1"},
        },
    ],
    "budget.delete": [{"budget_id": "team"}],
    "budget.reserve": [
        {"budget_id": "team", "amount_usd": "0.75"},
        {"budget_id": "team", "amount_usd": 0.75, "ttl_seconds": 600, "id": "call-17"},
    ],
    "budget.settle": [{"reservation_id": "call-17", "amount_usd": "0.4"}],
    "tenant.set": [{"timezone": "Asia/Kolkata"}],
    "retention.set": [
        {"default_ttl_seconds": 2592000},
        {"default_ttl_seconds": 2592000, "min_ttl_seconds": 86400},
    ],
    "hold.set": [{"subject": "customer-17"}, {"memory_ids": ["gate-2026-11-22"]}],
    "hold.release": [{"subject": "customer-17"}, {"memory_ids": ["gate-2026-11-22"]}],
    "memory.consolidate": [{}, {"window_hours": 24}],
    "memory.split": [{"memory_id": "0b1c4f0e-6a53-5d0e-9b1a-2f4c7d8e9a10"}],
    "memory.erase": [
        {"subject": "customer-17", "reason": "GDPR article 17, request 4711"},
        {"memory_ids": ["gate-2026-11-22"], "reason": "it held a password"},
        {"all": True, "reason": "the contract has ended"},
    ],
    "quota.set": [{"quota_mb": 512}, {"quota_mb": 64, "class": "compliance"}],
    "state.set": [
        {"agent": "trainer-1", "key": "checkpoint", "value": {"step": 1200, "loss": 0.5}},
        {
            "agent": "trainer-1",
            "key": "lease/eu-1",
            "value": "trainer-1",
            "if_version": 0,
            "ttl_seconds": 60,
        },
    ],
    "state.delete": [
        {"agent": "trainer-1", "key": "checkpoint"},
        {"agent": "trainer-1", "key": "lease/eu-1", "if_version": 1},
    ],
    "price.set": [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "input_usd_per_mtok": "2.25",
            "output_usd_per_mtok": 9,
            "cache_read_usd_per_mtok": "1.125",
            "effective_from": "2026-11-01T00:00:00Z",
        },
        {
            "provider": "",
            "model": "our-own-llama",
            "input_usd_per_mtok": "0.05",
            "output_usd_per_mtok": "0.05",
            "effective_from": "2026-01-01T00:00:00+01:00",
        },
    ],
    "usage.adjust": [
        {
            "amount_usd": "-12.5",
            "at": "2026-11-03T00:00:00Z",
            "model": "gpt-4o",
            "cost_attribution": "project-a",
            "reason": "credit of the provider for its outage",
        },
        {"amount_usd": 3, "at": "2026-11-03T00:00:00Z", "reason": "a call that was not reported"},
    ],
    "job.run": [
        {"job": {"namespace": "argo", "name": "load"}, "run_id": "load-17", "state": "START"},
        {
            "job": {"namespace": "argo", "name": "train"},
            "run_id": "train-4",
            "state": "COMPLETE",
            "kind": "training",
            "cluster": "eu-1",
            "node": "gpu-3",
            "inputs": [{"namespace": "s3://lake", "name": "silver/orders"}],
            "outputs": [{"namespace": "s3://models", "name": "churn/4"}],
            "parent_run_id": "nightly-2026-11-22",
            "message": "12 epochs",
            "context_tags": ["nightly"],
            "usage": {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 1200,
                "gen_ai.usage.output_tokens": 80,
            },
            "cost_usd": "4.2",
            "cost_attribution": "project-a",
        },
    ],
}

_CAUSE = {"source": "/agents/quality-1", "id": "e-17"}
_AT = "2026-11-22T10:00:00.123456Z"
_ALERT = {
    "alert_id": "0f4c7c1e-6d0a-5a44-8c55-1a2b3c4d5e6f",
    "tenant": "t1",
    "budget_id": "team",
    "revision": 1,
    "period_start": "2026-11-22T00:00:00.000000Z",
    "period_end": "2026-11-23T00:00:00.000000Z",
    "timezone": "UTC",
    "limit_usd": "40",
    "spent_usd": "40.0038",
    "forecast_usd": None,
    "unpriced_calls": 0,
    "late": False,
    "cause": _CAUSE,
    "at": _AT,
}


def _budget_alert(kind: str, severity: str, percent: int | None) -> dict[str, Any]:
    return {**_ALERT, "type": kind, "severity": severity, "threshold_percent": percent}


ALERTS: dict[str, list[dict[str, Any]]] = {
    "budget.threshold.crossed": [_budget_alert("budget.threshold.crossed", "warning", 80)],
    "budget.exceeded": [_budget_alert("budget.exceeded", "critical", None)],
    "budget.forecast.exceeded": [
        {
            **_budget_alert("budget.forecast.exceeded", "warning", None),
            "spent_usd": "20.5",
            "forecast_usd": "49.2",
        }
    ],
    "budget.recovered": [_budget_alert("budget.recovered", "info", 100)],
    "budget.corrected": [{**_budget_alert("budget.corrected", "info", None), "late": True}],
    "usage.unpriced": [
        {
            "alert_id": "5b5a7d0e-93a7-5d0f-b5a1-6f5e4d3c2b1a",
            "type": "usage.unpriced",
            "tenant": "t1",
            "provider": "openai",
            "model": "a-model-that-no-catalogue-knows",
            "period_start": "2026-11-22T00:00:00.000000Z",
            "period_end": "2026-11-23T00:00:00.000000Z",
            "severity": "warning",
            "cause": _CAUSE,
            "at": _AT,
        }
    ],
}


_QUOTA_ALERT = {
    "alert_id": "3d6f0a52-7f6e-5a0b-9a57-7c1e2f3a4b5c",
    "tenant": "t1",
    "revision": 1,
    "period_start": None,
    "used_bytes": 429496730,
    "reserve_bytes": 0,
    "quota_mb": 512,
    "cause": _CAUSE,
    "at": _AT,
}
ALERTS |= {
    "quota.threshold.crossed": [
        {
            **_QUOTA_ALERT,
            "type": "quota.threshold.crossed",
            "severity": "warning",
            "threshold_percent": 80,
        }
    ],
    "quota.critical.overflow": [
        {
            **_QUOTA_ALERT,
            "type": "quota.critical.overflow",
            "severity": "critical",
            "threshold_percent": None,
            "period_start": "2026-11-22T10:00:00.000000Z",
            "used_bytes": 604045312,
            "reserve_bytes": 67108864,
        }
    ],
}


def _audit(
    action: str, kind: str, target: str, details: dict[str, Any], error: str | None = None
) -> dict[str, Any]:
    return {
        "action": action,
        "tenant": "t1",
        "at": _AT,
        "actor": "/ops",
        "target": {"kind": kind, "id": target},
        "outcome": "rejected" if error else "done",
        "error": error,
        "details": details,
    }


AUDITS: dict[str, list[dict[str, Any]]] = {
    "tenant.set": [
        _audit("tenant.set", "tenant", "t1", {"timezone": "Asia/Kolkata", "previous": "UTC"})
    ],
    "quota.granted": [
        _audit(
            "quota.granted",
            "quota",
            "t1",
            {"quota_mb": 512, "class": "standard", "revision": 1},
        )
    ],
    "quota.rejected": [
        _audit(
            "quota.rejected",
            "quota",
            "t1",
            {
                "quota_mb": 4096,
                "class": "standard",
                "detail": "Cannot allocate 4096MB for tenant t1",
            },
            "ResourceError",
        ),
        _audit(
            "quota.rejected",
            "memory",
            "gate-2026-11-22",
            {
                "priority": "LOW",
                "used_bytes": 536870100,
                "quota_mb": 512,
                "detail": "the tenant's memory is full, and nothing in it is worth less",
            },
            "quota_exceeded",
        ),
    ],
    "budget.set": [
        _audit(
            "budget.set",
            "budget",
            "team",
            {
                "budget_id": "team",
                "limit_usd": "40",
                "period": "day",
                "timezone": "UTC",
                "thresholds": [50, 80, 100],
                "forecast": True,
                "scope": {},
                "revision": 1,
                "counted_since": _AT,
            },
        )
    ],
    "budget.deleted": [
        _audit("budget.deleted", "budget", "team", {"budget_id": "team", "revision": 1}),
        _audit("budget.deleted", "budget", "none", {"budget_id": "none"}, "not_found"),
    ],
    "state.set": [
        _audit(
            "state.set",
            "state",
            "trainer-1/lease/eu-1",
            {
                "agent": "trainer-1",
                "key": "lease/eu-1",
                "version": 1,
                "bytes": 11,
                "expires_at": "2026-11-22T10:01:00.123456Z",
            },
        ),
        _audit(
            "state.set",
            "state",
            "trainer-1/lease/eu-1",
            {
                "agent": "trainer-1",
                "key": "lease/eu-1",
                "version": 1,
                "if_version": 0,
                "detail": "there is version 1, and if_version is 0",
            },
            "conflict",
        ),
    ],
    "state.deleted": [
        _audit(
            "state.deleted",
            "state",
            "trainer-1/checkpoint",
            {"agent": "trainer-1", "key": "checkpoint", "version": 7},
        ),
        _audit(
            "state.deleted",
            "state",
            "trainer-1/none",
            {"agent": "trainer-1", "key": "none"},
            "not_found",
        ),
    ],
    "memory.pruned": [
        _audit(
            "memory.pruned",
            "memory",
            "gate-2026-11-20",
            {
                "priority": "LOW",
                "bytes": 1152,
                "used_bytes": 536868948,
                "quota_mb": 512,
                "reason": "write",
            },
        )
    ],
    "memory.consolidated": [
        _audit(
            "memory.consolidated",
            "memory",
            "0b1c4f0e-6a53-5d0e-9b1a-2f4c7d8e9a10",
            {"rule": "identical", "count": 3, "bytes_before": 3180, "bytes_after": 2214},
        ),
        _audit(
            "memory.consolidated",
            "tenant",
            "t1",
            {"window_hours": 4, "groups": 1, "members": 3, "freed_bytes": 966, "linked": 1},
        ),
    ],
    "memory.split": [
        _audit("memory.split", "memory", "0b1c4f0e-6a53-5d0e-9b1a-2f4c7d8e9a10", {"members": 3}),
        _audit(
            "memory.split",
            "memory",
            "0b1c4f0e-6a53-5d0e-9b1a-2f4c7d8e9a10",
            {"detail": "there is no room for the members beside one another"},
            "quota_exceeded",
        ),
        _audit(
            *("memory.split", "memory", "gate-2026-11-22"),
            {"detail": "it is no consolidated memory"},
            "not_found",
        ),
    ],
    "memory.expired": [
        _audit(
            "memory.expired",
            "memory",
            "gate-2026-11-20",
            {
                "timestamp": "2026-11-20T10:00:00.000000Z",
                "ttl_seconds": 86400,
                "gdpr_deletion_date": "2026-11-21T10:00:00.000000Z",
            },
        )
    ],
    "retention.set": [
        _audit(
            "retention.set",
            "retention",
            "t1",
            {
                "default_ttl_seconds": 2592000,
                "min_ttl_seconds": 86400,
                "previous": {"default_ttl_seconds": None, "min_ttl_seconds": None},
            },
        )
    ],
    "hold.set": [
        _audit("hold.set", "subject", "customer-17", {"subject": "customer-17", "new": 1}),
        _audit(
            "hold.set",
            "memory",
            "gate-2026-11-22",
            {"memory_ids": ["gate-2026-11-22"], "new": 0},
        ),
    ],
    "hold.released": [
        _audit(
            "hold.released",
            "memory",
            "gate-2026-11-22",
            {"memory_ids": ["gate-2026-11-22"], "released": 1},
        ),
        _audit(
            "hold.released",
            "subject",
            "customer-18",
            {"subject": "customer-18", "released": 0},
            "not_found",
        ),
    ],
    "memory.erased": [
        _audit(
            "memory.erased",
            "subject",
            "customer-17",
            {
                "reason": "GDPR article 17, request 4711",
                "erased": 12,
                "deferred": 0,
                "state": 1,
                "runs": 2,
            },
        ),
        _audit(
            "memory.erased",
            "memory",
            "gate-2026-11-22",
            {"detail": "it was erased: what comes late, or once more, stays so"},
            "erased",
        ),
    ],
    "price.set": [
        _audit(
            "price.set",
            "price",
            "openai/gpt-4o",
            {
                "provider": "openai",
                "model": "gpt-4o",
                "version": "tenant/2026-11-01T00:00:00.000000Z",
                "effective_from": "2026-11-01T00:00:00.000000Z",
                "input_usd_per_mtok": "2.25",
                "output_usd_per_mtok": "9",
                "cache_read_usd_per_mtok": "1.125",
            },
        )
    ],
    "usage.adjusted": [
        _audit(
            "usage.adjusted",
            "usage",
            "2026-11-03T00:00:00.000000Z",
            {
                "amount_usd": "-12.5",
                "at": "2026-11-03T00:00:00.000000Z",
                "model": "gpt-4o",
                "cost_attribution": "project-a",
                "reason": "credit of the provider for its outage",
            },
        )
    ],
    "usage.statement": [
        _audit(
            "usage.statement",
            "period",
            "month/2026-10-01T00:00:00.000000Z",
            {
                "statement_id": "6c0b2f0e-1d9a-5f7e-8f53-7a0b8b1c2d3e",
                "period": "month",
                "period_start": "2026-10-01T00:00:00.000000Z",
                "period_end": "2026-11-01T00:00:00.000000Z",
                "timezone": "UTC",
                "calls": 12,
                "input_tokens": 14_400,
                "output_tokens": 960,
                "cache_read_tokens": 0,
                "cache_creation_tokens": 0,
                "cost_usd": "0.0356",
                "reported_usd": "0",
                "computed_usd": "0.0456",
                "adjusted_usd": "-0.01",
                "unpriced_calls": 2,
                "late_events": 0,
                "runs": 3,
                "runs_by_state": {
                    "START": 0,
                    "RUNNING": 0,
                    "OTHER": 0,
                    "COMPLETE": 3,
                    "ABORT": 0,
                    "FAIL": 0,
                },
                "run_seconds": 5_412.25,
                "memory_byte_hours": 1_843_200.0,
                "embeddings": 4,
            },
        )
    ],
    "event.late": [
        _audit(
            "event.late",
            "period",
            "day/2026-11-20T00:00:00.000000Z",
            {
                "period": "day",
                "period_start": "2026-11-20T00:00:00.000000Z",
                "period_end": "2026-11-21T00:00:00.000000Z",
                "timezone": "UTC",
            },
        )
    ],
}

RECORDS: dict[str, list[dict[str, Any]]] = {
    "memory.record": [
        {
            "id": "gate-2026-11-22",
            "tenant": "t1",
            "agent": "quality-1",
            "session": "s1",
            "content": "The quality gate failed: 3 of 400 rows had no customer id.",
            "timestamp": _AT,
            "priority": "HIGH",
            "context_tags": ["argo_workflow"],
            "tier": "working",
            "kind": "observed",
            "sources": [],
            "related_memories": ["8f0c1a52-4f0e-5b5c-9a39-0d6c7f1a2b3c"],
            "access_count": 2,
            "last_accessed": "2026-11-22T10:05:00.000000Z",
            "ttl_seconds": 86400,
            "gdpr_deletion_date": "2026-11-23T10:00:00.123456Z",
            "cost_attribution": "project-a",
            "cluster_state": {"cluster": "eu-1"},
            "pipeline_context": ["ingest"],
            "subject": "customer-17",
            "metadata": {"rows": 400, "gate": "customer_id"},
            "revision": 1,
            "consolidated_into": None,
            "embedding_model": "all-MiniLM-L6-v2",
            "bytes": 1152,
        }
    ]
}

CONSOLIDATED: dict[str, list[dict[str, Any]]] = {
    "memory.consolidated": [
        {
            "memory_id": "0b1c4f0e-6a53-5d0e-9b1a-2f4c7d8e9a10",
            "members": ["gate-1", "gate-2", "gate-3"],
            "content": "The gate is shut. (3 times, 2026-11-22T10:00:00Z to 2026-11-22T10:02:00Z)",
            "template": "The gate is shut.",
            "values": [[], [], []],
            "rule": "identical",
            "bytes_before": 3180,
            "bytes_after": 2214,
            "first": _AT,
            "last": "2026-11-22T10:02:00.123456Z",
            "count": 3,
        }
    ],
    "memory.split": [
        {
            "memory_id": "0b1c4f0e-6a53-5d0e-9b1a-2f4c7d8e9a10",
            "members": ["gate-1", "gate-2", "gate-3"],
        }
    ],
}
"""By type on memory.consolidated.v1."""
