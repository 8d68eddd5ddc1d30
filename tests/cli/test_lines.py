import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cli.lines import TOPIC_OF_TYPE, AzureTrace, Event, JsonLines
from streams.core.errors import Misuse

LINE = b'{"type":"agent.message","tenant":"t1","data":{"content":"a","n":1.10}}'


def headers(event: Event | None) -> dict[str, bytes]:
    assert event is not None
    return dict(event.headers)


def test_a_line_becomes_a_binary_cloudevent_with_its_data_untouched() -> None:
    event = JsonLines().event(7, LINE)
    assert event is not None
    assert (event.number, event.topic, event.key) == (7, "agent.messages.v1", b"t1")
    assert event.value == b'{"content":"a","n":1.10}'
    given = headers(event)
    assert given["ce_specversion"] == b"1.0"
    assert given["ce_type"] == b"agent.message"
    assert given["ce_source"] == b"/send"
    assert given["ce_tenant"] == b"t1"
    assert len(given["ce_id"]) == 64
    assert "ce_time" not in given


def test_what_a_line_gives_is_kept() -> None:
    line = LINE[:-1] + b',"id":"i","source":"/cars","time":"2026-11-22T10:00:00Z"}'
    given = headers(JsonLines().event(1, line))
    assert (given["ce_id"], given["ce_source"]) == (b"i", b"/cars")
    assert given["ce_time"] == b"2026-11-22T10:00:00Z"


@given(st.lists(st.sampled_from([LINE, LINE.replace(b"t1", b"t2"), LINE + b" "])))
def test_the_same_file_gives_the_same_ids_and_no_two_in_it_are_equal(lines: list[bytes]) -> None:
    def ids() -> list[bytes]:
        reader = JsonLines()
        return [headers(reader.event(n, line))["ce_id"] for n, line in enumerate(lines, 1)]

    assert ids() == ids()
    assert len(set(ids())) == len(lines)


def test_an_id_does_not_hang_on_other_lines() -> None:
    alone, after = JsonLines(), JsonLines()
    after.event(1, LINE.replace(b"t1", b"t2"))
    assert headers(alone.event(1, LINE))["ce_id"] == headers(after.event(2, LINE))["ce_id"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"x", "line 3: JSON is malformed"),
        (b'{"type":"agent.message"', "line 3"),
        (b"[]", "line 3: Expected `object`"),
        (b'{"type":"agent.message","data":{}}', "required field `tenant`"),
        (b'{"type":"agent.message","tenant":"t1"}', "required field `data`"),
        (b'{"type":"agent.message","tenant":1,"data":{}}', "line 3: Expected `str`"),
        (b'{"type":"nope","tenant":"t1","data":{}}', "'nope'"),
        (b'{"type":"agent.message","tenant":"t1","data":{"a":NaN}}', "line 3"),
        (b'{"type":"agent.message","tenant":"\xff","data":{}}', "line 3"),
        (b'{"type":"agent.message","tenant":"t1","data":"' + b"x" * (2 << 20) + b'"}', "bytes"),
    ],
)
def test_a_line_that_is_none_names_its_number(line: bytes, says: str) -> None:
    with pytest.raises(Misuse, match="line 3") as raised:
        JsonLines().event(3, line)
    assert says in str(raised.value)


def test_blank_lines_are_skipped() -> None:
    assert JsonLines().event(1, b" \r") is None


@pytest.mark.parametrize(
    ("data", "key"),
    [(b'{"run_id":"r1"}', b'"r1"'), (b'{"run_id":null}', b"null"), (b"{}", None), (b"[]", None)],
)
def test_job_events_are_keyed_by_their_run_never_by_tenant(data: bytes, key: bytes | None) -> None:
    event = JsonLines().event(1, b'{"type":"job.run","tenant":"t1","data":' + data + b"}")
    assert event is not None
    assert (event.topic, event.key) == ("job.events.v1", key)


def test_every_type_of_the_contract_has_its_topic() -> None:
    assert TOPIC_OF_TYPE["budget.set"] == TOPIC_OF_TYPE["usage.adjust"] == "tenant.commands.v1"
    assert TOPIC_OF_TYPE["context.request"] == "context.requests.v1"
    assert len(TOPIC_OF_TYPE) == 19


HEADER = b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n"


def test_a_row_of_the_azure_trace_is_a_metered_call() -> None:
    trace = AzureTrace("t1", "openai", "gpt-4o")
    assert trace.event(1, HEADER) is None
    event = trace.event(2, b"2023-11-16 18:17:03.9799600,4808,10\r\n")
    assert event is not None
    assert headers(event)["ce_time"] == b"2023-11-16T18:17:03.979960Z"
    assert msgspec.json.decode(event.value) == {
        "usage": {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 4808,
            "gen_ai.usage.output_tokens": 10,
        }
    }
    assert trace.event(3, b"") is None


@pytest.mark.parametrize(
    ("number", "row"),
    [
        (1, b"a,b,c"),
        (2, b"2023-11-16 18:17:03,1"),
        (2, b"2023-11-16 18:17:03,1,x"),
        (2, b"yesterday,1,2"),
        (2, b"2023-13-16 18:17:03,1,2"),
        (2, "2023-11-16 18:17:03,1,\u00e4".encode()),
    ],
)
def test_a_row_that_is_none_names_its_line(number: int, row: bytes) -> None:
    trace = AzureTrace("t1", "openai", "gpt-4o")
    with pytest.raises(Misuse, match=f"line {number}"):
        trace.event(number, row)
