"""What of a tenant's erased memories still stands in records and rows that are kept elsewhere.

A memory is gone when its id, subject or tenant is fenced and it has no row: what is on hold has
one. Records of the log keep all that is not content, so that usage, runs and versions replay as
they were; of a memory whose content was taken out a replay knows its id: late copies stay erased.
"""

from collections.abc import Callable, Sequence
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
from streams.memory.receipts import CHANGELOG, open_receipts, told
from streams.memory.rows import (
    StateRow,
    ValueRow,
    VectorRow,
    id_of,
    memory_key,
    tenant_of,
    tenants_key,
)
from streams.memory.state_erasure import Judge, in_place, is_in_place, judge_of, name_of

_json = msgspec.json.Decoder()


class Traces:
    """Finds what is erased of one tenant, as its rows of one moment say."""

    def __init__(self, rows: Reader, tenant: str) -> None:
        self.tenant = tenant
        self.rows = rows
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
        if not fenced(self.rows, self._rules, self.tenant, memory_id, subject, at):
            return False
        row = self.rows.get(MemoryRow, memory_key(self.tenant, memory_id))
        return row is None or (time is not None and row.timestamp > time)

    def gone_since(self, memory_id: str) -> int | None:
        """Since when (log time) an id is fenced whose memory is gone; None: it is not."""
        fence = self.rows.get(FenceRow, fence_key(self.tenant, ID, memory_id))
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
        fence = self.rows.get(FenceRow, fence_key(self.tenant, ID, memory_id))
        erased = Erased("" if fence is None else memory_id, content.vector is not None)
        return structs.replace(body, content=None, erased=erased)

    def row_since(self, key: bytes, value: bytes, offset: int | None = None) -> int | None:
        """Since when what a row of memory, as it was at any time, holds is erased.

        The earliest, where it holds several memories; None: nothing of it is.

        Parameters
        ----------
        offset : int, optional
            Where it stands in the changelog.
        """
        key = tenants_key(key)
        kind = key[:2]
        if kind not in _WITH_CONTENTS or not value or tenant_of(key) != self.tenant:
            return None
        if kind in _OF_STATE:
            return self._state_since(key, value, offset)
        ids = [id_of(key)]
        if kind == MemoryRow.kind:
            ids += decode_row(MemoryRow, value).sources
        elif kind == ConsolidatedRow.kind:
            ids += [each for *_, each in decode_row(ConsolidatedRow, value).members]
        return min(filter(None, map(self.gone_since, ids)), default=None)

    def _state_since(self, key: bytes, value: bytes, offset: int | None) -> int | None:
        texts = [name_of(key)]
        then = None
        if key.startswith(ValueRow.kind):
            then = decode_row(ValueRow, value)
            texts += strings(_json.decode(then.value))
        since = self.texts_since(texts, offset)
        if since is None:
            return None
        # What stands is on hold, or was set later.
        if then is None:
            return None if self.rows.get(StateRow, key) is not None else since
        return None if self.rows.get(ValueRow, key) == then else since

    def texts_since(
        self, texts: Sequence[str], offset: int | None, time: int | None = None
    ) -> int | None:
        """Since when texts are erased that are in no row any more; None: they are not.

        As far as somebody knows whom they would name: until the receipts are complete.

        Parameters
        ----------
        offset : int, optional
            Where they stand in the changelog: what was written later than the rows of an erasure
            had gone is none of it.
        time : int, optional
            When they were said, where that decides.
        """
        texts = [each for each in texts if not is_in_place(each)]
        if not texts:
            return None
        for receipt, judge in self._named:
            covered = time is None or time <= receipt.until
            if covered and judge(texts) and not _is_later(offset, receipt):
                return receipt.at
        return None


def in_archive(rows: Reader) -> Callable[[Record, int], Record]:
    """`Traces.without` for records of any tenant of a partition, in their order."""
    known: dict[str, Traces] = {}

    def without(record: Record, timestamp: int) -> Record:
        traces = known.get(record.tenant)
        if traces is None:
            traces = known[record.tenant] = Traces(rows, record.tenant)
        return traces.without(record, timestamp) if traces.any else record

    return without


def _is_later(offset: int | None, receipt: ReceiptRow) -> bool:
    mark = told(receipt, CHANGELOG)
    return offset is not None and mark is not None and offset >= mark.upto[0]


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


_OF_STATE = (StateRow.kind, ValueRow.kind)
_WITH_CONTENTS = frozenset((MemoryRow.kind, VectorRow.kind, ConsolidatedRow.kind, *_OF_STATE))
_NEVER = 1 << 63
"""Later than any event."""
