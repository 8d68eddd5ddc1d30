"""Rebuild a partition's state from its changelog alone, beside the live one."""

import asyncio
import tempfile
from pathlib import Path

from aiokafka.structs import TopicPartition

from streams import topology
from streams.runtime.clients import Inquiry
from streams.runtime.digest import digest
from streams.runtime.recovery import replay_changelog
from streams.runtime.view import open_database
from streams.settings import Settings


def rebuild(settings: Settings, topic: str, partition: int) -> str:
    """Replay a changelog into an empty folder and return the state's digest.

    Parameters
    ----------
    topic : str
        Full name of the log that the state was folded from.
    """
    return asyncio.run(rebuilt_digest(settings, topic, partition))


async def rebuilt_digest(settings: Settings, topic: str, partition: int) -> str:
    short = topic.removeprefix(settings.topic_prefix)
    changelog = topology.name(settings, topology.changelog(settings, short))
    with tempfile.TemporaryDirectory(prefix="streams-rebuild-") as folder:
        db = open_database(Path(folder) / "state")
        inquiry = Inquiry(settings.kafka)
        await inquiry.start()
        try:
            await replay_changelog(inquiry, TopicPartition(changelog, partition), db)
            return digest(db.iter()).hex
        finally:
            await inquiry.stop()
            db.close()
