import json
from pathlib import Path

import numpy as np
import pytest

from streams.adapters.embedding.weights import SHA256, Weights
from streams.core.errors import Failed


def safetensors(path: Path, arrays: dict[str, tuple[str, bytes, list[int]]]) -> None:
    header, place, content = {}, 0, b""
    for name, (dtype, raw, shape) in arrays.items():
        places = [place, place + len(raw)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": places}
        place, content = place + len(raw), content + raw
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)


def test_the_real_weights_are_the_official_ones_and_name_the_model(weights: Weights) -> None:
    assert weights.digest == SHA256
    assert weights.model == "all-MiniLM-L6-v2@53aa5117"
    arrays = weights.read()
    assert arrays["embeddings.word_embeddings.weight"].shape == (30522, 384)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_one_changed_byte_is_told_and_another_name_is_another_model(
    weights: Weights, tmp_path: Path
) -> None:
    content = bytearray((weights.folder / "model.safetensors").read_bytes())
    content[-5] ^= 1
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(Failed, match="damaged"):
        _ = Weights(tmp_path, weights.name, SHA256).model
    assert Weights(tmp_path, weights.name).model != weights.model


def test_half_and_brain_floats_become_float32_and_whole_numbers_are_left_out(
    tmp_path: Path,
) -> None:
    values = np.array([[1.5, -2.0]], np.float32)
    brain = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    safetensors(
        tmp_path / "model.safetensors",
        {
            "bert.half": ("F16", values.astype("<f2").tobytes(), [1, 2]),
            "brain": ("BF16", brain, [1, 2]),
            "ids": ("I64", b"\0" * 8, [1]),
        },
    )
    found = Weights(tmp_path, "m").read()
    assert {name: array.tolist() for name, array in found.items()} == {
        "half": [[1.5, -2.0]],
        "brain": [[1.5, -2.0]],
    }


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x03\0\0\0\0\0\0\0{}x"])
def test_a_file_of_no_weights_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(Failed, match="can't be read"):
        Weights(tmp_path, "m").read()


def test_a_folder_without_weights_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"holds no model\.safetensors"):
        _ = Weights(tmp_path, "m").model
