"""Quix Streams, exactly once: the metering job in one stateful step of a keyed stream.

The input is keyed by tenant, so nothing has to be grouped anew and one application does it all; two
processes of it share the partitions. State is Quix's own: RocksDB with a changelog, msgpack instead
of its JSON because that is quicker. Identities stay in it for good (expiry would cost more).
"""

from collections.abc import Iterable
from typing import Any

import metering_plain as plain
import msgspec
from quixstreams import Application, State
from quixstreams.state.rocksdb import RocksDBOptions
from stopwatch import Stopwatch, spec, tell

given = spec()
watch = Stopwatch()
budgets = plain.budgets_of(given["budgets"])
ends = {int(partition): end for partition, end in given["ends"].items()}


class Wrong(bytes):
    """An event as it was, for the dead letter queue."""


def meter(value: bytes, key: bytes, timestamp: int, headers: Any, state: State) -> Iterable[bytes]:
    if not watch.running:
        watch.start()
    call = plain.read(value, headers)
    if call is None:
        return (Wrong(value),)
    tenant = key.decode()
    return plain.meter(call, tenant, budgets.get(tenant, []), state.get, state.set)


def main() -> None:
    interval = {"commit_interval": given["interval"]} if given.get("interval") else {}
    app = Application(
        broker_address=given["kafka"],
        consumer_group=given["group"],
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        state_dir=given["data"],
        rocksdb_options=RocksDBOptions(
            dumps=msgspec.msgpack.Encoder().encode, loads=msgspec.msgpack.Decoder().decode
        ),
        loglevel="WARNING",
        on_message_processed=lambda topic, partition, offset: processed(app, partition, offset),
        **interval,
    )
    calls = app.topic(given["topic"], value_deserializer="bytes", key_deserializer="bytes")
    alerts, dead = (
        app.topic(given[name], value_serializer="bytes", key_serializer="bytes")
        for name in ("alerts", "dead")
    )
    # One chain and a choice of the topic: branches would copy each value.
    frame = app.dataframe(calls).apply(meter, stateful=True, expand=True, metadata=True)
    frame.to_topic(lambda value, *_: dead if isinstance(value, Wrong) else alerts)
    tell_assignments(app)
    app.run()


def processed(app: Application, partition: int, offset: int) -> None:
    """At the end of a partition commit at once: no waiting for the interval is charged."""
    if offset + 1 == ends[partition]:
        app._processing_context.commit_checkpoint(force=True)
        watch.stop()
        tell(watch.report(given["events"], "") | {"done": partition})


def tell_assignments(app: Application) -> None:
    assign, revoke = app._on_assign, app._on_revoke

    def assigned(consumer: Any, partitions: Any) -> None:
        assign(consumer, partitions)
        tell({"assigned": [p.partition for p in partitions if p.topic == given["topic"]]})

    def revoked(consumer: Any, partitions: Any) -> None:
        revoke(consumer, partitions)
        tell({"assigned": []})

    app._on_assign, app._on_revoke = assigned, revoked


if __name__ == "__main__":
    main()
