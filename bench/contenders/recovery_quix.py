"""Quix Streams: its own recovery of a state store from its changelog, when its disk is gone."""

from typing import Any

from quixstreams import Application
from quixstreams.state.recovery import RecoveryManager, RecoveryPartition
from stopwatch import Stopwatch, finish, spec

watch = Stopwatch()
rows = 0
_recover = RecoveryManager.do_recovery
_apply = RecoveryPartition.recover_from_changelog_message


def recover(manager: RecoveryManager) -> None:
    watch.start()
    _recover(manager)
    watch.stop()
    finish(watch.report(rows, given["topic"]) | {"keys": rows})


def apply(partition: RecoveryPartition, *args: Any, **kwargs: Any) -> None:
    global rows
    rows += 1
    _apply(partition, *args, **kwargs)


def count(event: dict[str, Any], state: Any) -> int:
    total: int = state.get("n", 0) + event["n"]
    state.set("n", total)
    return total


if __name__ == "__main__":
    given = spec()
    RecoveryManager.do_recovery = recover
    RecoveryPartition.recover_from_changelog_message = apply
    app = Application(
        broker_address=given["kafka"],
        consumer_group=given["group"],
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        state_dir=given["data"],
        loglevel="WARNING",
    )
    app.dataframe(app.topic(given["input"], value_deserializer="json")).update(count, stateful=True)
    app.run(timeout=120.0)
    raise SystemExit("nothing was recovered")
