"""Figures that the literature prints for heuristics, to the last digit: data, graph, ties and metrics together."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphns.data import load_links
from graphns.metrics.links import LinkEvaluation, evaluate_links
from graphns.scorers.heuristics import HEURISTICS

pytestmark = pytest.mark.data


def percent(found: LinkEvaluation, *keys: str) -> list[float]:
    return [round(100 * found.as_dict()[key], 2) for key in keys]


def test_heart_citeseer(data_root: Path) -> None:
    """Li et al. 2023: training edges alone, without the file's 48 loops, ties at the mean of the two ranks."""
    data = load_links("heart-citeseer", data_root, features=False)
    assert (data.num_nodes, data.train.shape[1], data.valid.negative.shape) == (3327, 3870, (2, 227, 500))
    assert data.known_negatives("test") == 461 and data.known_negatives("valid") == 96 + 171
    for name, figures in {"cn": [8.42, 18.68], "aa": [10.82, 22.20], "ra": [10.84, 22.86]}.items():
        assert percent(evaluate_links(HEURISTICS[name](data.graph).pairs, data.test), "mrr", "hits@10") == figures


def test_existing_citeseer(data_root: Path) -> None:
    data = load_links("heart-citeseer", data_root, setting="existing", features=False)
    assert data.test.negative.shape == (2, 455) and data.known_negatives("test") == 0
    for name, figures in {"cn": [28.34, 35.16, 35.16, 67.49], "aa": [29.37, 35.16, 35.16, 67.49],
                          "ra": [27.61, 35.16, 35.16, 67.48]}.items():
        found = evaluate_links(HEURISTICS[name](data.graph).pairs, data.test)
        assert percent(found, "mrr", "hits@10", "hits@100", "auc") == figures


def test_ogbl_ddi(data_root: Path) -> None:
    """CN and AA as every table prints them; RA is 6.23, as HeaRT has it, and not the 27.60 of some tables."""
    pytest.importorskip("pandas")
    data = load_links("ogbl-ddi", data_root)
    assert (data.num_nodes, data.train.shape[1], data.metric) == (4267, 1_067_911, "hits@20")
    assert data.test.negative.shape == (2, 95_599) and data.known_negatives("test") == 0
    for name, figures in {"cn": [17.73, 26.51, 9.47], "aa": [18.61, 27.07, 9.66], "ra": [6.23, 19.14, 7.25]}.items():
        score = HEURISTICS[name](data.graph).pairs
        test, valid = (evaluate_links(score, part, ks=(20, 50)) for part in (data.test, data.valid))
        assert percent(test, data.metric, "hits@50") + percent(valid, data.metric) == figures


def test_heart_pubmed_split(data_root: Path) -> None:
    data = load_links("heart-pubmed", data_root, setting="existing", features=False)
    assert (data.train.shape[1], data.valid.positive.shape[1], data.test.positive.shape[1]) == (37_676, 2_216, 4_432)
