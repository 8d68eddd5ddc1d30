"""Quix Streams, exactly once: its stateful count with a changelog, as its documentation has it."""

from typing import Any

from quixstreams import Application
from quixstreams.checkpointing import Checkpoint
from stopwatch import Stopwatch, finish, spec

watch = Stopwatch()
_commit = Checkpoint.commit


def commit_and_mark(checkpoint: Checkpoint, **kwargs: Any) -> None:
    _commit(checkpoint, **kwargs)
    watch.stop()


def count(event: dict[str, Any], state: Any) -> int:
    if not watch.running:
        watch.start()
    total: int = state.get("n", 0) + event["n"]
    state.set("n", total)
    return total


if __name__ == "__main__":
    given = spec()
    Checkpoint.commit = commit_and_mark
    interval = {"commit_interval": given["interval"]} if given.get("interval") else {}
    app = Application(
        broker_address=given["kafka"],
        consumer_group=given["group"],
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        state_dir=given["data"],
        loglevel="WARNING",
        **interval,
    )
    topic = app.topic(given["topic"], value_deserializer="json")
    app.dataframe(topic).update(count, stateful=True)
    # Stops after the last event and commits at once: no waiting for the interval is charged.
    app.run(count=given["events"], collect=False, timeout=60.0)
    finish(watch.report(given["events"], f"changelog__{given['group']}--{given['topic']}--default"))
