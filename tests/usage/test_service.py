"""Configuration, ticks, and what is known of refused records."""

from streams.usage.read import refusal
from streams.usage.rows import CONFIG_KEY, ConfigRow, RefusedRow
from usage.writer import Writer


def test_a_tick_changes_nothing() -> None:
    log = Writer()
    log.call("1")
    before = log.view.encoded()
    assert log.tick("2027-01-01") == []
    assert log.view.encoded() == before


def test_the_last_configuration_stands() -> None:
    log = Writer()
    log.config(grace_hours=1)
    log.config(grace_hours=2, default_budget="7")
    assert log.view.get(ConfigRow, CONFIG_KEY) == ConfigRow(24, 2, 7_000_000_000, "2026.6")


def test_a_refusal_is_told_to_its_tenant_alone() -> None:
    log = Writer()
    log.call("1")
    log.refuse("schema")
    place = ("agent.messages.v1", 0, 1)
    assert refusal(log.view, "t1", *place) == "schema"
    assert refusal(log.view, "t2", *place) is None
    for other in (
        ("agent.messages.v1", 0, 0),
        ("agent.messages.v1", 1, 1),
        ("tenant.commands.v1", 0, 1),
    ):
        assert refusal(log.view, "t1", *other) is None


def test_refusals_go_after_a_day_a_few_at_a_time() -> None:
    log = Writer()
    for _ in range(250):
        log.refuse("schema")
    log.now += 24 * 3_600_000_000 + 1
    sizes = []
    for _ in range(4):
        log.refuse("schema", tenant="t2")
        sizes.append(len(list(log.view.scan(RefusedRow, RefusedRow.kind))))
    assert sizes == [151, 52, 3, 4]
