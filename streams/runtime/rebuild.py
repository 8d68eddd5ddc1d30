"""Rebuild a partition's state from its changelog alone, beside the live one."""

from aiokafka.structs import TopicPartition
from rocksdict import Rdict

from streams.core.log import DEFAULT_CONFIG
from streams.core.time import HOUR
from streams.runtime import positions
from streams.runtime.clients import Inquiry
from streams.runtime.job import Job
from streams.runtime.recovery import replay_changelog, replay_dedupe


async def rebuild(inquiry: Inquiry, job: Job, partition: int, db: Rdict) -> None:
    """Replay a changelog, and the identities of applied events, into an empty database."""
    await replay_changelog(inquiry, TopicPartition(job.changelog, partition), db)
    if job.dedupe is not None:
        window = (positions.read_config(db) or DEFAULT_CONFIG).dedupe_hours * HOUR
        await replay_dedupe(inquiry, TopicPartition(job.dedupe, partition), db, window)
