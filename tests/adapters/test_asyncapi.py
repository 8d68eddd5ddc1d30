"""The AsyncAPI document names every public topic and nothing that the code doesn't do."""

import re
from typing import Any

import pytest

from streams import topology
from streams.adapters.asyncapi import TYPES, document, schema_name
from streams.adapters.schemas import schemas
from streams.agents.admit import ACCEPTED
from streams.settings import Settings

DOCUMENT = document()
PUBLIC = [topic for topic in topology.topics(Settings()) if not topic.internal]


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if not isinstance(value, dict):
        return []
    here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return here + [found for item in value.values() for found in references(item)]


@pytest.mark.parametrize("reference", sorted(set(references(DOCUMENT))))
def test_reference_is_resolved(reference: str) -> None:
    if reference.startswith("./"):
        assert reference[2:].removesuffix(".json") in schemas()
        return
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    assert found


def test_channels_are_the_public_topics() -> None:
    assert {c["address"] for c in DOCUMENT["channels"].values()} == {t.name for t in PUBLIC}
    operated = [o["channel"]["$ref"] for o in DOCUMENT["operations"].values()]
    assert sorted(operated) == sorted(f"#/channels/{t.name}" for t in PUBLIC)


def test_inputs_are_received_and_the_rest_is_sent() -> None:
    received = {
        operation["channel"]["$ref"].removeprefix("#/channels/")
        for operation in DOCUMENT["operations"].values()
        if operation["action"] == "receive"
    }
    assert received == set(topology.INPUTS)


def test_types_are_those_of_admit() -> None:
    assert {topic: set(types) for topic, types in ACCEPTED.items()} == {
        topic: set(types) for topic, types in TYPES.items() if topic in topology.INPUTS
    }


def test_every_schema_is_some_topics() -> None:
    used = {schema_name(topic, kind) for topic, types in TYPES.items() for kind in types}
    assert used == set(schemas())


def test_names_fit_the_specification() -> None:
    for part in ("messages", "messageTraits"):
        for name in DOCUMENT["components"][part]:
            assert re.fullmatch(r"[a-zA-Z0-9.\-_]+", name)
