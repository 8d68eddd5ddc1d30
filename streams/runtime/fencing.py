"""What aiokafka keeps to itself about a transactional producer that another one has fenced."""

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced


def is_fenced(producer: AIOKafkaProducer) -> bool:
    """Return whether another owner has ended this producer's work."""
    task = producer._sender.sender_task
    return (
        task is not None
        and task.done()
        and not task.cancelled()
        and isinstance(task.exception(), ProducerFenced)
    )


def hear_out(producer: AIOKafkaProducer) -> None:
    """Take note of what failed together with the sends: asyncio would report each as unheard."""
    accumulator, transactions = producer._message_accumulator, producer._txn_manager
    batches = [
        *accumulator._pending_batches,
        *(b for q in accumulator._batches.values() for b in q),
    ]
    for waiter in [*(batch._drain_waiter for batch in batches), transactions._transaction_waiter]:
        if waiter is not None and waiter.done() and not waiter.cancelled():
            waiter.exception()
