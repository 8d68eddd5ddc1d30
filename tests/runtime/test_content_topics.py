"""What of a changelog's rows is still to be let go of, as its receipts say."""

from types import SimpleNamespace

from memory.memory_log import MemoryLog

from streams.core.log import ErasedFrom, ErasureReached, JobRun, StateSet
from streams.jobs.rows import RunRow
from streams.memory.receipts import CHANGELOG, open_receipts
from streams.memory.rows import DueRow, StateRow, ValueRow
from streams.memory.traces import Traces
from streams.runtime.content_topics import rows_since

RUN = JobRun("r", "ns", "job", "RUNNING", message="for customer-17", context_tags=("x",))


def standing(log: MemoryLog, rows: dict[bytes, bytes], offset: int = 0) -> set[bytes]:
    """Kinds of the rows that are still to go, were they at an offset of the changelog."""
    since = rows_since([Traces(log.view, "t1"), Traces(log.view, "t2")])
    records = (SimpleNamespace(key=k, value=v, offset=offset) for k, v in rows.items())
    return {record.key[:2] for record in records if since(record) is not None}


def test_runs_that_said_whom_they_were_for() -> None:
    log = MemoryLog()
    then = log.now
    log.append(RUN)
    log.append(RUN, tenant="t2")
    old = log.view.encoded()
    log.wait(1)
    log.erase(subject="customer-18")
    assert standing(log, old) == set()
    log.erase(subject="customer-17")
    assert standing(log, old) == {RunRow.kind}
    assert standing(log, dict.fromkeys(old, b"")) == set()
    assert standing(log, log.view.encoded()) == set()
    # What is said later is none of it, nor what stands there though it is old.
    log.wait(1)
    log.append(RUN)
    late = log.view.encoded()
    log.append(JobRun("late", "ns", "job", "RUNNING", message="for customer-17"), time=then)
    assert standing(log, log.view.encoded()) == set()
    log.append(JobRun("r", "ns", "job", "RUNNING", message="done"))
    assert standing(log, late) == set()


def test_runs_of_a_subject_on_hold_stay() -> None:
    log = MemoryLog()
    log.append(RUN)
    old = log.view.encoded()
    log.keep(subject="customer-17")
    log.wait(1)
    log.erase(subject="customer-17")
    assert standing(log, old) == set()
    log.release(subject="customer-17")
    log.wait(1, ticks=3)
    assert standing(log, old) == {RunRow.kind}


def test_what_is_set_after_an_erasure_keeps_no_receipt_open() -> None:
    """Older versions of a key that is set again and again are always there."""
    log = MemoryLog()
    for key in ("k", "customer-17"):
        log.append(StateSet("a", key, b'"for customer-17"', None, 60))
    old = log.view.encoded()
    log.wait(1)
    log.erase(subject="customer-17")
    ((_, row),) = open_receipts(log.view)
    place = ErasedFrom(CHANGELOG, None, (100,), False)
    log.append(ErasureReached(row.at, row.source, row.id, (place,), row.passed_at))
    log.wait(1)
    log.append(StateSet("a", "k", b'"for customer-17 again"', None, None))
    between = log.view.encoded()
    log.append(StateSet("a", "k", b"null", None, None))
    assert standing(log, old, 99) == {ValueRow.kind, StateRow.kind, DueRow.kind}
    assert standing(log, between, 100) == set()
