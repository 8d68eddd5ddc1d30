import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.cli.client import Client
from streams.cli.send import wait_folded
from streams.cli.tail import Tailed, records
from streams.core.errors import Failed
from streams.core.ids import partition_of
from streams.runtime.topics import ensure
from streams.settings import Settings
from streams.topology import AGENT_MESSAGES, TENANT_COMMANDS


@pytest.fixture
async def installed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("STREAMS_TOPIC_PREFIX", settings.topic_prefix)
    monkeypatch.setenv("STREAMS_KAFKA", settings.kafka)
    await ensure(settings)
    return settings


async def read(settings: Settings, topic: str) -> list[Tailed]:
    place = records(settings, settings.kafka, topic, start="earliest", timeout=0)
    return [record async for _, record in place]


def line(tenant: str, number: int) -> bytes:
    return msgspec.json.encode(
        {"type": "agent.message", "tenant": tenant, "data": {"content": f"{number}"}}
    )


def sent_file(path: Path, lines: list[bytes]) -> str:
    path.write_bytes(b"\n".join(lines))
    return str(path)


async def test_a_file_is_sent_in_order_each_type_to_its_topic(
    installed: Settings, streams_process: Callable[..., Any], tmp_path: Path
) -> None:
    tenants = ("t1", "t2", "t3")
    lines = [line(tenants[n % 3], n) for n in range(3000)]
    lines.append(b'{"type":"tenant.set","tenant":"t1","data":{"timezone":"UTC"},"id":"z"}')
    ran = streams_process("send", sent_file(tmp_path / "e", lines), "--json")
    assert ran.returncode == 0, ran.stderr
    result = msgspec.json.decode(ran.stdout)
    messages, commands = (f"{installed.topic_prefix}{t}" for t in (AGENT_MESSAGES, TENANT_COMMANDS))
    assert (result["sent"], result["topics"]) == (3001, {messages: 3000, commands: 1})
    got = await read(installed, AGENT_MESSAGES)
    for tenant in tenants:
        mine = [msgspec.json.decode(r.value)["content"] for r in got if r.key == tenant]  # type: ignore[arg-type]
        assert mine == [str(n) for n in range(3000) if tenants[n % 3] == tenant]
    counts = [0, 0]
    for record in got:
        counts[partition_of(record.key or "", 2)] += 1
    ends = {(last["topic"], last["partition"]): last["offset"] for last in result["last"]}
    assert [ends.get((messages, p), -1) + 1 for p in (0, 1)] == counts
    (command,) = await read(installed, TENANT_COMMANDS)
    assert command.headers["ce_id"] == "z"
    again = streams_process("send", sent_file(tmp_path / "e", lines))
    assert again.stdout == b"sent 3001\n"
    ids = [record.headers["ce_id"] for record in await read(installed, AGENT_MESSAGES)]
    assert (len(ids), len(set(ids))) == (6000, 3000)


async def test_a_wrong_line_stops_the_sending_there(
    installed: Settings, streams_process: Callable[..., Any], tmp_path: Path
) -> None:
    lines = [line("t1", 1), b"", line("t1", 2), b"{", line("t1", 3)]
    ran = streams_process("send", sent_file(tmp_path / "e", lines))
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"streams: line 4: " in ran.stderr
    assert b"2 events before it were sent" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert len(await read(installed, AGENT_MESSAGES)) == 2


async def test_a_line_on_a_pipe_is_sent_when_it_comes(
    installed: Settings, until: Callable[..., Any]
) -> None:
    command = [sys.executable, "-m", "streams", "send", "-"]
    with subprocess.Popen(  # noqa: ASYNC220 - its pipe is what is tested
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as process:
        assert process.stdin is not None
        for count in (1, 2):
            process.stdin.write(line("t1", count) + b"\n")
            process.stdin.flush()

            async def arrived(count: int = count) -> bool:
                return len(await read(installed, AGENT_MESSAGES)) == count

            await until(arrived)
        out, _ = process.communicate(line("t1", 3))
        assert out == b"sent 3\n"


async def test_the_azure_trace_is_sent(
    installed: Settings, streams_process: Callable[..., Any], tmp_path: Path
) -> None:
    rows = [b"TIMESTAMP,ContextTokens,GeneratedTokens", *[b"2023-11-16 18:17:03.9799600,1,2"] * 2]
    file = sent_file(tmp_path / "trace.csv", rows)
    ran = streams_process("send", "--azure-trace", file, "--tenant", "t1", "--model", "gpt-4o")
    assert ran.stdout == b"sent 2\n"
    got = await read(installed, AGENT_MESSAGES)
    assert len({record.headers["ce_id"] for record in got}) == 2
    assert {record.headers["ce_time"] for record in got} == {"2023-11-16T18:17:03.979960Z"}


async def test_topics_that_are_not_there_are_named(
    settings: Settings, streams_process: Callable[..., Any], tmp_path: Path
) -> None:
    file = sent_file(tmp_path / "e", [line("t1", 1)])
    ran = streams_process("send", file, "--kafka", settings.kafka)
    assert ran.returncode == 1
    assert b"run `streams topics ensure`" in ran.stderr


@pytest.fixture
def streams_process(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    def command(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [sys.executable, "-m", "streams", *arguments], capture_output=True, cwd=tmp_path
        )

    return command


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--azure-trace", "{file}"),
        ("--azure-trace", "{file}", "--tenant", "t1"),
        ("{file}", "--tenant", "t1"),
        ("{file}", "{file}"),
        ("--openlineage",),
        ("--openlineage", "-"),
        ("--openlineage", "{file}", "--model", "m"),
        ("--openlineage", "{file}", "--tenant", "t/1"),
        ("--azure-trace", "{file}", "--tenant", "t/1", "--model", "m"),
        ("{file}", "--azure-trace", "{file}", "--tenant", "t1", "--model", "m"),
    ],
)
def test_options_that_do_not_fit_are_a_misuse(
    streams: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = sent_file(tmp_path / "e", [])
    ran = streams("send", *(argument.format(file=file) for argument in arguments))
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)


def test_waiting_asks_for_each_mark_and_goes_on_while_a_partition_moves(api: Any) -> None:
    late = [(503, b'{"code":"not_ready"}'), (504, b'{"code":"not_reflected"}')]
    api.answers = [*late, (200, b"{}")]
    with Client(Settings(api=api.url)) as client:
        wait_folded(client, {("m", 0, 1): (41, "t1"), ("m", 1, 0): (7, "t2")})
    first, second = (
        f"/v1/tenants/{tenant}/budgets?after=m%3A{place}&wait_ms=2000"
        for tenant, place in (("t1", "0%3A41"), ("t2", "1%3A7"))
    )
    assert [asked.path for asked in api.asked] == [first, first, first, second]


def test_waiting_ends(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.cli.send.WAIT_SECONDS", 0)
    api.answers = [(504, b'{"code":"not_reflected"}')]
    with Client(Settings(api=api.url)) as client, pytest.raises(Failed, match="not folded after"):
        wait_folded(client, {("m", 0, 1): (41, "t1")})


def test_a_refused_event_is_told_when_it_is_waited_for(api: Any) -> None:
    api.answers = [(409, b'{"code":"schema","detail":"no content"}')]
    with Client(Settings(api=api.url)) as client, pytest.raises(Failed, match=r"t1 at m:0:41.*sch"):
        wait_folded(client, {("m", 0, 1): (41, "t1")})
