"""The distinct ids of a batch and what each is called among them: how a step touches only the rows it needs.

Sorting a batch's ids costs more than scoring them. A table of one place an id answers at once, and is left as it was
found, so a batch costs as much as it has ids, however many rows there are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled


class Renumbering:
    """Renames ids in [0, num_rows) by their place among the distinct ones of a batch. Not for two threads at once.

    Args:
        num_rows: rows of the table that ids name; 4 bytes are kept for each, 8 from 2^31 rows on.

    Example:
        >>> rows, local = Renumbering(9)(torch.tensor([7, 2, 7]), torch.tensor([[5, 2]]))
        >>> rows.tolist(), [each.tolist() for each in local]
        ([2, 5, 7], [[2, 0, 2], [[1, 0]]])
    """

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows
        self._place = np.zeros(num_rows, dtype=np.int32 if num_rows < 2**31 else np.int64)

    def __call__(self, *ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The distinct ids, rising, and each of `ids` as places among them.

        Args:
            ids: int64 of any shapes, on one device.

        Returns:
            [m] int64, and int64 tensors of the shapes of `ids`.

        Raises:
            ValueError: an id is out of range.
        """
        flat = torch.cat([each.reshape(-1) for each in ids])
        if flat.device.type == "cpu":
            rows, places = self._compiled(flat)
        else:
            self._check(flat)
            rows, places = torch.unique(flat, return_inverse=True)
        parts = places.split([each.numel() for each in ids])
        return rows, [part.view(each.shape) for part, each in zip(parts, ids, strict=True)]

    def _compiled(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        values = flat.numpy()
        rows, places = np.empty(min(len(values), self.num_rows), dtype=np.int64), np.empty_like(values)
        count = _distinct(values, self._place, rows)
        if count < 0:
            self._check(flat)
        rows = rows[:count]
        rows.sort()
        _rename(values, self._place, rows, places)
        return torch.from_numpy(rows), torch.from_numpy(places)

    def _check(self, flat: Tensor) -> None:
        low, high = (int(value) for value in flat.aminmax())
        if low < 0 or high >= self.num_rows:
            raise ValueError(f"id {low if low < 0 else high} is outside the table's [0, {self.num_rows})")


@compiled
def _distinct(ids, place, rows):
    """Mark each id and note it when first seen; gives how many, or -1, all marks taken away, if one is out of range."""
    count = 0
    for i in range(ids.shape[0]):
        if ids[i] < 0 or ids[i] >= place.shape[0]:
            for j in range(count):
                place[rows[j]] = 0
            return -1
        if place[ids[i]] == 0:
            place[ids[i]] = 1
            rows[count] = ids[i]
            count += 1
    return count


@compiled
def _rename(ids, place, rows, places):
    for j in range(rows.shape[0]):
        place[rows[j]] = j
    for i in range(ids.shape[0]):
        places[i] = place[ids[i]]
    for j in range(rows.shape[0]):
        place[rows[j]] = 0
