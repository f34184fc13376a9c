import math

import pytest
import torch

from graphns import Negatives, Query, Stream
from graphns.metrics.negatives import false_negatives, hardness
from graphns.scorers.table import TableModel


def negatives(ids, mask=None):
    ids = torch.tensor(ids)
    return Negatives(ids, None, torch.ones(ids.shape, dtype=torch.bool) if mask is None else torch.tensor(mask))


def test_false_negatives_by_hand():
    query = Query(torch.tensor([0, 1]), torch.tensor([0, 1]), k=2)
    y = torch.tensor([0, 1, 0, 1])
    assert false_negatives(query, negatives([[2, 3], [3, 0]]), y) == 0.5
    assert false_negatives(query, negatives([[2, 3], [3, 0]], [[True, False], [True, False]]), y) == 1.0
    shared = Negatives(torch.tensor([[2, 3]]), None, torch.tensor([[True, False], [True, True]]))
    assert false_negatives(query, shared, y) == pytest.approx(2 / 3)


def test_nodes_without_a_class_do_not_count():
    query = Query(torch.tensor([0, 1]), torch.tensor([0, 1]), k=2)
    assert false_negatives(query, negatives([[2, 3], [3, 0]]), torch.tensor([0, -1, 0, -1])) == 1.0


def test_nothing_usable_is_nan():
    query = Query(torch.tensor([0]), torch.tensor([0]), k=1)
    none = negatives([[1]], [[False]])
    assert math.isnan(false_negatives(query, none, torch.tensor([0, 1])))
    model = TableModel(torch.eye(2), torch.eye(2))
    assert math.isnan(hardness(Query(torch.tensor([0]), torch.tensor([0]), 1, model), none, 2))


def test_false_negatives_refuses_scores_for_classes():
    query = Query(torch.tensor([0]), torch.tensor([0]), k=1)
    with pytest.raises(ValueError, match="one integer class per node"):
        false_negatives(query, negatives([[1]]), torch.rand(3))


def loop(score, anchor, positive, ids, mask):
    shares = []
    for b in range(len(anchor)):
        candidates = [j for j in range(score.shape[1]) if j not in (anchor[b], positive[b])]
        for s in range(len(ids[b])):
            if mask[b][s]:
                own = score[b, ids[b][s]]
                below = sum(float(score[b, j] < own) + 0.5 * float(score[b, j] == own) for j in candidates)
                shares.append(below / len(candidates))
    return sum(shares) / len(shares)


@pytest.mark.parametrize("block", [1, 40, 1 << 22])
def test_hardness_is_its_definition(block):
    generator = torch.Generator().manual_seed(0)
    table = torch.randint(-2, 3, (12, 3), generator=generator).float()  # small integers: many ties
    model = TableModel(table, table)
    anchor, positive = torch.arange(6), torch.tensor([0, 1, 2, 9, 8, 7])
    ids = torch.randint(12, (6, 4), generator=generator)
    mask = (ids != anchor[:, None]) & (ids != positive[:, None])
    query = Query(anchor, positive, 4, model)
    found = hardness(query, Negatives(ids, None, mask), 12, block=block)
    expected = loop(table[:6] @ table.T, anchor.tolist(), positive.tolist(), ids.tolist(), mask.tolist())
    assert found == pytest.approx(expected, abs=1e-12)


def test_hardness_of_everything_is_a_half_and_of_the_best_nearly_one():
    table = torch.nn.functional.normalize(torch.randn(20, 8, generator=torch.Generator().manual_seed(1)))
    query = Query(torch.arange(20), torch.arange(20), 20, TableModel(table, table), Stream(0))
    everyone = Negatives(torch.arange(20)[None], None, ~torch.eye(20, dtype=torch.bool))
    assert hardness(query, everyone, 20) == pytest.approx(0.5)
    best = (table @ table.T).fill_diagonal_(-9).argmax(1)[:, None]
    assert hardness(query, Negatives(best, None, torch.ones(20, 1, dtype=torch.bool)), 20) == pytest.approx(18.5 / 19)


def test_hardness_needs_a_model_and_one_anchor_a_row():
    query = Query(torch.tensor([0]), torch.tensor([0]), 1)
    with pytest.raises(ValueError, match="model"):
        hardness(query, negatives([[1]]), 2)
    model = TableModel(torch.eye(2), torch.eye(2))
    with pytest.raises(ValueError, match="two-ended"):
        hardness(Query(torch.tensor([0]), torch.tensor([0]), 1, model),
                 negatives([[1]])._replace(anchor=torch.tensor([[0]])), 2)
