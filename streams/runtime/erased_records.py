"""Records of the archive, and whole logs, without what was erased (streams/memory/traces.py)."""

from collections.abc import Callable

from msgspec import structs

from streams.core import log as facts
from streams.core.errors import PartitionRed
from streams.core.fold import Reader
from streams.memory.traces import in_archive
from streams.snapshots.segments import LogRecord

Change = Callable[[LogRecord], LogRecord | None]
"""As of `streams.snapshots.segments.rewritten`."""


def without_erased(rows: Reader) -> Change:
    """Take out of records what a partition's committed rows say is gone.

    The rows are at least as new as the records and may go on: what is gone stays so.
    """
    without = in_archive(rows)

    def change(kept: LogRecord) -> LogRecord | None:
        try:
            record = facts.decode(kept.value)
        except PartitionRed:
            return kept  # nobody could replay it as it is
        made = without(record, kept.timestamp * 1000)
        if made is record:
            return kept
        return structs.replace(kept, value=facts.encode(made))

    return change
