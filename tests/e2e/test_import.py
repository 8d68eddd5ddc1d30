"""An old store comes into a running system once, and its rows are migrated while it runs."""

import json
from pathlib import Path

import pytest
from golden import old_store

from .system import System


@pytest.mark.deep
async def test_what_is_imported_is_there_once(system: System, tenant: str, tmp_path: Path) -> None:
    path = str(old_store.make("2.1.0", tmp_path))
    command = ("import", path, "--tenant", tenant, "--agent", "a1", "--wait")
    done = await system.done(*command)
    assert [each["taken"] for each in done["files"]] == [2, 3]
    assert done["sent"]["sent"] == 5
    first = (await system.get(tenant, "memories"))["items"]
    expected = json.loads(
        (Path(old_store.__file__).with_name("imported_records.json")).read_bytes()
    )["2.1.0"]
    own = ("tenant", "bytes", "embedding_model")
    assert [{k: v for k, v in each.items() if k not in own} for each in first] == [
        {k: v for k, v in each.items() if k not in own} for each in expected
    ]
    items = (await system.get(tenant, "agents/a1/state"))["items"]
    assert [(item["key"], item["version"]) for item in items] == [(k, 1) for k in old_store.STATE]
    for key, value in old_store.STATE.items():
        assert (await system.get(tenant, f"agents/a1/state/{key}"))["value"] == value
    await system.done(*command)
    assert (await system.get(tenant, "memories"))["items"] == first
    assert (await system.get(tenant, "agents/a1/state"))["items"] == items


@pytest.mark.deep
async def test_owners_say_and_rewrite_versions(system: System, tenant: str) -> None:
    found = (await system.done("migrate", "--dry-run"))["items"]
    assert [each["partition"] for each in found] == [0, 0, 1, 2, 3]
    done = (await system.done("migrate", "--finalize"))["items"]
    for each in done:
        assert (each["schema"], each["rewriting"], each["error"]) == ("2.1.0", False, None)
        assert each["rows"]
    at_rest = await system.cli("migrate", "--data", system.settings.data)
    assert (at_rest.code, at_rest.out) == (2, "")
    assert "in use by a running worker" in at_rest.err
