from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

GOOD = b'{"type":"agent.message","tenant":"t1","data":{"content":"a"}}'
BAD = {
    b"nope": "malformed",
    b'{"type":"nope","tenant":"t1","data":{}}': "malformed",
    b'{"type":"agent.message","tenant":"t1","data":{"content":1}}': "schema",
    b'{"type":"agent.message","tenant":"t/1","data":{"content":"a"}}': "bad_tenant",
    b'{"type":"agent.message","tenant":"t1","data":{"content":"a"},"time":"soon"}': "bad_time",
}


def test_refused_lines_are_told_with_their_code(
    tmp_path: Path, streams: Callable[..., Any]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([GOOD, b"", *BAD]))
    ran = streams("validate", str(file), "--json")
    assert ran.code == 1
    found = [msgspec.json.decode(line) for line in ran.out.splitlines()]
    assert [(each["line"], each["code"]) for each in found] == list(enumerate(BAD.values(), 3))
    assert ran.err == "streams: 5 of 6 events would be refused\n"
    assert streams("validate", str(file)).out.startswith("line 3: malformed: JSON is malformed")


def test_valid_lines_are_counted(tmp_path: Path, streams: Callable[..., Any]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(GOOD + b"\n" + GOOD)
    ran = streams("validate", str(file))
    assert (ran.code, ran.out) == (0, "2 events are valid\n")
