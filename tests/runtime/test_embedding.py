"""Batches of one process's texts: who gets what, in which order, and what a failure touches."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from streams.adapters.embedding.choice import Choice
from streams.core.errors import Misuse
from streams.core.log import Vector
from streams.ports import Embedder, QueryEmbedder
from streams.runtime import embedding as module
from streams.runtime.embedding import Embedding
from streams.settings import Settings


class Model:
    """Its vector is the text; a text ``fail`` fails its batch; ``go`` holds batches back."""

    model = "copy@1"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.began = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        self.batches.append(list(texts))
        self.began.release()
        if texts != ["query"]:
            assert self.go.wait(10)
        if "fail" in texts:
            raise RuntimeError("injected")
        return [vector(text) for text in texts]


def vector(text: str) -> Vector:
    return Vector(Model.model, 1.0, text.encode())


def embedding_of(model: Model) -> Embedding:
    return Embedding(Choice("copy", lambda: model, named=False))


async def begun(model: Model) -> None:
    """Wait until the model has one more batch in its hands."""
    assert await asyncio.to_thread(model.began.acquire, timeout=10)


async def test_what_waits_while_the_model_works_is_one_batch_of_all_callers() -> None:
    model = Model()
    model.go.clear()
    embedding = embedding_of(model)
    first = asyncio.create_task(embedding.vectors(["first"]))
    await begun(model)
    rest = [asyncio.create_task(embedding.vectors([f"a{n}", f"b{n}"])) for n in range(3)]
    await asyncio.sleep(0)
    model.go.set()
    assert await first == [vector("first")]
    assert await asyncio.gather(*rest) == [[vector(f"a{n}"), vector(f"b{n}")] for n in range(3)]
    assert model.batches == [["first"], ["a0", "b0", "a1", "b1", "a2", "b2"]]
    await embedding.stop()


@examples(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.text("xyz", max_size=9), max_size=12), max_size=6),
    st.integers(1, 5),
    st.integers(1, 20),
)
def test_every_caller_gets_the_vectors_of_its_texts_in_bounded_batches(
    callers: list[list[str]], texts: int, chars: int
) -> None:
    async def run() -> Model:
        model = Model()
        embedding = embedding_of(model)
        found = await asyncio.gather(*(embedding.vectors(given) for given in callers))
        assert found == [[vector(text) for text in given] for given in callers]
        await embedding.stop()
        return model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH_TEXTS", texts)
        patch.setattr(module, "BATCH_CHARS", chars)
        patch.setattr(module, "WAIT_S", 0)
        model = asyncio.run(run())
    assert [text for batch in model.batches for text in batch] == [t for c in callers for t in c]
    for batch in model.batches:
        assert len(batch) <= texts
        assert sum(map(len, batch[:-1])) < chars


async def test_a_failure_reaches_the_callers_of_its_batch_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BATCH_TEXTS", 2)
    model = Model()
    embedding = embedding_of(model)
    given = [["1", "2"], ["3"], ["fail", "5", "6", "7"], ["8", "9"]]
    found = await asyncio.gather(*map(embedding.vectors, given), return_exceptions=True)
    assert found[0] == [vector("1"), vector("2")]
    assert [str(error) for error in found[1:3]] == ["injected", "injected"]
    assert found[3] == [vector("8"), vector("9")]
    # Nobody waits for 5, 6 and 7 any more.
    assert model.batches == [["1", "2"], ["3", "fail"], ["8", "9"]]
    assert await embedding.vectors(["3"]) == [vector("3")]
    await embedding.stop()


async def test_a_query_does_not_wait_for_a_batch() -> None:
    model = Model()
    model.go.clear()
    embedding: QueryEmbedder = embedding_of(model)
    assert isinstance(embedding, Embedding)
    batch = asyncio.create_task(embedding.vectors(["slow"]))
    await begun(model)
    assert await embedding.embed_query("query") == vector("query")
    assert not batch.done()
    model.go.set()
    assert await batch == [vector("slow")]
    await embedding.stop()


async def test_a_model_is_loaded_by_the_first_text_and_once() -> None:
    loads: list[int] = []

    def load() -> Embedder:
        loads.append(1)
        return Model()

    embedding = Embedding(Choice("copy", load, named=False))
    assert await embedding.vectors([]) == []
    assert loads == []
    await asyncio.gather(embedding.vectors(["a"]), embedding.embed_query("query"))
    assert loads == [1]
    await embedding.stop()


async def test_stopping_cancels_who_waits_and_not_the_batch() -> None:
    model = Model()
    model.go.clear()
    embedding = embedding_of(model)
    inside = asyncio.create_task(embedding.vectors(["inside"]))
    await begun(model)
    waits = asyncio.create_task(embedding.vectors(["waits"]))
    await asyncio.sleep(0)
    await embedding.stop()
    found = await asyncio.gather(inside, waits, return_exceptions=True)
    assert all(isinstance(error, asyncio.CancelledError) for error in found)
    model.go.set()
    assert model.batches == [["inside"]]


def test_settings_without_a_model_give_none_and_a_name_that_is_not_there_is_misuse(
    tmp_path: Path,
) -> None:
    assert Embedding.of(Settings(embedder="none", data=str(tmp_path))) is None
    with pytest.raises(Misuse, match="is no folder"):
        Embedding.of(Settings(embedder="./nowhere", data=str(tmp_path)))


def test_a_named_model_is_loaded_at_once_and_a_damaged_one_is_misuse(
    exported_model: Path, tmp_path: Path
) -> None:
    settings = Settings(embedder=str(exported_model), data=str(tmp_path))
    embedding = Embedding.of(settings)
    assert embedding is not None
    assert embedding._embedder is not None
    copied = tmp_path / "copy"
    copied.mkdir()
    for path in exported_model.iterdir():
        (copied / path.name).write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(Misuse, match="damaged"):
        Embedding.of(Settings(embedder=str(copied), data=str(tmp_path)))
