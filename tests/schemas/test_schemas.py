"""The published schemas are what the code generates, and say what the code does."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from streams.adapters import examples, publish
from streams.adapters.schemas import CONSOLIDATED, consolidated_name, schemas
from streams.agents.admit import ACCEPTED
from streams.core import events
from streams.core.inputs import INPUT_TYPES

FILES = publish.files()
FOLDER = Path(__file__).parents[2] / "schemas"
EXAMPLES = [(name, example) for name, schema in schemas().items() for example in schema["examples"]]
OUTPUTS = {
    **{f"{kind}.v1": kind for kind in examples.ALERTS},
    **{f"tenant.audit.{action}.v1": action for action in examples.AUDITS},
    **{f"{kind}.v1": kind for kind in examples.RECORDS},
    **{consolidated_name(kind): kind for kind in CONSOLIDATED},
}


@pytest.mark.parametrize("name", FILES)
def test_published_file_is_up_to_date(name: str) -> None:
    again = "run: python -m streams.adapters.publish schemas"
    assert (FOLDER / name).read_bytes() == FILES[name], again


def test_nothing_else_is_published() -> None:
    names = {path.name for path in FOLDER.iterdir()} - {"README.md"}
    assert names == set(FILES)


@pytest.mark.parametrize("name", schemas())
def test_schema_is_valid_and_has_examples(name: str) -> None:
    schema = schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["examples"]


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_example_is_valid(name: str, example: dict[str, Any]) -> None:
    Draft202012Validator(schemas()[name], format_checker=FormatChecker()).validate(example)


@pytest.mark.parametrize("kind", INPUT_TYPES)
def test_example_of_an_input_is_decoded(kind: str) -> None:
    for example in examples.INPUTS[kind]:
        data = events.decode(INPUT_TYPES[kind], json.dumps(example).encode())
        assert isinstance(data, INPUT_TYPES[kind])


def test_every_admitted_type_has_a_schema() -> None:
    admitted = {kind: data for types in ACCEPTED.values() for kind, data in types.items()}
    assert admitted == INPUT_TYPES
    assert {f"{kind}.v1" for kind in admitted} == set(schemas()) - set(OUTPUTS)


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_is_whole(name: str) -> None:
    """Each field is needed, and each has the type that the schema says."""
    schema = schemas()[name]
    example = schema["examples"][0]
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    for field in example:
        for wrong in ({k: v for k, v in example.items() if k != field}, example | {field: [1]}):
            with pytest.raises(ValidationError):
                validator.validate(wrong)


@pytest.mark.parametrize("name", OUTPUTS)
def test_more_fields_may_come(name: str) -> None:
    schema = schemas()[name]
    Draft202012Validator(schema).validate(schema["examples"][0] | {"later": 1})


def test_schemas_are_package_data() -> None:
    """What is installed is the public folder itself, not a copy."""
    inside = Path(publish.__file__).parents[1] / "schemas"
    assert {path.name for path in inside.iterdir()} == {path.name for path in FOLDER.iterdir()}
    assert (
        msgspec.json.decode((inside / "tenant.set.v1.json").read_bytes())["title"] == "tenant.set"
    )
