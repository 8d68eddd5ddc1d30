"""The data folder of `streams up`: one `up` a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.core.errors import Misuse
from streams.runtime.processes import lock

UP_FILE = "up.json"
"""Says where everything is; exists only while `up` serves."""


@contextmanager
def claim(data: Path) -> Iterator[None]:
    """Hold the folder until the context ends or the process does, kill -9 included.

    Raises
    ------
    Misuse
        Another process holds it, or it can't be made or written.
    """
    path = data / "up.lock"
    try:
        data.mkdir(parents=True, exist_ok=True)
        held = lock(path)
    except OSError as error:
        raise Misuse(f"can't use the data folder {data}: {error.strerror}") from None
    if held is None:
        by = path.read_text().strip() or "unknown"
        raise Misuse(
            f"`streams up` already runs on {data} (process {by}); "
            "stop it, or choose another folder with --data"
        )
    try:
        os.ftruncate(held, 0)
        os.write(held, f"{os.getpid()}\n".encode())
        (data / UP_FILE).unlink(missing_ok=True)  # of an earlier run that was killed
        yield
    finally:
        os.close(held)
