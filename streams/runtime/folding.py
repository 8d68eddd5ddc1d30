"""Folding: what a partition's records make of its state, up to the batch that is written.

No producer, no event loop: a live store sends and commits what comes of it, a replay only writes
it. So both are the same code, record by record: origin fence, dedupe, fold.
"""

import time
from collections.abc import Sequence
from typing import Any

from msgspec import structs
from rocksdict import Rdict, WriteBatch

from streams.core.errors import PartitionRed, StoreLost
from streams.core.fold import DeadLetter, Effect, Entry
from streams.core.ids import event_hash
from streams.core.log import (
    Accessed,
    Config,
    ErasureReached,
    LeaseGiven,
    LeaseInquiry,
    LeaseRecalled,
    QuotaGranted,
    QuotaRejected,
    Refusal,
    Tick,
)
from streams.core.schema import later, number_of
from streams.core.time import HOUR
from streams.runtime import metrics, positions
from streams.runtime.dedupe import Dedupe
from streams.runtime.effects import Sending, Sendings
from streams.runtime.job import Job
from streams.runtime.rewriting import Rewriting
from streams.runtime.view import BufferedView, write

CLOCK_EVERY = 64
"""Records between two looks at the clock."""
_UNIDENTIFIED = (
    Tick,
    Config,
    Refusal,
    Accessed,
    ErasureReached,
    QuotaGranted,
    QuotaRejected,
    LeaseGiven,
    LeaseRecalled,
    LeaseInquiry,
)
"""Records that are not a user's event: control's answers carry the command's source and id, and
control has seen to duplicates."""


class Work:
    """Records being folded: ``at`` is the next one to do."""

    __slots__ = ("at", "decoded", "identities", "raw", "unreadable", "window")

    def __init__(
        self,
        raw: Sequence[Any],
        decoded: list[Any],
        unreadable: PartitionRed | None,
    ) -> None:
        self.raw = raw
        self.decoded = decoded
        self.unreadable = unreadable
        """Why the record after the decoded ones can't be."""
        self.identities: list[bytes | None] | None = None
        self.window = 0
        """Of the dedupe that has loaded them."""
        self.at = 0

    @property
    def left(self) -> bool:
        """Whether there is something to fold still."""
        return self.at < len(self.decoded)


