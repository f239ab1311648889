"""Write what `test_saved.py` reads: objects and files as this version keeps them.

Run it once a release, from the root, as ``python -m tests.saved.write``: it adds a folder named for the version. What
earlier versions wrote stays as it is.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

import fastcore
from fastcore.crf import CRF, Segmenter
from fastcore.discovery import WordFinder
from fastcore.lexicon import Lexicon, Tokenizer
from fastcore.nce import AliasSampler
from fastcore.ngrams import NgramCounter, count_ngrams
from fastcore.reactions import ReactionNetwork, simulate
from fastcore.skipgrams import count_skipgrams
from fastcore.templates import Template, TemplateFinder, TemplateTrie
from fastcore.vectorizer import NgramVectorizer

TEXTS = ["看电影", "电影院", "看书", "书店", "电影票", "he saw the film"]
TOKENS = [["to", "be", "or", "not"], ["to", "be", "is", "to", "do"]]
WORDS = {"研究": 9, "研究生": 5, "生命": 8, "命": 2, "起源": 6}


def counter() -> NgramCounter:
    made = NgramCounter((1, 2))
    made.update(TEXTS)
    return made


def network() -> ReactionNetwork:
    return ReactionNetwork("S + I -> 2 I @ beta\nI -> R @ gamma\nbeta = 0.02\ngamma = 0.1\nS = 50\nI = 3")


def fitted_crf() -> CRF:
    x = [[{"w": "a"}, {"w": "dog"}], [{"w": "the"}, {"w": "dog"}, {"w": "barks"}]]
    return CRF(c2=0.1).fit(x, [["D", "N"], ["D", "N", "V"]])


# Each object, and what is asked of it: the answer, which may change by rounding only, is kept beside it.
OBJECTS: dict[str, tuple[Any, Any]] = {
    "ngram_table": (lambda: count_ngrams(TEXTS, (1, 2)), lambda it: it.to_dict()),
    "ngram_counter": (counter, lambda it: it.finish().to_dict()),
    "skipgrams": (lambda: count_skipgrams(TOKENS, 2), lambda it: dict(it.items())),
    "vectorizer": (lambda: NgramVectorizer().fit(TEXTS), lambda it: it.transform(TEXTS).toarray().tolist()),
    "lexicon": (lambda: Lexicon(WORDS), dict),
    "tokenizer": (lambda: Tokenizer(Lexicon(WORDS)), lambda it: it.tokenize("研究生命起源")),
    "word_finder": (lambda: WordFinder(1e-4).partial_fit(TEXTS), lambda it: it.finish(TEXTS).words_),
    "template_finder": (
        lambda: TemplateFinder(min_pmi=0).fit(TOKENS * 2),
        lambda it: {str(template): count for template, count in it.templates_.items()},
    ),
    "template_trie": (lambda: TemplateTrie({Template(["to", None]): 3}), lambda it: [str(t) for t in it]),
    "crf": (fitted_crf, lambda it: it.predict([[{"w": "the"}, {"w": "dog"}]])),
    "segmenter": (lambda: Segmenter().fit([["研究", "生命"]] * 3), lambda it: it.segment("研究生命")),
    "network": (network, lambda it: it.propensities([50, 3, 0]).tolist()),
    "trajectories": (lambda: simulate(network(), None, (0, 2), [0, 2], n=3, rng=1), lambda it: it.x.tolist()),
    "alias_sampler": (lambda: AliasSampler([1.0, 2.0, 3.0]), lambda it: it.draw(8, rng=1).tolist()),
}


def main() -> None:
    folder = Path(__file__).parent / fastcore.__version__
    folder.mkdir()
    answers = {}
    for name, (make, ask) in OBJECTS.items():
        made = make()
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(made, 4))
        answers[name] = ask(made)
    (folder / "answers.pickle").write_bytes(pickle.dumps(answers, 4))
    count_ngrams(TEXTS, (1, 2)).save(folder / "ngrams.npz")
    count_ngrams(TEXTS, (1, 2), out=folder / "ngrams")
    Lexicon(WORDS).save(folder / "words.txt")
    Lexicon(WORDS).save(folder / "words.lexicon", binary=True)
    np.testing.assert_equal(len(list(folder.iterdir())), len(OBJECTS) + 5)


if __name__ == "__main__":
    main()
