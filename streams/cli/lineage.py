"""Files of OpenLineage events as events for Kafka: sent as they are, without CloudEvents marks."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from streams import topology
from streams.agents.admit_jobs import openlineage_tenant
from streams.cli.lines import Event
from streams.core import openlineage
from streams.core.errors import Misuse, Refused
from streams.core.job_events import run_key

MAX_BYTES = topology.INPUT_TOPIC_BYTES - 65_536


def lineage_events(
    files: Sequence[str], tenant: str | None, namespace_tenants: Mapping[str, str]
) -> Iterator[Event]:
    """Events of files that hold one JSON document, an array of them, or one a line.

    Parameters
    ----------
    tenant : str, optional
        Whose they are, whatever their namespace says.

    Raises
    ------
    Misuse
        Something in a file is no OpenLineage event, or it names no tenant.
    """
    headers = [("content-type", b"application/json")]
    if tenant is not None:
        headers.append(("ce_tenant", tenant.encode()))
    number = 0
    for file in files:
        for where, value in _documents(file):
            number += 1
            found = openlineage.find(value)
            if found is None:
                raise Misuse(f"{where}: not an OpenLineage event (eventTime and schemaURL)")
            if len(value) > MAX_BYTES:
                raise Misuse(f"{where}: {len(value)} bytes, more than the topic takes")
            try:
                owner = openlineage_tenant(found, dict(headers), namespace_tenants)
            except Refused as refused:
                raise Misuse(f"{where}: {refused.message}") from None
            yield Event(number, topology.JOB_EVENTS, owner, run_key(value), value, headers)


def _documents(file: str) -> Iterator[tuple[str, bytes]]:
    """Yield where each document is, and its text."""
    text = Path(file).read_bytes().strip()
    many = text[:1] == b"["
    try:
        events = msgspec.json.decode(text, type=list[msgspec.Raw]) if many else []
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"{file} line {number}", line.strip()
        return
    for number, one in enumerate(events, 1):
        yield f"{file} event {number}", bytes(one)
    if not many:
        yield file, text
