"""What of a tenant's erased memories still stands in records and rows that are kept elsewhere.

A memory is gone when its id, subject or tenant is fenced and it has no row: what is on hold has
one. Records of the log keep all that is not content, so that usage, runs and versions replay as
they were; of a memory whose content was taken out a replay knows its id: late copies stay erased.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import structs

from streams.core.fold import Reader
from streams.core.ids import derived_id
from streams.core.log import Erased, JobRun, Message, Record, StateDelete, StateSet
from streams.core.rows import decode_row
from streams.memory.consolidation_rows import ConsolidatedRow
from streams.memory.fences import fenced
from streams.memory.forget_rows import ReceiptRow, rules_of
from streams.memory.memory_row import MemoryRow
from streams.memory.naming import strings
from streams.memory.receipts import open_receipts
from streams.memory.rows import VectorRow, id_of, memory_key, tenant_of
from streams.memory.state_erasure import ERASED, Judge, judge_of

_json = msgspec.json.Decoder()


class Traces:
    """Finds what is erased of one tenant, as its rows of one moment say."""

    def __init__(self, rows: Reader, tenant: str) -> None:
        self.tenant = tenant
        self._rows = rows
        self._rules = rules_of(rows, tenant)
        self._named: list[tuple[ReceiptRow, Judge]] = []
        if self.any:
            self._named = [
                (receipt, judge_of(rows, tenant, receipt.subject))
                for _, receipt in open_receipts(rows, tenant)
                if not receipt.memory_ids and receipt.rows_at is not None
            ]

    @property
    def any(self) -> bool:
        """Whether anything of the tenant was ever erased."""
        return self._rules is not None and self._rules.fences > 0

    def gone(self, memory_id: str, subject: str | None = None, time: int | None = None) -> bool:
        """Whether a memory was erased, of which this id, subject and event time are known."""
        # Without a time only fences of ids count, which are for good.
        at = _NEVER if time is None else time
        return (
            fenced(self._rows, self._rules, self.tenant, memory_id, subject, at)
            and self._rows.get(MemoryRow, memory_key(self.tenant, memory_id)) is None
        )

    def without(self, record: Record, timestamp: int) -> Record | None:
        """Give a record of the log without what was erased; the same one where nothing was.

        Parameters
        ----------
        timestamp : int
            When it was appended to the log, microseconds.

        Returns
        -------
        Record or None
            None: nothing of it may stay.
        """
        body: Any = record.body
        if isinstance(body, Message) and body.content is not None:
            content = body.content
            memory_id = content.memory_id or derived_id(self.tenant, record.source, record.id)
            if self.gone(memory_id, content.subject, record.time):
                erased = Erased(memory_id, content.vector is not None)
                body = structs.replace(body, content=None, erased=erased)
        elif isinstance(body, JobRun) and (body.message or body.context_tags):
            for receipt, judge in self._named:
                if record.time <= receipt.until:
                    body = _without_texts(body, judge)
        elif isinstance(body, StateSet | StateDelete):
            for receipt, judge in self._named:
                if timestamp <= receipt.at and judge([body.key]):
                    return None
                if (
                    isinstance(body, StateSet)
                    and timestamp <= receipt.at
                    and judge([body.key, *strings(_json.decode(body.value))])
                ):
                    body = structs.replace(body, value=ERASED)
        return record if body is record.body else structs.replace(record, body=body)

    def in_row(self, key: bytes, value: bytes) -> bool:
        """Whether a row of the state, as it was at any time, holds what was erased."""
        kind = key[:2]
        if kind not in _WITH_CONTENTS or not value or tenant_of(key) != self.tenant:
            return False
        if self.gone(id_of(key)):
            return True
        if kind == MemoryRow.kind:
            return any(map(self.gone, decode_row(MemoryRow, value).sources))
        if kind == ConsolidatedRow.kind:
            return any(self.gone(each) for *_, each in decode_row(ConsolidatedRow, value).members)
        return False

    def in_message(self, data: dict[str, Any], source: str, event_id: str, time: int) -> bool:
        """Whether an agent.message, as it was sent, holds what was erased."""
        memory_id, subject = data.get("memory_id"), data.get("subject")
        if not isinstance(memory_id, str) or not memory_id:
            memory_id = derived_id(self.tenant, source, event_id)
        return bool(data.get("content")) and self.gone(
            memory_id, subject if isinstance(subject, str) else None, time
        )


def in_archive(rows: Reader) -> Callable[[Record, int], Record | None]:
    """`Traces.without` for records of any tenant of a partition."""
    known: dict[str, Traces] = {}

    def without(record: Record, timestamp: int) -> Record | None:
        traces = known.get(record.tenant)
        if traces is None:
            traces = known[record.tenant] = Traces(rows, record.tenant)
        return traces.without(record, timestamp) if traces.any else record

    return without


def _without_texts(body: JobRun, judge: Judge) -> JobRun:
    if body.message and judge([body.message]):
        body = structs.replace(body, message=None)
    if body.context_tags and judge(body.context_tags):
        body = structs.replace(body, context_tags=None)
    return body


_WITH_CONTENTS = frozenset((MemoryRow.kind, VectorRow.kind, ConsolidatedRow.kind))
_NEVER = 1 << 63
"""Later than any event."""
