"""An exported model: a folder with an ONNX file, the tokenizer, and what they were made of."""

import os
from pathlib import Path
from typing import Any

import msgspec

from streams.adapters.embedding.chunked import ChunkedEmbedder, Floats, Ids
from streams.adapters.embedding.weights import sha256
from streams.core.errors import Failed

MANIFEST = "model.json"
TOKENIZER = "tokenizer.json"
VERSION = 1


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What model.json says of the files beside it."""

    version: int = VERSION
    model: str
    """Name in the vectors."""
    precision: str
    """fp32 | int8"""
    pieces: int
    dimensions: int
    weights_sha256: str
    file: str
    file_sha256: str
    reference: str
    """What it was compared with: torch | numpy"""
    cosine_min: float
    cosine_mean: float


def find(folder: Path) -> Exported | None:
    """Return what is exported in a folder, None when nothing is.

    Raises
    ------
    Failed
        Its manifest can't be read, or is newer than this code.
    """
    try:
        found = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Exported)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise Failed(f"{folder / MANIFEST} can't be read: {error}") from None
    if found.version > VERSION:
        raise Failed(f"{folder / MANIFEST} has version {found.version}, newer than this code's")
    return found


class OnnxEmbedder(ChunkedEmbedder):
    """Runs an exported model on the CPU.

    Parameters
    ----------
    folder : Path
        Holds the exported model.
    threads : int, optional
        For one batch; else one a core of this process, at most 8.

    Raises
    ------
    Failed
        Nothing is exported there, or a file is damaged.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        exported = find(folder)
        if exported is None:
            raise Failed(f"{folder} holds no exported model (`streams model export`)")
        path = folder / exported.file
        if not path.is_file() or sha256(path) != exported.file_sha256:
            raise Failed(f"{path} is missing or damaged: `streams model export` makes it again")
        self.exported = exported
        self._session = session(path, threads)
        super().__init__(exported.model, tokenizer(folder / TOKENIZER), exported.pieces)

    def _run(self, ids: Ids, mask: Ids) -> Floats:
        found: Floats = self._session.run(
            ["embedding"], {"input_ids": ids, "attention_mask": mask}
        )[0]
        return found


def session(path: Path, threads: int | None = None) -> Any:
    """Load an ONNX file with onnxruntime."""
    import onnxruntime  # noqa: PLC0415 - only where there is a model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(len(os.sched_getaffinity(0)), 8)
    options.inter_op_num_threads = 1
    # Threads that spin between operators would starve the event loop of this process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    # Freed after each batch: a long text's buffers are not kept for the short ones.
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes, of which there is no common one to name
        raise Failed(f"{path} can't be loaded: {error}") from None


def tokenizer(path: Path) -> Any:
    """Load a tokenizer's file."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - only where there is a model

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # it raises Exception itself
        raise Failed(f"{path} can't be read: {error}") from None
