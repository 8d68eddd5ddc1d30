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
from streams.core.log import Content, Erased, JobRun, Message, Record, StateDelete, StateSet
from streams.core.rows import decode_row
from streams.memory.consolidation_rows import ConsolidatedRow
from streams.memory.fences import fenced
from streams.memory.forget_rows import ID, FenceRow, ReceiptRow, fence_key, rules_of
from streams.memory.memory_row import MemoryRow
from streams.memory.naming import strings
from streams.memory.receipts import open_receipts
from streams.memory.rows import VectorRow, id_of, memory_key, tenant_of
from streams.memory.state_erasure import Judge, in_place, is_in_place, judge_of

_json = msgspec.json.Decoder()


class Traces:
    """Finds what is erased of one tenant, as its rows of one moment say."""

    def __init__(self, rows: Reader, tenant: str) -> None:
        self.tenant = tenant
        self._rows = rows
        self._rules = rules_of(rows, tenant)
        self._named: list[tuple[ReceiptRow, Judge]] = []
        self._theirs: dict[str, str] = {}
        """Subjects, erased, of memories that were come by."""
        if self.any:
            self._named = [
                (receipt, judge_of(rows, tenant, receipt.subject))
                for _, receipt in open_receipts(rows, tenant)
                if not receipt.memory_ids and receipt.passed_at is not None
            ]

    @property
    def any(self) -> bool:
        """Whether anything of the tenant was ever erased."""
        return self._rules is not None and self._rules.fences > 0

    def gone(self, memory_id: str, subject: str | None = None, time: int | None = None) -> bool:
        """Whether a memory was erased, of which this id, subject and event time are known.

        One that has a row is not: it is on hold, or is said to be of another subject by now. But
        what is older than the row is no part of it: the id is used for something new.
        """
        # Without a time only fences of ids count, which are for good.
        at = _NEVER if time is None else time
        if not fenced(self._rows, self._rules, self.tenant, memory_id, subject, at):
            return False
        row = self._rows.get(MemoryRow, memory_key(self.tenant, memory_id))
        return row is None or (time is not None and row.timestamp > time)

    def gone_since(self, memory_id: str) -> int | None:
        """Since when (log time) an id is fenced whose memory is gone; None: it is not."""
        fence = self._rows.get(FenceRow, fence_key(self.tenant, ID, memory_id))
        return fence.at if fence is not None and self.gone(memory_id) else None

    def without(self, record: Record, timestamp: int) -> Record:
        """Give a record of the log without what was erased; the same one where nothing was.

        Of a memory's records in their order: a correction need not name its subject.

        Parameters
        ----------
        timestamp : int
            When it was appended to the log, microseconds.
        """
        body: Any = record.body
        if isinstance(body, Message) and body.content is not None:
            body = self._without_content(record, body, body.content)
        elif isinstance(body, JobRun) and (body.message or body.context_tags):
            for receipt, judge in self._named:
                if record.time <= receipt.until:
                    # Of what came later nothing was in the rows when the erasure went through them.
                    left = in_place(receipt.subject_hash) if timestamp <= receipt.at else None
                    body = _without_texts(body, judge, left)
        elif isinstance(body, StateSet | StateDelete):
            for receipt, judge in self._named:
                if timestamp <= receipt.at:
                    body = _without_state(body, judge, in_place(receipt.subject_hash))
        return record if body is record.body else structs.replace(record, body=body)

    def _without_content(self, record: Record, body: Message, content: Content) -> Message:
        memory_id = content.memory_id or derived_id(self.tenant, record.source, record.id)
        subject = content.subject
        if subject is None and "subject" not in content.given:
            subject = self._theirs.get(memory_id)
        if not self.gone(memory_id, subject, record.time):
            return body
        if subject is not None:
            self._theirs[memory_id] = subject
        fence = self._rows.get(FenceRow, fence_key(self.tenant, ID, memory_id))
        erased = Erased("" if fence is None else memory_id, content.vector is not None)
        return structs.replace(body, content=None, erased=erased)

    def row_since(self, key: bytes, value: bytes) -> int | None:
        """Since when what a row of the state, as it was at any time, holds is erased.

        The earliest, where it holds several memories; None: nothing of it is.
        """
        kind = key[:2]
        if kind not in _WITH_CONTENTS or not value or tenant_of(key) != self.tenant:
            return None
        ids = [id_of(key)]
        if kind == MemoryRow.kind:
            ids += decode_row(MemoryRow, value).sources
        elif kind == ConsolidatedRow.kind:
            ids += [each for *_, each in decode_row(ConsolidatedRow, value).members]
        return min(filter(None, map(self.gone_since, ids)), default=None)


def in_archive(rows: Reader) -> Callable[[Record, int], Record]:
    """`Traces.without` for records of any tenant of a partition, in their order."""
    known: dict[str, Traces] = {}

    def without(record: Record, timestamp: int) -> Record:
        traces = known.get(record.tenant)
        if traces is None:
            traces = known[record.tenant] = Traces(rows, record.tenant)
        return traces.without(record, timestamp) if traces.any else record

    return without


def _without_state(body: Any, judge: Judge, left: str) -> Any:
    if judge([body.key]):
        # Not nothing at all: that the event has come must be known when it comes again.
        return Message("", "", "", "", None, None)
    if not isinstance(body, StateSet):
        return body
    value = _json.decode(body.value)
    if not is_in_place(value) and judge([body.key, *strings(value)]):
        return structs.replace(body, value=msgspec.json.encode(left))
    return body


def _without_texts(body: JobRun, judge: Judge, left: str | None) -> JobRun:
    message, tags = body.message, body.context_tags
    if message and not is_in_place(message) and judge([message]):
        body = structs.replace(body, message=left)
    if tags and not is_in_place(tags[0]) and judge(tags):
        body = structs.replace(body, context_tags=None if left is None else (left,))
    return body


_WITH_CONTENTS = frozenset((MemoryRow.kind, VectorRow.kind, ConsolidatedRow.kind))
_NEVER = 1 << 63
"""Later than any event."""
