import json
from pathlib import Path
from typing import Any

import pytest

from streams.cli.lineage import lineage_events
from streams.core.errors import Misuse

EVENT: dict[str, Any] = {
    "eventTime": "2026-11-22T11:00:00Z",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "producer": "https://example.org",
    "eventType": "START",
    "job": {"namespace": "dbt/prod", "name": "j"},
    "run": {"runId": "r1"},
}
DATASET = {name: EVENT[name] for name in ("eventTime", "schemaURL", "producer")} | {
    "dataset": {"namespace": "s3", "name": "a"}
}


def written(folder: Path, text: str) -> str:
    path = folder / "events.json"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        f"{json.dumps(EVENT)}\n\n{json.dumps(DATASET)}\n",
        json.dumps([EVENT, DATASET], indent=2),
    ],
)
def test_a_file_holds_lines_or_an_array(tmp_path: Path, text: str) -> None:
    first, second = lineage_events([written(tmp_path, text)], None, {"s3": "data-team"})
    assert (first.topic, first.tenant, first.key) == ("job.events.v1", "dbt_prod", b'"r1"')
    assert json.loads(first.value) == EVENT
    assert first.headers == [("content-type", b"application/json")]
    assert (second.tenant, second.key, second.number) == ("data-team", None, 2)


def test_a_document_is_sent_as_it_is(tmp_path: Path) -> None:
    file = written(tmp_path, json.dumps(EVENT, indent=4))
    (event,) = lineage_events([file], "t1", {})
    assert event.value == json.dumps(EVENT, indent=4).encode()
    assert (event.tenant, event.headers[-1]) == ("t1", ("ce_tenant", b"t1"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 1: not an OpenLineage"),
        (f"{json.dumps(EVENT)}\nx", "line 2: not an OpenLineage"),
        ("[1]", "event 1: not an OpenLineage"),
        ("{}", "json: not an OpenLineage"),
        (json.dumps(EVENT | {"job": {}}), "names a tenant"),
        (json.dumps(EVENT | {"x": "y" * (2 << 20)}), "bytes"),
    ],
)
def test_what_is_none_is_a_misuse(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Misuse, match=says):
        list(lineage_events([written(tmp_path, text)], None, {}))
