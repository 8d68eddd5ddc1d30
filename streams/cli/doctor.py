"""`streams doctor`: what is wrong on this machine, and what to do about it."""

import asyncio
import logging
import os
import resource
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import click
import httpx
import msgspec

from streams.cli.client import UP_FILE, json_option, kafka_option
from streams.core.errors import Failed, Misuse, ObjectStoreError
from streams.dev import jars
from streams.runtime.object_store import open_bin
from streams.runtime.processes import free_port, is_free, loopback_address
from streams.runtime.topics import describe
from streams.settings import Settings, load

_PACKAGES = ("aiokafka", "faust-streaming", "rocksdict", "genai-prices")
_LEAST_DISK = 1 << 30
_LEAST_FILES = 1024


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the answer."""

    name: str
    ok: bool
    found: str
    fix: str | None = None
    """What to do; None where nothing is wrong."""


@click.command()
@click.option("--data", metavar="DIR", help="Folder of all state (default ./.streams).")
@kafka_option
@json_option
def doctor(data: str | None, kafka: str | None, as_json: bool) -> int:
    """Check what Agent Streams needs here: Java, jars, Kafka, topics, ports, disk, versions.

    Each line says ok, or what is wrong and what to do. Exit code 1 if something is wrong.

    \b
    Example:
      streams doctor
      streams doctor --kafka kafka:9092 --json
    """
    # The checks say it; the client's own lines would only repeat it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
    checks = list(_checks(data, kafka))
    wrong = [check for check in checks if not check.ok]
    if as_json:
        document = {"ok": not wrong, "checks": checks}
        click.echo(msgspec.json.encode(document).decode())
    else:
        for check in checks:
            word = click.style("ok   ", fg="green") if check.ok else click.style("WRONG", fg="red")
            click.echo(f"{word} {check.name:9} {check.found}")
            if check.fix is not None:
                click.echo(f"                {check.fix}")
    return 1 if wrong else 0


def _checks(data: str | None, kafka: str | None) -> Iterator[Check]:
    yield from _versions()
    try:
        settings, warnings = load(data=data, kafka=kafka)
    except Misuse as error:
        yield Check("settings", False, str(error), "Mend or unset it; nothing starts before that.")
        return
    fix = "It has no effect: mend its spelling or unset it." if warnings else None
    yield Check("settings", not warnings, "; ".join(warnings) or "understood", fix)
    running = _running(settings)
    yield from _folder(settings, running)
    yield _files()
    yield _snapshots(settings)
    yield from _address(settings)
    if not settings.kafka and running is None:
        yield from _embedded()
        return
    found = settings.kafka or running
    yield from _broker(msgspec.structs.replace(settings, kafka=found))


def _versions() -> Iterator[Check]:
    python = sys.version.split()[0]
    missing = []
    found = [f"Python {python}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        yield Check(
            "packages",
            False,
            f"{', '.join(found)}; missing: {', '.join(missing)}",
            "pip install 'agent-streams[worker]' (not needed to send and to ask).",
        )
    else:
        yield Check("packages", True, ", ".join(found))


def _snapshots(settings: Settings) -> Check:
    """Whether the place of snapshots can be listed."""
    name = "snapshots"
    try:
        into = open_bin(settings)
        next(into.store.list(into.layout.root), None)
    except ObjectStoreError as error:
        fix = "Mend STREAMS_S3_* or the credentials; workers fold on without new snapshots."
        return Check(name, False, str(error), fix)
    except ImportError as error:
        return Check(name, False, str(error), "pip install 'agent-streams[worker]'.")
    return Check(name, True, f"go to {into.store.where}")


def _running(settings: Settings) -> str | None:
    """Kafka of the `up` that serves from the data folder."""
    try:
        return str(msgspec.json.decode((Path(settings.data) / UP_FILE).read_bytes())["kafka"])
    except (OSError, msgspec.MsgspecError, KeyError, TypeError):
        return None


def _folder(settings: Settings, running: str | None) -> Iterator[Check]:
    folder = Path(settings.data).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Check(
            "data",
            False,
            f"{folder} can't be written (see {there})",
            "Give it to this user, or choose another folder with --data or STREAMS_DATA.",
        )
        return
    state = "`streams up` serves from it" if running else "writable"
    yield Check("data", True, f"{folder}: {state}")
    free = shutil.disk_usage(there).free
    fix = "Make room, or choose a folder on another disk." if free < _LEAST_DISK else None
    yield Check("disk", fix is None, f"{free / (1 << 30):.1f} GiB free at {there}", fix)


def _files() -> Check:
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    fix = f"Raise it (ulimit -n {min(hard, 65536)}): each partition opens files."
    found = f"{limit} open files allowed"
    return (
        Check("files", True, found) if limit >= _LEAST_FILES else Check("files", False, found, fix)
    )


def _address(settings: Settings) -> Iterator[Check]:
    try:
        host, port = loopback_address(settings.bind)
    except Misuse as error:
        yield Check("port", False, str(error), "Set STREAMS_BIND to 127.0.0.1:PORT, or unset it.")
        return
    if port == 0:
        yield Check("port", True, f"any free one, such as {free_port()}")
    elif is_free(port, host):
        yield Check("port", True, f"{host}:{port} is free")
    elif _serves(f"http://{host}:{port}"):
        yield Check("port", True, f"{host}:{port} is served by Agent Streams")
    else:
        yield Check(
            "port",
            False,
            f"{host}:{port} is taken",
            "Stop what listens there, or set STREAMS_BIND.",
        )


def _serves(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=3, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _embedded() -> Iterator[Check]:
    """What `streams up` without --kafka needs."""
    try:
        java = jars.java()
        yield Check("java", True, f"{java} (version {jars.java_version(java)})")
    except Failed as error:
        found, _, fix = str(error).partition("): ")
        yield Check("java", False, f"{found})", fix)
    if jars.cached_jars() is not None:
        yield Check("jars", True, f"Kafka {jars.KAFKA_VERSION} is on this machine")
    elif find_spec("jgo") is not None:
        yield Check("jars", True, "not here yet: the first start fetches Kafka (45 MB) once")
    else:
        fix = f"{jars.INSTALL}, or name a running broker with --kafka HOST:PORT."
        yield Check("jars", False, "Kafka is not here, nor jgo, which fetches it", fix)


def _broker(settings: Settings) -> Iterator[Check]:
    try:
        rows = asyncio.run(describe(settings))
    except Failed as error:
        yield Check(
            "kafka",
            False,
            str(error),
            "Start it, mend STREAMS_KAFKA, or leave it unset: `streams up` brings its own.",
        )
        return
    yield Check("kafka", True, f"{settings.kafka} answers")
    missing = [row["name"] for row in rows if row["found"] is None]
    wrong = [f"{row['name']} {what}" for row in rows for what in row["wrong"]]
    if wrong:
        fix = "Alter these topics, or the settings, or take another STREAMS_TOPIC_PREFIX."
        yield Check("topics", False, "; ".join(wrong), fix)
    elif missing:
        found = f"{len(missing)} of {len(rows)} are missing, such as {missing[0]}"
        yield Check("topics", False, found, "streams topics ensure")
    else:
        yield Check("topics", True, f"all {len(rows)} are as they must be")
    late = [f"{row['name']} {row['late']}" for row in rows if row["late"]]
    if late:
        fix = "Alter these topics: what is erased has to be gone from them by then."
        yield Check("erasure", False, "; ".join(late), fix)
