"""`streams send`: events of a file or of stdin, straight to Kafka."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread

import click
import msgspec

from streams.cli.client import (
    Client,
    api_option,
    find_kafka,
    json_option,
    kafka_option,
    settings_for,
)
from streams.cli.lineage import lineage_events
from streams.cli.lines import AzureTrace, Event, JsonLines
from streams.core.errors import ApiError, Failed, Misuse
from streams.core.tenant import is_tenant
from streams.settings import Settings

CHUNK_BYTES = 1 << 20
LINE_BYTES = 8 << 20
WAIT_SECONDS = 120
WAIT_MS = 2_000


Marks = dict[tuple[str, int, int], tuple[int, str]]
Advance = Callable[[int], None]


@click.command()
@click.argument(
    "files",
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    nargs=-1,
)
@click.option("--openlineage", is_flag=True, help="The FILEs hold OpenLineage events.")
@click.option(
    "--azure-trace",
    type=click.Path(exists=True, dir_okay=False),
    metavar="CSV",
    help="Send the Azure LLM inference trace as metered calls of one tenant and model.",
)
@click.option("--tenant", help="Tenant of the trace's calls, or of OpenLineage events.")
@click.option("--model", help="Model of the trace's calls.")
@click.option("--provider", default="openai", show_default=True, help="Provider of that model.")
@click.option("--wait", is_flag=True, help="Wait until the system has folded what was sent.")
@kafka_option
@api_option
@json_option
def send(
    files: tuple[str, ...],
    openlineage: bool,
    azure_trace: str | None,
    tenant: str | None,
    model: str | None,
    provider: str,
    wait: bool,
    kafka: str | None,
    api: str | None,
    as_json: bool,
) -> None:
    """Send events from FILE (or - for stdin) to Kafka.

    FILE holds one JSON object a line: {"type", "tenant", "data", "id"?, "source"?, "time"?}.
    A line without an id gets one from its text, so sending a file twice counts it once. A line
    that can't be read stops the sending there.

    \b
    Example:
      streams send events.jsonl
      streams send - --wait < events.jsonl
      streams send --azure-trace trace.csv --tenant t1 --model gpt-4o
      streams send --openlineage run-1.json run-2.json
    """
    settings = settings_for(api=api, kafka=kafka)
    if tenant is not None and not is_tenant(tenant):
        raise Misuse(f"{tenant!r} can't be a tenant: 1 to 128 of A-Z a-z 0-9 . _ -")
    if openlineage:
        if not files or "-" in files or azure_trace is not None or model is not None:
            raise Misuse("--openlineage takes FILEs, and no other option but --tenant")
        events = list(lineage_events(files, tenant, settings.namespace_tenants))
        result, marks = asyncio.run(_send_events(settings, find_kafka(settings), events))
        if wait:
            with Client(settings) as waiting:
                wait_folded(waiting, marks)
        _print(result, as_json)
        return
    if len(files) + (azure_trace is not None) != 1:
        raise Misuse("give either one FILE (or - for stdin) or --azure-trace CSV")
    reader: JsonLines | AzureTrace = JsonLines()
    if azure_trace is not None:
        if tenant is None or model is None:
            raise Misuse("--azure-trace needs --tenant and --model")
        reader = AzureTrace(tenant, provider, model)
    elif tenant is not None or model is not None:
        raise Misuse("--tenant and --model go with --azure-trace; a line of FILE says its tenant")
    bootstrap = find_kafka(settings)
    client = Client(settings) if wait else None
    path = azure_trace or files[0]
    with _opened(path) as descriptor, _progress(path, descriptor) as advance:
        result, marks = asyncio.run(_send(settings, bootstrap, descriptor, reader, advance))
    if client is not None:
        with client:
            wait_folded(client, marks)
    _print(result, as_json)


def _print(result: dict[str, object], as_json: bool) -> None:
    click.echo(msgspec.json.encode(result).decode() if as_json else f"sent {result['sent']}")


async def _send_events(
    settings: Settings, bootstrap: str, events: list[Event]
) -> tuple[dict[str, object], Marks]:
    from streams.cli.feed import Feed  # noqa: PLC0415 - aiokafka only where it is used

    async with Feed(settings, bootstrap) as feed:
        try:
            await feed.add(events)
            await feed.flush(wait=True)
        except Failed as error:
            raise Failed(f"{error}; {feed.sent} events were sent") from None
        return feed.result(), feed.marks


async def _send(
    settings: Settings,
    bootstrap: str,
    descriptor: int,
    reader: JsonLines | AzureTrace,
    advance: Advance,
) -> tuple[dict[str, object], Marks]:
    from streams.cli.feed import Feed  # noqa: PLC0415 - aiokafka only where it is used

    async with Feed(settings, bootstrap) as feed:
        try:
            async for events, wrong, size in _chunks(descriptor, reader):
                await feed.add(events)
                await feed.flush(wait=wrong is not None)
                if wrong is not None:
                    raise wrong
                advance(size)
            await feed.flush(wait=True)
        except Misuse as error:
            raise Misuse(f"{error}; {feed.sent} events before it were sent") from None
        except Failed as error:
            raise Failed(f"{error}; {feed.sent} events were sent") from None
        return feed.result(), feed.marks


async def _chunks(
    descriptor: int, reader: JsonLines | AzureTrace
) -> AsyncIterator[tuple[list[Event], Misuse | None, int]]:
    """Events as the input comes, what is wrong after them if anything, and bytes read."""
    number, rest = 0, b""
    incoming: asyncio.Queue[bytes | OSError] = asyncio.Queue(maxsize=2)
    # A daemon: one that waits for a pipe must not keep Ctrl-C from ending the process.
    Thread(
        target=_read, args=(descriptor, incoming, asyncio.get_running_loop()), daemon=True
    ).start()
    while True:
        chunk = await incoming.get()
        if isinstance(chunk, OSError):
            raise chunk
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop() if chunk else b""
        if len(rest) > LINE_BYTES:
            yield [], Misuse(f"line {number + len(lines) + 1}: longer than {LINE_BYTES} bytes"), 0
        events: list[Event] = []
        wrong = None
        for line in lines:
            number += 1
            try:
                event = reader.event(number, line)
            except Misuse as error:
                wrong = error
                break
            if event is not None:
                events.append(event)
        yield events, wrong, len(chunk)
        if not chunk:
            return


def _read(
    descriptor: int,
    incoming: "asyncio.Queue[bytes | OSError]",
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Read what is there now: a line on a pipe is sent when it comes, not when a buffer is full."""
    chunk: bytes | OSError = b"."
    while chunk and isinstance(chunk, bytes):
        try:
            chunk = os.read(descriptor, CHUNK_BYTES)
        except OSError as error:
            chunk = error
        handed = incoming.put(chunk)
        try:
            asyncio.run_coroutine_threadsafe(handed, loop).result()
        except (RuntimeError, CancelledError):  # the command has ended
            handed.close()
            return


