"""What a fold sends, as records of Kafka: outputs, facts for internal logs, dead letters."""

from collections.abc import Callable

import msgspec

from streams import topology
from streams.agents.admit import error_headers
from streams.core import log as facts
from streams.core.fold import DeadLetter, Effect, Entry, Fact, Output
from streams.core.ids import partition_of
from streams.core.log import VERSION, Origin, Record
from streams.core.time import format_time

_json = msgspec.json.Encoder().encode


class Sending(msgspec.Struct, frozen=True):
    """One record to be sent in the transaction of the chunk that made it."""

    topic: str
    """Full name."""
    partition: int
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    effect: Effect


class Sendings:
    """Makes records of what folds of one partition send.

    Parameters
    ----------
    topic : str
        Full name of the log that is folded.
    output : callable
        Full name of a topic.
    partitions : int
        Of the tenant log and the outputs.
    """

    def __init__(self, topic: str, output: Callable[[str], str], partitions: int) -> None:
        self._topic = topic
        self._output = output
        self._partitions = partitions

    def of(self, effects: list[Effect], entry: Entry, incarnation: int) -> list[Sending]:
        """Make the records that one record's effects are, in their order.

        Parameters
        ----------
        incarnation : int
            Of the log: part of the origin of facts.
        """
        made = []
        for n, effect in enumerate(effects):
            if isinstance(effect, Output):
                made.append(self._of_output(effect, entry))
            elif isinstance(effect, Fact):
                origin = Origin(self._topic, incarnation, entry.partition, entry.offset, n)
                made.append(self._of_fact(effect, entry, origin))
            else:
                made.append(self._of_dead_letter(effect, entry))
        return made

    def _of_output(self, output: Output, entry: Entry) -> Sending:
        topic = self._output(output.topic)
        partition = partition_of(output.tenant, self._partitions)
        origin = entry.record.origin
        cause = str(origin) if origin is not None else self._place(entry)
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", output.id.encode()),
            ("ce_source", f"/agent-streams/{topic}/{partition}".encode()),
            ("ce_type", output.type.encode()),
            ("ce_subject", output.subject.encode()),
            ("ce_tenant", output.tenant.encode()),
            ("content-type", b"application/json"),
            ("origin", cause.encode()),
        ]
        key = (output.key or output.tenant).encode()
        return Sending(topic, partition, key, output.data, headers, output)

    def _of_fact(self, fact: Fact, entry: Entry, origin: Origin) -> Sending:
        record = Record(
            VERSION, fact.tenant, origin, fact.source, fact.id, entry.record.time, fact.body
        )
        topic = self._output(fact.topic)
        key = fact.tenant.encode()
        return Sending(topic, fact.partition, key, facts.encode(record), [], fact)

    def _of_dead_letter(self, letter: DeadLetter, entry: Entry) -> Sending:
        record = entry.record
        origin = record.origin
        assert origin is not None
        event = {
            "specversion": "1.0",
            "id": record.id,
            "source": record.source,
            "type": letter.type,
            "time": format_time(record.time),
            "tenant": record.tenant,
            "datacontenttype": "application/json",
            "data": msgspec.Raw(letter.data),
        }
        headers = [
            ("content-type", b"application/cloudevents+json"),
            ("ce_tenant", record.tenant.encode()),
            *error_headers(
                letter.code, letter.message, origin.topic, origin.partition, origin.offset
            ),
        ]
        key = record.tenant.encode()
        partition = origin.partition % self._partitions
        return Sending(topology.dlq(origin.topic), partition, key, _json(event), headers, letter)

    def _place(self, entry: Entry) -> str:
        return f"{self._topic}/{entry.partition}/{entry.offset}"
