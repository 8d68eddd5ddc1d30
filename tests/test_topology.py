"""The map of topics."""

import pytest

from streams.settings import Settings
from streams.topology import HOUR_MS, topics


@pytest.mark.parametrize(("copies", "synced"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_asks_for_a_second_copy_of_every_record_where_a_third_is_there(
    copies: int, synced: str | None
) -> None:
    found = {t.configs.get("min.insync.replicas") for t in topics(Settings(replication=copies))}
    assert found == {synced}


@pytest.mark.parametrize("hours", [1, 168, 2000])
def test_kafka_lets_go_of_erased_contents_before_the_deadline(hours: int) -> None:
    settings = Settings(erase_deadline_hours=hours, log_retention_hours=hours)
    for topic in topics(settings):
        configs = {name: int(n) for name, n in topic.configs.items() if name.endswith(".ms")}
        if not topic.contents:
            continue
        if topic.configs["cleanup.policy"] == "compact":
            assert configs["max.compaction.lag.ms"] <= hours * HOUR_MS // 4
        elif not topic.internal:
            assert configs["retention.ms"] + configs["segment.ms"] < hours * HOUR_MS
