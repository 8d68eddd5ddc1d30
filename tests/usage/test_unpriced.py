"""usage.unpriced: once a tenant, model and day of log time."""

from uuid import NAMESPACE_URL, uuid5

from streams.usage.rows import UnpricedRow
from usage.writer import Writer, data


def told(log: Writer) -> list[tuple[str, str, str]]:
    alerts = [o for o in log.outputs if o.type == "usage.unpriced"]
    return [(o.tenant, o.subject, data(o)["period_start"][:10]) for o in alerts]


def test_once_a_tenant_model_and_day() -> None:
    log = Writer(now="2026-03-02T23:59")
    for tenant, model in (("t1", "x"), ("t1", "x"), ("t1", "y"), ("t2", "x")):
        log.call(None, tenant=tenant, model=model, time="2026-02-01")
    log.call("1", model="z")
    log.tick("2026-03-03")
    log.call(None, model="x")
    assert told(log) == [
        ("t1", "openai/x", "2026-03-02"),
        ("t1", "openai/y", "2026-03-02"),
        ("t2", "openai/x", "2026-03-02"),
        ("t1", "openai/x", "2026-03-03"),
    ]


def test_what_it_says() -> None:
    log = Writer()
    [alert] = log.call(None, model="x")
    name = "t1\nopenai/x\n2026-03-02T00:00:00.000000Z\nusage.unpriced\n\n"
    alert_id = str(uuid5(uuid5(NAMESPACE_URL, "urn:agent-streams"), name))
    assert (alert.topic, alert.id) == ("budget.alerts.v1", alert_id)
    assert data(alert) == {
        "alert_id": alert_id,
        "type": "usage.unpriced",
        "tenant": "t1",
        "provider": "openai",
        "model": "x",
        "period_start": "2026-03-02T00:00:00.000000Z",
        "period_end": "2026-03-03T00:00:00.000000Z",
        "severity": "warning",
        "cause": {"source": "/test", "id": "e0"},
        "at": "2026-03-02T12:00:00.000000Z",
    }


def test_notes_of_earlier_days_go() -> None:
    log = Writer()
    for number in range(150):
        log.call(None, model=f"m{number}")
    log.tick("2026-03-03T12")
    log.call(None, model="x")
    log.call(None, model="y")
    assert len(list(log.view.scan(UnpricedRow, UnpricedRow.kind))) == 2
