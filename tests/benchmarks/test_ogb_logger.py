"""The bookkeeping of the leaderboard scripts: the best validation chooses, and statistics are those of the runs."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def logger(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    return load_script("ogb/logger.py", "ogb_logger")


@given(st.lists(st.tuples(*[st.integers(0, 20).map(lambda of: of / 20)] * 3), min_size=1, max_size=12))
def test_the_best_validation_chooses_the_test(logger: ModuleType, epochs: list[tuple[float, float, float]]) -> None:
    runs = logger.Logger(1)
    for result in epochs:
        runs.add_result(0, result)
    train, valid, test = zip(*epochs, strict=True)
    at = valid.index(max(valid))
    assert runs.score(0) == logger.Score(max(train), max(valid), train[at], test[at], at + 1)


def test_the_logger_by_hand(logger: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    runs = logger.Logger(3)
    for result in ((0.5, 0.6, 0.7), (0.6, 0.7, 0.5), (0.9, 0.6, 0.8)):
        runs.add_result(0, result)
    runs.print_statistics(0)
    assert capsys.readouterr().out == ("Run 01:\nHighest Train: 90.00\nHighest Valid: 70.00\n  Final Train: 60.00\n"
                                       "   Final Test: 50.00\n")
    runs.keep(2, logger.Score(0.7, 0.7, 0.6, 0.6, 4))
    assert runs.statistics()["final_test"] == pytest.approx((0.55, statistics.stdev([0.5, 0.6])))
    with pytest.raises(ValueError, match="run 2 has no result"):
        runs.score(1)
    with pytest.raises(ValueError, match="of a run below 3"):
        runs.add_result(3, (0.1, 0.1, 0.1))
