"""Word discovery beside nlp-zero, and the same algorithms in Python."""

from __future__ import annotations

import collections
import collections.abc
import math
import re

from bench import _data
from bench._harness import Workload
from fastcore._metrics import span_f1
from fastcore.discovery import WordFinder
from fastcore.lexicon import Tokenizer

CORPUS = "text/zh_15mb.txt.xz"


def _texts() -> list[str]:
    return _data.lines(CORPUS)


def _megabytes(texts: list[str]) -> tuple[float, str]:
    return sum(len(text.encode()) + 1 for text in texts) / 1e6, "MB"


def _nlp_zero(texts: list[str]) -> dict[str, int]:
    # The package still asks for a name that Python 3.10 has dropped.
    collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]
    from nlp_zero import Word_Finder

    finder = Word_Finder(min_proba=1e-7, min_pmi=1)
    finder.train(texts)
    finder.find(texts, remove_weak_pairs=False)
    return finder.words


def _ngram_in_python(texts: list[str]) -> dict[str, int]:
    """The n-gram method with dicts, orders 1 to 4, thresholds 0, 2, 4, 6, at least 4 occurrences."""
    pieces = [piece for text in texts for piece in re.split("[^\u4e00-\u9fa50-9a-zA-Z]+", text) if piece]
    counts: list[dict[str, int]] = [collections.defaultdict(int) for _ in range(5)]
    for piece in pieces:
        for i in range(len(piece)):
            for n in range(1, min(4, len(piece) - i) + 1):
                counts[n][piece[i : i + n]] += 1
    total = sum(counts[1].values())
    counts = [{gram: count for gram, count in order.items() if count >= 4} for order in counts]
    passing = set()
    for n in range(2, 5):
        for gram, count in counts[n].items():
            ratio = min(total * count / (counts[s][gram[:s]] * counts[n - s][gram[s:]]) for s in range(1, n))
            if math.log(ratio) >= 2 * (n - 1):
                passing.add(gram)
    words: dict[str, int] = collections.defaultdict(int)
    for piece in pieces:
        start, reach = 0, 1
        for i in range(len(piece)):
            if i == reach:
                words[piece[start:i]] += 1
                start, reach = i, i + 1
            for n in range(4, 1, -1):
                if i + n > reach and piece[i : i + n] in passing:
                    reach = min(i + n, len(piece))
        words[piece[start:]] += 1

    def known(word: str) -> bool:
        n = min(len(word), 4)
        return n == 1 or all(word[i : i + n] in passing for i in range(len(word) - n + 1))

    return {word: count for word, count in words.items() if count >= 4 and known(word)}


def _quality(**options):
    """Find words in the corpus, segment the test sets by them: span F1 on SXU and on UD Chinese GSD."""

    def run(texts: list[str]) -> tuple[float, ...]:
        tokenizer = Tokenizer(WordFinder(**options).fit(texts).to_lexicon(), join_fullwidth=True)
        scores = []
        for name in ("sxu", "ud"):
            gold = [line.split(" ") for line in _data.lines(f"segmentation/{name}_test.seg.xz") if line]
            scores.append(span_f1(gold, tokenizer.tokenize_many(["".join(words) for words in gold]))[2])
        return tuple(scores)

    return run


def _f1(ours: tuple[float, ...], theirs: tuple[float, ...], name: str) -> str:
    return "F1 {:.3f} SXU, {:.3f} UD (entropy {:.3f}, {:.3f})".format(*theirs, *ours)


WORKLOADS = [
    Workload(
        name="discovery.quality",
        make=_texts,
        runners={
            "fastcore": _quality(method="entropy"),
            "n-gram": _quality(method="ngram"),
            "adjacent, min_pmi=2": _quality(min_pmi=2),
            "adjacent, min_pmi=1": _quality(min_pmi=1),
        },
        equal=_f1,
        twin=False,
        heavy=frozenset({"fastcore", "n-gram", "adjacent, min_pmi=2", "adjacent, min_pmi=1"}),
    ),
    Workload(
        name="discovery.adjacent",
        make=_texts,
        runners={
            "fastcore": lambda texts: WordFinder(min_proba=1e-7, min_pmi=1).fit(texts).words_,
            "nlp-zero": _nlp_zero,
        },
        equal=lambda ours, theirs, name: ours == theirs,
        twin_make=lambda: _texts()[:10000],
        amount=_megabytes,
        heavy=frozenset({"nlp-zero"}),
    ),
    Workload(
        name="discovery.ngram",
        make=_texts,
        runners={
            "fastcore": lambda texts: WordFinder(method="ngram").fit(texts).words_,
            "the same in Python": _ngram_in_python,
        },
        equal=lambda ours, theirs, name: ours == theirs,
        twin_make=lambda: _texts()[:10000],
        amount=_megabytes,
        heavy=frozenset({"the same in Python"}),
    ),
]
