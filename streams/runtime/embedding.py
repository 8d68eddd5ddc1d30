"""Embedding: the one model of a process, and the batches that its texts go through.

Texts of all origin partitions wait in one queue. A batch is what waits when the model is free, up
to a size; an idle model waits a few milliseconds for a second text. The model runs in a thread of
its own, queries in another one: they need not wait for a batch.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streams.adapters.embedding.choice import Choice, choose
from streams.core.errors import Failed, Misuse
from streams.core.log import Vector
from streams.ports import Embedder
from streams.runtime import metrics
from streams.settings import Settings

log = logging.getLogger(__name__)

BATCH_TEXTS = 256
BATCH_CHARS = 65_536
"""About 16,000 word pieces, two to four seconds: a process that ends waits no longer, and groups of
like length are large enough (in batches of 90 a text costs a third more than among 1,000)."""
COUNTED_CHARS = 16_384
"""Of a text, at most this counts: what is longer is cut at 16 chunks."""
WAIT_S = 0.005


class _Request:
    """Texts of one caller; answered when all of them are."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.vectors: list[Vector] = []
        self.taken = 0
        self.answer: asyncio.Future[list[Vector]] = asyncio.get_running_loop().create_future()


class Embedding:
    """Embeds for one process.

    Parameters
    ----------
    choice : Choice
        The model; loaded with the first text, unless ``load`` was called.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._embedder: Embedder | None = None
        self._loading = threading.Lock()
        self._waiting: deque[_Request] = deque()
        self._filled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._batches = ThreadPoolExecutor(1, "embed")
        self._queries = ThreadPoolExecutor(1, "embed-query")

    @classmethod
    def of(cls, settings: Settings) -> "Embedding | None":
        """Make the process's own; None when it has no model.

        A model that the settings name is loaded at once.

        Raises
        ------
        Misuse
            It can't be loaded.
        """
        try:
            choice = choose(settings.embedder, Path(settings.data))
            if choice is None:
                return None
            embedding = cls(choice)
            if choice.named:
                embedding.load()
        except Failed as error:
            raise Misuse(f"STREAMS_EMBEDDER={settings.embedder}: {error}") from None
        return embedding

    def load(self) -> Embedder:
        """Return the model, loaded once. Blocks."""
        with self._loading:
            if self._embedder is None:
                began = time.monotonic()
                self._embedder = self._choice.load()
                took = time.monotonic() - began
                log.info("loaded %s in %.1f s: %s", self._choice.what, took, self._embedder.model)
            return self._embedder

    async def vectors(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text, in their order.

        Raises
        ------
        Exception
            Whatever the model raised, for a batch that held some of them.
        """
        if not texts:
            return []
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="embedding")
        request = _Request(texts)
        self._waiting.append(request)
        self._filled.set()
        return await request.answer

    async def embed_query(self, text: str) -> Vector:
        """Return the vector of a query, beside what is being admitted."""
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(self._queries, self._embed, [text]))[0]

    async def stop(self) -> None:
        """Cancel whoever waits for vectors; a batch that runs ends by itself."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for request in self._waiting:
            request.answer.cancel()
        self._waiting.clear()
        for threads in (self._batches, self._queries):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._filled.wait()
            if self._few():
                await asyncio.sleep(WAIT_S)
            parts = self._take()
            if not parts:
                continue
            texts = [text for request, some in parts for text in some]
            try:
                vectors = await loop.run_in_executor(self._batches, self._embed, texts)
            except Exception as error:
                self._fail(parts, error)
            except asyncio.CancelledError:
                for request, _ in parts:
                    request.answer.cancel()
                raise
            else:
                self._answer(parts, vectors)

    def _few(self) -> bool:
        return sum(len(request.texts) - request.taken for request in self._waiting) < BATCH_TEXTS

    def _take(self) -> list[tuple[_Request, Sequence[str]]]:
        """Take a batch off the queue: whole requests, and of the last one what fits."""
        parts: list[tuple[_Request, Sequence[str]]] = []
        count = chars = 0
        while self._waiting and count < BATCH_TEXTS and chars < BATCH_CHARS:
            request = self._waiting[0]
            if request.answer.done():  # its caller has gone, or one of its batches failed
                self._waiting.popleft()
                continue
            first = request.taken
            while (
                request.taken < len(request.texts) and count < BATCH_TEXTS and chars < BATCH_CHARS
            ):
                chars += min(len(request.texts[request.taken]), COUNTED_CHARS)
                request.taken += 1
                count += 1
            parts.append((request, request.texts[first : request.taken]))
            if request.taken == len(request.texts):
                self._waiting.popleft()
        if not self._waiting:
            self._filled.clear()
        return parts

    def _embed(self, texts: Sequence[str]) -> list[Vector]:
        """Runs in a thread."""
        embedder = self.load()
        with metrics.EMBED_SECONDS.time():
            return embedder.embed(texts)

    @staticmethod
    def _fail(parts: list[tuple[_Request, Sequence[str]]], error: Exception) -> None:
        for request, _ in parts:
            if not request.answer.done():
                request.answer.set_exception(error)

    @staticmethod
    def _answer(parts: list[tuple[_Request, Sequence[str]]], vectors: list[Vector]) -> None:
        at = 0
        for request, some in parts:
            request.vectors += vectors[at : at + len(some)]
            at += len(some)
            if len(request.vectors) == len(request.texts) and not request.answer.done():
                request.answer.set_result(request.vectors)