@contextmanager
def _opened(path: str) -> Iterator[int]:
    if path == "-":
        yield sys.stdin.fileno()
        return
    with open(path, "rb", buffering=0) as file:
        yield file.fileno()


def _progress(path: str, descriptor: int) -> AbstractContextManager[Advance]:
    if path == "-" or not sys.stderr.isatty():
        return nullcontext(lambda _: None)
    from streams.cli.progress import bytes_bar  # noqa: PLC0415 - rich only on a terminal

    return bytes_bar("sending", os.fstat(descriptor).st_size)


def wait_folded(client: Client, marks: Marks) -> None:
    """Wait until all that was sent is folded.

    Parameters
    ----------
    marks : dict
        Last offset and its tenant by (topic, partition, partition of the log).

    Raises
    ------
    Failed
        Not folded in time, or the last event of a tenant was refused.
    """
    end = time.monotonic() + WAIT_SECONDS
    for (topic, partition, _), (offset, tenant) in sorted(marks.items()):
        place = f"{topic}:{partition}:{offset}"
        while not is_folded(client, tenant, place):
            if time.monotonic() > end:
                raise Failed(f"sent, but {place} is not folded after {WAIT_SECONDS} s")


def is_folded(client: Client, tenant: str, place: str) -> bool:
    """Wait a little for a tenant's event to be folded; False when it is not yet.

    Raises
    ------
    Failed
        The event was refused, or the API can't be asked.
    """
    try:
        client.get("v1", "tenants", tenant, "budgets", after=place, wait_ms=WAIT_MS)
    except ApiError as error:
        # Not reflected yet, or the tenant's partition is on its way to another worker.
        if error.code in ("not_reflected", "not_ready"):
            time.sleep(0.1)
            return False
        raise Failed(f"sent, but for tenant {tenant} at {place}: {error}") from None
    return True
