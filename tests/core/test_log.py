"""Records of the log: read back as written; newer or damaged ones stop the partition."""

import msgspec
import pytest

from streams.core import log
from streams.core.errors import PartitionRed
from streams.core.log import (
    Accessed,
    Call,
    Config,
    Content,
    Dataset,
    DatasetDeclared,
    JobDeclared,
    JobRun,
    MemoryConsolidate,
    MemorySplit,
    Message,
    Origin,
    Record,
    Refusal,
    StateDelete,
    StateSet,
    TenantSet,
    Tick,
    Vector,
)

ORIGIN = Origin("agent.messages.v1", 0, 3, 41)
CONTENT = Content("hi", 2, ("x",), None, None, None, (), None, None, {"a": 1})
VECTOR = Vector("mini", 0.0078125, bytes(range(256)))
EMBEDDED = msgspec.structs.replace(CONTENT, given=("agent",), vector=VECTOR)
BODIES = (
    Message("a", "s", "p", "eu-1", Call("openai", "gpt-4o", 1, 2, 0, 0, None, 1 << 90, "v"), None),
    Message("", "", "", "", None, CONTENT),
    Message("", "", "", "", None, EMBEDDED),
    Message("", "", "", "", None, msgspec.structs.replace(EMBEDDED, metadata={"n": 1 << 70})),
    Accessed((("m1", 2), ("m:2", 1))),
    TenantSet("Asia/Kolkata"),
    MemoryConsolidate(None),
    MemoryConsolidate(4),
    MemorySplit("m1"),
    Refusal("schema"),
    Tick(),
    Config(24, 24, 100, "2026.1"),
    StateSet("a", "k", b'{"n":1.50}', 0, 60),
    StateSet("a", "k", b"null", 1 << 70, None),
    StateDelete("a", "k", None),
    JobRun(
        "r", "ns", "j", None, inputs=(Dataset("s3", "a", {"f": b"{}"}),), run_facets={"a": b"1"}
    ),
    JobRun("r", "ns", "j", "FAIL", call=Call("", "", 1 << 53, 0, 0, 0, None, 1 << 90, "v")),
    JobDeclared("ns", "j", {"sql": b"{}"}, (), (Dataset("s3", "a"),)),
    DatasetDeclared(Dataset("s3", "a", {"schema": b"[1]"})),
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_record_is_read_back(body: log.Body) -> None:
    record = Record(log.VERSION, "t1", ORIGIN, "/s", "1", 5, body)
    assert log.decode(log.encode(record)) == record


@pytest.mark.parametrize("value", [None, b"", b"\x00", b"not msgpack", b"\xff" * 8])
def test_what_is_no_record_stops_the_partition(value: bytes | None) -> None:
    with pytest.raises(PartitionRed, match="can't be read"):
        log.decode(value)


def test_a_newer_record_stops_the_partition() -> None:
    newer = Record(log.VERSION + 1, "t1", ORIGIN, "/s", "1", 5, Tick())
    with pytest.raises(PartitionRed, match="newer"):
        log.decode(log.encode(newer))


def test_a_body_of_an_unknown_kind_stops_the_partition() -> None:
    value = msgspec.msgpack.encode([log.VERSION, "t1", None, "", "", 0, ["from.the.future"]])
    with pytest.raises(PartitionRed):
        log.decode(value)
