"""tenant.set leaves its record, and names only zones that there are."""

import pytest

from streams.usage.read import usage_report
from usage.writer import Writer, data


@pytest.mark.parametrize(
    ("zone", "outcome", "error", "after"),
    [
        ("Asia/Kolkata", "done", None, "Asia/Kolkata"),
        ("UTC", "done", None, "UTC"),
        ("Mars/Olympus", "rejected", "unknown_timezone", "UTC"),
    ],
)
def test_tenant_set(zone: str, outcome: str, error: str | None, after: str) -> None:
    log = Writer()
    [record] = log.zone(zone)
    assert (record.topic, record.type, record.subject) == ("tenant.audit.v1", "tenant.set", "t1")
    assert data(record) == {
        "action": "tenant.set",
        "tenant": "t1",
        "at": "2026-03-02T12:00:00.000000Z",
        "actor": "/test",
        "target": {"kind": "tenant", "id": "t1"},
        "outcome": outcome,
        "error": error,
        "details": {"timezone": zone, "previous": "UTC"},
    }
    assert usage_report(log.view, "t1")["timezone"] == after
    assert usage_report(log.view, "t2")["timezone"] == "UTC"
