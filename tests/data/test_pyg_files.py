"""What may be read from torch's files, and that it is as it was afterwards."""

from __future__ import annotations

import io
import pickle
import warnings
from fractions import Fraction

import pytest
import torch

from graphns.data.pyg_files import data_allowed

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.data import Data


def test_what_was_allowed_stays_allowed_and_nothing_else() -> None:
    """torch's own context takes away what PyG has allowed for good: PyG's data sets then no longer load."""
    with data_allowed():
        pass
    before = set(torch.serialization.get_safe_globals())
    with data_allowed(Fraction):
        assert {Data, Fraction} <= set(torch.serialization.get_safe_globals())
    assert set(torch.serialization.get_safe_globals()) == before


def test_other_classes_are_refused() -> None:
    file = io.BytesIO()
    torch.save({"x": Fraction(1, 2)}, file)
    with data_allowed(), pytest.raises(pickle.UnpicklingError):
        torch.load(io.BytesIO(file.getvalue()), weights_only=True)
