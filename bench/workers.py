"""Worker processes as a user starts them: `streams worker --role admit` and `--role fold`."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

from streams.runtime.processes import die_with_parent
from streams.settings import Settings

ROLES = ("admit", "fold")
START_S = 60.0
STOP_S = 15.0


class Workers:
    """One process of each role, ready when the context is entered."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def processes(self) -> dict[str, int]:
        """Process id of each role."""
        return {role: process.pid for role, process in self._running.items()}

    def __enter__(self) -> Self:
        settings = self._settings
        env = {name: value for name, value in os.environ.items() if not name.startswith("STREAMS_")}
        env |= {
            "STREAMS_KAFKA": settings.kafka,
            "STREAMS_DATA": settings.data,
            "STREAMS_GROUP": settings.group,
            "STREAMS_TOPIC_PREFIX": settings.topic_prefix,
            "STREAMS_PARTITIONS": str(settings.partitions),
            "STREAMS_BIND": "127.0.0.1:0",
        }
        for role in ROLES:
            with self._log(role).open("wb") as log:
                self._running[role] = subprocess.Popen(
                    [sys.executable, "-m", "streams", "worker", "--role", role, "--json"],
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    preexec_fn=die_with_parent(),
                )
        for role in ROLES:
            self._wait_ready(role)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _wait_ready(self, role: str) -> None:
        said = self._running[role].stdout
        assert said is not None
        line = said.readline()
        if not line:
            sys.exit(f"the {role} worker ended\n{self._log(role).read_text()[-3000:]}")
        url = json.loads(line)["api"]
        deadline = time.monotonic() + START_S
        with httpx.Client(trust_env=False) as client:
            while client.get(f"{url}/readyz").status_code != 200:
                if time.monotonic() > deadline:
                    sys.exit(f"the {role} worker does not get ready")
                time.sleep(0.05)

    def _log(self, role: str) -> Path:
        return Path(self._settings.data) / f"{role}.log"