class Folding:
    """A partition's folds over its database, and all that is not written yet.

    Used in rounds: `fold` once or more, `rows` (what is to be written), `write` (into a batch, for
    the caller to write), `committed`. A round that fails leaves this unusable.

    Parameters
    ----------
    source : positions.Source
        Where the database stands.
    sends : bool
        Whether what folds send is wanted; a replay sends nothing.
    """

    def __init__(
        self,
        job: Job,
        partition: int,
        db: Rdict,
        source: positions.Source,
        fences: positions.Fences,
        config: Config,
        *,
        sends: bool = True,
    ) -> None:
        self.source = source
        self.reached = source
        """Where it will stand with this round's rows."""
        self.config = config
        self.sendings: list[Sending] = []
        """Of this round."""
        self._topic = job.topic
        self._partition = partition
        self._decode = job.decode
        self._do = job.fold
        self._identifies = job.dedupe is not None
        self._schemas = job.schemas
        self._kinds = job.kinds
        self._db = db
        at = db.get(positions.REWRITING_KEY)
        self._rewriting = None if at is None else Rewriting(db, job.kinds, at)
        self._view = BufferedView(db, number_of(config.schema, job.schemas))
        self._fences = fences
        self._make = Sendings(job.topic, job.output, job.partitions) if sends else None
        self._dedupe = Dedupe(db, config.dedupe_hours * HOUR)
        self._next_config: Config | None = None

    @property
    def ends_here(self) -> bool:
        """Whether the round must end: later records live under new settings."""
        return self._next_config is not None

    @property
    def rewriting(self) -> bool:
        """Whether older rows are being brought into the state's schema."""
        return self._rewriting is not None

    def rewrite(self) -> None:
        """Bring older rows into the state's schema, a part with each round."""
        self._rewriting = Rewriting(self._db, self._kinds)

    # -- folding ----------------------------------------------------------------------------

    def enter(self, incarnation: int) -> None:
        """Go on at the beginning of a later incarnation of the log; between two rounds."""
        self.source = self.reached = self.source.entering(incarnation)

    def take(self, records: Sequence[Any]) -> Work:
        """Make ready what of these records, which follow each other, is not folded yet.

        They are decoded up to the first that can't be; the work says why that one can't.
        """
        raw = [r for r in records if r.offset > self.source.offset]
        decode = self._decode
        decoded: list[Any] = []
        unreadable = None
        try:
            for record in raw:
                decoded.append(decode(record.value))
        except PartitionRed as error:
            unreadable = PartitionRed(f"{self._where(raw[len(decoded)])}: {error}")
        return Work(raw, decoded, unreadable)

    def fold(self, work: Work, until: float) -> None:
        """Fold some of the work: up to a time of `time.perf_counter`, or to the round's end.

        Raises
        ------
        PartitionRed
            A record can't be folded; the message names it.
        StoreLost
            The database can't be read.
        """
        if self._identifies and work.window != self._dedupe.window:
            self._identify(work)
        view, fences, fold, partition = self._view, self._fences, self._do, self._partition
        make, identities = self._make, work.identities
        log_time, incarnation = self.reached.log_time, self.reached.incarnation
        raw, decoded = work.raw, work.decoded
        # An outage must not use up the time for which duplicates are known.
        paused = self.reached.pause_until(raw[work.at].timestamp * 1000)
        for at in range(work.at, len(decoded)):
            record, place = decoded[at], raw[at]
            timestamp = place.timestamp * 1000
            if timestamp > log_time:
                log_time = timestamp
            origin = record.origin
            if origin is not None and not fences.passes(origin):
                metrics.SKIPPED.labels("origin").inc()
                continue
            if (
                identities is not None
                and (identity := identities[at]) is not None
                and not self._dedupe.first(identity, log_time - paused)
            ):
                metrics.SKIPPED.labels("duplicate").inc()
                continue
            entry = Entry(record, partition, place.offset, timestamp, log_time)
            try:
                made = fold(view, entry)
            except StoreLost:
                raise
            except Exception as error:
                raise PartitionRed(
                    f"{self._where(place)} can't be folded: {type(error).__name__}: {error}"
                ) from error
            if made:
                if make is not None:
                    self.sendings += make.of(made, entry, incarnation)
                if identities is not None and any(map(_refused, made)):
                    self._dedupe.forget(identities[at])
            if type(record.body) is Config:
                # Later records live under the new settings: this round ends here.
                self._next_config = self._following(record.body, place)
                break
            if not at % CLOCK_EVERY and time.perf_counter() > until:
                break
        work.at = at + 1
        last = raw[at]
        self.reached = positions.Source(
            incarnation, last.offset, positions.fingerprint(last), log_time, paused
        )

    def _following(self, body: Config, place: Any) -> Config:
        try:
            schema = later(self.config.schema, body.schema, self._schemas)
        except PartitionRed as error:
            raise PartitionRed(f"{self._where(place)}: {error}") from None
        return structs.replace(body, schema=schema)

    def _identify(self, work: Work) -> None:
        work.identities = [
            None
            if type(record.body) in _UNIDENTIFIED
            else event_hash(record.tenant, record.source, record.id)
            for record in work.decoded
        ]
        work.window = self._dedupe.window
        known = [i for i in work.identities if i is not None]
        self._dedupe.load(known, self.source.running_time)

    def _where(self, record: Any) -> str:
        return f"{self._topic}/{self._partition}/{record.offset}"

    # -- a round's end ------------------------------------------------------------------------

    def rows(self) -> tuple[list[tuple[bytes, bytes | None]], int]:
        """All changed rows, each key once, None removes; and how many of them are logical ones."""
        reached = self.reached
        rows = self._view.encoded()
        newer = self._rewritten()
        changed = len(rows) + max(0, len(newer) - 1)
        rows += newer
        rows += self._fences.rows()
        rows.append((positions.SOURCE_KEY, positions.encode(reached)))
        if self._next_config is not None:
            since = self._dedupe.since(reached.running_time)
            rows.append((positions.CONFIG_KEY, positions.encode(self._next_config)))
            rows.append((positions.DEDUPE_SINCE_KEY, positions.number(since)))
        return rows, changed

    def _rewritten(self) -> list[tuple[bytes, bytes | None]]:
        """Older rows in their new form, and last how far that has come."""
        if self._next_config is not None and self._next_config.schema != self.config.schema:
            self.rewrite()  # from the next round on, and that is written with this one
            return [(positions.REWRITING_KEY, positions.LOGICAL_START)]
        if self._rewriting is None:
            return []
        return self._rewriting.some(self._view.schema, self._view.dirty)

    def identities(self) -> bytes | None:
        """Identities of the events that were applied, packed; None if there are none."""
        return self._dedupe.packed() if self._identifies else None

    def write(self, batch: WriteBatch, rows: list[tuple[bytes, bytes | None]]) -> None:
        """Add the rows and the identities to a batch."""
        write(batch, rows)
        at = self.reached.running_time
        if self._dedupe.dirty:
            self._dedupe.write(batch, at)
        if self._next_config is not None:
            self._dedupe.change_window(batch, self._next_config.dedupe_hours * HOUR, at)

    def committed(self) -> None:
        """Begin the next round: the batch is written."""
        self._view.committed()
        self._fences.dirty.clear()
        self._dedupe.committed()
        self.sendings.clear()
        self.source = self.reached
        if self._rewriting is not None and self._rewriting.done:
            self._rewriting = None
        if self._next_config is not None:
            self.config, self._next_config = self._next_config, None
            self._view.schema = number_of(self.config.schema, self._schemas)


def _refused(effect: Effect) -> bool:
    return isinstance(effect, DeadLetter) and effect.whole
