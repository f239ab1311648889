"""The choice of widths at sizes that nobody can afford, and what is chosen there on small input."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fastcore._backend import kernels
from fastcore._widths import count_dtype, index_dtype
from fastcore.lexicon import Lexicon, Tokenizer
from fastcore.ngrams import count_ngrams
from fastcore.ngrams._layout import narrow


def test_counts_of_2_to_the_32_take_64_bits():
    assert count_dtype(0) == count_dtype(2**32 - 1) == np.uint32
    assert count_dtype(2**32) == count_dtype(2**62) == np.int64
    for most in (2**32 - 1, 2**32):
        counts = np.array([1, most, 3])
        assert narrow(counts).tolist() == counts.tolist()
    assert narrow(np.array([2**32 - 1])).dtype == np.uint32
    assert narrow(np.array([], np.int64)).dtype == np.uint32


def test_indices_past_2_to_the_31_take_64_bits():
    assert index_dtype(0) == index_dtype(2**31 - 1) == np.int32
    assert index_dtype(2**31) == np.int64


@pytest.mark.compiled
def test_places_past_2_to_the_31_take_64_bits():
    kernel = kernels("skipgrams", "compiled")
    assert kernel._place_bytes(0) == kernel._place_bytes(2**31 - 2) == 4
    assert kernel._place_bytes(2**31) == kernel._place_bytes(2**40) == 8


@pytest.mark.compiled
@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_wide_places_count_the_same_pairs(kind):
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 60, 100)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    # Some tokens so frequent that their counts overflow a byte, some texts of one token.
    ids = np.minimum(rng.zipf(1.3, offsets[-1]) - 1, 299).astype(kind)
    for window, least, low, high in ((1, 1, 0, 300), (5, 1, 0, 300), (5, 2, 3, 40), (70, 1, 299, 300)):
        arguments = ids, offsets, 300, window, least, low, high
        expected = kernels("skipgrams", "reference").count_pairs(*arguments)
        for name in ("count_pairs", "_count_wide_pairs"):
            found = getattr(kernels("skipgrams", "compiled"), name)(*arguments)
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_lexicon_of_counts_past_2_to_the_32(backend, tmp_path):
    words = {"研究": 2**32, "生命": 2**32 - 1, "研": 7, "究生": 2**40}
    lexicon = Lexicon(words)
    lexicon.save(tmp_path / "text")
    lexicon.save(tmp_path / "binary", binary=True)
    for held in (
        lexicon,
        pickle.loads(pickle.dumps(lexicon)),
        Lexicon.load(tmp_path / "text"),
        Lexicon.load(tmp_path / "binary"),
    ):
        assert dict(held.items()) == words
        assert held.total == sum(words.values())
    # The sum alone may be too large for 32 bits.
    small = Lexicon({"研究": 2**31, "生命": 2**31})
    assert (dict(small.items()), small.total) == ({"研究": 2**31, "生命": 2**31}, 2**32)
    assert Tokenizer(small).tokenize("研究生命") == ["研究", "生命"]


def test_tables_whose_sums_pass_2_to_the_32(backend, tmp_path):
    table = count_ngrams(["abab"], (1, 2))
    for _ in range(31):
        table = table.merge(table)
    assert table.to_dict() == {"a": 2**32, "b": 2**32, "ab": 2**32, "ba": 2**31}
    assert table.totals == {1: 2**33, 2: 3 * 2**31}
    table.save(tmp_path / "table")
    assert type(table).load(tmp_path / "table").to_dict() == table.to_dict()
