"""Forgetful tenants come to the same in any order, and the check finds what is wrong."""

from typing import Any

import pytest

from tests.faults import forgotten
from tests.faults.event import HOUR
from tests.faults.events import Input
from tests.faults.forgetting import TENANTS
from tests.faults.model import Model

TENANT = TENANTS[0]


@pytest.fixture(scope="module")
def model() -> Model:
    given = Input(7, 1_000 * 24 * HOUR, events=8_000, tenants=20)
    return Model().fold(given.stream())


def lists(model: Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """A right answer: two memories are merged, all else stands for itself."""
    records = {
        name: {
            "kind": "observed",
            "content": said.content,
            "subject": said.subject,
            "revision": said.revision,
            "ttl_seconds": 30 * 24 * 3600,
            "sources": [],
        }
        for name, said in model.forgotten.left(TENANT).items()
    }
    members = sorted(records)[:2]
    archived = {name: records.pop(name) for name in members}
    made = {"kind": "consolidated", "content": "two of them", "sources": members}
    return records | {"made": made}, archived


def found(model: Model, listed: dict[str, Any], archived: dict[str, Any]) -> tuple[int, int, int]:
    wrong = forgotten.other(TENANT, listed, archived, model.forgotten)
    return len(wrong), sum(each.lost for each in wrong), sum(each.double for each in wrong)


def test_all_that_tenants_may_ask_for_is_sent(model: Model) -> None:
    kinds = {event.type for event in model.forgotten.commands}
    assert kinds == {
        *("memory.consolidate", "memory.erase", "hold.set", "hold.release", "retention.set"),
    }
    assert model.forgotten.due
    left = model.forgotten.left(TENANT)
    assert 0 < len(left) < sum(tenant == TENANT for tenant, _ in model.forgotten.said)
    assert any(said.revision > 1 for said in left.values())
    # What is held is let go.
    names = [
        (e.type, e.tenant, e.data["subject"]) for e in model.forgotten.commands if "hold" in e.type
    ]
    held = {name[1:] for name in names if name[0] == "hold.set"}
    assert held == {name[1:] for name in names if name[0] == "hold.release"}


def test_what_is_right_is_not_reported(model: Model) -> None:
    assert found(model, *lists(model)) == (0, 0, 0)


def test_what_is_wrong_is_counted(model: Model) -> None:
    listed, archived = lists(model)
    name = next(name for name in listed if name != "made")
    gone = next(n for t, n in model.forgotten.said if t == TENANT and n not in {*listed, *archived})
    content = model.forgotten.said[TENANT, gone].content
    lost = {key: record for key, record in listed.items() if key != name}
    assert found(model, lost, archived) == (1, 1, 0)
    one = listed[name]
    assert found(model, listed | {gone: one}, archived) == (1, 0, 1)
    for change, figures in (
        ({"revision": one["revision"] + 1}, (1, 0, 1)),
        ({"revision": one["revision"] - 1}, (1, 1, 0)),
        ({"ttl_seconds": 5}, (1, 0, 0)),
        ({"subject": "another"}, (1, 0, 0)),
    ):
        assert found(model, listed | {name: one | change}, archived) == figures
    made = listed["made"]
    assert found(model, listed | {"made": made | {"content": content}}, archived) == (1, 0, 0)
    assert found(model, listed | {"made": made | {"sources": []}}, archived) == (1, 0, 0)
