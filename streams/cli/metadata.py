"""What Kafka has: its topics and how many partitions each."""

import logging

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.core.errors import Failed


async def partition_counts(bootstrap: str) -> dict[str, int]:
    """Partitions of each topic.

    Raises
    ------
    Failed
        Kafka can't be reached.
    """
    # What fails is raised and told once; the client's own log lines stay off a command's stderr.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
    client = None
    try:
        client = AIOKafkaClient(bootstrap_servers=bootstrap)
        await client.bootstrap()
        cluster = await client.fetch_all_metadata()
        return {name: len(cluster.partitions_for_topic(name)) for name in cluster.topics()}
    except (KafkaError, OSError, ValueError) as error:
        raise Failed(f"can't reach Kafka at {bootstrap}: {error}") from None
    finally:
        if client is not None:
            await client.close()
