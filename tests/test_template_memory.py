"""Templates of many sentences: words in a file, tokens in bits, places packed, and the same is found."""

from __future__ import annotations

import numpy as np
import pytest

from fastcore import use_backend
from fastcore._backend import kernels
from fastcore._scratch import Scratch
from fastcore.templates import Template, TemplateFinder, _numbers

FRAMES = [[fruit, *frame.split()] for fruit in "甲乙丙丁" for frame in ["的 颜色 是 什么", "好吃 吗"]]
MANY = [[*sentence, f"w{i}"] for i in range(9) for sentence in FRAMES]


def found(finder: TemplateFinder) -> tuple[object, ...]:
    return list(finder.templates_.items()), finder.words_, finder.total_, finder.complete_from_


@pytest.fixture
def files(monkeypatch):
    """Words go to a file soon; the files that were opened."""
    opened = []
    monkeypatch.setattr(_numbers, "IN_MEMORY", 7)
    monkeypatch.setattr(_numbers, "Scratch", lambda: opened.append(Scratch()) or opened[-1])
    return opened


class TestFile:
    @pytest.mark.parametrize("kind", ["list", "iterator", "str", "path"])
    def test_the_same_is_found(self, backend, files, tmp_path, monkeypatch, kind):
        monkeypatch.setattr("fastcore._texts.sources.CHUNK", 5)
        tokenize = str.split if kind in ("str", "path") else None
        lines = [" ".join(sentence) for sentence in MANY]
        path = tmp_path / "lines.txt"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        texts = {"list": MANY, "iterator": iter(MANY), "str": lines, "path": path}[kind]
        finder = TemplateFinder(tokenize, min_pmi=1).fit(texts)
        assert len(files) == 1 and files[0].file.closed
        monkeypatch.setattr(_numbers, "IN_MEMORY", 10**6)
        assert found(finder) == found(TemplateFinder(min_pmi=1).fit(MANY))
        assert len(files) == 1 and finder.templates_

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, TypeError])
    def test_nothing_is_left_where_texts_break_off(self, backend, files, error):
        def texts():
            # More than are read at once.
            for _ in range(100):
                yield from MANY
            if error is not TypeError:
                raise error("enough")
            yield ["a", 1]

        finder = TemplateFinder(min_pmi=1).fit(FRAMES)
        before = found(finder)
        with pytest.raises(error, match=r"texts\[7200\]" if error is TypeError else "enough"):
            finder.fit(texts())
        assert files and all(file.file.closed for file in files)
        assert found(finder) == before

    def test_no_words_and_empty_sentences(self, backend, files):
        with pytest.raises(ValueError, match="texts must hold at least one word"):
            TemplateFinder().fit([[]] * 9)
        texts = [sentence for one in MANY for sentence in ([], one, [])]
        assert found(TemplateFinder(min_pmi=1).fit(iter(texts))) == found(TemplateFinder(min_pmi=1).fit(MANY))
        assert all(file.file.closed for file in files)


class TestTokens:
    """Sentences over many blocks of tokens, and windows that are wider than a byte has bits."""

    @pytest.mark.parametrize("window", [2, 8, 9, 40])
    @pytest.mark.parametrize("kernel", ["closed", "finder"])
    @pytest.mark.parametrize("by_path", [False, True])
    def test_twins_agree(self, window, kernel, by_path):
        rng = np.random.default_rng(window)
        for n_words, density in ((30, 0.02), (4, 0.3)):
            lengths = rng.choice([0, 1, 3, 12, 70], 25)
            ids = rng.integers(0, n_words, lengths.sum(), np.int32)
            strong = rng.random((n_words, n_words)) < density
            arguments = (
                ids,
                np.cumsum([0, *lengths]),
                np.cumsum([0, *strong.sum(axis=1)]),
                strong.nonzero()[1].astype(np.int64),
                window,
                by_path,
                2,
                0.0,
                0,
                *([10**4] if kernel == "finder" else []),
                4000,
            )
            results = []
            for name in ("compiled", "reference"):
                module = kernels(f"templates.{kernel}", name)
                find = module.find_closed if kernel == "closed" else module.find_templates
                *arrays, total, bound = find(*arguments)
                results.append(([array.tolist() for array in arrays], total, bound))
            assert results[0] == results[1] and len(results[0][0][2]) > 3

    def test_one_sentence_of_many_words(self):
        """What stands far on is found at its place, without a look at all that comes before."""
        words = [f"w{i}" for i in range(30_000)]
        with use_backend("compiled"):
            finder = TemplateFinder(window=2).fit([["x", *words], ["y", *words]])
        assert finder.templates_ == {Template([None, *words]): 2} and finder.complete_from_ is None
