"""`streams`, but for one thing: the changelog of partition 2 never comes to its end."""

import asyncio
from typing import Any

from streams.cli.main import main
from streams.runtime import recovery

replay = recovery.replay_changelog


async def _never_for_2(inquiry: Any, changelog: Any, *arguments: Any) -> Any:
    if changelog.partition == 2:
        await asyncio.Event().wait()
    return await replay(inquiry, changelog, *arguments)


if __name__ == "__main__":
    recovery.replay_changelog = _never_for_2
    main()
