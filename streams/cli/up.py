"""`streams up`: everything on this machine, until it is stopped."""

import asyncio
import json
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from streams.cli.client import json_option, kafka_option, settings_for
from streams.cli.telling import progress, warn

if TYPE_CHECKING:
    from streams.dev.machine import Machine


@click.command()
@click.option("--data", metavar="DIR", help="Folder of all state (default ./.streams).")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Number of admit and of fold processes.",
)
@kafka_option
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the HTTP API.")
@json_option
def up(data: str | None, workers: int, kafka: str | None, port: int | None, as_json: bool) -> int:
    """Run everything on this machine: Kafka (unless --kafka), the workers and the HTTP API.

    Goes on from what the folder holds. What ends is started again; Ctrl-C or SIGTERM stops all.
    DIR/up.json says where everything is, DIR/logs what the workers say.

    \b
    Example:
      streams up
      streams up --data /var/lib/streams --workers 2 --json
    """
    from streams.dev.machine import Machine  # noqa: PLC0415 - brings Faust and the web server

    settings = settings_for(kafka=kafka, data=data)
    machine = Machine(settings, workers=workers, port=port, progress=progress, warn=warn)

    def ready() -> None:
        found = machine.document()
        print(json.dumps(found) if as_json else greeting(found), flush=True)

    asyncio.run(until_stopped(machine, ready))
    return 0


async def until_stopped(machine: "Machine", ready: Callable[[], None]) -> None:
    """Run the machine until a signal; then stop it in order."""
    running = asyncio.create_task(machine.run(ready))
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        if not stopped.is_set():  # a second Ctrl-C must not cut the orderly end short
            stopped.set()
            running.cancel()

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(signum, stop)
    try:
        await running
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise


def greeting(found: dict[str, Any]) -> str:
    folds = sum(worker["role"] == "fold" for worker in found["workers"])
    return "\n".join(
        (
            "Agent Streams serves on this machine; Ctrl-C stops it.",
            f"  api      {found['api']}   (docs: {found['api']}/schema)",
            f"  kafka    {found['kafka']}",
            f"  data     {found['data']}   (logs: {found['data']}/logs)",
            f"  workers  {folds} admit, {folds} fold",
        )
    )
