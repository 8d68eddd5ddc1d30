"""When everything that `up` started serves."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from streams.core.errors import Failed
from streams.runtime.supervisor import Supervisor

READY_SECONDS = 150.0
_STARTS_BEFORE_GIVING_UP = 4


async def all_ready(
    supervisor: Supervisor, urls: Mapping[str, str], logs: Path, *, timeout: float = READY_SECONDS
) -> None:
    """Wait until every child announced itself and every url's /readyz says 200.

    Parameters
    ----------
    urls : mapping
        Name -> url; names that are no program of the supervisor are only asked.
    logs : Path
        Folder of the children's logs.

    Raises
    ------
    Failed
        A child ends again and again, or time ran out; with what is known of the reason.
    """
    deadline = time.monotonic() + timeout
    waiting = dict.fromkeys(urls, "it has not announced itself")
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while True:
            for name in list(waiting):
                state = supervisor.states.get(name)
                if state is not None and state.announced is None:
                    if state.starts > _STARTS_BEFORE_GIVING_UP:
                        raise Failed(
                            f"{name} ends again and again (exit code {state.exit_code}): "
                            + _last_words(logs / f"{name}.log")
                        )
                    continue
                why = await _not_ready(client, urls[name])
                if why is None:
                    del waiting[name]
                else:
                    waiting[name] = why
            if not waiting:
                return
            if time.monotonic() > deadline:
                whys = "; ".join(f"{name}: {why}" for name, why in waiting.items())
                raise Failed(f"not ready after {timeout:.0f} s: {whys} (logs: {logs})")
            await asyncio.sleep(0.1)


async def _not_ready(client: httpx.AsyncClient, url: str) -> str | None:
    """None when it is ready, else why not."""
    try:
        answer = await client.get(f"{url}/readyz")
    except httpx.HTTPError as error:
        return f"{url} does not answer ({type(error).__name__})"
    return None if answer.status_code == 200 else f"{answer.status_code} {answer.text[:300]}"


def _last_words(log: Path) -> str:
    said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return f"{said[-1] if said else 'it says nothing'} (log: {log})"
