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


RUN = b"""{"eventType":"START","eventTime":"2026-11-01T00:00:00Z","producer":"p","schemaURL":
"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent","run":{"runId":"r1"},
"job":{"namespace":"team-a","name":"load"}}"""


def test_openlineage_files_are_checked_as_send_takes_them(
    tmp_path: Path, streams: Callable[..., Any], real_input: Callable[[str], Path]
) -> None:
    file = tmp_path / "run.json"
    file.write_bytes(b"[" + RUN + b"," + RUN.replace(b"team-a", b"") + b"]")
    ran = streams("validate", "--openlineage", str(file))
    assert (ran.code, ran.err) == (1, "streams: 1 of 2 events would be refused\n")
    assert ran.out.startswith("event 2: malformed: ")
    file.write_bytes(RUN.replace(b"2026-11-01T00:00:00Z", b"soon"))
    ran = streams("validate", "--openlineage", "--tenant", "t1", str(file), "--json")
    assert msgspec.json.decode(ran.out)["code"] == "bad_time"
    for given in (["-", "--openlineage"], [str(file), "--tenant", "t1"]):
        assert streams("validate", *given).code == 2
    files = sorted(real_input("openlineage").rglob("*.json"))
    assert files
    for each in files:
        assert streams("validate", "--openlineage", str(each)).code == 0, each
