"""Compiled loops against their own Python source: the same integers, line by line where coverage can see them.

Numba runs a kernel as Python where NUMBA_DISABLE_JIT is set before it is imported. So a second interpreter answers the
same questions uncompiled, and the answers must be equal.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from tests.kernels.workload import results


def test_python_source_and_compiled_code_agree(tmp_path: Path) -> None:
    file = tmp_path / "uncompiled.pt"
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernels.workload", str(file)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, cwd=Path(__file__).parents[2], capture_output=True, text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    uncompiled = torch.load(file, weights_only=True)
    compiled = results()
    assert uncompiled.keys() == compiled.keys() and compiled
    for name, answer in compiled.items():
        torch.testing.assert_close(uncompiled[name], answer, rtol=1e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
