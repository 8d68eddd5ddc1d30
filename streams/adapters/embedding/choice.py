"""Which model STREAMS_EMBEDDER means, and from where; choosing loads nothing heavy."""

import fcntl
import importlib.util
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streams.adapters.embedding import exported
from streams.adapters.embedding.exported import OnnxEmbedder
from streams.adapters.embedding.weights import MODEL, PACKAGE, Weights, packaged
from streams.core.errors import Misuse
from streams.ports import Embedder

log = logging.getLogger(__name__)

FOLDER = "models"
"""Of exported models, in the data folder: FOLDER/<name>."""
SHARED = Path(sys.prefix) / "share" / "agent-streams" / FOLDER
"""Of exported models that come with what is installed: an image has one, `make` makes one."""
PRECISION = "fp32"
_ONNX = ("onnxruntime", "tokenizers")
_TORCH = "sentence_transformers"
_GET_ONNX = f"pip install 'agent-streams[onnx]' and pip install --no-deps {PACKAGE}"
_GET_TORCH = "pip install 'agent-streams[embed]'"


@dataclass(frozen=True)
class Choice:
    """A model that can be loaded."""

    what: str
    """For a person: the model, and what runs it."""
    load: Callable[[], Embedder]
    """Blocks for up to many seconds; raises Failed when it can't be loaded after all."""
    named: bool
    """STREAMS_EMBEDDER names it: it is loaded at once, so that a mistake is seen at start."""


def choose(setting: str, data: Path) -> Choice | None:
    """Find the model that a setting means; None for no model.

    Parameters
    ----------
    setting : str
        auto, none, a model's name, or its folder.
    data : Path
        The data folder.

    Raises
    ------
    Misuse
        A named model is not there, or can't be run with what is installed.
    Failed
        What is exported can't be read.
    """
    if setting == "none":
        return None
    if setting == "auto":
        return _auto(data)
    for folder in (*_exports(data, setting), Path(setting)):
        if exported.find(folder) is not None:
            _need(_ONNX, setting, _GET_ONNX)
            return _exported(folder, named=True)
    if Path(setting).is_dir():
        _need((_TORCH,), setting, f"{_GET_TORCH}, or `streams model export --from {setting}`")
        return _torch(Weights(Path(setting), Path(setting).resolve().name), named=True)
    if setting == MODEL:
        choice = _of_package(data / FOLDER / MODEL, named=True)
        if choice is None:
            raise Misuse(
                f"STREAMS_EMBEDDER={MODEL} needs its weights: {_GET_TORCH}, or {_GET_ONNX}"
            )
        return choice
    if setting.startswith((".", "/", "~")):
        raise Misuse(f"STREAMS_EMBEDDER: {setting} is no folder")
    _need((_TORCH,), setting, _GET_TORCH)
    return Choice(f"{setting} (sentence-transformers)", lambda: _from_hub(setting), named=True)


def _exports(data: Path, name: str) -> tuple[Path, Path]:
    """Where an exported model may lie."""
    return data / FOLDER / name, SHARED / name


def _auto(data: Path) -> Choice | None:
    for folder in _exports(data, MODEL):
        if exported.find(folder) is not None and _installed(_ONNX):
            return _exported(folder, named=False)
    choice = _of_package(data / FOLDER / MODEL, named=False)
    if choice is None:
        log.warning(
            "no model: memories are found by their words alone (%s, or %s; "
            "STREAMS_EMBEDDER=none says that this is meant)",
            _GET_ONNX,
            _GET_TORCH,
        )
    return choice


def _of_package(folder: Path, *, named: bool) -> Choice | None:
    """The packaged weights, through sentence-transformers, else exported on first use."""
    weights = packaged()
    if weights is None:
        return None
    if _installed((_TORCH,)):
        return _torch(weights, named=named)
    if not _installed((*_ONNX, "onnx")):
        return None

    def load() -> Embedder:
        _export_once(weights, folder)
        return OnnxEmbedder(folder)

    return Choice(f"{MODEL} (ONNX, exported to {folder})", load, named)


def _exported(folder: Path, *, named: bool) -> Choice:
    return Choice(f"{folder.name} (ONNX, {folder})", lambda: OnnxEmbedder(folder), named)


def _torch(weights: Weights, *, named: bool) -> Choice:
    def load() -> Embedder:
        from streams.adapters.embedding.torch_model import TorchEmbedder  # noqa: PLC0415

        return TorchEmbedder(weights)

    return Choice(f"{weights.name} (sentence-transformers)", load, named)


def _from_hub(name: str) -> Embedder:
    """Load a model by its name on the Hugging Face hub, from its cache where it is in it."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only for such a name

    from streams.adapters.embedding.torch_model import TorchEmbedder  # noqa: PLC0415

    full = name if "/" in name else f"sentence-transformers/{name}"
    try:
        folder = snapshot_download(full)
    except Exception as error:  # any of requests', httpx' and its own
        raise Misuse(
            f"STREAMS_EMBEDDER={name}: no such folder, and not to be had: {error}"
        ) from None
    return TorchEmbedder(Weights(Path(folder), full.rpartition("/")[2]))


def _export_once(weights: Weights, folder: Path) -> None:
    """Export, unless another process of this machine has, or does so now."""
    from streams.adapters.embedding.export import export  # noqa: PLC0415 - only where it is needed

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if exported.find(folder) is None:
            log.info("exporting %s to %s (once)", weights.name, folder)
            export(weights, folder, PRECISION)


def _installed(modules: tuple[str, ...]) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)


def _need(modules: tuple[str, ...], setting: str, get: str) -> None:
    missing = [module for module in modules if not _installed((module,))]
    if missing:
        raise Misuse(f"STREAMS_EMBEDDER={setting} needs {', '.join(missing)}: {get}")
