from collections.abc import Callable
from typing import Any

import msgspec

from streams.cli.topology import diagram
from streams.settings import Settings
from streams.topology import topics


def test_table_and_json_show_every_topic(streams: Callable[..., Any]) -> None:
    names = [topic.name for topic in topics(Settings())]
    table = streams("topology").out
    assert all(f" {name} " in table for name in names)
    shown = msgspec.json.decode(streams("topology", "--json").out)
    assert [topic["name"] for topic in shown] == names


def test_the_diagram_draws_the_way_from_users_to_users(streams: Callable[..., Any]) -> None:
    lines = streams("topology", "--mermaid").out.splitlines()
    assert lines[0] == "flowchart LR"
    for edge in (
        "in_users --> agent_messages_v1",
        "agent_messages_v1 --> admit",
        "admit --> tenant_log_v1",
        "tenant_log_v1 --> fold",
        "fold --> budget_alerts_v1",
        "budget_alerts_v1 --> out_users",
        "admit --> dlq",
    ):
        assert f"  {edge}" in lines


def test_a_prefix_is_part_of_the_names() -> None:
    assert 'eu_tenant_log_v1[("eu-tenant.log.v1")]' in diagram(topics(Settings(topic_prefix="eu-")))
