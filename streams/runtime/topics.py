"""Create the topics of the topology, or check those that exist; what `streams topics` does."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code

from streams.core.errors import Failed, Misuse
from streams.runtime.admin import Admin
from streams.settings import Settings
from streams.topology import HOUR_MS, INPUTS, Topic, name, topics

_ALREADY_EXISTS = 36
_UNKNOWN_TOPIC = 3
_NO_LEADER = 5
_WAIT_SECONDS = 30.0
_COMPACTED = "max.compaction.lag.ms"
_FORGETS = ("retention.ms", "segment.ms", _COMPACTED)
_NEVER = 2**63 - 1


class Found(msgspec.Struct, frozen=True):
    """A topic as the broker has it."""

    partitions: int
    replication: int
    configs: dict[str, str]


async def ensure(settings: Settings) -> list[str]:
    """Create what is missing and check what exists.

    Parameters
    ----------
    settings : Settings
        Names the broker, the prefix and the numbers.

    Returns
    -------
    list of str
        A line for each topic created.

    Raises
    ------
    Misuse
        A topic is not what it must be: which, what it is and what it must be. Nothing was changed.
    Failed
        Kafka does not answer or refuses.
    """
    wanted = topics(settings)
    async with _admin(settings) as admin:
        found = await _look(admin, wanted)
        _check(settings, wanted, found)
        created = [topic for topic in wanted if topic.name not in found]
        if created:
            await _create(admin, created)
            # Another process may have been quicker, with other settings.
            found = await _wait(admin, wanted)
            _check(settings, wanted, found)
    return [f"created {t.name} ({t.partitions} partitions)" for t in created]


async def late(settings: Settings) -> list[str]:
    """Say which topics keep what is erased for longer than STREAMS_ERASE_DEADLINE_HOURS."""
    return [f"{row['name']} {row['late']}" for row in await describe(settings) if row["late"]]


async def check(settings: Settings) -> None:
    """Check that all topics exist and are what they must be: what a worker asks before it starts.

    Raises
    ------
    Misuse
        A topic is not what it must be: another number of partitions would lead tenants astray.
    Failed
        A topic is missing, or Kafka does not answer.
    """
    wanted = topics(settings)
    async with _admin(settings) as admin:
        found = await _look(admin, wanted)
    _check(settings, wanted, found)
    missing = [topic.name for topic in wanted if topic.name not in found]
    if missing:
        raise Failed(f"missing topics: {', '.join(missing)}; `streams topics ensure` creates them")


async def describe(settings: Settings, *, ask: bool = True) -> list[dict[str, Any]]:
    """All topics as they must be and, if Kafka is asked, as they are (``found``, None = missing).

    Parameters
    ----------
    settings : Settings
        See `ensure`.
    ask : bool
        Whether to ask Kafka; without it ``found`` is left out.
    """
    wanted = topics(settings)
    found = {}
    if ask:
        async with _admin(settings) as admin:
            found = await _look(admin, wanted)
    rows = []
    for topic in wanted:
        row = {
            "name": topic.name,
            "partitions": topic.partitions,
            "replication": topic.replication,
            "configs": topic.configs,
            "key": topic.key,
            "writers": list(topic.written_by),
            "readers": list(topic.read_by),
            "internal": topic.internal,
            "fixed_partitions": topic.fixed_partitions,
        }
        if ask:
            here = found.get(topic.name)
            row["found"] = msgspec.to_builtins(here) if here else None
            row["wrong"] = (
                list(_mismatches(topic, here, _is_input(settings, topic))) if here else []
            )
            hours = settings.erase_deadline_hours
            row["late"] = _late(topic, here, hours) if here else None
        rows.append(row)
    return rows


def _is_input(settings: Settings, topic: Topic) -> bool:
    return topic.name in {name(settings, short) for short in INPUTS}


def _check(settings: Settings, wanted: Iterable[Topic], found: Mapping[str, Found]) -> None:
    wrong = [
        f"topic {topic.name}: {mismatch}"
        for topic in wanted
        if topic.name in found
        for mismatch in _mismatches(topic, found[topic.name], _is_input(settings, topic))
    ]
    if wrong:
        raise Misuse("; ".join(wrong))


def _mismatches(topic: Topic, found: Found, is_input: bool) -> Iterator[str]:
    """What is wrong with a topic, a line each.

    Inputs belong to the users: only what breaks us is wrong (records that we must take and they
    would refuse; compaction that would drop events). All else must be exactly as wanted.
    """
    if not is_input and found.partitions != topic.partitions:
        fixed = " (fixed for life)" if topic.fixed_partitions else ""
        yield f"has {found.partitions} partitions, must have {topic.partitions}{fixed}"
    for config, value in topic.configs.items():
        if config in _FORGETS and not (config == "retention.ms" and topic.internal):
            continue  # how soon what is erased goes: see _late
        here = found.configs.get(config)
        if config == "max.message.bytes":
            if here is None or int(here) < int(value):
                yield f"{config} is {here}, must be at least {value}"
        elif config == "cleanup.policy" and is_input:
            if "compact" in (here or ""):
                yield f"{config} is {here}, must be {value}"
        elif not is_input and not _same(here, value):
            yield f"{config} is {here}, must be {value}"


def _same(here: str | None, value: str) -> bool:
    try:
        return here is not None and (here == value or float(here) == float(value))
    except ValueError:
        return False


def _late(topic: Topic, found: Found, deadline_hours: int) -> str | None:
    """Say what keeps erased contents in a topic for longer than STREAMS_ERASE_DEADLINE_HOURS.

    Nothing is refused for it: topics may be older than what is asked of them, or be the users'.
    """
    if not topic.contents:
        return None
    wanted: tuple[str, ...]
    here = {config: int(found.configs.get(config, -1)) for config in _FORGETS}
    if "compact" in found.configs["cleanup.policy"]:
        late = here[_COMPACTED] > int(topic.configs.get(_COMPACTED, _NEVER))
        kept, wanted = "until it happens to be compacted", (_COMPACTED,)
    elif topic.internal:
        late = here["segment.ms"] > int(topic.configs["segment.ms"])
        kept, wanted = f"for {_hours(here['segment.ms'])} hours beyond its retention", _FORGETS[1:2]
    else:
        kept_ms = here["retention.ms"] + here["segment.ms"]
        late = here["retention.ms"] < 0 or kept_ms > deadline_hours * HOUR_MS
        forever = here["retention.ms"] < 0
        kept = "for ever" if forever else f"for up to {_hours(kept_ms)} hours"
        wanted = _FORGETS[:2]
    if not late:
        return None
    settings = ", ".join(f"{config}={topic.configs[config]}" for config in wanted)
    return f"keeps what is erased {kept}, the deadline is {deadline_hours}: set {settings}"


def _hours(milliseconds: int) -> int:
    return -(-milliseconds // HOUR_MS)


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[Admin]:
    admin = Admin(bootstrap_servers=settings.kafka, request_timeout_ms=20_000)
    try:
        await admin.start()
        yield admin
    except (KafkaConnectionError, TimeoutError):
        raise Failed(f"Kafka at {settings.kafka or '(not set)'} does not answer") from None
    except (KafkaError, OSError, ValueError) as error:
        what = str(error) or type(error).__name__
        raise Failed(f"Kafka at {settings.kafka or '(not set)'}: {what}") from None
    finally:
        await admin.close()


async def _look(admin: Admin, wanted: Iterable[Topic]) -> dict[str, Found]:
    """Those of the wanted topics that exist."""
    names = [topic.name for topic in wanted]
    shapes: dict[str, tuple[int, int]] = {}
    for answer in await admin.describe_topics(names):
        code = answer["error_code"]
        if code == _UNKNOWN_TOPIC:
            continue
        if code and code != _NO_LEADER:
            raise for_code(code)(answer["topic"])
        parts = answer["partitions"]
        replication = min((len(part["replicas"]) for part in parts), default=0)
        shapes[answer["topic"]] = (len(parts), replication)
    configs = await _configs(admin, list(shapes))
    return {topic: Found(*shape, configs.get(topic, {})) for topic, shape in shapes.items()}


async def _configs(admin: Admin, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in names]
    configs = {}
    for response in await admin.describe_configs(asked):
        for code, message, _, topic, entries in response.resources:
            if code == _UNKNOWN_TOPIC:
                continue  # deleted meanwhile
            if code:
                raise for_code(code)(message or topic)
            configs[topic] = {entry[0]: entry[1] for entry in entries}
    return configs


async def _create(admin: Admin, missing: Iterable[Topic]) -> None:
    answer = await admin.create_topics(
        [
            NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=topic.configs)
            for topic in missing
        ]
    )
    for topic, code, *message in answer.topic_errors:
        if code not in (0, _ALREADY_EXISTS):
            raise Failed(f"could not create {topic}: {message[0] if message else for_code(code)}")


async def _wait(admin: Admin, wanted: tuple[Topic, ...]) -> dict[str, Found]:
    """Wait until every partition of every topic has a leader."""
    names = [topic.name for topic in wanted]
    deadline = time.monotonic() + _WAIT_SECONDS
    while not all(map(_led, await admin.describe_topics(names))):
        if time.monotonic() > deadline:
            raise Failed(f"a topic has no leader after {_WAIT_SECONDS:.0f} s")
        await asyncio.sleep(0.05)
    return await _look(admin, wanted)


def _led(answer: dict[str, Any]) -> bool:
    parts = answer["partitions"]
    return not answer["error_code"] and all(not part["error_code"] for part in parts)
