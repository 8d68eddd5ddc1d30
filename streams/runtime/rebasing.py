"""An adopted changelog: it was made anew, or emptied, and holds what its owner writes into it.

Where it was adopted (`streams topics adopt`) a new incarnation begins at the offsets that it ended
at then. The partition's owner takes the newest state that there is of the incarnations before,
its own or a snapshot, and writes it there whole; the row that says so comes with the last of it, so
who is killed on the way does it again.
"""

import time
from collections.abc import Iterator

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition
from rocksdict import Rdict, WriteBatch

from streams.runtime import positions
from streams.runtime.clients import Inquiry
from streams.runtime.job import Job
from streams.runtime.view import scan_raw
from streams.runtime.whole_state import write_whole


class Changelog(msgspec.Struct, frozen=True):
    """A partition's changelog, as it is to be read."""

    tp: TopicPartition
    incarnation: int = 0
    start: int | None = None
    """Where this incarnation begins; None: it was not adopted."""
    made_anew: bool = False
    """It is another topic than the one that was read before."""

    @property
    def adopt_hint(self) -> str:
        """What a person can do."""
        return (
            f"`streams topics adopt {self.tp.topic}` goes on from the newest state that is left, "
            "and writes it there"
        )


class Base(msgspec.Struct, frozen=True):
    """Writes states whole into changelogs.

    Parameters
    ----------
    producer : AIOKafkaProducer
        Started with the job's transactional id.
    """

    inquiry: Inquiry
    producer: AIOKafkaProducer
    job: Job

    async def write(self, changelog: Changelog, db: Rdict, partial: Rdict | None) -> None:
        """Write a state, and make its position one of this incarnation.

        Parameters
        ----------
        partial : Rdict, optional
            What the incarnation holds already, of a write that did not end.
        """
        partition = changelog.tp.partition
        # Identities have a topic of their own, which is as it was.
        job = msgspec.structs.replace(self.job, dedupe=None)
        source = positions.read_source(db) or positions.NOTHING
        stale = () if partial is None else _only_in(partial, db)
        number = changelog.incarnation
        done = await write_whole(
            self.producer, job, partition, db, source, stale=stale, base=number
        )
        batch = WriteBatch(raw_mode=True)
        batch.put(positions.BASE_KEY, positions.number(number))
        batch.put(positions.INCARNATION_KEY, positions.number(number))
        batch.put(positions.CHANGELOG_KEY, positions.number(done.end))
        batch.put(positions.CHANGELOG_TIME_KEY, positions.number(time.time_ns() // 1000))
        if self.job.dedupe is not None:
            # What was applied since this state was is applied again.
            end = await self.inquiry.end(TopicPartition(self.job.dedupe, partition))
            batch.put(positions.DEDUPE_POSITION_KEY, positions.number(end))
        db.write(batch)


def _only_in(one: Rdict, other: Rdict) -> Iterator[bytes]:
    for key, _ in scan_raw(one, b""):
        if not key.startswith(positions.LOCAL) and other.get(key) is None:
            yield key
