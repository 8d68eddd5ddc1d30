"""Vectors of questions: a fold worker has no model and asks an admit worker that has one.

Whatever goes wrong, search goes on by words; and a model that does not answer in time is left alone
for a while, so that it costs one question its two seconds, not each of them. No vector is kept: how
soon an answer comes must not tell what another tenant has asked.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

import httpx
import msgspec

from streams.core.log import Vector
from streams.web.embedding import EMBED_PATH, Embedded, Text
from streams.web.reading import FORWARDED, internal_client

log = logging.getLogger(__name__)

SECONDS = 2.0
"""How long a question waits for its vector."""
REST_SECONDS = 5.0

_embedded = msgspec.json.Decoder(Embedded)


class QueryVectors:
    """Asks the workers that have a model, one after the other, until one answers.

    Parameters
    ----------
    embedders : mapping
        Address of each such worker by its name; followed as it changes.
    """

    def __init__(
        self,
        embedders: Mapping[str, str],
        client: Callable[[], httpx.AsyncClient] = internal_client,
    ) -> None:
        self._embedders = embedders
        self._client = client()
        self._rests_until = 0.0
        self._turn = 0

    async def of(self, text: str) -> Vector | None:
        """Return the vector of a question; None when there is no model, or it takes too long."""
        clock = asyncio.get_running_loop().time
        if not self._embedders or clock() < self._rests_until:
            return None
        try:
            async with asyncio.timeout(SECONDS):
                return await self._first_answer(text)
        except TimeoutError:
            log.warning("no vector of a question within %.0f s: search goes by words", SECONDS)
            self._rests_until = clock() + REST_SECONDS
            return None

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _first_answer(self, text: str) -> Vector | None:
        names = sorted(self._embedders)
        self._turn += 1
        for number in range(len(names)):
            url = self._embedders.get(names[(self._turn + number) % len(names)], "")
            vector = await self._ask(url, text)
            if vector is not None:
                return vector
        return None

    async def _ask(self, url: str, text: str) -> Vector | None:
        try:
            response = await self._client.post(
                url.rstrip("/") + EMBED_PATH,
                content=msgspec.json.encode(Text(text)),
                headers={FORWARDED: "1", "content-type": "application/json"},
                timeout=SECONDS,
            )
            response.raise_for_status()
            found = _embedded.decode(response.content)
        except httpx.TimeoutException:
            raise TimeoutError from None
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as error:
            log.info("%s gives no vector: %r", url, error)
            return None
        return Vector(found.model, found.scale, found.data)
