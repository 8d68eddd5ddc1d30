"""`streams worker`: one process of a role, or one of each."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from typing import Any

import click
import msgspec

from streams.cli.client import find_kafka, json_option, kafka_option, settings_for
from streams.runtime.processes import free_port, let_go, loopback_address
from streams.runtime.supervisor import Program, Supervisor
from streams.settings import Settings

_STOP_SECONDS = 14.0
_MISUSED = 2


@click.command()
@click.option(
    "--role",
    type=click.Choice(("all", "admit", "fold")),
    default="all",
    show_default=True,
    help="admit: decode, check and price what comes in; fold: count it and answer.",
)
@click.option(
    "--name", metavar="NAME", help="Its folder and its place in the group, over restarts."
)
@click.option("--data", metavar="DIR", help="Folder of local state (default ./.streams).")
@kafka_option
@json_option
def worker(role: str, name: str | None, data: str | None, kafka: str | None, as_json: bool) -> int:
    """Run a worker against a Kafka whose topics exist (see `streams topics ensure`).

    Says where its API listens; ends on SIGTERM or Ctrl-C. Role all runs an admit and a fold
    process of the same name and starts again what ends. Exit code 3: it gave up and should be
    started again.

    \b
    Example:
      streams worker --kafka kafka:9092 --role fold --name fold-0
    """
    settings = settings_for(kafka=kafka, data=data, worker=name)
    loopback_address(settings.bind)  # refused here, before anything heavy is loaded
    settings = msgspec.structs.replace(settings, kafka=find_kafka(settings))

    def announce(found: dict[str, Any]) -> None:
        line = "{role} worker {pid} serves {api}".format(**found)
        try:
            print(json.dumps(found) if as_json else line, flush=True)
        except OSError:
            let_go(sys.stdout)  # a file on a full disk, or nobody reads it: it works all the same

    if role == "all":
        return asyncio.run(_both(settings, announce))
    from streams.runtime.worker import run  # noqa: PLC0415 - brings Faust and RocksDB

    return run(role, settings, announce=announce)


async def _both(settings: Settings, announce: Callable[[dict[str, Any]], None]) -> int:
    """Run one process of each role until a signal; 2 when one can't be started as asked."""
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    def changed(role: str) -> None:
        state = supervisor.states[role]
        if state.announced is not None and state.pid is not None:
            announce(json.loads(state.announced))
        elif state.pid is None and state.exit_code == _MISUSED and state.starts == 1:
            end(_MISUSED)  # it said why; starting it again would change nothing

    supervisor = Supervisor(
        [_program(role, settings) for role in ("admit", "fold")],
        on_change=changed,
        stop_seconds=_STOP_SECONDS,
    )
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, end, 0)
    async with supervisor:
        return await ended


def _program(role: str, settings: Settings) -> Program:
    """The fold listens where STREAMS_BIND says, admit beside it; both keep their ports."""
    host, _, port = settings.bind.rpartition(":")
    if role != "fold" or port == "0":
        port = str(free_port())
    return Program(
        name=role,
        argv=(sys.executable, "-m", "streams", "worker", "--role", role, "--json"),
        env={
            "STREAMS_BIND": f"{host}:{port}",
            "STREAMS_KAFKA": settings.kafka,
            "STREAMS_DATA": settings.data,
            "STREAMS_WORKER": settings.worker,
        },
    )
