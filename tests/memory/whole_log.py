"""A log of everything that can happen to memories, and the same log folded in other ways."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from agents.refold import Way, refold
from agents.whole_log import Raw
from usage.memory_view import MemoryView
from usage.writer import outputs_of

from memory.memory_log import MemoryLog
from streams.agents.fold import fold
from streams.core.fold import Entry, Output, settle
from streams.core.log import (
    HoldRelease,
    HoldSet,
    MemoryConsolidate,
    MemoryErase,
    MemorySplit,
    Message,
    Origin,
    RetentionSet,
    encode,
)

_OF_USERS = (
    *(Message, MemoryErase, MemoryConsolidate, MemorySplit),
    *(HoldSet, HoldRelease, RetentionSet),
)
MOST = 1_000
"""Row changes of one record."""
WAYS = (Way(sizes=(7,), every=3), Way(sizes=(1, 3, 20), waiting=3, every=2, wiped=True, clean=0))


class WholeLog(MemoryLog):
    """A log in which records may come again: what is folded then must be as if they had not."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.again: set[int] = set()
        """Offsets of what came once more."""
        self.without_room: set[int] = set()
        """Offsets of what was refused: it may come again, and is tried again."""

    def append(self, *args: Any, **rest: Any) -> list[Output]:
        before = self.view.changes
        outputs = super().append(*args, **rest)
        assert self.view.changes - before <= MOST
        return outputs

    def once_more(self, entry: Entry, *, elsewhere: bool) -> None:
        """Let a record come again; nothing folds it here.

        ``elsewhere``: a user has sent it again, so that it comes from another place of its topic.
        """
        offset, record = len(self.entries), entry.record
        if elsewhere and isinstance(record.body, _OF_USERS):
            origin = Origin("agent.messages.v1", 0, 0, offset)
            record = msgspec.structs.replace(record, origin=origin)
        self.log_time = max(self.log_time, self.now)
        self.entries.append(Entry(record, 3, offset, self.now, self.log_time))
        self.again.add(offset)

    def raw(self) -> list[Raw]:
        """The records as a topic has them."""
        return [
            Raw(entry.offset, entry.timestamp // 1_000, encode(entry.record))
            for entry in self.entries
        ]

    def refused_last(self) -> bool:
        """Whether there was no room for the last record, which may come again then."""
        found = any(effect.code == "quota_exceeded" for effect in self.refused)
        self.refused.clear()
        if found:
            self.without_room.add(len(self.entries) - 1)
        return found

    def check_others(self, tenants: Sequence[str]) -> None:
        """Folded again, or each tenant alone, all comes to the same rows and outputs."""
        entries = [entry for entry in self.entries if entry.offset not in self.again]
        view = MemoryView()
        assert _folded(view, entries) == self.outputs
        rows = self.view.encoded()
        assert view.encoded() == rows
        for tenant in tenants:
            view = MemoryView()
            own = [entry for entry in entries if entry.record.tenant in ("", tenant)]
            said = [_said(output) for output in _folded(view, own)]
            assert said == [_said(o) for o in self.outputs if o.tenant == tenant]
            assert _of(tenant, view.encoded()) == _of(tenant, rows)

    def check_chunks(self) -> None:
        """Through the real store, in chunks of any size, with all that came again."""
        with tempfile.TemporaryDirectory() as folder:
            for way in WAYS:
                story = asyncio.run(refold(self.raw(), way, Path(folder) / "state"))
                assert dict(story.rows) == self.view.encoded()


def _folded(view: MemoryView, entries: list[Entry]) -> list[Output]:
    outputs = []
    for entry in entries:
        outputs += outputs_of(fold(view, entry))
        settle(view)
    return outputs


def _said(output: Output) -> tuple[Any, ...]:
    """An output without its own id, in which its place among all of a record is."""
    return output.topic, output.tenant, output.type, output.subject, output.data, output.key


def _of(tenant: str, rows: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Rows of a tenant, without what has its place among all outputs of a record in its key."""
    mark = tenant.encode() + b"\0"
    return {k: row for k, row in rows.items() if mark in k and k[:2] not in (b"h/", b"i/")}
