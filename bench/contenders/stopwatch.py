"""What every contender measures of itself, in whichever environment: nothing but the stdlib."""

import json
import os
import resource
import sys
import threading
import time
from typing import Any


class Stopwatch:
    """Wall clock and CPU of this whole process between the first folded event and the end."""

    def __init__(self) -> None:
        self.running = False
        self._began = self._ended = (0.0, 0.0)

    def start(self) -> None:
        """The first event is about to be folded."""
        self.running = True
        self._began = (time.perf_counter(), time.process_time())

    def stop(self) -> None:
        """What was asked for is done. The last call counts."""
        self._ended = (time.perf_counter(), time.process_time())

    def report(self, events: int, changelog: str) -> dict[str, Any]:
        """Return what the bench reads: times in seconds, memory in MiB."""
        seconds, cpu = (end - began for began, end in zip(self._began, self._ended, strict=True))
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "events": events,
            "seconds": seconds,
            "cpu_seconds": cpu,
            "rss_mib": round(rss, 1),
            "changelog": changelog,
        }


def spec() -> dict[str, Any]:
    """What to do, from the command line: kafka, topic, group, events, partitions, data."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    _end_with_parent()
    return given


def finish(report: dict[str, Any]) -> None:
    """Print the report and end at once: how a library shuts down is not what is measured."""
    sys.stdout.flush()
    os.write(1, f"\n{json.dumps(report)}\n".encode())  # Faust redirects sys.stdout
    os._exit(0)


def _end_with_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
