"""A made-up next version of this software: its schema has one more field, and its fold fills it."""

from typing import ClassVar

from msgspec import structs

from streams.core.fold import Entry, Output, View
from streams.core.log import Config, Tick
from streams.core.rows import Row, Step, tenant_key
from streams.core.schema import SCHEMAS
from streams.runtime.job import Job
from streams.settings import Settings
from streams.topology import BUDGET_ALERTS

from . import stores

SCHEMA = "2.2.0"
NUMBER = len(SCHEMAS) + 1


class Count(Row, frozen=True, array_like=True):
    """A count that knows what it counted last."""

    kind: ClassVar[bytes] = stores.Count.kind
    version: ClassVar[int] = NUMBER
    step: ClassVar[Step | None] = Step(
        stores.Count, lambda row: Count(row.number), lambda row: stores.Count(row.number)
    )

    number: int
    last: str = ""


def fold(view: View, entry: Entry) -> list[Output]:
    """Count as before, and note the last event once the state can say it."""
    record = entry.record
    if isinstance(record.body, Config | Tick):
        return []
    key = tenant_key(Count, record.tenant)
    number = (view.get(Count, key) or Count(0)).number + 1
    view.put(key, Count(number, record.id if view.schema >= NUMBER else ""))
    said = str(number)
    return [Output(BUDGET_ALERTS, record.tenant, "count", said, "", said.encode())]


def job(settings: Settings) -> Job:
    """The next version's job between the same topics."""
    schemas, kinds = (*SCHEMAS, SCHEMA), {Count.kind: Count}
    return structs.replace(stores.job(settings), fold=fold, schemas=schemas, kinds=kinds)
