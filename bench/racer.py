"""A process of a bench that is told when to begin and says when it is done."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

START_S = 60.0
RUN_S = 200.0
STEADY_S = 1.0
"""A group that stays so for this long has found together."""


def shared(shares: Iterable[Sequence[int]], partitions: Iterable[int]) -> bool:
    """Whether each process has some of the partitions and together they have all."""
    held = list(shares)
    return all(held) and sorted(chain(*held)) == sorted(partitions)


class Racer:
    """One script; it speaks lines of JSON, its stderr goes into a file."""

    def __init__(self, python: Path, script: Path, spec: Mapping[str, Any], log: Path) -> None:
        parts = (script.stem, spec.get("role"), spec.get("member"))
        self.name = " ".join(str(part) for part in parts if part is not None)
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [str(python), str(script), json.dumps(spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def hear(self, timeout: float) -> dict[str, Any]:
        """Return its next line.

        Raises
        ------
        SystemExit
            It ended, or said nothing in time.
        """
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            sys.exit(f"{self.name} said nothing for {timeout:.0f} s\n{self.tail()}")
        if line is None:
            sys.exit(f"{self.name} ended ({self._process.wait()})\n{self.tail()}")
        return line

    def heard(self) -> dict[str, Any] | None:
        """Return its next line if there is one already."""
        return None if self._lines.empty() else self.hear(1.0)

    def tell(self, line: Mapping[str, Any]) -> None:
        """Say something to it.

        Raises
        ------
        SystemExit
            It ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            sys.exit(f"{self.name} ended ({self._process.wait()})\n{self.tail()}")

    def end(self) -> None:
        """End it at once: how a library shuts down is not what is measured."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"{"):
                self._lines.put(json.loads(line))
        self._lines.put(None)

    def tail(self) -> str:
        """Return the end of its stderr."""
        return self._log.read_text(errors="replace")[-3000:]
