"""Where the past of a row ends: the compiled loop, its Python source and the definition agree."""

from __future__ import annotations

import pytest
import torch

from graphns.kernels import temporal
from graphns.kernels.walks import first_above
from graphns.streams import Stream
from tests.kernels.plain import run_as_python


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float64, torch.float32])
def test_versions_agree(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (Stream(0).words(torch.arange(1), 300)[0] >> 8) % 7
    stop = size.cumsum(0)
    first = stop - size
    words = (Stream(1).words(torch.arange(1), int(stop[-1]))[0] >> 8) % 10
    times = torch.cat([words[a:b].sort().values for a, b in zip(first.tolist(), stop.tolist(), strict=True)]).to(dtype)
    asked = ((Stream(2).words(torch.arange(1), 300)[0] >> 8) % 12 - 1).to(dtype)
    wanted = torch.tensor([a + sum(times[a:b].tolist()[i] <= t for i in range(b - a)) for a, b, t in
                           zip(first.tolist(), stop.tolist(), asked.tolist(), strict=True)])
    assert torch.equal(temporal.past_stop(times, first, stop, asked), wanted)
    assert torch.equal(first_above(times, first, stop, asked), wanted)
    run_as_python(monkeypatch, temporal)
    assert torch.equal(temporal.past_stop(times, first, stop, asked), wanted)
