"""One ranking whatever the BLAS kernel, its threads and Python's hash seed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Kernels that any x86-64 has; on other machines OpenBLAS does not know them and takes its own.
SETTINGS = (
    {},
    {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
    {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "2"},
)


@pytest.mark.deep
def test_one_ranking():
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    digests = {
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name("rank_digest.py"))],
            env={**os.environ, "PYTHONPATH": path, **setting},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for setting in SETTINGS
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64
