"""`streams restore`: a second cluster from snapshots and archive alone, or a drill of it."""

import asyncio
import json
import tempfile
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from streams.cli.client import find_kafka, json_option, kafka_option, settings_for
from streams.cli.telling import progress, warn
from streams.core.errors import Failed, Misuse
from streams.settings import Settings

NOT_STATE = ("snapshots", "up.lock", "logs")
"""What a new data folder may hold."""


@click.command()
@click.option(
    "--data", metavar="DIR", help="Folder of the new system's state (default ./.streams)."
)
@click.option(
    "--from",
    "source",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Data folder of a system without a bucket.",
)
@click.option("--drill", is_flag=True, help="Try it in a folder of its own; print RPO and RTO.")
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
def restore(
    data: str | None,
    source: Path | None,
    drill: bool,
    workers: int,
    kafka: str | None,
    port: int | None,
    as_json: bool,
) -> int:
    """Bring up a fresh Kafka and fresh workers from the bucket alone, and serve like `streams up`.

    State, fences and what is known of duplicates come from STREAMS_S3_BUCKET (snapshots and the
    archive of the logs). Events that are sent again, or mirrored from the first cluster, do not
    count twice. Only one cluster may be active: the first one must be down, and stay down.

    With --kafka the states are brought into that cluster, which must hold nothing of this
    installation. --drill leaves everything as it is: it uses a Kafka of its own, compares what it
    has restored, counts an event and ends.

    \b
    Example:
      STREAMS_S3_BUCKET=backups streams restore --data second
      streams restore --drill
    """
    if drill:
        if data is not None or port is not None:
            raise Misuse("--drill has a folder and a port of its own: leave out --data and --port")
        return _drill(settings_for(kafka=kafka), source, workers, as_json)
    settings = settings_for(kafka=kafka, data=data)
    return _restore(settings, source, workers, port, as_json)


def _restore(
    settings: Settings, source: Path | None, workers: int, port: int | None, as_json: bool
) -> int:
    from streams.cli.up import greeting, until_stopped  # noqa: PLC0415 - brings Faust
    from streams.dev.machine import Machine  # noqa: PLC0415
    from streams.dev.second_cluster import Restoring, bucket_of  # noqa: PLC0415
    from streams.runtime import failpoints  # noqa: PLC0415

    folder = Path(settings.data)
    used = sorted(each.name for each in folder.glob("*") if each.name not in NOT_STATE)
    if used:
        raise Misuse(
            f"{folder} is in use ({used[0]}): `streams up` goes on from it; "
            "a restore begins with a new folder, which may have snapshots"
        )
    failpoints.arm(settings.failpoint)
    of = bucket_of(settings, source)
    restoring = Restoring(of, folder / "restored", progress, warn)
    machine = Machine(
        settings, workers=workers, port=port, progress=progress, warn=warn, prepare=restoring
    )

    def ready() -> None:
        found = machine.document()
        if as_json:
            restored = msgspec.to_builtins(restoring.restored)
            print(json.dumps(found | {"restored": restored}), flush=True)
            return
        assert restoring.restored is not None
        print(greeting(found), flush=True)
        print(f"  restored {restoring.restored.rows:,} rows", flush=True)

    asyncio.run(until_stopped(machine, ready))
    if restoring.restored is None:
        raise Failed("stopped before all was restored: begin again with a new folder or cluster")
    return 0


def _drill(settings: Settings, source: Path | None, workers: int, as_json: bool) -> int:
    from streams.dev.drill import drill, told_in_lines  # noqa: PLC0415
    from streams.dev.second_cluster import bucket_of  # noqa: PLC0415

    live = None
    with suppress(Misuse):
        live = find_kafka(settings)
    of = bucket_of(settings, source)
    with tempfile.TemporaryDirectory(prefix="streams-drill-") as folder:
        found = asyncio.run(drill(settings, of, live, Path(folder), workers, progress))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        for line in told_in_lines(found):
            click.echo(line)
    if not found.same:
        raise Failed("what was restored is not what the bucket holds")
    return 0
