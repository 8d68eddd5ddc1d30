"""A topic made anew has another id, though its name and offsets are the same."""

from collections.abc import Awaitable, Callable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.runtime.topic_ids import topic_id


async def test_an_id_lives_as_long_as_its_topic(
    kafka: str, prefix: str, until: Callable[..., Awaitable[None]]
) -> None:
    name, other = f"{prefix}a", f"{prefix}b"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        assert await topic_id(admin, name) == ""
        await admin.create_topics([NewTopic(name, 2, 1), NewTopic(other, 2, 1)])

        async def there() -> bool:
            return bool(await topic_id(admin, name))

        async def gone() -> bool:
            return not await topic_id(admin, name)

        await until(there)
        first = await topic_id(admin, name)
        assert await topic_id(admin, name) == first != await topic_id(admin, other)
        await admin.delete_topics([name])
        await until(gone)
        await admin.create_topics([NewTopic(name, 2, 1)])
        await until(there)
        assert await topic_id(admin, name) != first
    finally:
        await admin.close()
