"""Precision, recall and F1 of words."""

from __future__ import annotations

import pytest

from fastcore._metrics import oov_recall, span_f1, spans


def test_spans():
    assert spans(["ab", "c", "def"]) == [(0, 2), (2, 3), (3, 6)]
    assert spans([]) == []


def test_perfect_and_hopeless():
    assert span_f1([["ab", "c"]], [["ab", "c"]]) == (1.0, 1.0, 1.0)
    assert span_f1([["ab"]], [["a", "b"]]) == (0.0, 0.0, 0.0)
    assert span_f1([], []) == (0.0, 0.0, 0.0)
    assert span_f1([[]], [[]]) == (0.0, 0.0, 0.0)


def test_micro_average_over_texts():
    gold = [["ab", "c"], ["d", "e"]]
    predicted = [["ab", "c"], ["de"]]
    precision, recall, f1 = span_f1(gold, predicted)
    assert precision == 2 / 3
    assert recall == 2 / 4
    assert f1 == pytest.approx(4 / 7)


def test_position_matters_not_spelling():
    # The gold "a" starts at 0; a predicted "a" at 2 isn't it.
    assert span_f1([["a", "ba"]], [["ab", "a"]]) == (0.0, 0.0, 0.0)


def test_repeated_words_count_once_each():
    assert span_f1([["a", "a", "a"]], [["a", "aa"]]) == (1 / 2, 1 / 3, pytest.approx(0.4))


def test_oov_recall():
    gold = [["ab", "c", "de"]]
    assert oov_recall(gold, [["ab", "c", "d", "e"]], {"c"}) == 0.5
    assert oov_recall(gold, gold, {"ab", "c", "de"}) == 0.0


@pytest.mark.parametrize("score", [span_f1, lambda a, b: oov_recall(a, b, set())])
def test_other_texts_are_refused(score):
    with pytest.raises(ValueError, match="same number of texts, got 1 and 2"):
        score([["a"]], [["a"], ["b"]])
    with pytest.raises(ValueError, match="text 1 differs"):
        score([["a"], ["bc"]], [["a"], ["b", "d"]])
