"""What every contender measures of itself, in whichever environment: nothing but the stdlib."""

import gc
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

    def stop_at(self, wall: float, cpu: float) -> None:
        """It was done at an earlier moment, by perf_counter and process_time."""
        self._ended = (wall, cpu)

    def report(self, events: int, changelog: str) -> dict[str, Any]:
        """Return what the bench reads: times in seconds, memory in MiB.

        ``began`` and ``ended`` are the machine's monotonic clock: processes can be compared.
        """
        seconds, cpu = (end - began for began, end in zip(self._began, self._ended, strict=True))
        return {
            "events": events,
            "seconds": seconds,
            "began": self._began[0],
            "ended": self._ended[0],
            "cpu_seconds": cpu,
            "rss_mib": round(memory_mib("VmHWM"), 1),
            "changelog": changelog,
        }


def memory_mib(field: str) -> float:
    """What this process holds now (VmRSS), or held at most (VmHWM)."""
    try:
        with open("/proc/self/status") as status:
            return int(status.read().partition(f"{field}:")[2].split()[0]) / 1024
    except OSError:
        # Counts what the parent held when it started this process.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Collecting:
    """How long Python's garbage collector ran."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def watch(self) -> None:
        """Count from here on."""
        gc.callbacks.append(self._note)

    def reset(self) -> None:
        self.seconds = 0.0

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.seconds += time.perf_counter() - self._began


collecting = Collecting()


def spec() -> dict[str, Any]:
    """What to do, from the command line: kafka, topic, group, events, partitions, data."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    _end_with_parent()
    return given


def tell(line: dict[str, Any]) -> None:
    """Say something to the bench and go on."""
    sys.stdout.flush()
    os.write(1, f"{json.dumps(line)}\n".encode())  # Faust redirects sys.stdout


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
