"""The map of topics."""

import pytest

from streams.settings import Settings
from streams.topology import topics


@pytest.mark.parametrize(("copies", "synced"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_asks_for_a_second_copy_of_every_record_where_a_third_is_there(
    copies: int, synced: str | None
) -> None:
    found = {t.configs.get("min.insync.replicas") for t in topics(Settings(replication=copies))}
    assert found == {synced}
